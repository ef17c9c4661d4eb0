"""The bundle that ships inside the package."""

from __future__ import annotations

from pathlib import Path

from buffycoat.bundle.read import CARD, MODEL
from buffycoat.errors import DataError

FOLDER = Path(__file__).parent / "default"


def default_bundle() -> Path:
    """Return the folder of the bundle that ships with the package; ``make bundle`` makes it.

    Raises
    ------
    DataError
        This installation has none.
    """
    if not all((FOLDER / name).is_file() for name in (CARD, MODEL)):
        raise DataError(
            "This installation holds no default bundle.",
            hint="Give one with --bundle DIR; buffycoat export STUDY --out DIR makes it from a study, "
            "make bundle makes the default one.",
        )
    return FOLDER
