"""Drawings about trust: how sure against how often right, and how many errors are left when answers are withheld."""

from __future__ import annotations

from collections.abc import Sequence

from buffycoat.records.trust import Abstention, ReliabilityRow
from buffycoat.report.numbers import percent, share
from buffycoat.report.svg import Drawing, Scale, free_place, label, room

_SIDE = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 30, 44
_WIDTH = 700
TONES = (("first", None), ("second", None), ("ink", "6 3"), ("muted", "2 3"), ("warn", None), ("bad", "6 3"))
"""Colour and dashes of the lines of up to six models."""


def reliability_diagram(rows: Sequence[ReliabilityRow], title: str, when: str) -> Drawing:
    """Draw how often answers were right against how sure they were; on the diagonal they mean what they say.

    Parameters
    ----------
    rows
        Bins of about equally many answers.
    title
        The model's name for readers.
    when
        ``"before"`` or ``"after"`` scaling.
    """
    drawing = Drawing(_LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _BOTTOM, _described(rows, title, when))
    low = min(0.9, *(int(min(one.low, one.right / one.count) * 10) / 10 for one in rows)) if rows else 0.0
    x = Scale(low, 1, _LEFT, _LEFT + _SIDE)
    y = Scale(0, 1, _TOP + _SIDE, _TOP)
    for mark in y.ticks():
        drawing.line(_LEFT, y(mark), _LEFT + _SIDE, y(mark), "rule", width=0.8)
        drawing.text(_LEFT - 8, y(mark) + 4, label(mark, 0.2), anchor="end", size=11.5, fill="muted")
    marks = x.ticks()
    for mark in marks:
        drawing.text(
            x(mark), _TOP + _SIDE + 18, label(mark, marks[1] - marks[0]), anchor="middle", size=11.5, fill="muted"
        )
    drawing.line(x(low), y(low), x(1), y(1), "muted", width=1.4, dash="4 4")
    for one in rows:
        right = one.right / one.count
        drawing.line(x(one.confidence), y(one.confidence), x(one.confidence), y(right), "second", width=5)
        drawing.circle(
            x(one.confidence),
            y(right),
            4.6,
            "first",
            hint=f"{one.right} of {one.count} right ({share(right, 2)}), {share(one.confidence, 2)} sure on average",
        )
    drawing.text(0, 16, f"Share right, {when} scaling", bold=True)
    drawing.text(_LEFT + _SIDE / 2, _TOP + _SIDE + 38, "how sure (probability)", anchor="middle", size=12, fill="muted")
    return drawing


def _described(rows: Sequence[ReliabilityRow], title: str, when: str) -> str:
    points = "; ".join(f"{share(one.confidence, 2)} sure, {share(one.right / one.count, 2)} right" for one in rows)
    return f"{title} {when} scaling: {points}."


def risk_coverage_figure(curves: Sequence[tuple[str, Abstention]]) -> Drawing:
    """Draw the share of wrong answers by the share of cells answered, a line per model (six at most)."""
    curves = curves[: len(TONES)]
    height, top, bottom = 340, 16, 46
    names = room([title for title, _ in curves]) + 34
    drawing = Drawing(_WIDTH, height, "Share of wrong answers by share answered: " + "; ".join(map(_ends, curves)))
    highest = max((point.risk for _, one in curves for point in one.curve if point.coverage >= 0.1), default=0.1)
    x = Scale(0, 1, _LEFT, _WIDTH - names)
    y = Scale(0, max(0.05, min(1.0, highest * 1.05)), height - bottom, top)
    marks = y.ticks()
    for mark in marks:
        drawing.line(x.start_px, y(mark), x.end_px, y(mark), "rule", width=0.8)
        drawing.text(_LEFT - 8, y(mark) + 4, label(mark, marks[1] - marks[0]), anchor="end", size=11.5, fill="muted")
    for mark in x.ticks():
        drawing.text(x(mark), height - bottom + 18, label(mark, 0.2), anchor="middle", size=11.5, fill="muted")
    rate = curves[0][1].error_rate if curves else 0.05
    drawing.line(x.start_px, y(rate), x.end_px, y(rate), "muted", width=1.4, dash="4 4")
    taken = [y(rate)]
    for (title, one), (tone, dash) in zip(curves, TONES, strict=False):
        points = [(x(point.coverage), y(min(point.risk, y.high))) for point in one.curve]
        drawing.polyline(points, tone, width=2, dash=dash)
        at = free_place(points[-1][1], taken, 15)
        taken.append(at)
        drawing.text(x.end_px + 8, at + 4, title, size=12, fill=tone)
        if one.answered.value and one.wrong.value is not None:
            hint = f"{title}: {share(one.answered.value, 2)} answered, {share(one.wrong.value, 3)} of them wrong"
            drawing.circle(x(one.answered.value), y(min(one.wrong.value, y.high)), 5, tone, stroke="paper", hint=hint)
    drawing.text(
        (x.start_px + x.end_px) / 2,
        height - 5,
        "share of cells answered, the most certain first",
        anchor="middle",
        size=12,
        fill="muted",
    )
    drawing.text(x.end_px + 8, y(rate) + 4, f"{percent(rate)} wrong", size=11.5, fill="muted")
    return drawing


def _ends(curve: tuple[str, Abstention]) -> str:
    title, one = curve
    half = next((point for point in one.curve if point.coverage >= 0.5), None)
    return f"{title} {share(half.risk if half else None)} at half, {share(one.curve[-1].risk)} at all"
