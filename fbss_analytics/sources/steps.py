"""The verbs of a mapping on arrays: text columns of an extract in, columns of a table and the rows at fault out."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..dates import NO_DAY, to_date32, to_days
from ..errors import DataError
from ..formats import count, plural
from .convert import lost, parse_days, whole_numbers
from .recipe import Block, Step
from .rules import Fault

FAR_DAY = 400_000
"""No day number of a study is this far from its origin; beyond it dates cannot be counted on."""
Columns = Mapping[str, pa.Array]


def fill(block: Block, columns: Columns, rows: int, *, file: str) -> tuple[dict[str, pa.Array], list[Fault]]:
    """Return the columns a block gives its table, but row numbers, and the faults met in filling them."""
    arrays: dict[str, pa.Array] = {}
    faults: list[Fault] = []
    for step in block.steps:
        if step.verb == "constant":
            arrays[step.target] = pa.repeat(pa.scalar(step.options["word"], pa.string()), rows)
        elif step.verb != "row_number":
            arrays[step.target], found = _read(step, columns[step.source], file=file)
            faults += found
    return arrays, faults


def _read(step: Step, text: pa.Array, *, file: str) -> tuple[pa.Array, list[Fault]]:
    """Return one column as a verb reads it, with a fault where a value was there and could not be read."""
    if step.verb == "copy":
        return text, []
    if step.verb == "recode":
        return _recode(step, text)
    if step.verb == "date":
        values, expected = parse_days(text, step.options["format"]), f"dates as {step.options['format']}"
    elif step.verb == "year":
        values, expected = _years(text, step.options["format"]), f"years, or dates as {step.options['format']}"
    elif step.verb == "day":
        values, expected = _from_origin(text, step.options["origin"]), "whole day numbers"
    else:
        values, expected = _birth_years(text, step.options["at"]), "whole years of age, 0 to 125"
    unread = lost(text, values)
    if unread.sum() > 1 and values.null_count == len(values):
        raise DataError(
            f"{file}: none of the {count(unread.sum())} values of {step.source} can be read for {step.target}; "
            f"expected {expected}. Correct the mapping."
        )
    words = f"{step.target} cannot be read from {step.source}; expected {expected}"
    return values, [Fault("R02", words, "Correct them at the source, or the mapping.", unread)] if unread.any() else []


def _recode(step: Step, text: pa.Array) -> tuple[pa.Array, list[Fault]]:
    words: Mapping[str, str] = step.options["words"]
    given = pa.array([word for word in words if word], pa.string())
    meant = pa.array([words[word] or None for word in given.to_pylist()], pa.string())
    position = pc.index_in(text, value_set=given)
    unknown = lost(text, position)
    values = meant.take(position)
    if step.options["unmapped"] == "keep":
        return pc.if_else(pa.array(unknown), text, values), []
    if words.get(""):
        values = pc.if_else(text.is_null(), pa.scalar(words[""]), values)
    if step.options["unmapped"] == "missing" or not unknown.any():
        return values, []
    distinct = len(text.filter(pa.array(unknown)).unique())
    values_are = plural(distinct, "distinct value is", "distinct values are")
    shown = f"{step.target} cannot be recoded from {step.source}: {values_are} not listed in the mapping"
    remedy = "Add them to the mapping, or say there what becomes of them (unmapped = 'keep' or 'missing')."
    return values, [Fault("R09", shown, remedy, unknown)]


def _from_origin(text: pa.Array, origin: datetime.date) -> pa.Array:
    start = (origin - datetime.date(1970, 1, 1)).days
    number = whole_numbers(text).cast(pa.int64()).fill_null(FAR_DAY).to_numpy(zero_copy_only=False)
    return to_date32(np.where(np.abs(number) < FAR_DAY, number + start, int(NO_DAY)))


def _years(text: pa.Array, format: str) -> pa.Array:
    year = pc.if_else(pc.fill_null(pc.match_substring_regex(text, "^[0-9]{4}$"), False), text, None).cast(pa.int32())
    return pc.coalesce(year, pc.year(parse_days(text, format)).cast(pa.int32()))


def _birth_years(text: pa.Array, at: datetime.date) -> pa.Array:
    """Return the year in which most people of an age on a day were born: that of the day age and a half years before.

    A person aged 43 on 1 January 2000 was born in 1956, one aged 43 on 31 December 2000 in 1957.
    """
    length = (datetime.date(at.year + 1, 1, 1) - datetime.date(at.year, 1, 1)).days
    now = at.year + (at - datetime.date(at.year, 1, 1)).days / length
    age = whole_numbers(text).cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
    plausible = (age >= 0) & (age <= 125)
    years = np.floor(now - np.where(plausible, age, 0) - 0.5).astype(np.int32)
    return pa.array(years, pa.int32(), mask=~plausible)


def spans(block: Block, columns: Columns, arrays: Columns, *, file: str) -> tuple[dict[str, pa.Array], list[Fault]]:
    """Return start_date and end_date: on every row the first and the last day seen in the rows it is to be joined with.

    Rows are joined that agree in every column the block gives: the patient and, say, the domain. They end up equal, and
    all but one of them are merged when the rules have been applied.
    """
    read = [_read(step, columns[step.source], file=file) for step in block.spans]
    faults = [fault for _, found in read for fault in found]
    seen = pd.DataFrame({number: to_days(array) for number, (array, _) in enumerate(read)}).astype(float)
    seen = seen.mask(seen == int(NO_DAY))
    seen[np.logical_or.reduce([fault.mask for fault in faults] or [np.zeros(len(seen), dtype=bool)])] = np.nan
    same = pd.DataFrame({name: array.to_pandas() for name, array in arrays.items()})
    group = same.groupby(list(same.columns), dropna=False, sort=False).ngroup()
    by_row = pd.DataFrame({"first": seen.min(axis=1), "last": seen.max(axis=1)})
    first = by_row["first"].groupby(group).transform("min").where(by_row["first"].notna())
    last = by_row["last"].groupby(group).transform("max").where(by_row["last"].notna())
    return {"start_date": _days(first), "end_date": _days(last)}, faults


def _days(days: pd.Series) -> pa.Array:
    numbers: npt.NDArray[np.float64] = days.fillna(float(NO_DAY)).to_numpy(float)
    return to_date32(numbers.astype(np.int64))


def number_rows(rows: pa.Table, column: str, *, start: str) -> pa.Table:
    """Return rows with a column that counts 1, 2, ... within the patient by day, then content, whatever their order."""
    keys = dict.fromkeys(["patient_id", *([start] if start else []), *rows.column_names])
    order = pc.sort_indices(rows, sort_keys=[(key, "ascending") for key in keys]).to_numpy()
    patient = rows["patient_id"].combine_chunks().dictionary_encode().indices.fill_null(-1)
    sorted_patient = patient.to_numpy(zero_copy_only=False)[order]
    position = np.arange(len(order))
    begins = np.append(True, sorted_patient[1:] != sorted_patient[:-1])[: len(order)]
    numbers = np.empty(len(order), dtype=np.int32)
    numbers[order] = position - np.maximum.accumulate(np.where(begins, position, 0)) + 1
    return rows.append_column(column, pa.array(numbers))
