"""From whatever a file holds to a column of the schema, with the rows that could not be read marked."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DataError
from ..formats import count
from . import schema
from .schema import Column

Mask = npt.NDArray[np.bool_]
EXPECTED = {
    "day": "dates as yyyy-mm-dd",
    "integer": "whole numbers",
    "number": "numbers with a decimal point",
    "flag": "true or false",
    "word": "words of the vocabulary",
    "text": "text",
}
_FLAGS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


@dataclass(frozen=True)
class Converted:
    """A column of the schema; ``unreadable`` marks rows whose value was there but could not be read."""

    values: pa.Array
    unreadable: Mask
    advice: str = ""


def convert(raw: pa.ChunkedArray | pa.Array, column: Column, *, where: str) -> Converted:
    """Convert one column as read to the schema's type.

    Raises
    ------
    DataError
        No value of the column can be read as its type: the column as a whole has the wrong type.
    """
    array = raw.combine_chunks() if isinstance(raw, pa.ChunkedArray) else raw
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_null(array.type):
        array = array.cast(pa.string())
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        result = _from_text(_blank_to_null(array.cast(pa.string())), column)
    else:
        result = _from_typed(array, column, where=where)
    given = len(array) - array.null_count
    if given and int(result.unreadable.sum()) == given and column.kind != "word":
        raise DataError(
            f"{where}: column {column.name} has the wrong type: none of its {count(given)} values can be read; "
            f"expected {EXPECTED[column.kind]}."
        )
    return result


def absent(column: Column, rows: int) -> pa.Array:
    """Return an all-null column of the schema's type."""
    if column.kind == "word":
        return _encode(pa.nulls(rows, pa.string()), column)
    return pa.nulls(rows, column.arrow_type)


def _blank_to_null(text: pa.Array) -> pa.Array:
    trimmed = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _from_typed(array: pa.Array, column: Column, *, where: str) -> Converted:
    kind = column.kind
    if kind in ("text", "word"):
        return _from_text(array.cast(pa.string()), column)
    try:
        if kind == "integer" and pa.types.is_floating(array.type):
            return _whole(array)
        if kind == "number":
            values = array.cast(pa.float64())
            values = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.float64()), values)
            return Converted(values, np.zeros(len(array), dtype=bool))
        safe = kind != "day"
        return Converted(array.cast(column.arrow_type, safe=safe), np.zeros(len(array), dtype=bool))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise DataError(
            f"{where}: column {column.name} has the wrong type ({array.type}); expected {EXPECTED[kind]}."
        ) from None


def _whole(array: pa.Array) -> Converted:
    numbers = array.to_numpy(zero_copy_only=False)
    missing = np.isnan(numbers)
    unreadable = ~missing & ((numbers != np.floor(numbers)) | (np.abs(numbers) >= 2**31))
    values = pa.array(np.where(missing | unreadable, 0, numbers).astype(np.int32), mask=missing | unreadable)
    return Converted(values, unreadable)


def _from_text(text: pa.Array, column: Column) -> Converted:
    if column.kind == "text":
        return Converted(text, np.zeros(len(text), dtype=bool))
    if column.kind == "word":
        return _word(text, column)
    reader = {"day": _read_days, "integer": _read_integers, "number": _read_numbers, "flag": _read_flags}[column.kind]
    values = reader(text)
    unreadable = pc.and_(text.is_valid(), values.is_null()).to_numpy(zero_copy_only=False)
    return Converted(values, unreadable)


def _read_days(text: pa.Array, format: str = "%Y-%m-%d") -> pa.Array:
    return parse_days(text, format)


def parse_days(text: pa.Array, format: str) -> pa.Array:
    """Parse dates; null where a value is not a date of that format, such as 30 February."""
    stamps = pc.strptime(text, format=format, unit="s", error_is_null=True)
    days = stamps.cast(pa.date32(), safe=False)
    # C's strptime rolls 30 February over to March; a date that does not print back as it stood is no date.
    same = pc.equal(pc.replace_substring_regex(pc.strftime(stamps, format=format), r"\b0", ""),
                    pc.replace_substring_regex(text, r"\b0", ""))  # fmt: skip
    return pc.if_else(pc.fill_null(same, False), days, pa.scalar(None, pa.date32()))


def _read_integers(text: pa.Array) -> pa.Array:
    whole = pc.match_substring_regex(text, r"^[+-]?[0-9]{1,9}(\.0+)?$")
    digits = pc.replace_substring_regex(text, r"(^\+)|(\.0+$)", "")
    return pc.if_else(pc.fill_null(whole, False), digits, pa.scalar(None, pa.string())).cast(pa.int32())


def _read_numbers(text: pa.Array) -> pa.Array:
    number = pc.match_substring_regex(text, r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$")
    bare = pc.replace_substring_regex(text, r"^\+", "")
    return pc.if_else(pc.fill_null(number, False), bare, pa.scalar(None, pa.string())).cast(pa.float64())


def _read_flags(text: pa.Array) -> pa.Array:
    position = pc.index_in(pc.utf8_lower(text), value_set=pa.array(list(_FLAGS)))
    return pc.take(pa.array(list(_FLAGS.values())), position)


def _encode(text: pa.Array, column: Column) -> pa.Array:
    words = pa.array(schema.vocabulary(column.vocabulary or column.name), pa.string())
    return pa.DictionaryArray.from_arrays(pc.index_in(text, value_set=words).cast(pa.int16()), words)


def _word(text: pa.Array, column: Column) -> Converted:
    values = _encode(text, column)
    unreadable = pc.and_(text.is_valid(), values.indices.is_null()).to_numpy(zero_copy_only=False)
    advice = ""
    if unreadable.any():
        known = schema.vocabulary(column.vocabulary or column.name)
        strange = pc.unique(text.filter(pa.array(unreadable))).to_pylist()[:50]
        # Only words of our own vocabulary are named: what stands in the file may be a patient's data.
        close = [near for word in strange for near in difflib.get_close_matches(word.lower(), known, n=1)]
        named = ", ".join(dict.fromkeys(close)) or ", ".join(known[:8])
        advice = f"nearest known words: {named}"
    return Converted(values, unreadable, advice)
