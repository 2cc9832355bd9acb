"""A sorted cohort folder from rows in any order, in bounded memory: DuckDB sorts, spilling to disk.

The rows pass through twice: on the way into the sort every value is converted and checked by itself; on the way out,
patient by patient, the rules that need the patient's row or other rows are applied and row groups are written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import InputError
from . import schema
from .arriving import ROWS_PER_PART, Files, Input, Tally, arriving_batches, carried_schema, converted_parts, to_inputs
from .checking import RawTable, check_tables
from .convert import Converted, absent
from .files import (
    ROWS_PER_GROUP,
    cohort_draft,
    patient_groups,
    write_details,
    write_row_groups,
    write_sorted_parquet,
)
from .quarantine import Account
from .reading import read_parquet
from .rules import MERGES, Fault, row_faults
from .source import Calendar, LazyTables, Source

if TYPE_CHECKING:
    import duckdb

_MANY = 1_000_000_000
"""Patients who are in no patients table are numbered behind all that are, so that their rows come last."""


def write_sorted_folder(
    files: Mapping[str, Files],
    folder: str | Path,
    *,
    name: str,
    calendar: Calendar = "gregorian",
    memory_gib: float = 1.5,
) -> Path:
    """Write a cohort folder from CSV or Parquet files in our schema whose rows are too many for memory.

    **Definition**: every row is checked by the row rules of `read_tables`; rows are sorted by patient, start day, then
    key or all columns, equal rows of a table with a key are merged, and row groups are cut between patients. The folder
    is the one that ``read_tables(...).to_folder(...)`` writes, whatever the order of the rows. A row that breaks a rule
    is not set aside: nothing is written then, and rules and counts are named.

    Parameters
    ----------
    files : mapping of str to path or sequence of paths
        The CSV or Parquet files of each table; ``patients`` is held in memory and must be among them.
    folder : str or Path
        Where to write; an earlier cohort folder there is replaced once the new one is whole.
    name : str
        What the source is called in output.
    calendar : {"gregorian", "shifted"}
        Whether the dates are calendar dates.
    memory_gib : float
        Memory (GiB) of the sort, beyond which it spills beside ``folder``; the whole process takes about 1 GiB more.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        No such file, a file that is neither CSV nor Parquet, or a folder that is not a cohort folder.
    DataError
        A schema fault, or rows that break a rule.

    Notes
    -----
    When not to use it: where the tables fit into memory, `read_tables` also sets faulty rows aside and lists them. The
    spill holds the rows being sorted, needs as much disk as they do uncompressed, and is wiped at the end; so it is
    after an error or an interrupt. What a killed process leaves, hidden beside the folder, the next call removes.

    Examples
    --------
    >>> import tempfile
    >>> import fbss_analytics as fbss
    >>> extract = fbss.simulate("neuromodulation", n_patients=200, seed=1).to_folder(tempfile.mkdtemp() + "/extract")
    >>> files = {name: extract / f"{name}.parquet" for name in ("patients", "dispensings")}
    >>> fbss.read_tables(fbss.write_sorted_folder(files, extract.with_name("cohort"), name="mine")).counts["patients"]
    200
    """
    if memory_gib <= 0:
        raise InputError(f"memory_gib={memory_gib:g} is no memory to sort in; expected more than 0, for example 1.5.")
    inputs = to_inputs(files)
    target = Path(folder)
    with cohort_draft(target) as draft:
        tally = Tally()
        patients, accounts = _write_patients(inputs.pop(0), tally, draft)
        read = Counter(tally.read)
        with _sorter(draft.with_name("spill"), patients, memory_gib) as connection:
            for each in inputs:
                tally = Tally()
                accounts += _write_table(each, patients, tally, connection, draft)
                read.update(tally.read)
        write_details(_described(name, calendar, draft, accounts, read), draft)
    return target


def _described(
    name: str, calendar: Calendar, draft: Path, accounts: Sequence[Account], read: Mapping[str, int]
) -> Source:
    """Return the source that the draft holds, for what is written beside its tables."""
    counts = {each.table: each.rows for each in accounts if each.disposition == "accepted"}
    return Source(
        name=name,
        tables=LazyTables({table: partial(read_parquet, draft / f"{table}.parquet") for table in counts}),
        counts=counts,
        calendar=calendar,
        accounts=tuple(accounts),
        provenance={"kind": "tables", "files": dict(sorted(read.items()))},
    )


def _write_patients(given: Input, tally: Tally, draft: Path) -> tuple[pa.Table, list[Account]]:
    """Check, sort and write the patients in memory; the rows of every other table are looked up in them."""
    rows = list(converted_parts(given, tally))
    tally.require_sound("patients")
    checked = check_tables({"patients": RawTable(pa.concat_tables([schema.empty("patients"), *rows]), given.label)})
    for each in checked.accounts:
        if each.disposition == "quarantined":
            tally.broken[each.rule, each.words, each.remedy] = each.rows
    tally.require_sound("patients")
    write_sorted_parquet(checked.tables["patients"], draft / "patients.parquet")
    return checked.tables["patients"], list(checked.accounts)


# --- the sort -------------------------------------------------------------------------------------------------------


@contextmanager
def _sorter(spill: Path, patients: pa.Table, memory_gib: float) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a DuckDB that knows each patient's place among the patients: numbers sort faster than ids."""
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{round(memory_gib * 1024)}MiB",
        "temp_directory": str(spill),
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
    }
    places = pa.array(np.arange(patients.num_rows, dtype=np.int32))
    try:
        with duckdb.connect(config=settings) as connection:
            connection.register("people", pa.table({"patient_id": patients["patient_id"], "place": places}))
            # How many rows arrive is not known beforehand; the patients are the side of the join to keep in memory.
            connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
            yield connection
    except duckdb.OutOfMemoryException:
        raise InputError(
            f"memory_gib={memory_gib:g} is too little to sort in, or the disk beside the folder is full; "
            "expected 1.5 or more, and free disk for all rows uncompressed."
        ) from None


