"""The bar of long runs counts what is done against what there is."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from rich.console import Console

from buffycoat.cli import predict_bar
from buffycoat.predict import PhotographResult
from buffycoat.predict.job import Account


def _drawn(sources: list[str], wanted: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return all that was drawn until the words wanted appeared, or for 20 seconds."""
    stream = io.StringIO()
    monkeypatch.setattr(predict_bar, "remarks", lambda: Console(file=stream, force_terminal=True, width=120))
    account, result = Account(photographs=4, skipped=2), PhotographResult("a", 1, 1, None, (), "none")
    with predict_bar.bar(sources) as move:
        until = time.monotonic() + 20
        while wanted not in stream.getvalue() and time.monotonic() < until:
            move(result, account)
            time.sleep(0.05)
    return stream.getvalue()


def test_it_shows_done_and_total(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "6 of 6" in _drawn([str(photographs)], "6 of 6", monkeypatch)


def test_what_cannot_be_counted_leaves_the_total_open(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = _drawn(["s3://bucket/slides"], "6 ", monkeypatch)
    assert "6 " in drawn and "6 of" not in drawn
