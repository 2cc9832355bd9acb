"""Reading one CSV or Parquet file, with a plain word about what is wrong with it and nothing of what stands in it."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from ..errors import DataError
from ..formats import count, plural

_UNQUOTED = "Look for a delimiter or a quotation mark inside an unquoted value."


def parquet_names(file: Path) -> list[str]:
    """Return the column names of a Parquet file, or raise `DataError`: damaged, no Parquet file, a name twice."""
    try:
        names: list[str] = pq.read_schema(file).names
    except (pa.ArrowException, OSError):
        raise DataError(_damaged(file)) from None
    _require_distinct(file, names)
    return names


def read_parquet(file: Path, *, columns: Iterable[str] | None = None) -> pa.Table:
    """Read the named columns of a Parquet file, or raise `DataError` saying that it is damaged or no Parquet file."""
    names = parquet_names(file)
    try:
        # Without this a folder called a=b would become a column.
        return pq.read_table(file, columns=names if columns is None else list(columns), partitioning=None)
    except (pa.ArrowException, OSError):
        raise DataError(_damaged(file)) from None


def parquet_batches(file: Path, *, columns: Sequence[str], words: Collection[str], rows: int) -> Iterator[pa.Table]:
    """Yield the named columns of a Parquet file a part at a time, those of ``words`` as dictionaries."""
    names = parquet_names(file)
    try:
        content = pq.ParquetFile(file, read_dictionary=[name for name in names if name in words])
        with content:
            for batch in content.iter_batches(batch_size=rows, columns=list(columns)):
                yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError):
        raise DataError(_damaged(file)) from None


def _damaged(file: Path) -> str:
    return f"{file.name} cannot be read as Parquet: it is truncated or damaged. Write or copy it again."


def read_csv(
    file: Path, *, delimiter: str = ",", encoding: str = "utf-8", columns: Iterable[str] | None = None
) -> pa.Table:
    """Read the named columns of a CSV file as text, or raise `DataError` naming what is wrong with the file."""
    header = csv_header(file, delimiter=delimiter, encoding=encoding)
    wanted = list(header if columns is None else columns)
    uneven: list[int] = []
    table = _parse_csv(file, header, delimiter=delimiter, encoding=encoding, uneven=uneven)
    if uneven:
        raise DataError(
            f"{file.name} cannot be read: {plural(len(uneven), 'row')} of {count(len(uneven) + table.num_rows)} "
            f"{'has' if len(uneven) == 1 else 'have'} more or fewer than the {len(header)} fields of the header. "
            f"{_UNQUOTED}"
        )
    if _has_unclosed_quote(file, delimiter, encoding):
        raise DataError(f"{file.name} cannot be read: a quotation mark is opened and never closed.")
    return table.select(wanted)


def _parse_csv(file: Path, header: list[str], *, delimiter: str, encoding: str, uneven: list[int]) -> pa.Table:
    def set_aside(row: Any) -> str:
        uneven.append(row.actual_columns)
        return "skip"

    names = [str(number) for number in range(len(header))]
    # A cell longer than a block cannot be read, so that a block is made to hold the longest there may be.
    for block_size in (1 << 20, min(max(file.stat().st_size, 1 << 20) + 1, 2**31 - 1)):
        try:
            table = pyarrow.csv.read_csv(
                file,
                read_options=pyarrow.csv.ReadOptions(encoding=encoding, block_size=block_size, column_names=names),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=delimiter, newlines_in_values=True, invalid_row_handler=set_aside
                ),
                convert_options=_as_it_stands(names),
            )
            # The header is parsed as a row of its own, so that a file with nothing else is no special case.
            return table.slice(1).rename_columns(header)
        except (pa.ArrowInvalid, UnicodeDecodeError) as fault:
            uneven.clear()
            if "straddl" not in str(fault):
                raise DataError(f"{file.name} cannot be read: {_csv_fault(fault, encoding)}") from None
    raise DataError(f"{file.name} cannot be read: a value in it is larger than 2 GB.")


def _as_it_stands(names: Iterable[str]) -> Any:
    return pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)


def csv_batches(file: Path, *, columns: Sequence[str], block_size: int = 1 << 24) -> Iterator[pa.Table]:
    """Yield the named columns of a CSV file as text, about ``block_size`` bytes at a time; faults as in `read_csv`."""
    header = csv_header(file)
    if _has_unclosed_quote(file, ",", "utf-8"):
        raise DataError(f"{file.name} cannot be read: a quotation mark is opened and never closed.")
    names = [str(number) for number in range(len(header))]
    try:
        blocks = pyarrow.csv.open_csv(
            file,
            read_options=pyarrow.csv.ReadOptions(block_size=block_size, column_names=names),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=_as_it_stands(names),
        )
        for number, block in enumerate(blocks):
            table = pa.Table.from_batches([block]).rename_columns(header).select(list(columns))
            yield table.slice(1) if number == 0 else table
    except (pa.ArrowInvalid, UnicodeDecodeError) as fault:
        if "columns, got" in str(fault):
            raise DataError(
                f"{file.name} cannot be read: a row has more or fewer than the {len(header)} fields of the header. "
                f"{_UNQUOTED}"
            ) from None
        raise DataError(f"{file.name} cannot be read: {_csv_fault(fault, 'utf-8')}") from None


def csv_header(file: Path, *, delimiter: str = ",", encoding: str = "utf-8") -> list[str]:
    """Return the column names of a CSV file, or raise `DataError`: empty, not of that encoding, a name twice."""
    try:
        with file.open(
            encoding="utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding, newline=""
        ) as lines:
            rows = csv.reader(lines, delimiter=delimiter)
            names = [name.strip() for name in next((row for row in rows if row), [])]
    except UnicodeError:
        raise DataError(f"{file.name} cannot be read: {_not_encoded(encoding)}") from None
    except csv.Error:
        raise DataError(f"{file.name} cannot be read: its first line is not a header.") from None
    if not names:
        raise DataError(f"{file.name} is empty; expected a header line and rows.")
    _require_distinct(file, names)
    return names


def _require_distinct(file: Path, names: list[str]) -> None:
    twice = len(names) - len(set(names))
    if twice:
        raise DataError(
            f"{file.name}: {plural(twice, 'column name')} {'stands' if twice == 1 else 'stand'} twice in the header; "
            "every column needs its own name."
        )


def _has_unclosed_quote(file: Path, delimiter: str, encoding: str) -> bool:
    """Return whether the last quoted value swallows the rest of the file; Arrow takes it for one long value."""
    with file.open("rb") as content:
        quotes = sum(block.count(b'"') for block in iter(partial(content.read, 1 << 20), b""))
    if quotes % 2 == 0:
        return False
    with file.open(encoding=encoding, newline="") as lines:
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        limit = csv.field_size_limit(2**31 - 1)
        try:
            return any(False for _ in rows)
        except csv.Error:
            return True
        finally:
            csv.field_size_limit(limit)


def _not_encoded(encoding: str) -> str:
    return f"it is not {encoding.upper()}. Save it as UTF-8 (in R: write.csv(..., fileEncoding = 'UTF-8'))."


def _csv_fault(fault: Exception, encoding: str) -> str:
    # Arrow's own message quotes the row it stumbled over; a row may hold a patient's values.
    if isinstance(fault, UnicodeDecodeError) or "UTF8" in str(fault):
        return _not_encoded(encoding)
    return "it is not a well-formed CSV file. Write it again with a header, one delimiter and quoted text."
