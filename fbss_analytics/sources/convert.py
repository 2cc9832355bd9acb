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
    if column.kind == "word" and pa.types.is_dictionary(raw.type):
        recoded = _recode(raw.combine_chunks() if isinstance(raw, pa.ChunkedArray) else raw, column)
        if not recoded.unreadable.any():
            return recoded
    array = plain(raw)
    try:
        if _is_text(array.type) or column.kind in ("text", "word"):
            result = _from_text(blank_to_null(_as_text(array)), column)
        else:
            result = _from_typed(array, column)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        # Arrow's own message quotes the value it stumbled over.
        raise DataError(
            f"{where}: column {column.name} has the wrong type ({array.type}); expected {EXPECTED[column.kind]}."
        ) from None
    # One value alone may be a slip of the pen; then its row is set aside.
    given = int(result.unreadable.sum())
    if given > 1 and result.values.null_count == len(array) and column.kind != "word":
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


def plain(raw: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column as one array without dictionary encoding."""
    array = raw.combine_chunks() if isinstance(raw, pa.ChunkedArray) else raw
    return array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array


def blank_to_null(text: pa.Array) -> pa.Array:
    """Return text without spaces around it, null where nothing is left."""
    trimmed = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def to_text(raw: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return any column as trimmed text, null where it is blank; times lose their time of day."""
    return blank_to_null(_as_text(plain(raw)))


def _is_text(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_null))


def _as_text(array: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.date32(), safe=False)
    if pa.types.is_floating(array.type):
        # pandas keeps whole numbers with gaps, ids among them, as floats: 7 is not to become 7.0 nor NaN a word.
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
        numbers = array.to_numpy(zero_copy_only=False)
        if np.all(np.isnan(numbers) | ((numbers == np.floor(numbers)) & (np.abs(numbers) < 2**53))):
            array = array.cast(pa.int64())
    return array.cast(pa.string())


def _from_typed(array: pa.Array, column: Column) -> Converted:
    if column.kind == "day":
        if not (pa.types.is_date(array.type) or pa.types.is_timestamp(array.type)):
            raise pa.ArrowInvalid("a number is no date")
        return Converted(array.cast(pa.date32(), safe=False), np.zeros(len(array), dtype=bool))
    if pa.types.is_boolean(array.type) and column.kind == "flag":
        return Converted(array, np.zeros(len(array), dtype=bool))
    if pa.types.is_temporal(array.type) or pa.types.is_boolean(array.type):
        raise pa.ArrowInvalid("neither a day nor a truth value is a number")
    return _from_numbers(array.cast(pa.float64(), safe=False), column)


def _from_numbers(array: pa.Array, column: Column) -> Converted:
    numbers = array.to_numpy(zero_copy_only=False)
    missing = np.isnan(numbers)
    fits = {
        "number": np.isfinite(numbers),
        "integer": (numbers == np.floor(numbers)) & (np.abs(numbers) < 2**31),
        "flag": np.isin(numbers, (0, 1)),
    }[column.kind]
    usable = np.where(fits, numbers, 0).astype(column.arrow_type.to_pandas_dtype())
    return Converted(pa.array(usable, column.arrow_type, mask=~fits), ~missing & ~fits)


def _from_text(text: pa.Array, column: Column) -> Converted:
    if column.kind == "text":
        return Converted(text, np.zeros(len(text), dtype=bool))
    if column.kind == "word":
        return _word(text, column)
    reader = {"day": parse_days, "integer": whole_numbers, "number": _read_numbers, "flag": _read_flags}[column.kind]
    values = reader(text)
    return Converted(values, lost(text, values))


def lost(text: pa.Array, values: pa.Array) -> Mask:
    """Return where there was text but nothing could be made of it."""
    return np.asarray(pc.and_(text.is_valid(), values.is_null()).to_numpy(zero_copy_only=False), dtype=bool)


def parse_days(text: pa.Array, format: str = "%Y-%m-%d") -> pa.Array:
    """Parse dates; null where a value is not a date of that format, such as 30 February."""
    stamps = pc.strptime(text, format=format, unit="s", error_is_null=True)
    days = stamps.cast(pa.date32(), safe=False)
    # C's strptime rolls 30 February over to March; a date that does not print back as it stood is no date.
    same = pc.equal(_without_zeros(pc.strftime(stamps, format=format)), _without_zeros(text))
    return pc.if_else(pc.fill_null(same, False), days, pa.scalar(None, pa.date32()))


def _without_zeros(dates: pa.Array) -> pa.Array:
    # 5/1/2020 is 05/01/2020, and 05-JAN-2020 is 05-Jan-2020.
    return pc.utf8_lower(pc.replace_substring_regex(dates, r"\b0", ""))


def whole_numbers(text: pa.Array) -> pa.Array:
    """Read whole numbers, also when written 7.0; null where a value is none."""
    whole = pc.match_substring_regex(text, r"^[+-]?[0-9]{1,9}(\.0+)?$")
    digits = pc.replace_substring_regex(text, r"(^\+)|(\.0+$)", "")
    return pc.if_else(pc.fill_null(whole, False), digits, pa.scalar(None, pa.string())).cast(pa.int32())


def _read_numbers(text: pa.Array) -> pa.Array:
    number = pc.match_substring_regex(text, r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$")
    bare = pc.replace_substring_regex(text, r"^\+", "")
    values = pc.if_else(pc.fill_null(number, False), bare, pa.scalar(None, pa.string())).cast(pa.float64())
    return pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))


def _read_flags(text: pa.Array) -> pa.Array:
    position = pc.index_in(pc.utf8_lower(text), value_set=pa.array(list(_FLAGS)))
    return pc.take(pa.array(list(_FLAGS.values())), position)


def _encode(text: pa.Array, column: Column) -> pa.Array:
    words = pa.array(schema.vocabulary(column.vocabulary), pa.string())
    return pa.DictionaryArray.from_arrays(pc.index_in(text, value_set=words).cast(pa.int16()), words)


def _recode(array: pa.DictionaryArray, column: Column) -> Converted:
    """Convert each word of a dictionary once, instead of each row."""
    words = _word(to_text(array.dictionary), column)
    unreadable = pa.array(words.unreadable).take(array.indices).fill_null(False)
    codes = words.values.indices.take(array.indices)
    values = pa.DictionaryArray.from_arrays(codes, words.values.dictionary)
    return Converted(values, np.asarray(unreadable.to_numpy(zero_copy_only=False), dtype=bool))


def _word(text: pa.Array, column: Column) -> Converted:
    values = _encode(text, column)
    unreadable = lost(text, values.indices)
    advice = ""
    if unreadable.any():
        known = schema.vocabulary(column.vocabulary)
        strange = pc.unique(text.filter(pa.array(unreadable))).to_pylist()[:50]
        # Only words of our own vocabulary are named: what stands in the file may be a patient's data.
        close = [near for word in strange for near in difflib.get_close_matches(word.lower(), known, n=1)]
        named = ", ".join(dict.fromkeys(close)) or ", ".join(known[:8])
        advice = f"nearest known words: {named}"
    return Converted(values, unreadable, advice)
