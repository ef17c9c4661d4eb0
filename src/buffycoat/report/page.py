"""``page/``: the study as a Hugo page bundle."""

from __future__ import annotations

from pathlib import Path

from buffycoat.report.study_files import Study


def write_page(study: Study, folder: Path) -> None:
    """Write the bundle."""
