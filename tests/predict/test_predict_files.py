"""What is written can be read back, whatever the names; what was interrupted can be gone on with."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from buffycoat.errors import DataError, OutputError, UsageError
from buffycoat.predict.formats import format_of
from buffycoat.predict.items import Item
from buffycoat.predict.job import Account, to_file
from buffycoat.predict.results import Framing, PhotographResult, Prediction
from buffycoat.predict.rows import columns, rows, shown

CLASSES = ("neutrophil", "smudge, cell")
NAMES = ["a.jpg", "a,b.jpg", 'quo"te.jpg', "new\nline.jpg", "Лейкоцит.jpg", "=1+1.jpg", "tab\there.jpg", "cr\rlf.jpg"]
CELL = Prediction(
    number=1,
    box=(1, 2, 30, 40),
    label="unidentified",
    best="neutrophil",
    probability=0.6,
    probabilities={"neutrophil": 0.6, "smudge, cell": 0.4},
    conformal=CLASSES,
    reason="uncertain",
    unlikeness=1.25,
    touches_border=True,
)
Read = Callable[[Path], list[dict[str, object]]]


def answer(item: Item) -> PhotographResult:
    """Two cells, one, none or a fault, by the length of the name."""
    kind = len(item.name) % 4
    cells = (CELL, replace(CELL, number=2, label="neutrophil", reason=None, conformal=()))[: 2 - kind]
    framing: Framing = "cell" if kind < 2 else "none"
    if kind == 3:
        return PhotographResult(item.name, None, None, "truncated", (), "none")
    return PhotographResult(item.name, 640, 480, None, cells, framing)


def engine(items: Iterable[Item]) -> Iterator[PhotographResult]:
    return map(answer, items)


def items(names: Iterable[str]) -> Iterator[Item]:
    return (Item(name, b"x") for name in names)


def write(out: Path, names: Iterable[str], **options: object) -> Account:
    return to_file(items(names), engine, out, classes=CLASSES, model="m@1", **options)  # type: ignore[arg-type]


def _csv(path: Path) -> list[dict[str, object]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return [dict(row) for row in csv.DictReader(stream, delimiter="\t" if path.suffix == ".tsv" else ",")]


def _json(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


READ: dict[str, Read] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".jsonl": _json,
    ".parquet": lambda path: pl.read_parquet(path).to_dicts(),
}


@pytest.mark.parametrize("ending", READ)
def test_every_input_has_its_rows_whatever_it_is_called(tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"o{ending}"
    account = write(out, NAMES)
    found = READ[ending](out)
    expected = [(row["image"], row.get("cell")) for name in NAMES for row in rows(answer(Item(name, b"")), "m@1")]
    assert [
        (row["image"], int(str(row["cell"])) if row["cell"] not in ("", None) else None) for row in found
    ] == expected
    assert account.photographs == len(NAMES)
    assert account.failed == sum(len(name) % 4 == 3 for name in NAMES)
    assert {row["model"] for row in found} == {"m@1"}
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_a_cell_reads_the_same_in_every_format(tmp_path: Path) -> None:
    for ending in READ:
        write(tmp_path / f"o{ending}", ["abcd"])
    table = pl.read_csv(tmp_path / "o.csv")
    assert tuple(table.columns) == columns(CLASSES)
    row = table.row(0, named=True)
    assert (row["x0"], row["y0"], row["x1"], row["y1"]) == (1, 2, 30, 40)
    assert (row["class"], row["best"], row["reason"], row["p_smudge, cell"]) == (
        *("unidentified", "neutrophil", "uncertain"),
        0.4,
    )
    assert row["conformal_set"] == "neutrophil|smudge, cell"
    assert row["touches_border"] is True
    document = _json(tmp_path / "o.jsonl")[0]
    assert document["box"] == [1, 2, 30, 40]
    assert document["probabilities"] == {"neutrophil": 0.6, "smudge, cell": 0.4}
    typed = pl.read_parquet(tmp_path / "o.parquet")
    assert typed["conformal_set"].to_list() == [list(CLASSES), []]
    assert typed["cell"].dtype == pl.Int32
    assert table.height == typed.height == 2


def test_a_name_that_is_no_text_is_shown_by_its_bytes() -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    assert shown(name) == "caf\\xe9.jpg"
    ((row,),) = [list(rows(PhotographResult(name, None, None, "missing", (), "none"), "m"))]
    format_of(Path("o.csv"), CLASSES).encode([row]).decode("utf-8")


def test_the_plain_table_keeps_one_line_a_cell(tmp_path: Path) -> None:
    write(tmp_path / "o.txt", NAMES)
    lines = (tmp_path / "o.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 + sum(len(list(rows(answer(Item(name, b"")), "m"))) for name in NAMES)
    assert any("new\\nline.jpg" in line for line in lines)


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.xlsx"):
        write(tmp_path / "o.xlsx", NAMES)


class BrokenError(Exception):
    """Something that ends a run from outside."""


def _breaking(names: list[str], after: int) -> Iterator[Item]:
    for place, name in enumerate(names):
        if place == after:
            raise BrokenError
        yield Item(name, b"x")


@pytest.mark.parametrize("ending", [*READ, ".txt"])
@pytest.mark.parametrize("after", [0, 21])
def test_a_run_that_was_interrupted_ends_as_if_it_had_not_been(tmp_path: Path, ending: str, after: int) -> None:
    names = [f"{'n' * (place % 5)}{place}" for place in range(24)]
    whole, out = tmp_path / f"whole{ending}", tmp_path / f"o{ending}"
    write(whole, names)
    ticks = iter(range(0, 100_000, 2))  # a part every fifth photograph
    with pytest.raises(BrokenError):
        to_file(_breaking(names, after), engine, out, classes=CLASSES, model="m@1", clock=lambda: next(ticks))
    assert not out.exists()
    with pytest.raises(OutputError, match="unfinished") as caught:
        write(out, names)
    assert "--resume" in str(caught.value.hint)
    account = write(out, names, resume=True)
    good = [name for name in names[:after] if len(name) % 4 != 3]
    assert account.skipped == len(good)  # those that failed are tried again
    assert sorted(_content(out)) == sorted(_content(whole))
    assert not list(tmp_path.glob("*.parts"))


def _content(path: Path) -> list[str]:
    return [str(row) for row in READ[path.suffix](path)] if path.suffix in READ else path.read_text().splitlines()


def test_the_order_holds_where_nothing_failed(tmp_path: Path) -> None:
    names = [f"{place:04d}" for place in range(60)]
    with pytest.raises(BrokenError):
        to_file(_breaking(names, 30), engine, tmp_path / "o.csv", classes=CLASSES, model="m@1")
    write(tmp_path / "o.csv", names, resume=True)
    write(tmp_path / "w.csv", names)
    assert (tmp_path / "o.csv").read_bytes() == (tmp_path / "w.csv").read_bytes()


def test_what_may_lie_in_a_source_that_cannot_be_opened_is_kept(tmp_path: Path) -> None:
    """A disk that is not mounted today is no reason to forget what was read on it."""
    out = tmp_path / "o.csv"

    def asked(*given: Item) -> Account:
        return to_file(iter(given), engine, out, classes=CLASSES, model="m@1", resume=True)

    def names() -> list[str]:
        return sorted({str(row["image"]) for row in _csv(out)})

    (tmp_path / "b").write_bytes(b"x")
    here, there = Item("a", b"x"), Item("b", tmp_path / "b")
    asked(here, there)
    lost = Item("dsk", None, error="missing")
    assert asked(here, lost).sources_lost == 1
    assert names() == ["a", "b", "dsk"]
    later = out.stat().st_mtime_ns + 10**10
    os.utime(tmp_path / "b", ns=(later, later))  # changed since: its first answer goes, whatever else is lost
    again = asked(here, there, lost)
    assert (again.skipped, again.photographs) == (1, 2)
    assert len(_csv(out)) == len({tuple(row.items()) for row in _csv(out)})
    assert names() == ["a", "b", "dsk"]
    assert asked(here).unasked == 2
    assert names() == ["a", "b", "dsk"]
    pruning = {"classes": CLASSES, "model": "m@1", "resume": True, "prune": True}
    account = to_file(iter([here, Item("other", None, error="missing")]), engine, out, **pruning)  # type: ignore[arg-type]
    assert (account.unasked, account.pruned) == (2, False)
    assert names() == ["a", "b", "dsk", "other"]
    account = to_file(iter([here]), engine, out, **pruning)  # type: ignore[arg-type]
    assert (account.unasked, account.pruned) == (3, True)
    assert names() == ["a"]


@pytest.mark.parametrize("ending", READ)
def test_a_finished_file_is_added_to(tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"o{ending}"
    write(out, ["abcd", "efgh"])
    account = write(out, ["efgh", "abcd", "ijkl"], resume=True)
    assert (account.skipped, account.photographs) == (2, 1)
    assert [str(row["image"]) for row in READ[ending](out)] == [name for name in ("abcd", "efgh", "ijkl") for _ in "12"]
    kept = write(out, ["ijkl", "mnop"], resume=True)
    assert (kept.skipped, kept.photographs, kept.unasked, kept.pruned) == (1, 1, 2, False)
    asked = ("abcd", "efgh", "ijkl", "mnop")
    assert [str(row["image"]) for row in READ[ending](out)] == [name for name in asked for _ in "12"]
    dropped = write(out, ["ijkl"], resume=True, prune=True)
    assert (dropped.skipped, dropped.photographs, dropped.unasked, dropped.pruned) == (1, 0, 3, True)
    assert {row["image"] for row in READ[ending](out)} == {"ijkl"}
    with pytest.raises(DataError, match=r"m@1, this run is by m@2"):
        to_file(items(["abcd"]), engine, out, classes=CLASSES, model="m@2", resume=True)
    with pytest.raises(DataError, match="other columns" if ending != ".jsonl" else "m@1"):
        to_file(items(["abcd"]), engine, out, classes=("a", "b"), model="m@3", resume=True)
    assert {row["image"] for row in READ[ending](out)} == {"ijkl"}
    assert not list(tmp_path.glob("*.parts"))


def test_what_is_not_asked_for_stays_in_an_unfinished_run_too(tmp_path: Path) -> None:
    out, names = tmp_path / "o.csv", ["abcd", "abc", "efgh", "ijkl"]  # abc cannot be read
    with pytest.raises(BrokenError):
        to_file(_breaking(names, 3), engine, out, classes=CLASSES, model="m@1")
    account = write(out, ["mnop"], resume=True)
    assert (account.skipped, account.photographs, account.unasked) == (0, 1, 3)
    assert _answers(out) == [("abcd", ""), ("abc", "truncated"), ("efgh", ""), ("mnop", "")]


def _answers(out: Path) -> list[tuple[str, str]]:
    return list(dict.fromkeys((str(row["image"]), str(row["error"])) for row in _csv(out)))


def test_an_answer_that_a_later_one_replaced_does_not_stay_because_nobody_asks(tmp_path: Path) -> None:
    out, changing = tmp_path / "o.csv", tmp_path / "abcd"
    changing.write_bytes(b"x")
    failing = iter([True, False])

    def ask(answers: Callable[[Item], PhotographResult]) -> None:
        def given() -> Iterator[Item]:
            yield from (Item("abcd", changing), Item("efgh", b"x"), Item("efgh", b"x"))
            raise BrokenError

        with pytest.raises(BrokenError):
            to_file(
                given(), lambda some: map(answers, some), out, classes=CLASSES, model="m@1", resume=True, sources=["."]
            )

    def once_failing(item: Item) -> PhotographResult:
        if item.name == "efgh" and next(failing, False):
            return PhotographResult(item.name, None, None, "truncated", (), "none")
        return answer(item)

    ask(once_failing)
    changing.write_bytes(b"changed")
    ask(answer)
    account = write(out, ["ijkl"], resume=True)
    assert account.unasked == 3
    assert sorted(str(row["image"]) for row in _csv(out)) == [*["abcd"] * 2, *["efgh"] * 4, *["ijkl"] * 2]
    assert not any(row["error"] for row in _csv(out))


@pytest.mark.parametrize("fault", ["dsk", "dsk/far", "dsk/far/s.zip", "dsk/*.jpg", "-"])
def test_the_fault_of_a_source_goes_when_the_source_can_be_opened(tmp_path: Path, fault: str) -> None:
    out = tmp_path / "o.csv"
    member = Item("dsk/far/s.zip!/abcd", b"x")
    given = {"classes": CLASSES, "model": "m@1", "resume": True, "sources": ["dsk/*.jpg", "-"]}
    lost = [Item(fault, None, error="missing"), Item("dsk/other", None, error="truncated")]
    failing = lambda some: (PhotographResult(item.name, None, None, item.error, (), "none") for item in some)  # noqa: E731
    to_file(iter(lost), failing, out, **given)  # type: ignore[arg-type]
    account = to_file(iter([member]), engine, out, **given)  # type: ignore[arg-type]
    assert account.unasked == 1
    assert {row["image"] for row in _csv(out)} == {"dsk/other", member.name}


def test_a_file_that_changed_since_is_looked_at_again(tmp_path: Path) -> None:
    paths = [tmp_path / f"{place}.jpg" for place in range(4)]
    for path in paths:
        path.write_bytes(b"x")

    def files() -> Iterator[Item]:
        return (Item(path.name, path) for path in paths)  # names of five letters: one cell each

    def broken() -> Iterator[Item]:
        yield from files()
        raise BrokenError

    out = tmp_path / "o.csv"
    with pytest.raises(BrokenError):
        to_file(broken(), engine, out, classes=CLASSES, model="m@1")
    paths[2].write_bytes(b"other")
    account = to_file(files(), engine, out, classes=CLASSES, model="m@1", resume=True)
    assert (account.skipped, account.photographs) == (3, 1)
    assert sorted(str(row["image"]) for row in _csv(out)) == [path.name for path in paths]
    os.utime(paths[1], ns=(2**62, 2**62))  # newer than the finished file
    account = to_file(files(), engine, out, classes=CLASSES, model="m@1", resume=True)
    assert (account.skipped, account.photographs) == (3, 1)


def test_duplicates_keep_their_rows_and_are_told(tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    account = write(out, ["abcd", "efgh", "abcd", "abcd"])
    assert account.repeated == 2
    assert [row["image"] for row in _csv(out)] == [name for name in ("abcd", "efgh", "abcd", "abcd") for _ in "12"]
    account = write(out, ["abcd", "efgh", "abcd", "abcd", "abcd"], resume=True)
    assert (account.skipped, account.photographs) == (4, 1)


def test_damaged_parts_are_done_again(tmp_path: Path) -> None:
    names = [f"{place:04d}" for place in range(40)]
    out = tmp_path / "o.csv"
    ticks = iter(range(0, 100_000, 2))
    with pytest.raises(BrokenError):
        to_file(_breaking(names, 39), engine, out, classes=CLASSES, model="m@1", clock=lambda: next(ticks))
    parts = sorted((tmp_path / "o.csv.parts").glob("*.csv"))
    parts[1].write_bytes(parts[1].read_bytes()[:-9])
    ledgers = sorted((tmp_path / "o.csv.parts").glob("*.ledger"))
    ledgers[2].write_bytes(b"{}")
    ledgers[3].unlink()
    account = write(out, names, resume=True)
    assert 0 < account.photographs < 40
    assert sorted({str(row["image"]) for row in _csv(out)}) == names


def _spoil_parquet(path: Path) -> None:
    table = pl.read_parquet(path)
    table.with_columns(pl.lit("wide").alias("width")).select(table.columns).write_parquet(path)


SPOILED: dict[str, tuple[str, Callable[[Path], object]]] = {
    "csv cut": (".csv", lambda path: path.write_bytes(path.read_bytes()[:-30])),
    "csv no text": (".csv", lambda path: path.write_bytes(path.read_bytes() + b"\xff\xfe,")),
    "csv quotes": (".csv", lambda path: path.write_bytes(path.read_bytes() + b'"open')),
    "csv empty": (".csv", lambda path: path.write_bytes(b"")),
    "tsv cut": (".tsv", lambda path: path.write_bytes(path.read_bytes()[:-30])),
    "json cut": (".jsonl", lambda path: path.write_bytes(path.read_bytes()[:-30])),
    "json list": (".jsonl", lambda path: path.write_bytes(b"[1]\n")),
    "json other": (".jsonl", lambda path: path.write_bytes(b'{"image": 3, "model": "m@1"}\n')),
    "json no box": (".jsonl", lambda path: path.write_bytes(b'{"image": "a", "cell": 1, "model": "m@1"}\n')),
    "json no text": (".jsonl", lambda path: path.write_bytes(b"\xff\n")),
    "parquet cut": (".parquet", lambda path: path.write_bytes(path.read_bytes()[:-30])),
    "parquet other": (".parquet", lambda path: path.write_bytes(b"PAR1" + bytes(40) + b"PAR1")),
    "parquet types": (".parquet", _spoil_parquet),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_a_damaged_finished_file_is_refused_in_words_and_nothing_stays(tmp_path: Path, kind: str) -> None:
    ending, spoil = SPOILED[kind]
    out = tmp_path / f"o{ending}"
    write(out, NAMES)
    spoil(out)
    content = out.read_bytes()
    with pytest.raises(DataError, match=r"damaged|other columns|one network") as caught:
        write(out, NAMES, resume=True)
    assert str(out) in caught.value.what
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_bytes() == content


def test_stopping_works_while_finished_work_is_passed_over(tmp_path: Path) -> None:
    out, stop = tmp_path / "o.csv", threading.Event()
    names = [f"{place:04d}" for place in range(1000)]
    write(out, names)
    taken: list[str] = []

    def given() -> Iterator[Item]:
        for name in names:
            taken.append(name)
            if len(taken) == 20:
                stop.set()
            yield Item(name, b"x")

    account = to_file(given(), engine, out, classes=CLASSES, model="m@1", resume=True, stop=stop)
    assert account.stopped
    assert len(taken) < 25
    assert write(out, names, resume=True).skipped == 1000


def test_settings_that_change_answers_are_not_mixed(tmp_path: Path) -> None:
    out = tmp_path / "o.csv"
    with pytest.raises(BrokenError):
        to_file(_breaking(["abcd", "efgh"], 1), engine, out, classes=CLASSES, model="m@1")
    with pytest.raises(DataError, match=r"model 'm@1', now 'm@2\+4 views'") as caught:
        to_file(items(["abcd"]), engine, out, classes=CLASSES, model="m@2+4 views", resume=True)
    assert "--overwrite" in str(caught.value.hint)
    to_file(items(["abcd"]), engine, out, classes=CLASSES, model="m@2", overwrite=True)
    assert {row["model"] for row in _csv(out)} == {"m@2"}


def test_stopping_keeps_what_is_finished(tmp_path: Path) -> None:
    out, stop = tmp_path / "o.csv", threading.Event()

    def stopping(wanted: Iterable[Item]) -> Iterator[PhotographResult]:
        for place, item in enumerate(wanted):
            yield answer(item)
            if place == 4:
                stop.set()
                return

    names = [f"{place:04d}" for place in range(10)]
    account = to_file(items(names), stopping, out, classes=CLASSES, model="m@1", stop=stop)
    assert account.stopped
    assert account.photographs == 5
    assert not out.exists()
    account = write(out, names, resume=True)
    assert (account.skipped, account.photographs, account.stopped) == (5, 5, False)


def test_a_full_disk_loses_nothing_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{place:04d}" for place in range(40)]
    out = tmp_path / "o.csv"
    ticks = iter(range(0, 100_000, 4))
    real, calls = os.fsync, [0]

    def full(descriptor: int) -> None:
        calls[0] += 1
        if calls[0] > 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr("buffycoat.predict.parts.os.fsync", full)
    with pytest.raises(OutputError, match="disk is full") as caught:
        to_file(items(names), engine, out, classes=CLASSES, model="m@1", clock=lambda: next(ticks))
    assert "--resume, without --overwrite: it goes on from here" in str(caught.value.hint)
    assert not list(tmp_path.rglob("*.tmp"))
    monkeypatch.undo()
    with pytest.raises(OutputError, match="unfinished"):  # the hint is true: --resume is needed
        write(out, names)
    account = write(out, names, resume=True)
    assert account.skipped > 0
    assert account.skipped + account.photographs == 40
    assert sorted({str(row["image"]) for row in _csv(out)}) == names


def test_a_disk_that_fills_while_joining_keeps_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "o.csv"
    out.write_text("earlier\n")

    def full(source: io.BufferedReader, target: object, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("buffycoat.predict.formats.shutil.copyfileobj", full)
    with pytest.raises(OutputError, match="disk is full") as caught:
        write(out, ["abcd"])
    assert "--resume" in str(caught.value.hint)
    monkeypatch.undo()
    assert out.read_text() == "earlier\n"
    assert (tmp_path / "o.csv.parts").is_dir()
    (tmp_path / "o.csv").unlink()
    assert write(out, ["abcd"], resume=True).skipped == 1


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    out = tmp_path / "o.csv"

    def second(wanted: Iterable[Item]) -> Iterator[PhotographResult]:
        with pytest.raises(OutputError, match="another process"):
            write(out, ["abcd"])
        return engine(wanted)

    to_file(items(["abcd"]), second, out, classes=CLASSES, model="m@1")
    assert len(_csv(out)) == 2


def test_nothing_to_look_at_is_an_empty_table(tmp_path: Path) -> None:
    for ending in (*READ, ".txt"):
        write(tmp_path / f"o{ending}", [])
    assert pl.read_parquet(tmp_path / "o.parquet").columns == list(columns(CLASSES))
    assert (tmp_path / "o.csv").read_text().splitlines() == [next(csv_line(columns(CLASSES)))]


def csv_line(values: tuple[str, ...]) -> Iterator[str]:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    yield text.getvalue()
