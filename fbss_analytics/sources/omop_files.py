"""Reading an OMOP extract: CSV (also gzipped) or Parquet files named after the CDM's tables, columns as text."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from ..errors import DataError, InputError, nearest
from .convert import to_text
from .files import file_hash
from .reading import parquet_names, read_csv, read_parquet

SUFFIXES = (".csv", ".csv.gz", ".parquet")
VERSIONS = ("5.3", "5.4")
_WRAPPED = re.compile(r"^date\((\w+),\s*'unixepoch'\)$")


@dataclass(frozen=True, eq=False)
class OmopFile:
    """One file: its name, hash, and the columns asked for, as text under the CDM's lower-case names."""

    name: str
    sha256: str
    rows: pa.Table


def find_files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by the CDM table they hold.

    Raises
    ------
    InputError
        There is no such folder.
    DataError
        A table stands in two files, or there is no person table.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder.name!r} here; type the path of the folder that holds person.csv.")
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        suffix = next((each for each in SUFFIXES if file.name.lower().endswith(each)), "")
        if suffix and file.is_file():
            name = file.name.lower().removesuffix(suffix)
            if name in found:
                raise DataError(f"{found[name].name} and {file.name} both hold the table {name}; keep one of them.")
            found[name] = file
    if "person" not in found:
        raise DataError(f"{folder.name} holds no person table (person.csv, person.csv.gz or person.parquet).")
    return found


def read_omop(file: Path, columns: Sequence[str], *, optional: Sequence[str] = ()) -> OmopFile:
    """Read columns of a file; optional ones that are not there are null.

    Raises
    ------
    DataError
        The file cannot be read, or a column is missing.
    """
    present = {_cdm_name(name): name for name in _header(file)}
    for name in columns:
        if name not in present:
            raise DataError(f"{file.name} has no column {name!r}, which the CDM has.{nearest(name, present)}")
    wanted = [present[name] for name in (*columns, *optional) if name in present]
    table = _read(file, wanted)
    arrays = {_cdm_name(name): to_text(table[name]) for name in wanted}
    for name in optional:
        arrays.setdefault(name, pa.nulls(table.num_rows, pa.string()))
    return OmopFile(file.name, file_hash(file), pa.table(arrays))


def cdm_version(files: dict[str, Path]) -> str:
    """Return the version in ``cdm_source``, "" without one; refuse one that is neither 5.3 nor 5.4."""
    if "cdm_source" not in files:
        return ""
    told = read_omop(files["cdm_source"], [], optional=["cdm_version"]).rows["cdm_version"].drop_null().to_pylist()
    version = str(told[0]).lower().removeprefix("cdm").strip().removeprefix("v").strip() if told else ""
    if version and not version.startswith(VERSIONS):
        raise DataError(f"cdm_source says CDM {version}; expected 5.3 or 5.4. Other versions name things differently.")
    return version


def _cdm_name(column: str) -> str:
    """Return a column's name in the CDM: lower case, and out of the wrapping some exports leave around dates."""
    name = column.strip().lower()
    wrapped = _WRAPPED.match(name)
    return wrapped[1] if wrapped else name


def _header(file: Path) -> list[str]:
    if file.suffix == ".parquet":
        return parquet_names(file)
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as content:
            return next(csv.reader([content.readline().decode("utf-8-sig")]), [])
    except (OSError, UnicodeError, csv.Error, EOFError):
        raise DataError(f"{file.name} cannot be read: it is damaged, or no UTF-8 text. Write it again.") from None


def _read(file: Path, columns: Sequence[str]) -> pa.Table:
    if file.suffix == ".parquet":
        return read_parquet(file, columns=columns)
    if file.suffix != ".gz":
        return read_csv(file, columns=columns)
    text = dict.fromkeys(columns, pa.string())
    try:
        return pyarrow.csv.read_csv(
            pa.input_stream(str(file), compression="gzip"),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=list(columns), column_types=text, strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, OSError):
        # Arrow quotes the row it stumbles over, which may be a patient's.
        raise DataError(f"{file.name} cannot be read: it is damaged, or a row has another number of fields.") from None
