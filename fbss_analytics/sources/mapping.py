"""Import a foreign extract by a mapping file: flat files with other names, dates and words become a cohort folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DataError, InputError, StudyWarning
from ..formats import count, plural
from . import schema
from .checking import Origin, RawTable, check_tables
from .convert import Mask
from .extract import Extract, read_extract
from .files import read_tables
from .mapping_file import MAPPING_VERSION, read_mapping
from .quarantine import Account, warn_of_quarantine
from .recipe import Block, Join, MappingFile, Where
from .rules import EXCLUSIONS, Fault
from .source import Source, in_memory
from .steps import fill, number_rows, spans


def import_tables(path: str | Path, folder: str | Path, *, mapping: str | Path) -> Source:
    """Import flat files with other names into a cohort folder, as a mapping file says.

    **Definition**: every row of a file that feeds a table is, for that table, either accepted, quarantined under a row
    rule, excluded for a reason the mapping gives, or merged with an equal row; the four add up to the rows read, and
    ``.accounting`` lists them. Columns that the mapping does not name are not read. Where a patient has no observation
    periods in the extract, they exist only if the mapping makes them (``from_first_to_last``).

    Parameters
    ----------
    path : str or Path
        Folder of the extract: CSV, TSV or Parquet files.
    folder : str or Path
        Cohort folder to write; an earlier cohort folder there is replaced, anything else is left alone.
    mapping : str or Path
        Mapping file (TOML); ``docs/your_own_data.md`` shows how to write one.

    Returns
    -------
    Source
        The cohort folder: sorted Parquet tables, ``quarantine/<table>.parquet`` with rule, file, line (the first row
        below the header is 1) and the values as they stood, and ``source.json`` with the hashes of mapping and files.

    Raises
    ------
    InputError
        No such folder or mapping; an unknown key, verb, table, column or word in the mapping (the nearest is given).
    DataError
        A file or column the mapping names is missing, a file cannot be read, no value of a column can be read, a
        lookup key is not unique, or no patient is accepted.

    Notes
    -----
    When not to use it: for files that already have our names and words, use `read_tables`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import fbss_analytics as fbss
    >>> here = Path(tempfile.mkdtemp())
    >>> _ = (here / "people.csv").write_text("id,gender\\na,F\\nb,M\\n")
    >>> _ = (here / "mapping.toml").write_text('''
    ... version = 1
    ... name = "two people"
    ... calendar = "gregorian"
    ... files.people = "people.csv"
    ... [tables.patients]
    ... from = "people"
    ... columns.patient_id = "id"
    ... columns.sex = { recode = "gender", words = { F = "female", M = "male" } }
    ... ''')
    >>> source = fbss.import_tables(here, here / "cohort", mapping=here / "mapping.toml")
    >>> source.tables["patients"]["sex"].to_pylist()
    ['female', 'male']
    """
    recipe = read_mapping(Path(mapping))
    files = _read_files(Path(path), Path(folder), recipe)
    checked = check_tables(raw_tables(recipe, files))
    warn_of_quarantine(checked.accounts)
    provenance = {
        "kind": "imported",
        "mapping": {"file": recipe.file, "version": MAPPING_VERSION, "sha256": recipe.sha256},
        "files": {each.path: {"rows": each.rows.num_rows, "sha256": each.sha256} for each in files.values()},
    }
    source = in_memory(
        recipe.name,
        checked.tables,
        calendar=recipe.calendar,
        accounts=checked.accounts,
        quarantine=checked.quarantine,
        provenance=provenance,
    )
    return read_tables(source.to_folder(folder))


def _read_files(path: Path, folder: Path, recipe: MappingFile) -> dict[str, Extract]:
    if not path.is_dir():
        raise InputError(f"There is no folder {path.name!r} here; type the path of the folder that holds the extract.")
    if folder.resolve() in (path.resolve(), *path.resolve().parents):
        raise InputError(f"{folder.name} holds the extract itself; name another folder for the cohort.")
    present = [file.name for file in path.iterdir() if file.is_file()]
    if not present:
        raise DataError(
            f"{path.name} holds no file; expected {', '.join(each.path for each in recipe.files.values())}."
        )
    return {
        name: read_extract(path, spec, recipe.columns(name))
        for name, spec in recipe.files.items()
        if recipe.columns(name)
    }


def raw_tables(recipe: MappingFile, files: Mapping[str, Extract]) -> dict[str, RawTable]:
    """Return the tables a mapping feeds, under our names, before any check."""
    return {
        name: _raw_table([block for block in recipe.blocks if block.table == name], files)
        for name in dict.fromkeys(block.table for block in recipe.blocks)
    }


def _raw_table(blocks: list[Block], files: Mapping[str, Extract]) -> RawTable:
    """Return the rows of all blocks of one table under our names, with what was found and left out on the way."""
    definition = schema.table(blocks[0].table)
    parts = [_block_rows(block, files) for block in blocks]
    sizes = [part.rows.num_rows for part in parts]
    faults = []
    for number, part in enumerate(parts):
        before, after = sum(sizes[:number]), sum(sizes[number + 1 :])
        faults += [Fault(f.rule, f.words, f.remedy, np.pad(f.mask, (before, after))) for f in part.faults]
    rows = pa.concat_tables(
        [_same_types(part.rows, parts) for part in parts], promote_options="default"
    ).combine_chunks()
    for column in dict.fromkeys(step.target for block in blocks for step in block.steps if step.verb == "row_number"):
        rows = number_rows(rows, column, start=definition.start)
    return RawTable(
        rows,
        " and ".join(dict.fromkeys(part.file for part in parts)),
        origins=tuple(origin for part in parts for origin in part.origins),
        faults=tuple(faults),
        merge="M02" if any(block.spans for block in blocks) else "",
    )


def _same_types(rows: pa.Table, parts: list[RawTable]) -> pa.Table:
    """Return rows whose columns are text wherever another part of the table has them as text."""
    text = {f.name for part in parts for f in part.rows.schema if pa.types.is_string(f.type)}
    return rows.cast(pa.schema([pa.field(f.name, pa.string() if f.name in text else f.type) for f in rows.schema]))


def _block_rows(block: Block, files: Mapping[str, Extract]) -> RawTable:
    extract = files[block.file]
    columns = _located(block, files)
    keep, excluded = _selection(block, columns, extract)
    chosen = {name: column.filter(pa.array(keep)) for name, column in columns.items()}
    arrays, faults = fill(block, chosen, int(keep.sum()), file=extract.path)
    if block.spans:
        ends, found = spans(block, chosen, arrays, file=extract.path)
        arrays, faults = arrays | ends, faults + found
    part = extract.whole
    faults = [*(replace(fault, mask=fault.mask[keep]) for fault in part.faults if fault.mask[keep].any()), *faults]
    left_out = tuple(replace(account, table=block.table) for account in part.left_out)
    rows = extract.rows.filter(pa.array(keep))
    origin = Origin(extract.path, rows, part.lines[keep], part.rows_read, (*left_out, *excluded))
    return RawTable(pa.table(arrays), extract.path, (origin,), tuple(faults))


def _located(block: Block, files: Mapping[str, Extract]) -> dict[str, pa.Array]:
    """Return every column a block reads by the name it is called there, as long as the block's file."""
    matches: dict[str, pa.Array] = {}

    def located(name: str) -> pa.Array:
        file, column = block.locate(name)
        values = files[file].rows[column].combine_chunks()
        return values.take(matches[file]) if file in matches else values

    for join in block.joins:
        matches[join.file] = _matches(join, located(join.here), files[join.file])
    return {name: located(name) for name in block.names()}


