"""Whose exposure is asked for: index dates, observed days and stays by patient."""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..dates import FAR, NO_DAY, from_timestamps, to_days
from ..errors import DataError, InputError, StudyWarning, nearest
from ..formats import plural
from ..sources.source import Source
from .columns import column_names
from .definition import DoseDefinition
from .intervals import less, make_spans, merge, to_lists
from .sweep import View

Integers = npt.NDArray[np.int64]
Frame: TypeAlias = "pd.DataFrame | pa.Table"
Dispensings: TypeAlias = "pd.DataFrame | pa.Table | Source | str | Path"


@dataclass(frozen=True, eq=False)
class People:
    """Patients in the order of their ids, and what is known of them besides their dispensings.

    Attributes
    ----------
    ids : (n_people,) string array
        Sorted, each once.
    first, rows : (n_people + 1,) int, (n_rows,) int
        The rows of the index dates that are of person p are ``rows[first[p]:first[p + 1]]``.
    day_0 : (n_rows,) int
        Index dates as days since 1970-01-01, in the order given.
    spans : tuple of three int arrays, or None
        Observed days, as in `sweep.View`, by person; None where every day counts as observed.
    stays : DataFrame
        Merged stays that are assumed to be supplied: row (the person), start, end.
    """

    ids: pa.Array
    first: Integers
    rows: Integers
    day_0: Integers
    spans: tuple[Integers, Integers, Integers] | None
    stays: pd.DataFrame


def people_of(
    index_dates: Frame, definition: DoseDefinition, observation: Frame | None = None, stays: Frame | None = None
) -> People:
    """Return the people of a frame of index dates; a patient may stand in it with several."""
    index = to_table(index_dates, ("patient_id", "index_date"), "index_dates")
    given = string_column(index["patient_id"])
    day_0 = day_column(index["index_date"], "index_dates: index_date")
    missing = int(given.null_count) + int((day_0 == NO_DAY).sum())
    if missing:
        raise DataError(
            f"index_dates: patient_id or index_date is missing in {plural(missing, 'row')}; give each row both."
        )
    coded = given.dictionary_encode()
    order = pc.sort_indices(coded.dictionary)
    ids = coded.dictionary.take(order)
    rank = np.empty(len(ids), dtype=np.int64)
    rank[np.asarray(order)] = np.arange(len(ids))
    person = rank[np.asarray(coded.indices)]
    first = np.append(0, np.cumsum(np.bincount(person, minlength=len(ids)))).astype(np.int64)
    away = _stay_spans(stays, definition, ids)
    observed = _observed_spans(observation, ids)
    if definition.stays == "exclude":
        always = make_spans(np.arange(len(ids)), np.full(len(ids), -FAR), np.full(len(ids), FAR))
        observed = less(always if observed is None else observed, away, len(ids))
    supplied = away if definition.stays == "assume_supplied" else away.iloc[:0]
    spans = None if observed is None else to_lists(observed, len(ids))
    return People(ids, first, np.argsort(person, kind="stable"), day_0, spans, supplied)


def find(people: People, ids: pa.Array) -> Integers:
    """Return the persons of ids, -1 for those that are none."""
    if len(ids) == 0 or len(people.ids) == 0:
        return np.full(len(ids), -1, dtype=np.int64)
    # Only the part of the list that a run of sorted ids can be in is searched.
    ends = pc.min_max(ids)
    low = bisect_left(people.ids, ends["min"].as_py(), key=_text)
    high = bisect_right(people.ids, ends["max"].as_py(), lo=low, key=_text)
    at = np.asarray(pc.index_in(ids, value_set=people.ids.slice(low, high - low)).fill_null(-1), dtype=np.int64)
    return np.where(at >= 0, at + low, -1)


def view_of(people: People, persons: Integers, windows: Integers) -> tuple[View, Integers]:
    """Return the rows of persons as a view on supplies numbered by the place of the person, and which rows they are.

    A person of -1 has no row.
    """
    known = np.flatnonzero(persons >= 0)
    begin = people.first[persons[known]]
    size = people.first[persons[known] + 1] - begin
    patient = np.repeat(known, size)
    rows = people.rows[np.repeat(begin, size) + np.arange(len(patient)) - np.repeat(np.cumsum(size) - size, size)]
    return View(patient, people.day_0[rows], windows, people.spans, persons[patient]), rows


