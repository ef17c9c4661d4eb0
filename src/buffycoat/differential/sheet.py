"""A sheet of slides: what a laboratory knows of each, one row a slide."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from buffycoat.data.csv_file import BEYOND, delimiter, header, records
from buffycoat.differential.by_hand import refuse_larger
from buffycoat.differential.count import count
from buffycoat.differential.particulars import Particulars, moment
from buffycoat.errors import DataError, UsageError, did_you_mean

COLUMNS = ("slide", "specimen", "subject", "wbc", "collected", "accession")
"""The columns that a sheet may have; `slide` must be there."""

_MOST_BYTES = 16 << 20
_SHOWN = 8  # faults
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")


class Sheet:
    """What is known of each slide.

    Parameters
    ----------
    path
        A CSV file with the column ``slide`` and any of ``specimen``, ``subject``, ``wbc`` (10⁹/L), ``collected``
        (ISO 8601) and ``accession``; commas, semicolons or tabs. Where semicolons separate, as a spreadsheet writes
        them where the comma is the decimal sign, ``6,2`` is 6.2.

    Raises
    ------
    DataError
        The file is missing or no such table. Everything that is wrong in its rows is named, by row: an unknown column,
        a slide or an accession that stands twice, a number, time or identifier that is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        refuse_larger(path, _MOST_BYTES, "sheet of slides")
        self._hold_header()
        self._rows: dict[str, tuple[int, Particulars]] = {}
        self._accessions: dict[str, int] = {}
        self._comma = delimiter(path) == ";"
        faults: list[str] = []
        for line, row in records(path):
            try:
                self._take(line, {name: value.strip() for name, value in row.items()})
            except (ValueError, UsageError) as error:
                faults.append(f"row {line}: {error}".removesuffix("."))
        if faults:
            more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
            raise DataError(f"{path}, {'; '.join(faults[:_SHOWN])}{more}.")
        if not self._rows:
            raise DataError(f"{path} holds no slide.")

    def of(self, slide: str) -> Particulars:
        """Return what is known of a slide.

        Raises
        ------
        DataError
            The sheet does not hold it.
        """
        if slide not in self._rows:
            raise DataError(
                f"{self.path} has no row for the slide {slide!r}, which was given to count.",
                hint=did_you_mean(slide, self._rows),
            )
        return self._rows[slide][1]

    def hold(self, counted: Iterable[str]) -> None:
        """Hold the sheet to the slides that were counted.

        Raises
        ------
        DataError
            It names one that was not; all are said, by row.
        """
        names = set(counted)
        missing = [f"row {line}: {slide!r}" for slide, (line, _) in self._rows.items() if slide not in names]
        if missing:
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            raise DataError(
                f"{self.path} names slides that were not counted: {', '.join(missing[:_SHOWN])}{more}.",
                hint=f"Counted: {', '.join(sorted(names)[:_SHOWN])}{', …' if len(names) > _SHOWN else ''}. "
                "Give their photographs, too, or take the rows out.",
            )

    def _hold_header(self) -> None:
        names = [name.casefold() for name in header(self.path)]
        unknown = [name for name in names if name not in COLUMNS]
        twice = sorted({name for name in names if names.count(name) > 1})
        if "slide" not in names or unknown or twice:
            wrong = [f"the column {name!r} is not known" for name in unknown]
            wrong += [f"the column {name!r} stands twice" for name in twice]
            wrong += ["the column slide is missing"] if "slide" not in names else []
            raise DataError(
                f"{self.path}, row 1: {'; '.join(wrong)}.", hint=f"A sheet has the columns {', '.join(COLUMNS)}."
            )

    def _take(self, line: int, row: Mapping[str, str]) -> None:
        if BEYOND in row:
            raise ValueError("more values than columns")
        slide = row.get("slide", "")
        if not slide:
            raise ValueError("no slide is named")
        if slide in self._rows:
            raise ValueError(f"the slide {slide!r} stands twice, in row {self._rows[slide][0]} before")
        known = Particulars(
            specimen=row.get("specimen") or None,
            subject=row.get("subject") or None,
            wbc=_number(row.get("wbc", ""), comma=self._comma),
            collected=moment(row["collected"]) if row.get("collected") else None,
            accession=row.get("accession") or None,
        )
        trial(known, slide)
        if known.accession is not None:
            if known.accession in self._accessions:
                raise ValueError(
                    f"the accession {known.accession!r} stands twice, in row {self._accessions[known.accession]} "
                    "before: one slide's result would replace the other's"
                )
            self._accessions[known.accession] = line
        self._rows[slide] = (line, known)


def trial(known: Particulars, slide: str) -> None:
    """Try whether a count could hold what is known of a slide.

    Raises
    ------
    UsageError
        It could not; what is wrong is said.
    """
    count(
        (),
        slide=slide,
        specimen=known.specimen,
        subject=known.subject,
        wbc=known.wbc,
        collected=known.collected,
        accession=known.accession,
    )


def _number(text: str, *, comma: bool) -> float | None:
    if not text:
        return None
    if comma and text.count(",") == 1:
        text = text.replace(",", ".")
    if _NUMBER.fullmatch(text) is None:
        raise ValueError(f"wbc: expected a number in 10⁹/L such as 6.2, found {text[:40]!r}")
    return float(text)
