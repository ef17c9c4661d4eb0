"""What every test may ask for: the real images, a cache of its own, and a real browser."""

from __future__ import annotations

import os
import shutil
from collections import Counter
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


LONGEST = (
    *("study/test_conduct", "review/web/test_review_web_access", "study/test_study_processes"),
    *("predict/test_predict_memory", "review/web/test_review_web_journeys", "evaluate/test_coverage_in_groups"),
    *("review/test_review_api_contract", "study/test_export_study", "evaluate/test_coverage"),
    *("review/test_review_killing", "predict/test_predict_ray", "study/test_study_leaks", "train/test_side_by_side"),
    *("export/test_export_graph", "audit/test_audit_paint", "study/test_study_killed", "explore/test_explore_memory"),
    *("cli/test_bad_input", "review/web/test_review_web_many"),
    *("predict/test_predict_processes", "predict/test_predict_command", "labels/test_labels_coverage"),
    "audit/test_audit_memory",
)
"""The files that take longest, longest first: one that is begun last keeps a single process busy at the end."""


def _real_data() -> Path | None:
    given = Path(os.environ.get("BUFFYCOAT_DATA", "nowhere")).resolve()
    return given if (given / "kaggle-blood-cells").is_dir() else None


_REAL_DATA = _real_data()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests on real images where there are none, unless they are required; order the files for xdist."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        _longest_first(items)
    if _REAL_DATA is not None:
        return
    if os.environ.get(REQUIRE_REAL):
        raise pytest.UsageError(f"{REQUIRE_REAL} is set and BUFFYCOAT_DATA does not hold the real images")
    skip = pytest.mark.skip(reason="the real images are not here (set BUFFYCOAT_DATA)")
    for item in items:
        if item.get_closest_marker("real"):
            item.add_marker(skip)


def _longest_first(items: list[pytest.Item]) -> None:
    """Put the longest files first, then those with most tests, as xdist would; within a file the order stays random."""
    place = {Path(__file__).parent / f"{name}.py": k for k, name in enumerate(LONGEST)}
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (place.get(item.path, len(place)), -tests[item.path]))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder that holds the real images; only for tests marked ``real``."""
    assert _REAL_DATA is not None
    return _REAL_DATA


@pytest.fixture(autouse=True, scope="session")
def _no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what is made for a module or a whole run, before any test, from the user's cache and data, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUFFYCOAT_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("BUFFYCOAT_DATA", raising=False)
        yield


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