def _matches(join: Join, here: pa.Array, lookup: Extract) -> pa.Array:
    """Return the row of the lookup file that each row finds by its key; null where there is none."""
    rows = {name: lookup.rows[name].combine_chunks() for name in lookup.rows.column_names}
    chosen = np.flatnonzero(_holds(join.where, rows, lookup.rows.num_rows) & _valid(rows[join.there]))
    _warn_when_nothing(join.where, chosen.size, lookup, what=f"the join with {join.file}")
    keys = rows[join.there].take(pa.array(chosen))
    repeated = len(keys) - len(keys.unique())
    if repeated:
        raise DataError(
            f"{lookup.path}: {plural(repeated, 'row')} of {count(len(keys))} {'has' if repeated == 1 else 'have'} a "
            f"value of {join.there} that stands in another row; a join needs one row per key. Choose them with where "
            f"in the join, or make {join.there} unique."
        )
    return pa.array(chosen).take(pc.index_in(here, value_set=keys))


def _selection(block: Block, columns: Mapping[str, pa.Array], extract: Extract) -> tuple[Mask, list[Account]]:
    """Return the rows a block takes, and an account of those it leaves out."""
    rows = extract.rows.num_rows
    keep = _holds(block.where, columns, rows)
    _warn_when_nothing(block.where, int(keep.sum()), extract, what=f"tables.{block.table}")
    reasons = [("X00", EXCLUSIONS["X00"], ~keep)]
    for number, exclusion in enumerate(block.exclusions, start=1):
        out = keep & _holds(exclusion.where, columns, rows)
        reasons.append((f"X{number:02d}", exclusion.reason, out))
        keep = keep & ~out
    accounts = [
        Account(block.table, extract.path, "excluded", int(out.sum()), rule, words)
        for rule, words, out in reasons
        if out.any()
    ]
    return keep, accounts


def _warn_when_nothing(where: Where, chosen: int, extract: Extract, *, what: str) -> None:
    if where and not chosen and extract.rows.num_rows:
        warnings.warn(
            f"{extract.path}: where of {what} ({', '.join(where)}) chooses none of "
            f"{plural(extract.rows.num_rows, 'row')}; compare its words with those in the file.",
            StudyWarning,
            stacklevel=2,
        )


def _holds(where: Where, columns: Mapping[str, pa.Array], rows: int) -> Mask:
    chosen = np.ones(rows, dtype=bool)
    for name, words in where.items():
        given = pc.is_in(columns[name], value_set=pa.array([word for word in words if word], pa.string()))
        found = np.asarray(given.to_numpy(zero_copy_only=False), dtype=bool)
        chosen &= found | ~_valid(columns[name]) if "" in words else found
    return chosen


def _valid(column: pa.Array) -> Mask:
    return np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
