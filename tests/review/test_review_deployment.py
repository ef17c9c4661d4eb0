"""Dockerfile and compose file, read and held against the program; no image is built here."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from buffycoat.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))


def _list(instruction: str) -> list[str]:
    """Return the words of an instruction in JSON form, the last of its kind; not those of a health check."""
    found = re.findall(rf"^{instruction} (\[.*\])$", DOCKERFILE, re.MULTILINE)
    words: list[str] = json.loads(found[-1])
    return words


def _parse(words: list[str]) -> None:
    """Let the program take the words, without running anything; a word it does not know is a fault."""
    command = get_command(app)
    with command.make_context("buffycoat", list(words), resilient_parsing=False) as context:
        group = context.command
        name, chosen, rest = group.resolve_command(context, [*context._protected_args, *context.args])  # type: ignore[attr-defined]
        assert name == words[0]
        chosen.make_context(name, rest, parent=context)


def test_the_image_starts_with_words_that_the_program_takes() -> None:
    entry, words = _list("ENTRYPOINT"), _list("CMD")
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert len(entry) == 1
    assert entry[0] in scripts
    _parse(words)
    assert "--accounts" in words  # it is reached from outside the container
    with pytest.raises(Exception, match="No such option"):
        _parse([*words, "--no-such-word"])


def test_the_command_that_compose_offers_is_one_that_the_program_takes() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    (offered,) = re.findall(r"# command: (\[.*\])", text)
    words = yaml.safe_load(offered)
    assert {"--https", "--allowed-host", "--trusted-proxy"} <= set(words)
    _parse([str(word) for word in words])


def test_the_image_does_not_run_as_root() -> None:
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE)
    assert users[-1:] == ["buffycoat"]
    assert re.search(r"useradd .*--uid [1-9]\d+ .*\bbuffycoat\b", DOCKERFILE)
    assert DOCKERFILE.index("USER buffycoat") < DOCKERFILE.index("ENTRYPOINT")


def test_nothing_that_is_installed_in_the_image_needs_pytorch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (extras,) = re.findall(r'pip install [^"]*"\.\[([\w,]+)\]"', DOCKERFILE)
    wanted = [
        *project["dependencies"],
        *(one for name in extras.split(",") for one in project["optional-dependencies"][name]),
    ]
    names = {re.split(r"[\s\[<>=!~;]", one)[0].lower() for one in wanted}
    assert "onnxruntime" in names
    assert not names & {"torch", "torchvision", "lightning", "timm", "scikit-learn", "matplotlib"}


def test_compose_keeps_both_volumes_the_password_secret_and_the_port_on_this_machine() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"database", "review"}
    named = {one.split(":")[0] for service in services.values() for one in service["volumes"]}
    assert named == set(COMPOSE["volumes"]) == {"database", "desk"}
    assert all(port.startswith("127.0.0.1:") for port in services["review"]["ports"])
    assert set(services["review"]["secrets"]) <= set(COMPOSE["secrets"])
    assert services["review"]["read_only"] is True
    assert services["review"]["cap_drop"] == ["ALL"]
    variables = services["review"]["environment"]
    source = (ROOT / "src/buffycoat/cli/review.py").read_text(encoding="utf-8")
    assert all(f'"{name}"' in source for name in variables)  # each is one that the program reads
    assert re.search(r"^VOLUME /data$", DOCKERFILE, re.MULTILINE)
