"""Weights from files: what fits is used, what does not is explained, and nothing in a file is ever run."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from buffycoat.errors import BuffycoatError, DataError, UsageError
from buffycoat.networks.build import build, resolve
from buffycoat.networks.packaged import packaged_weights
from buffycoat.networks.weights import read_state

SMALL = "mobilenetv3_small_050"
State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def trained() -> State:
    """The state of a network that stands for a trained one."""
    torch.manual_seed(1)
    return build(resolve(SMALL), 4, "none", 64)[0].state_dict()


def plain(state: State) -> Any:
    return state


@pytest.mark.parametrize(
    ("ending", "wrapped"),
    [
        (".safetensors", plain),
        (".pth", plain),
        (".ckpt", lambda state: {"state_dict": state, "epoch": 3}),  # a Lightning checkpoint without objects
        (".pth", lambda state: {"model": {f"module.{name}": value for name, value in state.items()}}),  # DDP
        (".pt", lambda state: {f"_orig_mod.{name}": value for name, value in state.items()}),  # torch.compile
    ],
)
def test_files_that_fit(tmp_path: Path, trained: State, ending: str, wrapped: Callable[[State], Any]) -> None:
    path = tmp_path / f"own{ending}"
    content = wrapped(trained)
    if ending == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    model, report = build(resolve(SMALL), 4, path, 64)
    for name, value in model.state_dict().items():
        assert torch.equal(value, trained[name]), name
    assert report.pretrained
    assert path.name in report.source
    assert report.sha256 is not None
    assert report.remarks == ()


def test_a_head_of_another_size_is_replaced_and_said_to_be(tmp_path: Path, trained: State) -> None:
    torch.save(trained, tmp_path / "own.pth")
    model, report = build(resolve(SMALL), 3, str(tmp_path / "own.pth"), 64)
    assert model.state_dict()["classifier.weight"].shape[0] == 3
    assert report.remarks == ("the weights had 4 outputs; a new head with 3 replaces it",)
    assert torch.equal(model.state_dict()["conv_stem.weight"], trained["conv_stem.weight"])


def test_faults_are_named_together(tmp_path: Path, trained: State) -> None:
    state = dict(trained)
    state.pop("bn1.weight")
    state["conv_stem.weight"] = torch.zeros(7, 3, 3, 3)
    state["stranger"] = torch.zeros(1)
    torch.save(state, tmp_path / "own.pth")
    with pytest.raises(DataError) as caught:
        build(resolve(SMALL), 4, tmp_path / "own.pth", 64)
    for part in ("bn1.weight", "conv_stem.weight is (7, 3, 3, 3)", "stranger"):
        assert part in caught.value.what


def test_many_faults_are_counted_not_listed(tmp_path: Path, trained: State) -> None:
    torch.save(trained, tmp_path / "own.pth")
    with pytest.raises(DataError, match="more"):
        build(resolve("resnet"), 4, tmp_path / "own.pth", 64)


class Trap:
    """Unpickled, it would leave a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "was run"
    torch.save({"state_dict": Trap(mark)}, tmp_path / "trap.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Trap(mark), protocol=2))
    (tmp_path / "new.pth").write_bytes(pickle.dumps(Trap(mark)))
    for name in ("trap.pth", "old.pth", "new.pth"):
        with pytest.raises(DataError):
            read_state(tmp_path / name)
    assert not mark.exists()


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 cut short"])
def test_damaged_files(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"damaged{ending}"
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        read_state(path)


def test_truncated_files(tmp_path: Path, trained: State) -> None:
    for ending, save in ((".pth", torch.save), (".safetensors", save_file)):
        path = tmp_path / f"cut{ending}"
        save(trained, path)
        path.write_bytes(path.read_bytes()[:50_000])
        with pytest.raises(DataError, match="cut"):
            read_state(path)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {}])
def test_files_without_tensors(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "none.pth")
    with pytest.raises(DataError, match="no named tensors"):
        read_state(tmp_path / "none.pth")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such weights file"):
        build(resolve(SMALL), 4, tmp_path / "absent.pth", 64)


def test_the_packaged_file_given_by_path_is_understood_as_well() -> None:
    found = packaged_weights("tf_efficientnet_lite0")
    assert found is not None
    by_path, _ = build(resolve("efficientnet"), 4, found[0], 64)
    by_name, _ = build(resolve("efficientnet"), 4, "auto", 64)
    for name, value in by_path.state_dict().items():
        assert name.startswith("classifier") or torch.equal(value, by_name.state_dict()[name])


def test_the_packaged_file_for_another_network_is_refused() -> None:
    found = packaged_weights("tf_efficientnet_lite0")
    assert found is not None
    for name in ("efficientnet-lite1", "resnet"):
        with pytest.raises(BuffycoatError, match="tensors"):
            build(resolve(name), 4, found[0], 64)
