"""Row rules: what a row of each table must satisfy, read off the schema, with what to do about a row that does not.

A rule that a row breaks sets the row aside; it never changes a value. A row is counted under the first rule it breaks.
Children of a patient set aside are set aside too (rule R05 says so).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..dates import NO_DAY, to_days, year_of
from ..errors import DataError, nearest
from . import schema
from .convert import EXPECTED, Converted, Mask, absent, convert
from .quarantine import Account, reconcile

RULE_SET_VERSION = "1"
RULES: Mapping[str, str] = {
    "R01": "a value that must be there is missing",
    "R02": "a value cannot be read as the column's type",
    "R03": "a word is not in the vocabulary",
    "R04": "a key stands more than once with different content",
    "R05": "the patient is not among the accepted patients",
    "R06": "the end is before the start",
    "R07": "a value is outside its range",
    "R08": "the event is before the year of birth",
}


@dataclass(frozen=True)
class RawTable:
    """A table as read from one file, before any check."""

    rows: pa.Table
    file: str


@dataclass(frozen=True)
class Checked:
    """Accepted tables sorted by patient and day, rows set aside by table, and the accounts of all rows."""

    tables: Mapping[str, pa.Table]
    quarantine: Mapping[str, pa.Table]
    accounts: tuple[Account, ...]


@dataclass(frozen=True)
class _Fault:
    rule: str
    words: str
    remedy: str
    mask: Mask


def check_tables(raw: Mapping[str, RawTable]) -> Checked:
    """Apply the schema and the row rules to tables as read.

    Raises
    ------
    DataError
        A schema fault: no patients table, an empty one, a missing required column, a column of the wrong type.
    """
    if "patients" not in raw:
        raise DataError(
            f"There is no patients table.{nearest('patients', raw)} Every source needs one row per patient."
        )
    tables: dict[str, pa.Table] = {}
    quarantine: dict[str, pa.Table] = {}
    accounts: list[Account] = []
    for definition in schema.TABLES.values():
        if definition.name not in raw:
            continue
        accepted, aside, counted = _check_table(definition, raw[definition.name], tables.get("patients"))
        tables[definition.name] = accepted
        accounts += counted
        if aside.num_rows:
            quarantine[definition.name] = aside
    if tables["patients"].num_rows == 0:
        raise DataError(f"{raw['patients'].file}: no patient was accepted; without patients there is no cohort.")
    return Checked(tables, quarantine, tuple(accounts))


def _check_table(
    definition: schema.Table, raw: RawTable, patients: pa.Table | None
) -> tuple[pa.Table, pa.Table, list[Account]]:
    converted = _convert_columns(definition, raw)
    table = pa.table([converted[column.name].values for column in definition], schema=definition.arrow_schema)
    faults = list(_faults(definition, table, converted, patients))
    first = np.full(table.num_rows, len(faults), dtype=np.int64)
    for number in reversed(range(len(faults))):
        first[faults[number].mask] = number
    keep = first == len(faults)
    repeated = _repeats(definition, table, keep)
    accounts = [Account(definition.name, raw.file, "accepted", int((keep & ~repeated).sum()))]
    for number, fault in enumerate(faults):
        rows = int((first == number).sum())
        if rows:
            accounts.append(
                Account(definition.name, raw.file, "quarantined", rows, fault.rule, fault.words, fault.remedy)
            )
    if repeated.any():
        words = "equal in every column to a row already accepted"
        accounts.append(Account(definition.name, raw.file, "merged", int(repeated.sum()), "M01", words))
    reconcile(accounts, table=definition.name, rows_read=raw.rows.num_rows)
    rules = np.array([fault.rule for fault in faults] + [""], dtype=object)[first]
    return (
        sort_table(definition.name, table.filter(pa.array(keep & ~repeated))),
        _aside(raw.rows, rules, keep),
        accounts,
    )


def _convert_columns(definition: schema.Table, raw: RawTable) -> dict[str, Converted]:
    if raw.rows.num_columns == 0:
        raise DataError(f"{raw.file} is empty; expected the columns {', '.join(definition.names[:6])}, ...")
    converted = {}
    for column in definition:
        if column.name in raw.rows.column_names:
            converted[column.name] = convert(raw.rows[column.name], column, where=raw.file)
        elif column.required:
            hint = nearest(column.name, raw.rows.column_names)
            raise DataError(f"{raw.file}: column {column.name} is missing; {definition.name} must have it.{hint}")
        else:
            nothing = np.zeros(raw.rows.num_rows, dtype=bool)
            converted[column.name] = Converted(absent(column, raw.rows.num_rows), nothing)
    return converted


def _faults(
    definition: schema.Table, table: pa.Table, converted: Mapping[str, Converted], patients: pa.Table | None
) -> Iterator[_Fault]:
    source = "Correct them at the source and read it again."
    for column in definition:
        each = converted[column.name]
        if column.kind == "word":
            yield _Fault(
                "R03",
                f"{column.name} is not in the vocabulary; {each.advice}",
                "Recode them to a known word.",
                each.unreadable,
            )
        else:
            words = f"{column.name} cannot be read; expected {EXPECTED[column.kind]}"
            yield _Fault("R02", words, source, each.unreadable)
        if column.required:
            yield _Fault("R01", f"{column.name} is missing", source, _as_mask(pc.is_null(each.values)))
    if patients is not None:
        yield _Fault("R05", "the patient is not among the accepted patients", "Add the patient, or correct the id.",
                     ~_as_mask(pc.is_in(table["patient_id"], value_set=patients["patient_id"].combine_chunks())))  # fmt: skip
    yield from _range_faults(definition, table)
    if definition.end:
        start, end = to_days(table[definition.start]), to_days(table[definition.end])
        backwards = (end < start) & (end != NO_DAY) & (start != NO_DAY)
        yield _Fault("R06", f"{definition.end} is before {definition.start}", source, backwards)
    if patients is not None and definition.start:
        yield _Fault(
            "R08", f"{definition.start} is before the year of birth", source, _before_birth(definition, table, patients)
        )
    if definition.key:
        yield _Fault("R04", f"{' and '.join(definition.key)} stand more than once with different content",
                     "Keep one row per key.", _conflicts(definition, table))  # fmt: skip


def _range_faults(definition: schema.Table, table: pa.Table) -> Iterator[_Fault]:
    remedy = "Correct them at the source; if the range is too narrow for real data, report it."
    for column in definition:
        if column.minimum is None and column.maximum is None:
            continue
        outside = _outside(_numbers(table[column.name]), column.minimum, column.maximum)
        low = "more than 0" if column.minimum == schema.POSITIVE else f"{column.minimum:g} or more"
        high = "" if column.maximum is None else f" and {column.maximum:g} or less"
        yield _Fault("R07", f"{column.name} is out of range; expected {low}{high}", remedy, outside)
    if definition.name == "measurements":
        limits = schema.measures()
        code = table["measure"].combine_chunks().indices.fill_null(-1).to_numpy(zero_copy_only=False)
        low = np.array([limits[name]["minimum"] for name in limits] + [-np.inf])[code]
        high = np.array([limits[name]["maximum"] for name in limits] + [np.inf])[code]
        value = _numbers(table["value"])
        yield _Fault("R07", "value is outside the measure's range", remedy, (value < low) | (value > high))


def _outside(values: np.ndarray, low: float | None, high: float | None) -> Mask:
    outside = np.zeros(len(values), dtype=bool)
    if low is not None:
        outside |= values < low
    if high is not None:
        outside |= values > high
    return outside


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=float)


def _as_mask(column: pa.Array | pa.ChunkedArray) -> Mask:
    return np.asarray(
        column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy(), dtype=bool
    )


def _before_birth(definition: schema.Table, table: pa.Table, patients: pa.Table) -> Mask:
    born = _numbers(patients["birth_year"])
    at = pc.index_in(table["patient_id"], value_set=patients["patient_id"].combine_chunks())
    row = np.asarray(at.fill_null(-1).to_numpy(), dtype=np.int64)
    birth_year = np.where(row >= 0, np.append(born, np.nan)[row], np.nan)
    start = to_days(table[definition.start])
    return (start != NO_DAY) & (year_of(np.where(start == NO_DAY, 0, start)) < birth_year)


def _key_frame(definition: schema.Table, table: pa.Table) -> pd.DataFrame:
    return table.select(list(definition.key)).to_pandas()


def _conflicts(definition: schema.Table, table: pa.Table) -> Mask:
    keyed = _key_frame(definition, table).duplicated(keep=False).to_numpy()
    if not keyed.any():
        return keyed
    where = np.flatnonzero(keyed)
    rows = table.take(pa.array(where)).to_pandas()
    same_content = rows.astype(str).groupby(list(definition.key), observed=True).transform("nunique").max(axis=1)
    conflicting = np.zeros(len(keyed), dtype=bool)
    conflicting[where] = same_content.to_numpy() > 1
    return conflicting


def _repeats(definition: schema.Table, table: pa.Table, keep: Mask) -> Mask:
    if not definition.key:
        return np.zeros(table.num_rows, dtype=bool)
    return keep & _key_frame(definition, table).duplicated(keep="first").to_numpy()


def _aside(raw: pa.Table, rules: np.ndarray, keep: Mask) -> pa.Table:
    where = pa.array(np.flatnonzero(~keep))
    aside = raw.take(where)
    lines = pa.array(np.flatnonzero(~keep) + 1, pa.int64())
    return aside.append_column("rule", pa.array(rules[~keep], pa.string())).append_column("line", lines)


def sort_table(name: str, table: pa.Table) -> pa.Table:
    """Return a table sorted by patient, start day and what else its key holds; ties keep the order they were read in."""
    keys: Iterable[str] = schema.table(name).sort_keys
    order = pc.sort_indices(table, sort_keys=[(key, "ascending") for key in keys])
    return table.take(order).combine_chunks()
