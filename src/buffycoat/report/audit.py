"""What a report shows of the audit: which problems there are, in the order in which they matter."""

from __future__ import annotations

from dataclasses import dataclass

from buffycoat.audit.units import KINDS, Kind, Units, shown, varies
from buffycoat.records.audit import Audit, Finding, Flag, Problem, Shortcut
from buffycoat.report.figures.strips import HINTS, Strip, stacked, strip
from buffycoat.report.numbers import counted, p_value, whole
from buffycoat.report.svg import Drawing

FINDINGS_SHOWN = 8
"""Findings of a problem shown at once; all stand in ``audit.json``."""
_FILES_SHOWN = 6
_GRAVEST = ("painted-out", "copies-across-split", "shortcut", "copies-across-labels")
_ORDER: tuple[Flag, ...] = ("serious", "look", "sound")
FLAGS: dict[Flag, str] = {"serious": "serious", "look": "look at it", "sound": "sound"}


@dataclass(frozen=True)
class ProblemView:
    """A problem with the findings that are shown, each as (files, more, note)."""

    problem: Problem
    flag: str
    findings: list[tuple[str, str]]
    hidden: int


@dataclass(frozen=True)
class AuditView:
    """The audit as a report shows it."""

    audit: Audit
    sentence: str
    paragraphs: list[str]
    problems: list[ProblemView]
    shortcuts: list[Shortcut]
    labels: list[str]
    strips: list[Drawing]

    @property
    def odd(self) -> bool:
        """Whether any group stands far from all others."""
        return any(shortcut.odd_groups for shortcut in self.shortcuts)

    @property
    def named(self) -> bool:
        """Whether every dot of the strips tells its name."""
        return self.audit.groups is not None and len(self.audit.groups.group) <= HINTS


def audit_view(audit: Audit | None) -> AuditView | None:
    """Gather what the audit tells, or None where there is none."""
    if audit is None:
        return None
    ranked = sorted(audit.problems, key=lambda problem: _ORDER.index(problem.flag))
    labels = list(dict.fromkeys(spread.label for shortcut in audit.shortcuts for spread in shortcut.classes))
    return AuditView(
        audit,
        _sentence(audit),
        _paragraphs(audit),
        [_view(one) for one in ranked],
        _shortcuts(audit),
        labels,
        strips(audit),
    )


def strips(audit: Audit) -> list[Drawing]:
    """Draw every measure that differs between groups, the one that tells the class best first; none of fewer than two.

    Audits of earlier versions kept no measures of groups: none are drawn.
    """
    if audit.groups is None or len(audit.groups.group) < 2:
        return []
    units = Units.of(audit.groups)
    judged = {shortcut.name: shortcut for shortcut in audit.shortcuts}
    kinds = [kind for kind in KINDS if varies(kind, units)]
    kinds.sort(key=lambda kind: -judged[kind.name].effect if kind.name in judged else 0.0)
    return [_strip(kind, units, judged.get(kind.name)) for kind in kinds]


def _strip(kind: Kind, units: Units, judged: Shortcut | None) -> Drawing:
    remark = "" if judged is None else f"effect {judged.effect:.2f}, {p_value(judged.p_value)}"
    data = Strip(
        title=kind.title,
        unit=kind.unit,
        remark=remark,
        classes=units.classes,
        labels=units.labels,
        groups=units.groups,
        images=units.images,
        values=shown(kind, units),
        odd=frozenset(judged.odd_groups) if judged else (),
    )
    return strip(data, alarming=judged is not None and judged.flag == "serious")


def strips_sheet(audit: Audit) -> Drawing | None:
    """Return all strips on one sheet, or None where there are none."""
    drawings = strips(audit)
    return (
        stacked(drawings, f"Light, colour and sharpness of every group of {audit.name}, by class") if drawings else None
    )


def _shortcuts(audit: Audit) -> list[Shortcut]:
    return sorted(audit.shortcuts, key=lambda shortcut: -shortcut.effect)


def _sentence(audit: Audit) -> str:
    """Return the one sentence for a reader who is no statistician."""
    serious = [problem for problem in audit.problems if problem.flag == "serious"]
    serious.sort(key=lambda problem: _GRAVEST.index(problem.name) if problem.name in _GRAVEST else len(_GRAVEST))
    if audit.leakage is not None:
        return "Copies of the same cells stand on both sides of the split, so these results flatter the networks."
    if not serious:
        return (
            "Nothing in the photographs was found that would make the results untrue: no cell stands on two sides of "
            "a split, and nothing but the cell tells its class."
            if audit.problem("shortcut").flag == "sound"
            else "No cell stands on two sides of a split; look at what is listed before trusting small differences."
        )
    return f"Before trusting any figure, look at this first: {serious[0].sentence}"


def _paragraphs(audit: Audit) -> list[str]:
    first = f"{counted(audit.images, 'file')} were looked at one by one and compared with all others"
    paragraphs = [
        f"{first}; {whole(audit.readable)} could be read. They show at most {counted(audit.distinct, 'distinct cell')}."
    ]
    if audit.proposals:
        used = "should have been" if audit.leakage else "are"
        paragraphs.append(
            f"The data came with {counted(audit.groups_given, 'group')}. Where files show one cell, however it is "
            f"turned, mirrored or moved, their groups were joined: {counted(audit.groups_used, 'group')} {used} used "
            "for the split. The table of cells keeps the group each row came with in the column group_given."
        )
    if audit.background is not None:
        paragraphs.append(audit.background.sentence)
    return paragraphs


def _view(problem: Problem) -> ProblemView:
    shown = problem.findings[:FINDINGS_SHOWN] if problem.flag != "sound" else ()
    hidden = len(problem.findings) - len(shown) if problem.flag != "sound" else 0
    return ProblemView(problem, FLAGS[problem.flag], [(_files(one), one.note) for one in shown], hidden)


def _files(finding: Finding) -> str:
    more = len(finding.files) - _FILES_SHOWN
    return ", ".join(finding.files[:_FILES_SHOWN]) + (f" and {more} more" if more > 0 else "")
