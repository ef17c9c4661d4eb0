"""What every test may ask for: the real images, and a cache of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REQUIRE_REAL = "BUFFYCOAT_REQUIRE_REAL"


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
