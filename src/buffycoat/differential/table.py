"""A count in the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from buffycoat.differential import words
from buffycoat.records.differential import CountComparison, Differential, TypeCount

_FLAG_STYLE = {"low": "bold blue", "high": "bold red", "within": ""}


_WIDE = 96  # columns of a terminal that hold everything


def table(made: Differential, *, wide: bool = True) -> Table:
    """Return the count as a table: one row for each type, the denominator below.

    A narrow one leaves out the limits of the absolute counts; every other output has them.
    """
    shown = _titled(made.slide, style="bold", show_footer=True)
    with_absolute = made.wbc is not None
    with_flags = made.ranges is not None
    level = f"{100 * made.level:g} % limits"
    shown.add_column("Type", footer="Named", no_wrap=True)
    shown.add_column("Count", footer=f"{made.denominator:,}", justify="right", no_wrap=True)
    shown.add_column("%", justify="right", no_wrap=True)
    shown.add_column(level, justify="right", no_wrap=True)
    if with_absolute:
        shown.add_column("10⁹/L", footer=f"{made.wbc:g}", justify="right", no_wrap=True)
        if wide:
            shown.add_column(level, justify="right", no_wrap=True)
    if with_flags:
        shown.add_column("Reference", no_wrap=True)
        shown.add_column("Flag", no_wrap=True)
    for row in made.types:
        shown.add_row(*_cells(row, with_absolute=with_absolute, with_flags=with_flags, wide=wide))
    return shown


def _titled(title: str, *, style: str = "", show_footer: bool = False) -> Table:
    return Table(
        title=Text(title),
        title_style=style,
        title_justify="left",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        collapse_padding=True,
        pad_edge=False,
        show_footer=show_footer,
    )


def summary(made: Differential, *, wide: bool = True) -> Group:
    """Return everything to be said of a count: table, what stands apart, cautions, comparison, status."""
    parts: list[Table | Text] = [table(made, wide=wide), Text(words.apart(made))]
    parts += [Text(f"• {caution.sentence}", style="yellow") for caution in made.cautions]
    parts += [Text(f"• {fault.file}: {fault.problem}", style="yellow") for fault in made.faults[:10]]
    if len(made.faults) > 10:
        parts.append(Text(f"• and {len(made.faults) - 10} more (see --out FILE.json)", style="yellow"))
    if made.comparison is not None:
        parts.append(comparison_table(made.comparison))
        parts += [Text(sentence) for sentence in made.comparison.sentences]
    if made.ranges is not None:
        if words.perhaps(made):
            parts.append(Text(words.perhaps(made), style="dim"))
        parts.append(Text(f"Ranges: {made.ranges.name} ({made.ranges.population}; {made.ranges.source})", style="dim"))
    parts += [Text(sentence) for sentence in words.review_sentences(made)]
    parts.append(Text(f"{words.state(made)} {made.notice}", style="bold"))
    return Group(*parts)


def comparison_table(found: CountComparison) -> Table:
    """Return two counts side by side, in percent, each figure with its limits below."""
    shown = _titled(words.compared(found))
    shown.add_column("Type", no_wrap=True)
    for name in (found.first, found.second):
        shown.add_column(Text(f"{name}, %"), justify="right")
    shown.add_column("difference, points", justify="right")
    shown.add_column("p (Holm)", justify="right", no_wrap=True)
    for row in found.types:
        limits = row.difference.interval
        apart = words.MISSING
        if row.difference.value is not None and limits.low is not None:
            apart = f"{row.difference.value:+.1f}\n{limits.low:+.1f} to {limits.high:+.1f}".replace("-", "−")
        shares = [
            words.MISSING if share.value is None else f"{share.value:.1f}\n{words.limits_text(share)}"
            for share in (row.first, row.second)
        ]
        p_value = "< 0.001" if row.p_adjusted < 0.001 else f"{row.p_adjusted:.3f}"
        shown.add_row(row.name, *shares, apart, p_value, style="bold" if row.differs else None)
    return shown


def show(console: Console, made: Differential) -> None:
    """Print :func:`summary`."""
    console.print(summary(made, wide=console.width >= _WIDE), soft_wrap=False)


def _cells(row: TypeCount, *, with_absolute: bool, with_flags: bool, wide: bool) -> list[Text | str]:
    count = f"{row.count:,}" if row.assessed else words.MISSING
    found: list[Text | str] = [Text(row.name), count, words.percent_text(row), words.limits_text(row.percent)]
    if not row.assessed:
        found[3] = Text("not assessed", style="dim")
    if with_absolute:
        found += [words.absolute_text(row), *([words.limits_text(row.absolute, 2)] if wide else [])]
    if with_flags:
        found.append("\n".join(words.range_text(flag) for flag in row.flags) or words.MISSING)
        found.append(Text("\n").join(Text(words.flag_text(flag), style=_FLAG_STYLE[flag.level]) for flag in row.flags))
    return found
