"""`Source`: an immutable handle on the tables of a cohort, in memory or in a cohort folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from ..errors import DataError, nearest
from ..formats import count, html_table
from . import schema
from .quarantine import Account, accounting_frame

Calendar = Literal["gregorian", "shifted"]


class LazyTables(Mapping[str, pa.Table]):
    """Tables by name, each read when first asked for."""

    def __init__(self, readers: Mapping[str, Callable[[], pa.Table]]) -> None:
        self._readers = dict(readers)
        self._read: dict[str, pa.Table] = {}

    def __getitem__(self, name: str) -> pa.Table:
        if name not in self._readers:
            schema.table(name)
            raise DataError(
                f"This source has no table {name!r}; it has {', '.join(self._readers)}. "
                "What needs that table cannot be answered with this source."
            )
        if name not in self._read:
            self._read[name] = self._readers[name]()
        return self._read[name]

    def __contains__(self, name: object) -> bool:
        return name in self._readers

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)


@dataclass(frozen=True, eq=False)
class Source:
    """The tables of a cohort and where they come from.

    Attributes
    ----------
    name : str
        What the source is called in output, for example ``synthetic neuromodulation``.
    calendar : str
        ``"gregorian"``, or ``"shifted"`` where dates are de-identified: what needs calendar time then refuses.
    tables : mapping of str to pyarrow.Table
        The tables present, sorted by patient and day, as `schema.TABLES` defines them; read when asked for.
    counts : mapping of str to int
        Rows by table.
    accounts : tuple of Account
        What became of every row that was read.
    quarantine : mapping of str to pyarrow.Table
        Rows set aside, by table, with ``rule`` and ``line``.
    provenance : mapping
        What ``source.json`` of a cohort folder holds: seed or extract date, hashes, mapping.
    parameters : mapping
        The generator's parameters of a synthetic source, apart from the data; empty for real data.
    """

    name: str
    tables: Mapping[str, pa.Table]
    counts: Mapping[str, int]
    calendar: Calendar = "gregorian"
    accounts: tuple[Account, ...] = ()
    quarantine: Mapping[str, pa.Table] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def scan(self, name: str, columns: tuple[str, ...] | None = None) -> pa.Table:
        """Return the named columns of a table (all when not given), in patient order.

        Raises
        ------
        DataError
            The source has no such table, or the schema no such column; the nearest name is given.
        """
        table = self.tables[name]
        if columns is None:
            return table
        definition = schema.table(name)
        return table.select([definition.column(column).name for column in columns])

    def require(self, *names: str, what: str) -> None:
        """Raise `DataError` unless the source has these tables with at least one row; ``what`` says what needs them."""
        absent = [name for name in names if self.counts.get(schema.table(name).name, 0) == 0]
        if absent:
            has = ", ".join(f"{name} ({count(n)})" for name, n in self.counts.items() if n)
            raise DataError(f"{what} needs {' and '.join(absent)}, which this source does not have. It has {has}.")

    @property
    def accounting(self) -> pd.DataFrame:
        """What became of every row: table, file, disposition, rows, rule, words, remedy."""
        return accounting_frame(self.accounts)

    @property
    def is_synthetic(self) -> bool:
        """Whether the source was simulated by this library."""
        return self.provenance.get("kind") == "simulated"

    def to_folder(self, path: str | Path) -> Path:
        """Write the source as a cohort folder (Parquet sorted by patient and day) and return its path.

        Raises
        ------
        InputError
            The folder exists and is not a cohort folder; nothing is overwritten then.
        """
        from .files import write_cohort_folder

        return write_cohort_folder(self, Path(path))

    def sentence(self) -> str:
        """Say in one sentence what the source holds."""
        rows = ", ".join(f"{count(n)} {name.replace('_', ' ')}" for name, n in self.counts.items() if n)
        calendar = "" if self.calendar == "gregorian" else " Dates are shifted."
        return f"{self.name[:1].upper()}{self.name[1:]}: {rows}.{calendar}"

    def __repr__(self) -> str:
        return f"Source({self.sentence()})"

    def _repr_html_(self) -> str:
        frame = pd.DataFrame({"table": list(self.counts), "rows": [count(n) for n in self.counts.values()]})
        return html_table(frame, caption=self.name)


def in_memory(name: str, tables: Mapping[str, pa.Table], **details: Any) -> Source:
    """Return a `Source` on tables already in memory, each sorted and of the schema's types."""
    if not tables:
        raise DataError(f"There is no table to read.{nearest('patients', schema.TABLES)}")
    readers = {key: (lambda table=table: table) for key, table in tables.items()}
    counts = {key: table.num_rows for key, table in tables.items()}
    return Source(name=name, tables=LazyTables(readers), counts=counts, **details)
