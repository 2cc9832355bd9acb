"""Reading tables from CSV or Parquet files, and writing cohort folders: one sorted Parquet file per table."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError, InputError, StudyWarning, nearest
from . import schema
from .checking import RawTable, check_tables, require_header
from .convert import absent, convert
from .quarantine import Account, warn_of_quarantine
from .reading import read_csv, read_parquet
from .rules import RULE_SET_VERSION
from .source import LazyTables, Source, in_memory

ROWS_PER_GROUP = 131_072
"""Rows a Parquet row group aims at; the cut is moved to the next patient."""


def read_tables(folder: str | Path, *, calendar: str | None = None) -> Source:
    """Read a cohort in our schema: a cohort folder, or CSV or Parquet files named after the tables.

    **Definition**: every file named ``<table>.csv`` or ``<table>.parquet`` is read; a row that breaks a row rule is set
    aside in ``.quarantine`` and counted, the others are accepted. An untouched cohort folder (its ``source.json``
    still holds the files' hashes) was checked when it was written and is read when asked for.

    Parameters
    ----------
    folder : str or Path
        Folder with at least ``patients.csv`` or ``patients.parquet``.
    calendar : {"gregorian", "shifted"}, optional
        Whether the dates are calendar dates. Taken from ``source.json`` where there is one, else calendar dates.

    Returns
    -------
    Source

    Raises
    ------
    InputError
        The folder does not exist.
    DataError
        A schema fault: empty folder, unreadable file, missing table or column, wrong type.

    Notes
    -----
    When not to use it: for files with other names or codes, use `import_tables` with a mapping.

    Examples
    --------
    >>> import tempfile
    >>> import fbss_analytics as fbss
    >>> folder = fbss.simulate("neuromodulation", n_patients=200, seed=1).to_folder(tempfile.mkdtemp() + "/cohort")
    >>> fbss.read_tables(folder).counts["patients"]
    200
    """
    path = Path(folder)
    if not path.is_dir():
        raise InputError(f"There is no folder {path.name!r} here; type the path of the folder that holds patients.csv.")
    details = _source_json(path)
    if details and _is_untouched(path, details):
        return _cohort_folder(path, details)
    if details:
        warnings.warn(
            f"{path.name}: files changed since the cohort was written; every row is checked again.",
            StudyWarning,
            stacklevel=2,
        )
    raw = {
        name: _known_columns(RawTable(_read_file(file), file.name), name) for name, file in _table_files(path).items()
    }
    checked = check_tables(raw)
    warn_of_quarantine(checked.accounts)
    return in_memory(
        path.name,
        checked.tables,
        calendar=calendar or details.get("calendar", "gregorian"),
        accounts=checked.accounts,
        quarantine=checked.quarantine,
        provenance={"kind": "tables", "files": {each.file: each.rows.num_rows for each in raw.values()}},
    )


def _table_files(folder: Path) -> dict[str, Path]:
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".csv", ".parquet") and file.is_file())
    if not files:
        raise DataError(f"{folder.name} holds no CSV or Parquet file; expected patients.csv or patients.parquet.")
    found: dict[str, Path] = {}
    for file in files:
        name = file.stem.lower()
        if name not in schema.TABLES:
            hint = nearest(name, schema.TABLES)
            warnings.warn(
                f"{file.name} is not a table of the schema and was not read.{hint}", StudyWarning, stacklevel=3
            )
        elif name in found:
            raise DataError(f"{found[name].name} and {file.name} both hold the table {name}; keep one of them.")
        else:
            found[name] = file
    return found


def _read_file(file: Path) -> pa.Table:
    return read_parquet(file) if file.suffix.lower() == ".parquet" else read_csv(file)


def _known_columns(raw: RawTable, name: str) -> RawTable:
    names = known_names(schema.table(name), raw.rows.column_names, file=raw.file, stacklevel=5)
    return RawTable(raw.rows.select(names), raw.file)


def known_names(definition: schema.Table, names: Sequence[str], *, file: str, stacklevel: int) -> list[str]:
    """Return the columns of a file that are in the schema, with a warning that names the others."""
    require_header(definition, list(names), file=file)
    unknown = [column or "a column without a name" for column in names if column not in definition.names]
    if unknown:
        warnings.warn(
            f"{file}: {', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} not in the schema and not "
            f"read.{nearest(unknown[0], definition.names)}",
            StudyWarning,
            stacklevel=stacklevel,
        )
    return [column for column in names if column in definition.names]


def write_cohort_folder(source: Source, folder: Path) -> Path:
    """Write a cohort folder beside its final place and move it there when it is whole; see `Source.to_folder`."""
    with cohort_draft(folder) as draft:
        for name in schema.TABLES:
            if name in source.tables:
                write_sorted_parquet(source.tables[name], draft / f"{name}.parquet")
        write_details(source, draft)
    return folder


@contextlib.contextmanager
def cohort_draft(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write a cohort into; see `folder_draft`. Only a cohort folder is replaced."""
    if folder.exists() and not (folder.is_dir() and (_is_empty(folder) or (folder / "source.json").exists())):
        raise InputError(
            f"{folder.name} exists and is not a cohort folder; name a new folder, or empty this one first."
        )
    with folder_draft(folder) as draft:
        yield draft


@contextlib.contextmanager
def folder_draft(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write into, and put it in place at the end; nothing stays of one that fails.

    A process that was killed leaves its draft behind; the next one that writes the same folder clears it away.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}.draft-"
    for abandoned in folder.parent.glob(f"{glob.escape(prefix)}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=prefix) as workplace:
        # Patient data are not to be committed by oversight, even where the process is killed halfway.
        (Path(workplace) / ".gitignore").write_text("*\n", encoding="utf-8")
        draft = Path(workplace) / "whole"
        draft.mkdir()
        yield draft
        replace_folder(draft, folder)


def _is_empty(folder: Path) -> bool:
    return not any(folder.iterdir())


def replace_folder(draft: Path, folder: Path) -> None:
    """Put a finished folder in the place of another, so that there is never half of one."""
    retired = draft.with_name("retired")
    if folder.exists():
        folder.rename(retired)
    try:
        draft.rename(folder)
    except OSError:
        with contextlib.suppress(OSError):
            retired.rename(folder)
        raise
    shutil.rmtree(retired, ignore_errors=True)


def write_details(source: Source, folder: Path) -> None:
    """Write what a cohort folder holds beside its tables: rows set aside, ``source.json`` and ``datapackage.json``."""
    hashes = {name: file_hash(folder / f"{name}.parquet") for name in schema.TABLES if name in source.tables}
    for name, rows in source.quarantine.items():
        (folder / "quarantine").mkdir(exist_ok=True)
        pq.write_table(rows, folder / "quarantine" / f"{name}.parquet", compression="zstd")
    details = dict(source.provenance) | {
        "name": source.name,
        "calendar": source.calendar,
        "schema_version": schema.SCHEMA_VERSION,
        "rule_set_version": RULE_SET_VERSION,
        "tables": {name: {"rows": source.counts[name], "sha256": hashes[name]} for name in hashes},
        "accounts": source.accounting.to_dict(orient="records"),
    }
    write_json(details, folder / "source.json")
    write_json(data_package(source), folder / "datapackage.json")
    if not source.is_synthetic:
        # Patient data are not to be committed by oversight, wherever the folder lies.
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    if source.parameters:
        write_json(source.parameters, folder / "parameters.json")


def write_sorted_parquet(table: pa.Table, file: Path) -> None:
    """Write a table sorted by patient so that no patient is in two row groups."""
    groups = (table.slice(start, stop - start) for start, stop in patient_groups(table["patient_id"]))
    write_row_groups(groups, table.schema, file)


def write_row_groups(groups: Iterable[pa.Table], fields: pa.Schema, file: Path) -> None:
    """Write tables as the row groups of a Parquet file; without any, one of no rows."""
    with parquet_writer(file, fields) as writer:
        rows = 0
        for group in groups:
            writer.write_table(group, row_group_size=group.num_rows)
            rows += group.num_rows
        if rows == 0:
            writer.write_table(fields.empty_table())


def parquet_writer(file: Path, fields: pa.Schema) -> pq.ParquetWriter:
    """Open a file of a cohort folder for writing; all are compressed alike."""
    return pq.ParquetWriter(file, fields, compression="zstd", compression_level=9)


def patient_groups(patient_id: pa.ChunkedArray, rows_per_group: int = ROWS_PER_GROUP) -> list[tuple[int, int]]:
    """Return row ranges of about ``rows_per_group`` rows of a sorted column, cut only between patients."""
    rows = len(patient_id)
    if rows == 0:
        return []
    codes = patient_id.combine_chunks().dictionary_encode().indices.to_numpy()
    starts = np.append(np.flatnonzero(np.append(True, codes[1:] != codes[:-1])), rows)
    cuts = [0]
    while cuts[-1] < rows:
        cuts.append(int(starts[np.searchsorted(starts, min(cuts[-1] + rows_per_group, rows))]))
    return list(pairwise(cuts))


def data_package(source: Source) -> dict[str, Any]:
    """Return the Frictionless data package of a cohort folder: the data dictionary a machine can read."""
    resources = [_resource(schema.table(name)) for name in source.tables]
    return {"profile": "data-package", "name": source.name.replace(" ", "-"), "resources": resources}


def _resource(definition: schema.Table) -> dict[str, Any]:
    fields = []
    for column in definition:
        kinds = {
            "text": "string",
            "word": "string",
            "day": "date",
            "integer": "integer",
            "number": "number",
            "flag": "boolean",
        }
        constraints: dict[str, Any] = {"required": True} if column.required else {}
        if column.kind == "word":
            constraints["enum"] = list(schema.vocabulary(column.vocabulary))
        for limit in ("minimum", "maximum"):
            if getattr(column, limit) is not None:
                constraints[limit] = getattr(column, limit)
        entry: dict[str, Any] = {"name": column.name, "type": kinds[column.kind], "description": column.words}
        entry |= {"unit": column.unit} if column.unit else {}
        fields.append(entry | ({"constraints": constraints} if constraints else {}))
    table: dict[str, Any] = {"fields": fields}
    if definition.key:
        table["primaryKey"] = list(definition.key)
    return {
        "name": definition.name,
        "path": f"{definition.name}.parquet",
        "format": "parquet",
        "description": definition.words,
        "schema": table,
    }


def write_json(content: Mapping[str, Any], file: Path) -> None:
    """Write JSON with stable order and a final newline."""
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def file_hash(file: Path) -> str:
    """Return the SHA-256 of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _source_json(folder: Path) -> dict[str, Any]:
    file = folder / "source.json"
    if not file.exists():
        return {}
    try:
        details = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        details = None
    if not isinstance(details, dict) or not isinstance(details.get("tables"), dict):
        raise DataError(f"{folder.name}/source.json is damaged; write or import the cohort again.")
    return details


def _is_untouched(folder: Path, details: Mapping[str, Any]) -> bool:
    same_rules = (
        details.get("schema_version") == schema.SCHEMA_VERSION and details.get("rule_set_version") == RULE_SET_VERSION
    )
    expected = {f"{name}.parquet": each.get("sha256") for name, each in details["tables"].items()}
    present = {
        file.name
        for file in folder.iterdir()
        if file.suffix.lower() in (".csv", ".parquet") and file.stem.lower() in schema.TABLES
    }
    return (
        same_rules and present == set(expected) and all(file_hash(folder / name) == expected[name] for name in present)
    )


def _cohort_folder(folder: Path, details: Mapping[str, Any]) -> Source:
    names = [name for name in schema.TABLES if name in details["tables"]]
    parameters = folder / "parameters.json"
    aside = folder / "quarantine"
    return Source(
        name=details["name"],
        tables=LazyTables({name: partial(_read_table, folder / f"{name}.parquet", name) for name in names}),
        counts={name: details["tables"][name]["rows"] for name in names},
        calendar=details["calendar"],
        accounts=tuple(Account(**account) for account in details["accounts"]),
        quarantine=LazyTables({file.stem: partial(read_parquet, file) for file in sorted(aside.glob("*.parquet"))}),
        provenance={key: value for key, value in details.items() if key not in ("accounts", "name", "calendar")},
        parameters=json.loads(parameters.read_text(encoding="utf-8")) if parameters.exists() else {},
    )


def _read_table(file: Path, name: str) -> pa.Table:
    """Read a checked table, with dictionary columns over the schema's whole vocabulary again."""
    table = read_parquet(file)
    columns = []
    for column in schema.table(name):
        values = (
            table[column.name].combine_chunks() if column.name in table.column_names else absent(column, len(table))
        )
        if column.kind == "word":
            values = convert(values, column, where=file.name).values
        columns.append(values)
    return pa.table(columns, schema=schema.table(name).arrow_schema)
