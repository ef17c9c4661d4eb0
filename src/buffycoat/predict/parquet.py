"""Results as Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buffycoat.predict.formats import Format, damaged, listed, other_columns, pieces
from buffycoat.predict.rows import Row

if TYPE_CHECKING:
    import polars as pl

_INTEGERS = frozenset({"width", "height", "cell", "x0", "y0", "x1", "y1"})
_NUMBERS = frozenset({"probability", "unlikeness"})


class Parquet(Format):
    """Parquet: typed columns, the conformal set a list."""

    ending = ".parquet"

    def encode(self, rows: Sequence[Row]) -> bytes:
        """Return a Parquet file."""
        content = io.BytesIO()
        self.frame(rows).write_parquet(content)
        return content.getvalue()

    def frame(self, rows: Sequence[Row]) -> pl.DataFrame:
        """Return rows as a typed table.

        Raises
        ------
        ValueError, TypeError
            A value does not fit its column.
        """
        import polars as pl

        values = {name: [_typed(row.get(name), name) for row in rows] for name in self.columns}
        try:
            return pl.DataFrame(values, schema=self.schema())
        except pl.exceptions.PolarsError as error:  # rows that were read back from a file of other types
            raise ValueError(str(error)) from error

    def schema(self) -> dict[str, pl.DataType]:
        """Return the columns' types."""
        import polars as pl

        def kind(name: str) -> pl.DataType:
            if name in _INTEGERS:
                return pl.Int32()
            if name in _NUMBERS or name.startswith("p_"):
                return pl.Float64()
            if name == "touches_border":
                return pl.Boolean()
            return pl.List(pl.String()) if name == "conformal_set" else pl.String()

        return {name: kind(name) for name in self.columns}

    def join(self, parts: Iterable[tuple[Path, Sequence[bool] | None]], out: Path) -> None:
        """Write `out` from its parts, a few at a time in memory."""
        import polars as pl

        scanned = []
        for path, kept in parts:
            part = pl.scan_parquet(path)
            scanned.append(part if kept is None else part.filter(pl.lit(pl.Series(list(kept), dtype=pl.Boolean()))))
        if scanned:
            pl.concat(scanned).sink_parquet(out)
        else:
            self.frame([]).write_parquet(out)

    def split(self, path: Path) -> Iterator[list[Row]]:
        """Yield the rows of a finished file."""
        import polars as pl

        try:
            table = pl.scan_parquet(path)
            if tuple(table.collect_schema().names()) != self.columns:
                raise other_columns(path)
            count = int(table.select(pl.len()).collect().item())
            firsts = range(0, count, 50_000)
            yield from pieces(
                row for first in firsts for row in table.slice(first, 50_000).collect().iter_rows(named=True)
            )
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise damaged(path, error) from error


def _typed(value: Any, name: str) -> Any:
    return listed(value) if name == "conformal_set" and isinstance(value, str) else value
