"""A cohort folder written a run of patients at a time, in patient order, with no more in memory than is in hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from . import schema
from .files import cohort_draft, parquet_writer, patient_groups, write_details
from .reading import read_parquet
from .source import LazyTables, Source


def write_runs(runs: Iterable[Mapping[str, pa.Table]], described: Source, folder: Path) -> Path:
    """Write a cohort folder from the tables of runs of patients that follow one another.

    **Definition**: the folder is, byte for byte, the one that ``described.to_folder`` would write if it held the runs
    joined: where row groups are cut does not depend on where runs end. It is put in place when it is whole, and an
    earlier cohort folder there goes then; where a run fails or the process is stopped, nothing is left or replaced.

    Parameters
    ----------
    runs : iterable of mapping of str to pyarrow.Table
        All tables of some patients, checked and sorted as in a cohort folder; the patients' ids rise from run to run.
    described : Source
        What the folder says about itself; its own tables and counts are not looked at.
    folder : Path

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        The folder exists and is not a cohort folder.

    Notes
    -----
    When not to use it: for rows that are unchecked or in another order, use `write_sorted_folder`.
    """
    with cohort_draft(folder) as draft:
        counts = _write_tables(runs, draft)
        tables = LazyTables({name: partial(read_parquet, draft / f"{name}.parquet") for name in counts})
        write_details(replace(described, tables=tables, counts=counts), draft)
    return folder


def _write_tables(runs: Iterable[Mapping[str, pa.Table]], draft: Path) -> dict[str, int]:
    """Write every table and return its number of rows, in the order of the schema."""
    rows: Counter[str] = Counter()
    with ExitStack() as open_files:
        files: dict[str, _Appended] = {}
        for run in runs:
            for name, table in run.items():
                if name not in files:
                    files[name] = open_files.enter_context(_Appended(draft / f"{name}.parquet", table.schema))
                files[name].append(table)
                rows[name] += table.num_rows
    return {name: rows[name] for name in schema.TABLES if name in rows}


class _Appended:
    """A Parquet file of whole patients that grows run by run; rows of a group that is not full yet are held back."""

    def __init__(self, file: Path, fields: pa.Schema) -> None:
        self._writer = parquet_writer(file, fields)
        self._held = fields.empty_table()

    def __enter__(self) -> _Appended:
        return self

    def append(self, rows: pa.Table) -> None:
        """Write the row groups that are full with these rows."""
        held = pa.concat_tables([self._held, rows])
        *full, (last, _) = patient_groups(held["patient_id"]) or [(0, 0)]
        for start, stop in full:
            self._write(held.slice(start, stop - start))
        # The last group may go on with the next run.
        self._held = held.slice(last)

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._write(self._held)
        self._writer.close()

    def _write(self, group: pa.Table) -> None:
        # Pages are cut where chunks end: the bytes are to be those of a table in one piece.
        self._writer.write_table(group.combine_chunks(), row_group_size=max(group.num_rows, 1))
