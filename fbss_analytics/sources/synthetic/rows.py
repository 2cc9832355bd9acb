"""From arrays of simulated events to a table of the schema: codes, missing values, order, numbers within a patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...dates import NO_DAY, to_date32
from .. import schema
from ..checking import sort_table
from ..convert import absent
from .draws import Whole

Block = Mapping[str, Any]
"""Rows of one table: ``patient`` (position among the patients), then columns as arrays, or one value for all rows.

Missing values are `NO_DAY` among days, NaN among numbers, -1 among words, flags, texts (as codes) and whole numbers.
A word may be given as text (one word for all rows) or as codes into its vocabulary; a text as text, or as a pair of
codes and the texts they stand for.
"""
_MISSING: Mapping[str, Any] = {"day": int(NO_DAY), "word": -1, "flag": -1, "integer": -1, "number": np.nan, "text": -1}


def word_codes(vocabulary: str, words: Sequence[str]) -> npt.NDArray[np.int16]:
    """Return the position of each word in its vocabulary."""
    known = schema.vocabulary(vocabulary)
    return np.array([known.index(word) for word in words], dtype=np.int16)


def either(mask: npt.NDArray[np.bool_], vocabulary: str, yes: str, no: str) -> npt.NDArray[np.int16]:
    """Return the code of one of two words, by a mask."""
    first, second = word_codes(vocabulary, [yes, no])
    return np.asarray(np.where(mask, first, second), dtype=np.int16)


def rows_of(patient: npt.NDArray[Any], **columns: Any) -> Block:
    """Return a block of rows."""
    return {"patient": patient, **columns}


def where(mask: npt.NDArray[np.bool_], **columns: Any) -> Block:
    """Return a block with one row for each patient where the mask holds; arrays are over all patients."""
    rows = np.flatnonzero(mask)
    return {"patient": rows, **{name: _subset(value, rows) for name, value in columns.items()}}


def _subset(value: Any, rows: npt.NDArray[Any]) -> Any:
    if isinstance(value, tuple):
        return (_subset(value[0], rows), value[1])
    return value[rows] if isinstance(value, np.ndarray) else value


def build(name: str, blocks: Sequence[Block], patient_id: pa.Array, *, counter: str = "", tie: str = "") -> pa.Table:
    """Return a table of the schema from blocks of rows, sorted as a cohort folder is.

    Parameters
    ----------
    name : str
        The table.
    blocks : sequence of Block
    patient_id : pyarrow.Array
        The ids that ``patient`` counts into, in rising order.
    counter : str
        A whole-number column to fill with 1, 2, ... in the patient's order of days.
    tie : str
        A name in the blocks, not a column, that orders the rows of one day before they are counted.
    """
    definition = schema.table(name)
    blocks = [block for block in blocks if len(block["patient"])]
    if not blocks:
        return schema.empty(name)
    patient = np.concatenate([block["patient"] for block in blocks]).astype(np.int64)
    order = np.arange(len(patient))
    if counter:
        ties = [_numbers(tie, blocks)] if tie else []
        order = ordered(patient, _joined(definition.column(definition.start), blocks), *ties)
    # Rows are put in order by the patient's position, which is compared faster than the id and rises with it.
    columns = {"patient_id": pa.array(patient[order])}
    for column in definition.columns[1:]:
        counts = column.name == counter
        columns[column.name] = (
            pa.array(count_within(patient[order]), pa.int32()) if counts else _column(column, blocks, order)
        )
    rows = pa.table(columns) if counter else sort_table(name, pa.table(columns))
    ids = patient_id.take(rows["patient_id"].combine_chunks())
    return pa.table([ids, *rows.columns[1:]], schema=definition.arrow_schema)


def ordered(*keys: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Return the order of rows by whole numbers, the first the most important; rows equal in all keep their order."""
    rows = len(keys[0])
    packed = np.zeros(rows, dtype=np.int64)
    bits = 0
    for key in (*keys, np.arange(rows)):
        low = int(key.min())
        width = (int(key.max()) - low).bit_length()
        packed = (packed << width) | (key - low)
        bits += width
    if bits > 63:
        return np.lexsort(keys[::-1])
    # One number that holds keys and position is sorted several times faster than the keys one after the other.
    packed.sort()
    return packed & ((1 << width) - 1)


def count_within(patient: Whole) -> npt.NDArray[np.int32]:
    """Return 1, 2, ... within each run of equal patients."""
    position = np.arange(len(patient))
    first = np.append(True, patient[1:] != patient[:-1])
    return (position - np.maximum.accumulate(np.where(first, position, 0)) + 1).astype(np.int32)


def _numbers(name: str, blocks: Sequence[Block]) -> npt.NDArray[Any]:
    return np.concatenate([np.broadcast_to(block.get(name, 0), len(block["patient"])) for block in blocks])


def _joined(column: schema.Column, blocks: Sequence[Block]) -> npt.NDArray[Any]:
    parts = []
    for block in blocks:
        value = block.get(column.name, _MISSING[column.kind])
        if column.kind == "word" and isinstance(value, str):
            value = word_codes(column.vocabulary, [value])[0]
        parts.append(np.broadcast_to(value, len(block["patient"])))
    return np.concatenate(parts)


def _column(column: schema.Column, blocks: Sequence[Block], order: npt.NDArray[np.intp]) -> pa.Array:
    if not any(column.name in block for block in blocks):
        return absent(column, len(order))
    if column.kind == "text":
        return _texts(column, blocks, order)
    values = _joined(column, blocks)[order]
    if column.kind == "day":
        return to_date32(values)
    if column.kind == "number":
        return pa.array(values, pa.float64(), mask=np.isnan(values))
    missing = np.asarray(values) == -1
    if column.kind == "word":
        codes = pa.array(values.astype(np.int16), mask=missing)
        return pa.DictionaryArray.from_arrays(codes, pa.array(schema.vocabulary(column.vocabulary), pa.string()))
    if column.kind == "flag":
        return pa.array(values == 1, pa.bool_(), mask=missing)
    return pa.array(values.astype(np.int32), pa.int32(), mask=missing)


def _texts(column: schema.Column, blocks: Sequence[Block], order: npt.NDArray[np.intp]) -> pa.Array:
    known: dict[str, int] = {}
    parts = []
    for block in blocks:
        value = block.get(column.name, -1)
        codes, texts = value if isinstance(value, tuple) else ((0, (value,)) if isinstance(value, str) else (-1, ()))
        place = np.array([known.setdefault(text, len(known)) for text in texts] + [-1])
        parts.append(np.broadcast_to(place[codes], len(block["patient"])))
    codes = np.concatenate(parts)[order]
    return pa.array(list(known), pa.string()).take(pa.array(codes, mask=codes < 0))
