"""From tables as read to accepted rows, rows set aside and an account of every row: where the row rules are applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DataError, nearest
from ..formats import plural
from . import schema
from .convert import Converted, Mask, absent, convert
from .quarantine import Account, reconcile
from .rules import MERGES, Fault, row_faults


@dataclass(frozen=True, eq=False)
class Origin:
    """The file some rows of a raw table come from.

    Attributes
    ----------
    file : str
    rows : pyarrow.Table
        The rows as they stand in the file.
    lines : (n,) int
        Their places in the file; the first row below the header is 1.
    rows_read : int
        Rows of the file, with those a mapping left out.
    excluded : tuple of Account
        What a mapping left out, and why.
    """

    file: str
    rows: pa.Table
    lines: npt.NDArray[np.int64]
    rows_read: int
    excluded: tuple[Account, ...] = ()


@dataclass(frozen=True, eq=False)
class RawTable:
    """A table as read, before any check; its rows are those of its origins one after another.

    ``faults`` were found on the way here; ``merge`` is the rule under which equal rows of a table are merged.
    """

    rows: pa.Table
    file: str
    origins: tuple[Origin, ...] = ()
    faults: tuple[Fault, ...] = ()
    merge: str = ""

    @property
    def sources(self) -> tuple[Origin, ...]:
        """The origins; of a table read as it stands, its one file."""
        rows = self.rows.num_rows
        return self.origins or (Origin(self.file, self.rows, np.arange(1, rows + 1), rows),)


@dataclass(frozen=True)
class Checked:
    """Accepted tables sorted by patient and day, rows set aside by table, and the accounts of all rows."""

    tables: Mapping[str, pa.Table]
    quarantine: Mapping[str, pa.Table]
    accounts: tuple[Account, ...]


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
    _require_patients(tables["patients"], raw["patients"], accounts)
    return Checked(tables, quarantine, tuple(accounts))


def _require_patients(accepted: pa.Table, raw: RawTable, accounts: list[Account]) -> None:
    if accepted.num_rows:
        return
    if raw.rows.num_rows == 0:
        raise DataError(f"{raw.file} has a header but no row for patients; without patients there is no cohort.")
    why = "; ".join(
        f"{plural(each.rows, 'row')}: {each.words} (rule {each.rule})"
        for each in accounts
        if each.table == "patients" and each.rule
    )
    raise DataError(f"{raw.file}: no patient was accepted; without patients there is no cohort. {why}.")


def _check_table(
    definition: schema.Table, raw: RawTable, patients: pa.Table | None
) -> tuple[pa.Table, pa.Table, list[Account]]:
    converted = convert_columns(definition, raw)
    table = pa.table([converted[column.name].values for column in definition], schema=definition.arrow_schema)
    faults = [*raw.faults, *(each for each in row_faults(definition, table, converted, patients) if each.mask.any())]
    first = first_faults(faults, table.num_rows)
    keep = first == len(faults)
    repeated = _repeats(definition, table, keep, raw.merge)
    accounts: list[Account] = []
    aside = []
    start = 0
    for origin in raw.sources:
        part = slice(start, start := start + len(origin.lines))
        counted = _accounts(definition.name, origin, faults, first[part], repeated[part], raw.merge or "M01")
        reconcile(counted, table=definition.name, file=origin.file, rows_read=origin.rows_read)
        accounts += counted
        aside.append(_aside(origin, faults, first[part]))
    accepted = sort_table(definition.name, table.filter(pa.array(keep & ~repeated)))
    return accepted, pa.concat_tables(aside, promote_options="permissive"), accounts


def first_faults(faults: Sequence[Fault], rows: int) -> npt.NDArray[np.int64]:
    """Return the number of each row's first fault, under which it is counted; ``len(faults)`` where it has none."""
    first = np.full(rows, len(faults), dtype=np.int64)
    for number in reversed(range(len(faults))):
        first[faults[number].mask] = number
    return first


def _accounts(
    table: str, origin: Origin, faults: list[Fault], first: npt.NDArray[np.int64], repeated: Mask, merge: str
) -> list[Account]:
    accepted = int(((first == len(faults)) & ~repeated).sum())
    accounts = [Account(table, origin.file, "accepted", accepted), *origin.excluded]
    for number, fault in enumerate(faults):
        rows = int((first == number).sum())
        if rows:
            accounts.append(Account(table, origin.file, "quarantined", rows, fault.rule, fault.words, fault.remedy))
    if repeated.any():
        accounts.append(Account(table, origin.file, "merged", int(repeated.sum()), merge, MERGES[merge]))
    return accounts


def convert_columns(definition: schema.Table, raw: RawTable) -> dict[str, Converted]:
    """Return a table's columns in the types of the schema; a column the file does not have is all missing."""
    require_header(definition, raw.rows.column_names, file=raw.file)
    converted = {}
    for column in definition:
        if column.name in raw.rows.column_names:
            converted[column.name] = convert(raw.rows[column.name], column, where=raw.file)
        else:
            nothing = np.zeros(raw.rows.num_rows, dtype=bool)
            converted[column.name] = Converted(absent(column, raw.rows.num_rows), nothing)
    return converted


def require_header(definition: schema.Table, names: list[str], *, file: str) -> None:
    """Raise `DataError` unless a file has every column its table must have."""
    if not set(names) & set(definition.names):
        # The first line may be a row of patient data: nothing of it is shown.
        raise DataError(
            f"{file}: none of its columns belongs to {definition.name}; is the header missing, or the delimiter "
            f"no comma? Expected the columns {', '.join(definition.names[:6])}, ..."
        )
    for column in definition:
        if column.required and column.name not in names:
            hint = nearest(column.name, names)
            raise DataError(f"{file}: column {column.name} is missing; {definition.name} must have it.{hint}")


def _repeats(definition: schema.Table, table: pa.Table, keep: Mask, merge: str) -> Mask:
    columns = definition.names if merge else definition.key
    if not columns:
        return np.zeros(table.num_rows, dtype=bool)
    # Rows set aside do not stand for rows accepted: a twin of one is no repeat of it.
    repeated = np.zeros(table.num_rows, dtype=bool)
    kept = table.select(list(columns)).filter(pa.array(keep)).to_pandas(date_as_object=False)
    repeated[keep] = kept.duplicated(keep="first").to_numpy()
    return repeated


def _aside(origin: Origin, faults: list[Fault], first: npt.NDArray[np.int64]) -> pa.Table:
    where = np.flatnonzero(first < len(faults))
    rules = [faults[number].rule for number in first[where]]
    rows = origin.rows.take(pa.array(where))
    # A column of the source that is called as one of ours steps back.
    names = [f"{name}_" if name in ("rule", "file", "line") else name for name in rows.column_names]
    ours = [
        pa.array(rules, pa.string()),
        pa.array([origin.file] * len(where), pa.string()),
        pa.array(origin.lines[where]),
    ]
    return pa.table([*ours, *rows.columns], names=["rule", "file", "line", *names])


def sort_table(name: str, table: pa.Table) -> pa.Table:
    """Return a table sorted by patient, start day, then key or all columns: the order of rows read never shows."""
    codes = [
        column.combine_chunks().indices if pa.types.is_dictionary(column.type) else column for column in table.columns
    ]
    keys = [(key, "ascending") for key in schema.table(name).sort_keys]
    order = pc.sort_indices(pa.table(codes, names=table.column_names), sort_keys=keys)
    return table.take(order).combine_chunks()
