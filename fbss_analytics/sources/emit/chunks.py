"""A source as chunks of patients whose tables are text, the form in which extracts are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ...engine import Run, file_runs, table_runs
from .. import schema
from ..convert import plain
from ..files import read_tables
from ..source import Source

PATIENTS_PER_CHUNK = 1_000
Text = pd.DataFrame
"""A frame of text columns: days as yyyy-mm-dd, whole numbers without a point, None where there is no value."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """Successive patients with their rows of every table of the schema; a table the source lacks has no rows.

    ``first`` is the place of the chunk's first patient in the source; the first of all is 1.
    """

    first: int
    frames: Mapping[str, Text]

    def place(self, patient_id: pd.Series) -> npt.NDArray[np.int64]:
        """Return the place of each patient in the source; every row is of a patient of the chunk."""
        return (
            np.asarray(pd.Index(self.frames["patients"]["patient_id"]).get_indexer(patient_id), np.int64) + self.first
        )


def open_source(source: Source | str | Path) -> tuple[Source, Mapping[str, list[Run]]]:
    """Return a source with the runs of each of its tables; a cohort folder is read run by run, whatever its size."""
    opened = source if isinstance(source, Source) else read_tables(source)
    if isinstance(source, Source) or "tables" not in opened.provenance:
        return opened, {name: table_runs(opened.tables[name]) for name in opened.tables}
    return opened, {
        name: file_runs(Path(source) / f"{name}.parquet", schema.table(name).names) for name in opened.tables
    }


def chunks_of(runs: Mapping[str, list[Run]], *, patients: int = PATIENTS_PER_CHUNK) -> Iterator[Chunk]:
    """Yield a source in chunks of so many patients, in patient order."""
    cursors = {name: _Cursor(iter(runs.get(name, []))) for name in schema.TABLES if name != "patients"}
    first = 1
    for run in runs["patients"]:
        people = run()
        for start in range(0, people.num_rows, patients):
            part = people.slice(start, patients)
            last = part["patient_id"][-1].as_py()
            rows = {name: cursor.until(last, schema.empty(name)) for name, cursor in cursors.items()}
            yield Chunk(first, {name: to_text_frame(table) for name, table in ({"patients": part} | rows).items()})
            first += part.num_rows


def to_text_frame(table: pa.Table) -> Text:
    """Return a table as text."""
    columns = {}
    for name in table.column_names:
        text = plain(table[name]).cast(pa.string())
        columns[name] = pd.Series(text.to_pylist(), dtype=object)
    return pd.DataFrame(columns)


def or_else(values: pd.Series, otherwise: str) -> pd.Series:
    """Return text with a word in place of missing values."""
    return values.astype(object).where(values.notna(), otherwise)


@dataclass(eq=False)
class _Cursor:
    """Goes through the runs of a table once, handing out the rows of one chunk of patients after the other."""

    runs: Iterator[Run]
    rest: pa.Table | None = None

    def until(self, last: str, nothing: pa.Table) -> pa.Table:
        """Return the rows of the patients up to ``last`` that have not been handed out."""
        parts = []
        while self.rest is not None or self._next():
            assert self.rest is not None
            rows = pc.sum(pc.less_equal(plain(self.rest["patient_id"]), last)).as_py() or 0
            parts.append(self.rest.slice(0, rows))
            if rows < self.rest.num_rows:
                self.rest = self.rest.slice(rows)
                break
            self.rest = None
        plain_parts = [pa.table({name: plain(part[name]) for name in part.column_names}) for part in parts]
        return pa.concat_tables(plain_parts) if parts else nothing

    def _next(self) -> bool:
        run = next(self.runs, None)
        self.rest = run() if run is not None else None
        return run is not None