def _sorted(given: Input, n: int, tally: Tally, connection: duckdb.DuckDBPyConnection) -> Iterator[pa.Table]:
    """Yield the rows in the order of a cohort folder, with the place of the patient among ``n`` as ``patient_id``."""
    batches = pa.RecordBatchReader.from_batches(carried_schema(given), arriving_batches(given, tally))
    connection.register("arriving", batches)
    others = [name for name in given.names if name != "patient_id"]
    columns = ", ".join(f'arriving."{name}"' for name in others)
    keys = ", ".join(f'arriving."{name}" NULLS LAST' for name in given.table.sort_keys[1:] if name in given.names)
    query = (
        f"SELECT coalesce(people.place, {n} + hash(patient_id) % {_MANY})::INTEGER AS place, {columns} "
        f"FROM arriving LEFT JOIN people USING (patient_id) ORDER BY place, {keys}"
    )
    for number, batch in enumerate(connection.sql(query).to_arrow_reader(ROWS_PER_PART)):
        if number == 0:
            # The sort has taken in every row before it gives the first.
            tally.require_sound(given.table.name)
        yield pa.Table.from_batches([batch]).rename_columns(["patient_id", *others])


# --- the way out: every row beside its patient's --------------------------------------------------------------------


def _write_table(
    given: Input, patients: pa.Table, tally: Tally, connection: duckdb.DuckDBPyConnection, draft: Path
) -> list[Account]:
    """Sort, check and write one table; return the accounts of its rows."""
    definition = given.table
    rows = _sorted(given, patients.num_rows, tally, connection)
    groups = _accepted(definition, _whole_patients(definition, rows), patients, tally)
    file = draft / f"{definition.name}.parquet"
    write_row_groups(groups, definition.arrow_schema, file)
    tally.require_sound(definition.name)
    accepted = pq.read_metadata(file).num_rows
    merged = tally.read.total() - accepted
    accounts = [Account(definition.name, given.label, "accepted", accepted)]
    if merged:
        accounts.append(Account(definition.name, given.label, "merged", merged, "M01", MERGES["M01"]))
    return accounts


def _whole_patients(definition: schema.Table, batches: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Yield sorted rows in row groups that hold whole patients, without the repeats of a row."""
    held = None
    for batch in batches:
        held = _without_repeats(definition, batch if held is None else pa.concat_tables([held, batch]))
        *whole, (last, _) = patient_groups(held["patient_id"], ROWS_PER_GROUP)
        yield from (held.slice(start, stop - start) for start, stop in whole)
        # The last patient may go on with the next batch.
        held = held.slice(last)
    if held is not None:
        yield held


def _without_repeats(definition: schema.Table, rows: pa.Table) -> pa.Table:
    """Drop rows equal to the one before in every column, of a table with a key; in other tables such rows stand."""
    if not definition.key:
        return rows
    one, following = rows.slice(0, max(rows.num_rows - 1, 0)), rows.slice(1)
    repeated = np.ones(one.num_rows, dtype=bool)
    # The key comes first: where it differs, and that is nearly everywhere, no other column needs to be compared.
    for name in [*definition.key, *(name for name in rows.column_names if name not in definition.key)]:
        if not repeated.any():
            return rows
        before, after = one[name], following[name]
        is_same = pc.or_kleene(pc.equal(before, after), pc.and_(pc.is_null(before), pc.is_null(after)))
        repeated &= np.asarray(pc.fill_null(is_same, False).to_numpy(), dtype=bool)
    return rows.filter(pa.array(np.append(True, ~repeated)))


def _accepted(
    definition: schema.Table, groups: Iterator[pa.Table], patients: pa.Table, tally: Tally
) -> Iterator[pa.Table]:
    """Yield groups as they are written; once a row breaks a rule, the rest is only counted."""
    ids = patients["patient_id"].combine_chunks()
    numbered = patients.set_column(0, "patient_id", pa.array(np.arange(len(ids), dtype=np.int32)))
    for rows in groups:
        group = _in_schema(definition, rows)
        faults = _faults(definition, group, numbered)
        tally.add(faults, group.num_rows)
        if not tally.broken:
            yield group.set_column(0, "patient_id", ids.take(group["patient_id"]))


def _in_schema(definition: schema.Table, rows: pa.Table) -> pa.Table:
    """Return rows with all columns of the schema, words as words; ``patient_id`` stays the patient's place."""
    columns = {}
    for column in definition:
        if column.name not in rows.column_names:
            columns[column.name] = absent(column, rows.num_rows)
        elif column.kind == "word":
            words = pa.array(schema.vocabulary(column.vocabulary), pa.string())
            codes = rows[column.name].combine_chunks()
            columns[column.name] = pa.DictionaryArray.from_arrays(codes, words)
        else:
            columns[column.name] = rows[column.name].combine_chunks()
    return pa.table(columns)


def _faults(definition: schema.Table, group: pa.Table, patients: pa.Table) -> list[Fault]:
    """Return the rules that rows of a run of patients break; only the run's own patients are looked through."""
    place = group["patient_id"].to_numpy()
    first = min(int(place[0]), patients.num_rows)
    run = patients.slice(first, max(int(place[-1]) + 1 - first, 0))
    nothing = np.zeros(group.num_rows, dtype=bool)
    readable = {name: Converted(group[name].combine_chunks(), nothing) for name in group.column_names}
    return [each for each in row_faults(definition, group, readable, run) if each.mask.any()]