def to_table(frame: Frame, columns: tuple[str, ...], what: str) -> pa.Table:
    """Return the columns of a frame in Arrow, or raise `DataError` naming those it lacks."""
    names = column_names(frame, what)
    absent = [name for name in columns if name not in names]
    if absent:
        raise DataError(f"{what} has no column {' and '.join(absent)}.{nearest(absent[0], names)}")
    if isinstance(frame, pa.Table):
        return frame.select(list(columns))
    return pa.table({name: to_array(frame[name], what) for name in columns})


def to_array(column: pd.Series, what: str) -> pa.Array:
    """Return a pandas column in Arrow, or raise `DataError` where its values are of several types."""
    try:
        return pa.array(column, from_pandas=True)
    except pa.ArrowException:
        # Arrow's own message quotes the value it stumbled over.
        raise DataError(
            f"{what}: the values of {column.name} are of several types; make them one, for example text by "
            "frame.astype({'" + str(column.name) + "': str})."
        ) from None


def string_column(column: pa.ChunkedArray) -> pa.Array:
    """Return ids as one array of strings."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return array.cast(pa.string())


def day_column(column: pa.ChunkedArray, what: str) -> Integers:
    """Return dates or times as days since 1970-01-01, `NO_DAY` where there is none."""
    array = column.combine_chunks()
    array = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    if array.null_count == len(array):
        return np.full(len(array), NO_DAY, dtype=np.int64)
    if pa.types.is_timestamp(array.type) or pa.types.is_date64(array.type):
        return from_timestamps(array.to_pandas(date_as_object=False)).astype(np.int64)
    if not pa.types.is_date32(array.type):
        raise DataError(f"{what} is of type {array.type}; expected dates, for example pandas.to_datetime(...).")
    return to_days(array).astype(np.int64)


def _text(value: pa.Scalar) -> str:
    return str(value.as_py())


def _observed_spans(observation: Frame | None, ids: pa.Array) -> pd.DataFrame | None:
    if observation is None:
        return None
    names = ("patient_id", "start_date", "end_date")
    has_domain = "domain" in column_names(observation, "observation")
    table = to_table(observation, (*names, "domain") if has_domain else names, "observation")
    if has_domain:
        table = table.filter(pc.equal(table["domain"].cast(pa.string()), "pharmacy"))
    spans = _spans(table, names, ids, "observation")
    if spans.empty and len(ids):
        warnings.warn(
            "observation has no span of a patient in index_dates, so that all is missing; compare how patient_id is "
            "written in both" + (", and look for the domain pharmacy." if has_domain else "."),
            StudyWarning,
            stacklevel=4,
        )
    return spans


def _stay_spans(stays: Frame | None, definition: DoseDefinition, ids: pa.Array) -> pd.DataFrame:
    if definition.stays == "ignore":
        return make_spans([], [], [])
    if stays is None:
        raise InputError(
            f'The definition says stays="{definition.stays}", and no stays are given; give stays= a frame with '
            'patient_id, admit_date and discharge_date, or type stays="ignore" in the definition.'
        )
    names = ("patient_id", "admit_date", "discharge_date")
    return _spans(to_table(stays, names, "stays"), names, ids, "stays")


def _spans(table: pa.Table, names: tuple[str, str, str], ids: pa.Array, what: str) -> pd.DataFrame:
    """Return merged spans by person; spans of other patients are left out, those that end before they start refused."""
    start, end = (day_column(table[name], f"{what}: {name}") for name in names[1:])
    faulty = int(((start == NO_DAY) | (end == NO_DAY) | (end < start)).sum())
    if faulty:
        raise DataError(
            f"{what}: {names[1]} or {names[2]} is missing, or the end is before the start, in {plural(faulty, 'row')}; "
            "correct or leave them out."
        )
    person = pc.index_in(string_column(table[names[0]]), value_set=ids).fill_null(-1)
    row = np.asarray(person, dtype=np.int64)
    mine = row >= 0
    return merge(make_spans(row[mine], start[mine], end[mine]))
