"""Row rules: what a row of each table must satisfy, read off the schema, with what to do about a row that does not.

A rule that a row breaks sets the row aside; it never changes a value. A row is counted under the first rule it breaks.
Children of a patient set aside are set aside too (rule R05 says so).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..dates import NO_DAY, to_days, year_of
from . import schema
from .convert import EXPECTED, Converted, Mask

RULE_SET_VERSION = "1"
RULES: Mapping[str, str] = {
    "R01": "a value that must be there is missing",
    "R02": "a value cannot be read as the column's type",
    "R03": "a word is not in the vocabulary",
    "R04": "a key stands more than once with different content",
    "R05": "the patient is not among the accepted patients",
    "R06": "the end is before the start",
    "R07": "a value is outside its range",
    "R08": "the event is before the year of birth",
    "R09": "a value is not among the words that the mapping recodes",
}
MERGES: Mapping[str, str] = {
    "M01": "equal in every column to a row already accepted",
    "M02": "joined with the patient's other rows into one span from the first to the last day seen",
}
EXCLUSIONS: Mapping[str, str] = {
    "X00": "not selected for this table by a where of the mapping",
    "X01": "excluded by the mapping for the reason it gives; X02, X03, ... are its further reasons in order",
}

AT_SOURCE = "Correct them at the source and read it again."


@dataclass(frozen=True, eq=False)
class Fault:
    """A rule, what is wrong in words, what to do about it, and the rows that break it."""

    rule: str
    words: str
    remedy: str
    mask: Mask


def row_faults(
    definition: schema.Table, table: pa.Table, converted: Mapping[str, Converted], patients: pa.Table | None
) -> Iterator[Fault]:
    """Yield every rule of a table with the rows that break it; ``patients`` is None for the patients table itself."""
    yield from value_faults(definition, converted)
    if patients is not None:
        known = pc.is_in(table["patient_id"], value_set=patients["patient_id"].combine_chunks())
        yield Fault("R05", RULES["R05"], "Add the patients, or correct the ids.", ~_as_mask(known))
    yield from _range_faults(definition, table)
    if definition.end:
        start, end = to_days(table[definition.start]), to_days(table[definition.end])
        backwards = (end < start) & (end != NO_DAY) & (start != NO_DAY)
        yield Fault("R06", f"{definition.end} is before {definition.start}", AT_SOURCE, backwards)
    date = "death_date" if patients is None else definition.start
    if date:
        before = _before_birth(table, date, table if patients is None else patients)
        yield Fault("R08", f"{date} is before the year of birth", AT_SOURCE, before)
    if definition.key:
        words = f"rows have the same {' and '.join(definition.key)} and different content"
        yield Fault("R04", words, "Keep one row per key.", _conflicts(definition, table))


def value_faults(definition: schema.Table, converted: Mapping[str, Converted]) -> Iterator[Fault]:
    """Yield the rules that a value breaks by itself: it cannot be read, is no known word, or is missing."""
    for column in definition:
        each = converted[column.name]
        if column.kind == "word":
            yield Fault(
                "R03",
                f"{column.name} is not in the vocabulary; {each.advice}",
                "Recode them to a known word.",
                each.unreadable,
            )
        else:
            words = f"{column.name} cannot be read; expected {EXPECTED[column.kind]}"
            yield Fault("R02", words, AT_SOURCE, each.unreadable)
        if column.required:
            yield Fault("R01", f"{column.name} is missing", AT_SOURCE, _as_mask(pc.is_null(each.values)))


def _range_faults(definition: schema.Table, table: pa.Table) -> Iterator[Fault]:
    remedy = "Correct them at the source; if the range is too narrow for real data, report it."
    for column in definition:
        if column.kind == "day":
            years = f"{schema.FIRST_YEAR} to {schema.LAST_YEAR}"
            words = f"{column.name} is out of range; expected a day in the years {years}"
            yield Fault("R07", words, remedy, _far_off(to_days(table[column.name])))
        elif column.minimum is not None or column.maximum is not None:
            outside = _outside(_numbers(table[column.name]), column.minimum, column.maximum)
            yield Fault("R07", f"{column.name} is out of range; expected {allowed(column)}", remedy, outside)
    if definition.name == "measurements":
        limits = schema.measures()
        code = table["measure"].combine_chunks().indices.fill_null(-1).to_numpy(zero_copy_only=False)
        low = np.array([limits[name]["minimum"] for name in limits] + [-np.inf])[code]
        high = np.array([limits[name]["maximum"] for name in limits] + [np.inf])[code]
        value = _numbers(table["value"])
        yield Fault("R07", "value is outside the measure's range", remedy, (value < low) | (value > high))


def allowed(column: schema.Column) -> str:
    """Return a column's range in words, for example ``0 or more`` or ``1 to 12``; empty where there is none."""
    if column.minimum == schema.POSITIVE:
        return "more than 0"
    if column.minimum is not None and column.maximum is not None:
        return f"{column.minimum:g} to {column.maximum:g}"
    return "" if column.minimum is None else f"{column.minimum:g} or more"


def _far_off(days: npt.NDArray[np.int32]) -> Mask:
    given = days != NO_DAY
    years = year_of(np.where(given, days, 0))
    return np.asarray(given & ((years < schema.FIRST_YEAR) | (years > schema.LAST_YEAR)), dtype=bool)


def _outside(values: np.ndarray, low: float | None, high: float | None) -> Mask:
    outside = np.zeros(len(values), dtype=bool)
    if low is not None:
        outside |= values < low
    if high is not None:
        outside |= values > high
    return outside


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=float)


def _as_mask(column: pa.Array | pa.ChunkedArray) -> Mask:
    return np.asarray(
        column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy(), dtype=bool
    )


def _before_birth(table: pa.Table, date: str, patients: pa.Table) -> Mask:
    born = _numbers(patients["birth_year"])
    at = pc.index_in(table["patient_id"], value_set=patients["patient_id"].combine_chunks())
    row = np.asarray(at.fill_null(-1).to_numpy(), dtype=np.int64)
    birth_year = np.append(born, np.nan)[row]
    start = to_days(table[date])
    return np.asarray((start != NO_DAY) & (year_of(np.where(start == NO_DAY, 0, start)) < birth_year), dtype=bool)


def _conflicts(definition: schema.Table, table: pa.Table) -> Mask:
    keys = list(definition.key)
    shared: Mask = table.select(keys).to_pandas().duplicated(keep=False).to_numpy()
    rows = table.filter(pa.array(shared)).to_pandas(date_as_object=False)
    if len(rows):
        number = rows.groupby(keys, dropna=False, sort=False).ngroup()
        versions = (~rows.duplicated()).groupby(number).transform("sum")
        shared[shared] = versions.to_numpy() > 1
    return shared
