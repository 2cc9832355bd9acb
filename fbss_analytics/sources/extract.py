"""One file of a foreign extract: only the columns a mapping names, as trimmed text, missing values null."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DataError, nearest
from .convert import to_text
from .files import file_hash
from .quarantine import Account
from .reading import csv_header, parquet_names, read_csv, read_parquet
from .recipe import FileSpec
from .rules import Fault

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of a file that are a form of a REDCap project, say: their lines, and what became of the others.

    Attributes
    ----------
    lines : (n,) int
        Their places in the file; the first row below the header is 1.
    rows_read : int
        Rows of the file; each counted as often as it can become rows of the part.
    left_out : tuple of Account
        The rows that are not of the part, by reason, for no table yet.
    faults : tuple of Fault
        Rules that rows of the part break before they are mapped.
    """

    lines: npt.NDArray[np.int64]
    rows_read: int
    left_out: tuple[Account, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, eq=False)
class Extract:
    """A file as read: its path in the extract, its hash, and the rows of the columns the mapping names.

    Of a part of a file ``part`` says which; without it every row of the file is here.
    """

    path: str
    sha256: str
    rows: pa.Table
    part: Part | None = None

    @property
    def whole(self) -> Part:
        """What part of the file the rows are: of a file read as it stands, all of it."""
        return self.part or Part(np.arange(1, self.rows.num_rows + 1), self.rows.num_rows)


def read_extract(folder: Path, spec: FileSpec, columns: Sequence[str]) -> Extract:
    """Read the named columns of a file, or raise `DataError` with the nearest name of a missing file or column."""
    file = folder / spec.path
    if not file.is_file():
        present = [each.name for each in folder.iterdir() if each.is_file()]
        raise DataError(f"{folder.name} has no file {spec.path}, which the mapping names.{nearest(spec.path, present)}")
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{spec.path} is of no kind that can be read; expected {', '.join(SUFFIXES)}.")
    if suffix == ".parquet":
        _require_columns(spec, columns, parquet_names(file))
        rows = read_parquet(file, columns=columns)
    else:
        written = {"delimiter": spec.delimiter, "encoding": spec.encoding}
        _require_columns(spec, columns, csv_header(file, delimiter=spec.delimiter, encoding=spec.encoding))
        rows = read_csv(file, columns=columns, **written)
    return Extract(spec.path, file_hash(file), pa.table({name: _clean(rows[name], name, spec) for name in columns}))


def _require_columns(spec: FileSpec, columns: Sequence[str], present: Sequence[str]) -> None:
    missing = [name for name in columns if name not in present]
    if missing and len(missing) == len(columns):
        # The first line may be a row of patient data: nothing of it is shown.
        raise DataError(
            f"{spec.path} has none of the columns the mapping names ({', '.join(columns)}); is the header missing, or "
            f"the delimiter another than {spec.delimiter!r}?"
        )
    if missing:
        hint = nearest(missing[0], present)
        raise DataError(f"{spec.path} has no column {missing[0]!r}, which the mapping names.{hint}")


def _clean(column: pa.ChunkedArray, name: str, spec: FileSpec) -> pa.Array:
    try:
        text = to_text(column)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataError(
            f"{spec.path}: column {name} has the wrong type ({column.type}); expected plain values."
        ) from None
    if not spec.nulls:
        return text
    missing = pc.is_in(text, value_set=pa.array(spec.nulls, pa.string()))
    return pc.if_else(missing, pa.scalar(None, pa.string()), text)
