"""Loss and accuracy by epoch: a thin line per fold, a thick one for their mean."""

from __future__ import annotations

import math

import polars as pl

from buffycoat.report.svg import Drawing, Scale, label, ticks

_WIDTH, _HEIGHT = 400, 264
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 34, 40


def curve(history: pl.DataFrame, title: str, what: str) -> Drawing:
    """Draw one quantity of one model over the epochs, training against validation.

    Parameters
    ----------
    history
        Rows of one model (see :data:`buffycoat.records.tables.HISTORY`).
    title
        The model's name for readers.
    what
        ``"loss"`` or ``"accuracy"``.

    Notes
    -----
    The mean runs as far as at least half of the folds do: further on, those that stopped early would bend it.
    """
    table = history.select(
        "repeat", "fold", "epoch", train=pl.col(f"train_{what}"), validation=pl.col(f"validation_{what}")
    ).sort("repeat", "fold", "epoch")
    values = [
        value
        for name in ("train", "validation")
        for value in table.get_column(name).drop_nulls().to_list()
        if math.isfinite(value)
    ]
    last = int(table["epoch"].max() or 1) if table.height else 1  # type: ignore[arg-type]
    low, high = (0.0, 1.0) if what == "accuracy" else (0.0, max(values, default=1.0) * 1.04)
    runs = table.select("repeat", "fold").n_unique()
    drawing = Drawing(_WIDTH, _HEIGHT, _described(table, title, what, runs, last))
    x = Scale(1, max(last, 2), _LEFT, _WIDTH - _RIGHT)
    y = Scale(low, high or 1.0, _HEIGHT - _BOTTOM, _TOP)
    _frame(drawing, x, y, what)
    for name, tone, dash in (("train", "second", "5 3"), ("validation", "first", None)):
        for _, run in table.group_by("repeat", "fold", maintain_order=True):
            points = _points(run, name, x, y)
            drawing.polyline(points, tone, width=0.8, opacity=0.5 if runs <= 10 else 0.2, dash=dash)
            if len(points) == 1:
                drawing.circle(*points[0], 2, tone)
        mean = (
            table.group_by("epoch")
            .agg(pl.col(name).mean(), runs=pl.len())
            .filter(pl.col("runs") * 2 >= runs)
            .sort("epoch")
        )
        drawing.polyline(_points(mean, name, x, y), tone, width=2.4, dash=dash)
    drawing.line(_WIDTH - 176, 12, _WIDTH - 154, 12, "second", width=2.4, dash="5 3")
    drawing.text(_WIDTH - 149, 16, "training", size=12)
    drawing.line(_WIDTH - 92, 12, _WIDTH - 70, 12, "first", width=2.4)
    drawing.text(_WIDTH - 65, 16, "validation", size=12)
    return drawing


def _points(run: pl.DataFrame, name: str, x: Scale, y: Scale) -> list[tuple[float, float]]:
    rows = run.select("epoch", name).drop_nulls().filter(pl.col(name).is_finite())
    return [(x(epoch), y(min(max(value, y.low), y.high))) for epoch, value in rows.iter_rows()]


def _frame(drawing: Drawing, x: Scale, y: Scale, what: str) -> None:
    marks = ticks(y.low, y.high)
    step = marks[1] - marks[0] if len(marks) > 1 else 1.0
    for mark in marks:
        drawing.line(x.start_px, y(mark), x.end_px, y(mark), "rule", width=0.8)
        drawing.text(_LEFT - 8, y(mark) + 4, label(mark, step), anchor="end", size=11.5, fill="muted")
    for mark in ticks(x.low, x.high):
        if mark == int(mark):
            drawing.text(x(mark), _HEIGHT - _BOTTOM + 18, f"{mark:.0f}", anchor="middle", size=11.5, fill="muted")
    drawing.text((x.start_px + x.end_px) / 2, _HEIGHT - 5, "epoch", anchor="middle", size=12, fill="muted")
    drawing.text(0, 16, what.capitalize(), bold=True)


def _described(table: pl.DataFrame, title: str, what: str, runs: int, last: int) -> str:
    ends = table.group_by("repeat", "fold", maintain_order=True).last().select(pl.col("train", "validation").mean())
    if not table.height:
        return f"{title}: no {what} was recorded."
    train, validation = ends.row(0)
    return (
        f"{title}: {what} by epoch, {runs} run{'s' if runs != 1 else ''}, up to {last} epochs; at the end on average "
        f"{'–' if train is None else format(train, '.3f')} in training and "
        f"{'–' if validation is None else format(validation, '.3f')} in validation."
    )
