"""Files that cannot be used, or that somebody should look at: one rule for each kind of problem.

Every rule gives each file a score from 0 (worst) to 1 (sound) and a bar; a file below the bar is flagged. The bars
stand where the real sets at hand have no file and their spoiled copies do (``docs/audit.md``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from buffycoat.records.audit import Finding, Flag, Problem

TRUNCATED = "truncated"

_BLURRED_SHARE = 0.75  # of the set's median sharpness
_BLURRED = 0.18  # sharpness no usable photograph at hand is below
_SATURATED = 0.3  # share of pixels
_DIM_LIGHT = 110  # level of the lightest
_COMMON = 0.05  # a size that fewer files than this share have is odd
_SMALL_PX = 48
_MANY = 0.2  # from this share of files on a problem of files is serious


@dataclass(frozen=True)
class _Rule:
    """A kind of problem: the score of every readable file and the bar below which it is flagged."""

    name: str
    title: str
    advice: str
    what: str  # of one file, with {value}
    score: Callable[[pl.DataFrame], tuple[pl.Series, float, pl.Series]]


def file_problems(files: pl.DataFrame) -> list[Problem]:
    """Return the problems of single files, those without a finding included.

    Parameters
    ----------
    files
        :data:`buffycoat.audit.scan.SCANNED`.
    """
    readable = files.filter(pl.col("problem").is_null())
    lit = readable.filter(~pl.col("blank"))
    return [
        _unreadable(files),
        _truncated(files),
        _from_rule(_BLANK, readable, files.height),
        *(_from_rule(rule, lit, files.height) for rule in (_BLURRED_RULE, _OVER, _UNDER)),
        _odd_sized(readable, files.height),
    ]


def _problem(name: str, title: str, advice: str, findings: list[Finding], total: int, good: str, bad: str) -> Problem:
    share = len(findings) / max(total, 1)
    flag: Flag = "sound" if not findings else "serious" if share > _MANY else "look"
    many = f"{len(findings):,} of {total:,} files"
    return Problem(
        name=name,
        title=title,
        flag=flag,
        score=1 - min(share, 1.0),
        sentence=good if not findings else bad.format(many=many, are="is" if len(findings) == 1 else "are"),
        advice="Nothing to do." if not findings else advice,
        found=len(findings),
        findings=tuple(findings),
    )


def _unreadable(files: pl.DataFrame) -> Problem:
    rows = files.filter(pl.col("problem").is_not_null() & (pl.col("problem") != TRUNCATED))
    return _problem(
        "unreadable",
        "Unreadable files",
        "Fetch or export them again; until then they are left out and counted.",
        [
            Finding(files=(image,), score=0, note=reason)
            for image, reason in rows.select("image", "problem").iter_rows()
        ],
        files.height,
        "Every file can be opened.",
        "{many} {are} no image or cannot be opened.",
    )


def _truncated(files: pl.DataFrame) -> Problem:
    rows = files.filter(pl.col("problem") == TRUNCATED).get_column("image")
    return _problem(
        "truncated",
        "Truncated files",
        "The end of the file is missing, as after a broken copy: fetch them again. They are left out.",
        [Finding(files=(image,), score=0, note="ends before its last line") for image in rows],
        files.height,
        "No file ends early.",
        "{many} {are} cut short.",
    )


def _odd_sized(readable: pl.DataFrame, total: int) -> Problem:
    sizes = readable.select("image", "width", "height").rows()
    counts = Counter((width, height) for _, width, height in sizes)
    findings = []
    if counts:
        (usual_width, usual_height), most = counts.most_common(1)[0]
        for image, width, height in sizes:
            rare = counts[width, height] < max(_COMMON * len(sizes), 2) and most >= len(sizes) / 2
            turned = (height, width) == (usual_width, usual_height)
            if (rare and not turned) or min(width, height) < _SMALL_PX:
                pairs = ((width, usual_width), (height, usual_height))
                score = float(np.prod([min(pair) / max(pair) for pair in pairs]))
                note = f"{width} × {height} px, where most are {usual_width} × {usual_height}"
                findings.append(Finding(files=(image,), score=score, note=note))
    findings.sort(key=lambda finding: (finding.score, finding.files))
    return _problem(
        "odd-sized",
        "Files of another size",
        "Check that they come from the same microscope and camera and were not cropped by hand.",
        findings,
        total,
        "All files have a usual size.",
        "{many} {are} of a size that hardly any other has.",
    )


def _from_rule(rule: _Rule, readable: pl.DataFrame, total: int) -> Problem:
    score, bar, value = rule.score(readable)
    table = readable.select("image").with_columns(score=score, value=value).filter(pl.col("score") < bar)
    findings = [
        Finding(files=(image,), score=min(max(low, 0.0), 1.0), note=rule.what.format(value=shown))
        for image, low, shown in table.sort("score", "image").iter_rows()
    ]
    lower = rule.title[0].lower() + rule.title[1:]
    return _problem(
        rule.name, rule.title, rule.advice, findings, total, f"No {lower} were found.", f"{{many}} {{are}} {rule.name}."
    )


def _blank(files: pl.DataFrame) -> tuple[pl.Series, float, pl.Series]:
    spread = files.get_column("spread")
    score = pl.select(pl.when(files.get_column("blank")).then(0.0).otherwise((spread / 20).clip(0.01, 1))).to_series()
    return score, 0.005, spread.round(1)


def _blurred(files: pl.DataFrame) -> tuple[pl.Series, float, pl.Series]:
    sharpness = files.get_column("sharpness")
    usual = max(float(np.median(sharpness)) if len(sharpness) else 1.0, _BLURRED / _BLURRED_SHARE)
    share = sharpness / usual
    return share.clip(0, 1), _BLURRED_SHARE, share.round(2)


def _over(files: pl.DataFrame) -> tuple[pl.Series, float, pl.Series]:
    share = files.get_column("saturated")
    return 1 - share, 1 - _SATURATED, (100 * share).round(0).cast(pl.Int32)


def _under(files: pl.DataFrame) -> tuple[pl.Series, float, pl.Series]:
    light = files.get_column("light")
    return light / 255, _DIM_LIGHT / 255, light.cast(pl.Int32)


_BLANK = _Rule(
    "blank",
    "Blank files",
    "Nothing is to be seen in them: remove them from the set.",
    "hardly anything but one grey (deviation {value} of 255)",
    _blank,
)
_BLURRED_RULE = _Rule(
    "blurred",
    "Blurred files",
    "Look at them; leave out what you could not tell apart yourself, and take care that no class has more of them.",
    "sharpness {value} of the usual",
    _blurred,
)
_OVER = _Rule(
    "over-exposed",
    "Over-exposed files",
    "Granules and cytoplasm are lost in white: photograph again with less light, or leave them out.",
    "{value} % of the pixels are white beyond the camera's range",
    _over,
)
_UNDER = _Rule(
    "under-exposed",
    "Under-exposed files",
    "Photograph again with more light, or leave them out.",
    "the lightest pixels reach {value} of 255",
    _under,
)
