"""What every document is made of: strict, frozen, written in one step; and a figure with its interval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from buffycoat.errors import DataError
from buffycoat.files import write_json


class Document(BaseModel):
    """A document that is written to and read from a JSON file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def write(self, path: Path) -> None:
        """Write the document in one step."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the document.

        Raises
        ------
        DataError
            The file is missing, is not JSON, or is of another shape; every fault is named.
        """
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise DataError(f"{path} does not exist.") from error
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise DataError(f"{path} is not a JSON document: {error}") from error
        except ValidationError as error:
            raise DataError(f"{path} is damaged or of another version: {explain(error)}") from error


def explain(error: ValidationError) -> str:
    """Return all faults of a validation in one readable line."""
    parts = []
    for fault in error.errors():
        where = ".".join(str(step) for step in fault["loc"]) or "the document"
        parts.append(f"{where}: {fault['msg'][0].lower()}{fault['msg'][1:]}")
    return "; ".join(parts)


class Interval(Document):
    """A confidence interval and how it was made. ``low`` and ``high`` are None where it is undefined."""

    low: float | None
    high: float | None
    level: float = 0.95
    method: str


class Estimate(Document):
    """A figure with its interval; ``value`` is None where it is undefined (a share of nothing).

    ``numerator`` and ``denominator`` are set where the figure is a share of counted cells.
    """

    value: float | None
    interval: Interval
    numerator: int | None = None
    denominator: int | None = None
