"""From rows of an event table to rows of a cohort: days relative to the index date, and days observed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..dates import FAR, NO_DAY, Window, to_days
from ..errors import DataError
from ..sources import schema
from ..sources.events import event, matches
from .nouns import Cohort, Mask

Rows = npt.NDArray[np.int64]


def relative_days(
    cohort: Cohort, table: str, *, columns: tuple[str, ...] = (), keep: Mask | None = None, date: str = ""
) -> pd.DataFrame:
    """Return the cohort's rows of an event table: ``row`` (of the cohort), ``day`` (relative to day 0), and columns.

    Rows without a date are left out. Where a patient has several rows in the cohort, an event appears once for each.
    """
    events = cohort.source.tables[table]
    date = date or schema.table(table).start
    dated = np.asarray(pc.is_valid(events[date]).to_numpy(), dtype=bool)
    keep = dated if keep is None else dated & keep
    return _linked(cohort, events.filter(pa.array(keep)), date, columns)


def relative_spans(cohort: Cohort, table: str, *, columns: tuple[str, ...] = (), keep: Mask) -> pd.DataFrame:
    """Return spans of a table that belong to the cohort: ``row``, ``day`` (first), ``end`` (last), and columns.

    A span without a start reaches back, and one without an end reaches forward, out of sight.
    """
    definition = schema.table(table)
    events = cohort.source.tables[table].filter(pa.array(keep))
    spans = _linked(cohort, events, definition.start, (definition.end, *columns))
    spans["day"] = spans["day"].where(spans["day"] > NO_DAY // 2, -FAR)
    end = spans.pop(definition.end).to_numpy()
    spans["end"] = np.where(end == NO_DAY, FAR, end - cohort.index_days[spans["row"].to_numpy()])
    return spans


def _linked(cohort: Cohort, events: pa.Table, date: str, columns: tuple[str, ...]) -> pd.DataFrame:
    events = events.select(["patient_id", date, *columns])
    event_row, cohort_row = pair_rows(cohort, events["patient_id"])
    events = events.take(pa.array(event_row))
    found = pd.DataFrame(
        {"row": cohort_row, "day": to_days(events[date]).astype(np.int64) - cohort.index_days[cohort_row]}
    )
    for column in columns:
        found[column] = _numpy_column(events[column])
    return found


def pair_rows(cohort: Cohort, patient_id: pa.ChunkedArray | pa.Array) -> tuple[Rows, Rows]:
    """Return matching (event row, cohort row) positions, events in their order; several where a patient has several."""
    codes, people = pd.factorize(cohort.data["patient_id"], sort=False)
    ids = patient_id.combine_chunks() if isinstance(patient_id, pa.ChunkedArray) else patient_id
    at = pc.index_in(ids, value_set=pa.array(people, pa.string())).fill_null(-1)
    person = np.asarray(at.to_numpy(zero_copy_only=False), dtype=np.int64)
    order = np.argsort(codes, kind="stable")
    first = np.searchsorted(codes[order], np.arange(len(people)))
    size = np.bincount(codes, minlength=len(people))
    mine = np.flatnonzero(person >= 0)
    repeats = size[person[mine]]
    event_row = np.repeat(mine, repeats)
    within = np.arange(len(event_row)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return event_row, order[first[person[event_row]] + within]


def _numpy_column(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    array = column.combine_chunks()
    if pa.types.is_date32(array.type):
        return to_days(array).astype(np.int64)
    if pa.types.is_dictionary(array.type):
        array = array.cast(pa.string())
    values: npt.NDArray[Any] = array.to_pandas().to_numpy()
    return values


def relative_events(cohort: Cohort, name: str, *, columns: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return a named event's rows of the cohort; see `relative_days`."""
    definition = event(name)
    if definition.table not in cohort.source.tables:
        raise DataError(f"The event {name!r} needs the table {definition.table}, which this source does not have.")
    rows = cohort.source.tables[definition.table]
    keep = np.ones(rows.num_rows, dtype=bool)
    for column, words in definition.where.items():
        keep &= matches(rows[column], words)
    return relative_days(cohort, definition.table, columns=columns, keep=keep, date=definition.date)


def any_in(cohort: Cohort, rows: pd.DataFrame, window: Window) -> Mask:
    """Return which rows of the cohort have at least one of these events within a window, both ends included."""
    inside = rows["day"].between(*window).to_numpy()
    found = np.zeros(len(cohort), dtype=bool)
    found[rows["row"].to_numpy()[inside]] = True
    return found


def observed_spans(cohort: Cohort, domains: tuple[str, ...]) -> pd.DataFrame:
    """Return merged spans of observation in any of the domains, sorted: row, start, end (both days included).

    Nobody is observed after the day of death, whatever the source's spans say.
    """
    periods = cohort.source.tables["observation_periods"]
    rows = relative_spans(cohort, "observation_periods", keep=matches(periods["domain"], domains))
    rows = rows.rename(columns={"day": "start"}).sort_values(["row", "start", "end"], kind="stable")
    deaths = relative_events(cohort, "death")
    rows["end"] = np.minimum(rows["end"], rows["row"].map(deaths.set_index("row")["day"]).fillna(FAR)).astype(np.int64)
    rows = rows[rows["end"] >= rows["start"]]
    # A span begins where the start lies more than one day after everything observed before it.
    reach = (
        rows.groupby("row", sort=False)["end"]
        .cummax()
        .groupby(rows["row"], sort=False)
        .shift(fill_value=np.iinfo(np.int32).min)
    )
    span = (rows["start"] > reach + 1).cumsum()
    merged = rows.groupby(span, sort=True).agg(row=("row", "first"), start=("start", "min"), end=("end", "max"))
    return merged.reset_index(drop=True)


def observed_days(cohort: Cohort, domains: tuple[str, ...], days: Window) -> Rows:
    """Return how many days of a window each row was observed in any of the domains."""
    spans = observed_spans(cohort, domains)
    overlap = np.minimum(spans["end"].to_numpy(), days[1]) - np.maximum(spans["start"].to_numpy(), days[0]) + 1
    total = np.zeros(len(cohort), dtype=np.int64)
    np.add.at(total, spans["row"].to_numpy(), np.maximum(overlap, 0))
    return total
