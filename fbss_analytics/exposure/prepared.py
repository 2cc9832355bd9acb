"""Supplies of a source, prepared once for each dose definition and kept as long as the source is."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..dates import to_days
from ..sources import schema
from ..sources.source import Source
from .definition import DoseDefinition
from .overlap import resolve
from .supply import LEFT_OUT, WORDS, Supplies, is_repeat, lookup_of, prepare

Integers = npt.NDArray[np.int64]
NUMBERS = ("strength_value", "quantity", "days_supply")


@dataclass(frozen=True, eq=False)
class Prepared:
    """Systemic supplies of a source by calendar day: as dispensed, after the overlap policy, and whose they are.

    ``fills`` and ``supplies`` go side by side; their ``row`` numbers patients in the order of the table, and
    ``patient_id`` has one entry for each supply.
    """

    patient_id: pa.Array
    fills: Supplies
    supplies: Supplies


_KEPT: WeakKeyDictionary[Source, dict[DoseDefinition, Prepared]] = WeakKeyDictionary()


def prepared(source: Source, definition: DoseDefinition) -> Prepared:
    """Return the supplies of a source under a dose definition; a second call returns the same."""
    kept = _KEPT.setdefault(source, {})
    if definition not in kept:
        kept[definition] = _prepare(source.tables["dispensings"], definition)
    return kept[definition]


def _prepare(table: pa.Table, definition: DoseDefinition) -> Prepared:
    patient = table["patient_id"].combine_chunks().dictionary_encode()
    fills, kept = table_supplies(table, np.asarray(patient.indices, dtype=np.int64), definition)
    return Prepared(patient.take(pa.array(kept)).cast(pa.string()), fills, resolve(fills, definition))


def table_supplies(table: pa.Table, row: Integers, definition: DoseDefinition) -> tuple[Supplies, Integers]:
    """Return the supplies of dispensings in Arrow by calendar day, and which row of the table each is of.

    ``row`` says whose each dispensing is. With ``repeats="drop"`` the table holds every column there is.
    """
    codes = [vocabulary_codes(table[name], name) for name in WORDS]
    strength, quantity, days = (number_column(table[name]) for name in NUMBERS)
    mme, banded, group = prepare(codes, strength, quantity, days, lookup_of(definition))
    keep = group != LEFT_OUT
    n_repeats = 0
    if definition.repeats == "drop":
        repeated = is_repeat(table.to_pandas())
        n_repeats = int(repeated.sum())
        keep &= ~repeated
    start = to_days(table["date"]).astype(np.int64)
    end = start + days.astype(np.int64) - 1
    if keep.all():
        return Supplies(row, start, end, mme, banded, group, n_repeats), np.arange(len(row))
    kept = Supplies(row[keep], start[keep], end[keep], mme[keep], banded[keep], group[keep], n_repeats)
    return kept, np.flatnonzero(keep)


def vocabulary_codes(column: pa.ChunkedArray | pa.Array, name: str) -> npt.NDArray[np.int16]:
    """Return the codes of a dictionary column over the schema's vocabulary, -1 where there is no word."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    words = pa.array(schema.vocabulary(name), pa.string())
    known = pc.index_in(array.dictionary.cast(pa.string()), value_set=words).fill_null(-1)
    # Rows without a word take the last entry.
    of_code = np.append(np.asarray(known, dtype=np.int16), np.int16(-1))
    codes = array.indices.fill_null(len(known)) if array.null_count else array.indices
    return np.asarray(of_code[np.asarray(codes)])


def number_column(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.float64]:
    """Return a column of numbers, NaN where there is none."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(array.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
