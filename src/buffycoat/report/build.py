"""Writing a study's report and project page from its files alone."""

from __future__ import annotations

from pathlib import Path

from buffycoat.files import write_text
from buffycoat.report.html import render_html
from buffycoat.report.page import write_page
from buffycoat.report.study_files import read_study


def build(study: Path) -> Path:
    """Write ``report.html`` and ``page/`` into the study folder and return the path of the report.

    Parameters
    ----------
    study
        A study folder with results; nothing outside it is read.

    Raises
    ------
    DataError
        It is not a study folder, has no results yet, or a file is damaged.
    OutputError
        The folder cannot be written.
    """
    files = read_study(study)
    report = study / "report.html"
    write_text(report, render_html(files))
    write_page(files, study / "page")
    return report
