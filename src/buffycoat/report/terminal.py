"""The end of a study in the terminal: the comparison, the sentence that sums it up, and where the report is."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from buffycoat.records.documents import Estimate, ModelResult, Results
from buffycoat.report.numbers import interval, share
from buffycoat.report.trust import terminal_line
from buffycoat.report.words import headline


def comparison_table(results: Results) -> Table:
    """Return the comparison of the models, the always-answer-the-largest-class line last.

    Each figure has its 95 % interval below it. A collapsed model is red and says so in words.
    """
    marks = [*(["LEAKING SPLIT"] if results.leaked else []), *(["SYNTHETIC DATA"] if results.synthetic else [])]
    table = Table(
        title=" · ".join([*marks, "Models on cells they were not trained on"]),
        caption="95 % intervals below each figure. Research software, not for diagnosis.",
        title_style="bold red" if results.leaked else "bold yellow" if results.synthetic else "bold",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
    )
    table.add_column("Model", overflow="fold")
    table.add_column("Right", justify="right", no_wrap=True)
    for name in ("Accuracy", "Balanced\naccuracy", "Average\nsensitivity", "Average\nspecificity"):
        table.add_column(name, justify="right", no_wrap=True)
    for model in results.models:
        _add(table, model, last=model is results.models[-1])
    _add(table, results.majority, last=True, style="dim")
    return table


def summary(results: Results, report: str | None = None) -> Group:
    """Return everything a study says at its end: table, sentence, remarks, and the report's path."""
    parts: list[Table | Text] = [comparison_table(results), Text(headline(results))]
    if (line := terminal_line(results)) is not None:
        parts.append(Text(line))
    parts += [Text(f"Note: {remark}", style="yellow") for remark in results.remarks]
    if report is not None:
        parts.append(Text.assemble("Report: ", (report, "bold cyan")))
    return Group(*parts)


def show(console: Console, results: Results, report: str | None = None) -> None:
    """Print :func:`summary`."""
    console.print(summary(results, report), soft_wrap=False)


def _add(table: Table, model: ModelResult, *, last: bool, style: str | None = None) -> None:
    name = Text(model.title)
    if model.collapsed is not None and style is None:
        style = "bold red"
        name.append(f"\ncollapsed: always “{model.collapsed}”")
    table.add_row(
        name,
        f"{model.right}/{model.n}",
        *(
            _figure(estimate)
            for estimate in (model.accuracy, model.balanced_accuracy, model.macro_sensitivity, model.macro_specificity)
        ),
        style=style,
        end_section=last,
    )


def _figure(estimate: Estimate) -> Text:
    limits = interval(estimate)
    return Text(share(estimate.value) + (f"\n{limits}" if limits else ""), justify="right")
