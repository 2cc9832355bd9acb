"""Rows on their way into the sort of `sorting`: read part by part, converted, and checked value by value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from ..errors import DataError, InputError, one_of
from ..formats import count, plural
from . import schema
from .checking import RawTable, convert_columns, first_faults
from .files import known_names
from .reading import csv_batches, csv_header, parquet_batches, parquet_names
from .rules import Fault, value_faults

ROWS_PER_PART = 262_144

Files = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Input:
    """The files of a table, with the columns of the schema that each of them has."""

    table: schema.Table
    files: Mapping[Path, list[str]]

    @property
    def names(self) -> list[str]:
        """The columns that any of the files has; the others are all missing and need no sorting."""
        return [name for name in self.table.names if any(name in names for names in self.files.values())]

    @property
    def label(self) -> str:
        """What the rows are accounted under: after the sort it is not known which of several files a row is from."""
        first, *others = (path.name for path in self.files)
        return f"{first} and {plural(len(others), 'more file')}" if others else first


@dataclass(eq=False)
class Tally:
    """What was met on the way through a table: rows read by file, and rows by the first rule each breaks."""

    read: Counter[str] = field(default_factory=Counter)
    broken: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    error: DataError | None = None

    def add(self, faults: Sequence[Fault], rows: int) -> None:
        """Count each row under the first fault it has."""
        numbers, rows_at_fault = np.unique(first_faults(faults, rows), return_counts=True)
        for number, n in zip(numbers.tolist(), rows_at_fault.tolist(), strict=True):
            if number < len(faults):
                fault = faults[number]
                # The known words nearest to an unknown one differ from part to part; the rule does not.
                words = fault.words.partition(";")[0] if fault.rule == "R03" else fault.words
                self.broken[fault.rule, words, fault.remedy] += n

    def require_sound(self, table: str) -> None:
        """Raise `DataError` when rows cannot be accepted, naming the rules they break and their numbers."""
        if self.error is not None:
            raise self.error
        if self.broken:
            rules = "".join(
                f"\n  {plural(n, 'row')}: {words} (rule {rule}). {remedy}"
                for (rule, words, remedy), n in self.broken.items()
            )
            raise DataError(
                f"{table}: {count(self.broken.total())} of {plural(self.read.total(), 'row')} cannot be accepted; "
                f"nothing was written.{rules}\n  read_tables and import_tables set such rows aside instead; they hold "
                "a table in memory."
            )


def to_inputs(files: Mapping[str, Files]) -> list[Input]:
    """Return what is to be read, in the order of the schema and so with the patients first, or raise."""
    for name in files:
        one_of(name, schema.TABLES, name="files")
    if "patients" not in files:
        raise InputError('files has no "patients"; every cohort needs one row per patient.')
    inputs = []
    for name in (name for name in schema.TABLES if name in files):
        given = files[name]
        paths = [Path(given)] if isinstance(given, str | Path) else [Path(each) for each in given]
        if not paths:
            raise InputError(f"files names no file for {name}; name one, or leave the table out.")
        if len(set(paths)) < len(paths):
            raise InputError(f"files names a file for {name} twice; its rows are to be read once.")
        inputs.append(Input(schema.table(name), {path: _names(schema.table(name), path) for path in paths}))
    return inputs


def _names(definition: schema.Table, path: Path) -> list[str]:
    if not path.is_file():
        raise InputError(f"There is no file {path.name!r} here for {definition.name}.")
    if not (_is_csv(path) or path.suffix.lower() == ".parquet"):
        raise InputError(f"{path.name} is neither CSV nor Parquet; expected {path.stem}.csv or {path.stem}.parquet.")
    names = csv_header(path) if _is_csv(path) else parquet_names(path)
    return known_names(definition, names, file=path.name, stacklevel=6)


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def converted_parts(given: Input, tally: Tally) -> Iterator[pa.Table]:
    """Yield all rows in the types of the schema; once a value breaks a rule, the rest is only counted."""
    for path, names in given.files.items():
        tally.read[path.name] += 0
        for rows in _parts(given.table, path, names):
            tally.read[path.name] += rows.num_rows
            columns = convert_columns(given.table, RawTable(rows, path.name))
            faults = [each for each in value_faults(given.table, columns) if each.mask.any()]
            tally.add(faults, rows.num_rows)
            if not tally.broken:
                yield pa.table([each.values for each in columns.values()], schema=given.table.arrow_schema)


def _parts(definition: schema.Table, path: Path, names: Sequence[str]) -> Iterator[pa.Table]:
    if _is_csv(path):
        return csv_batches(path, columns=names)
    words = {column.name for column in definition if column.kind == "word"}
    return parquet_batches(path, columns=names, words=words, rows=ROWS_PER_PART)


def arriving_batches(given: Input, tally: Tally) -> Iterator[pa.RecordBatch]:
    """Yield the rows as the sort takes them: the columns there are, words as their codes."""
    try:
        for rows in converted_parts(given, tally):
            columns = [rows[name].combine_chunks() for name in given.names]
            codes = [each.indices if pa.types.is_dictionary(each.type) else each for each in columns]
            yield pa.RecordBatch.from_arrays(codes, schema=carried_schema(given))
    except DataError as error:
        # What is raised here would reach the caller as a message of DuckDB.
        tally.error = error


def carried_schema(given: Input) -> pa.Schema:
    """Return the types in which the sort takes a table's columns."""
    kinds = {name: given.table.column(name).arrow_type for name in given.names}
    return pa.schema(
        [(name, kind.index_type if pa.types.is_dictionary(kind) else kind) for name, kind in kinds.items()]
    )
