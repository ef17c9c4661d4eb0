"""What every test may ask for: the real images, a cache of its own, and a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REQUIRE_REAL = "BUFFYCOAT_REQUIRE_REAL"

# A change is not to fail for a fault that stood there before it: where everything is required, Hypothesis asks the same
# examples each time. A developer's own runs go on looking for new ones.
settings.register_profile("same examples", derandomize=True)
if os.environ.get(REQUIRE_REAL):
    settings.load_profile("same examples")


def _real_data() -> Path | None:
    given = Path(os.environ.get("BUFFYCOAT_DATA", "nowhere")).resolve()
    return given if (given / "kaggle-blood-cells").is_dir() else None


_REAL_DATA = _real_data()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests on real images where there are none, unless they are required."""
    if _REAL_DATA is not None:
        return
    if os.environ.get(REQUIRE_REAL):
        raise pytest.UsageError(f"{REQUIRE_REAL} is set and BUFFYCOAT_DATA does not hold the real images")
    skip = pytest.mark.skip(reason="the real images are not here (set BUFFYCOAT_DATA)")
    for item in items:
        if item.get_closest_marker("real"):
            item.add_marker(skip)


@pytest.fixture
def real_data() -> Path:
    """Return the folder that holds the real images; only for tests marked ``real``."""
    assert _REAL_DATA is not None
    return _REAL_DATA


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test a cache of its own and no data it did not ask for."""
    monkeypatch.setenv("BUFFYCOAT_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("BUFFYCOAT_DATA", raising=False)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return Debian's Chromium, started once for a module; without it the tests are skipped, in CI they fail."""
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get(REQUIRE_REAL):
            pytest.fail("chromium is not installed, and these tests are required here")
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield opened
        opened.close()
