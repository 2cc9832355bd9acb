"""Covariates that change during follow-up: pieces (start, stop] in which each has one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort, Definition
from ..cohort.linkage import relative_days, relative_events
from ..cohort.nouns import add_columns
from ..errors import DataError, InputError, nearest, one_of
from ..formats import count
from ..sources import schema
from ..sources.events import event, matches

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def add_time_varying(
    cohort: Cohort,
    outcome: str,
    *,
    events: str | Sequence[str] = (),
    conditions: str | Sequence[str] = (),
    measurements: str | Sequence[str] = (),
    name: str | None = None,
) -> Cohort:
    """Cut the follow-up of an outcome wherever a covariate changes, for a Cox model on the pieces.

    **Definition**: pieces (start, stop]: a row is at risk after ``start_day`` up to ``stop_day``, that day included.
    What is recorded on day d holds after d: an outcome on day d itself still counts under the value before, which alone
    was known then. Named events and conditions are False until their first record and True after it (from the start
    where it is on day 0 or before; of the named event that is day 0, from day 1 on). A measurement is the last one
    recorded, of several on a day their mean, and missing before the first.

    Parameters
    ----------
    cohort : Cohort
    outcome : str
        A time-to-event outcome of the cohort.
    events, conditions, measurements : str or list of str
        Named events (``"device_revision"``), conditions (``"depression"``) and measures (``"nrs_back"``) to follow.
    name : str, optional
        Name of the episodes; ``<outcome>_pieces`` when not given.

    Returns
    -------
    Cohort
        `Episodes` of kind ``time_varying``, ``cohort.episodes(name)``, for `fit_cox`: ``start_day``, ``stop_day``,
        ``status`` (the outcome's on the last piece, before it ``censored``), and one column per covariate: events as
        ``had_<event>``, conditions as ``has_<condition>``, measures by their name followed by ``_now``.

    Raises
    ------
    InputError
        Unknown outcome, event, condition or measure, or none given.
    DataError
        The source lacks a table.

    Notes
    -----
    When not to use it: for what follows from the outcome's approach (a revision because explant is planned), or for a
    treatment effect when the covariate also answers to the treatment.

    References
    ----------
    Therneau TM and Grambsch PM. Modeling Survival Data, chapter 3.7. doi:10.1007/978-1-4757-3294-8.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> cohort = fbss.add_time_to(cohort, "death", competing=None, until_days=1825)
    >>> cohort = fbss.add_time_varying(cohort, "death", events="device_revision")
    >>> list(cohort.episodes("death_pieces").frame.columns[2:6])
    ['start_day', 'stop_day', 'status', 'had_device_revision']
    """
    definition = cohort.outcome(outcome)
    records = _records(cohort, _listed(events), _listed(conditions), _listed(measurements))
    if not records:
        raise InputError("add_time_varying needs events=, conditions= or measurements= to follow.")
    stop = cohort.data[definition.days].to_numpy(dtype=np.float64)
    entry = cohort.data[definition.entry].to_numpy(dtype=np.float64) if definition.entry else np.zeros(len(stop))
    seen = np.flatnonzero(~np.isnan(stop))
    days = pd.concat([rows[["row", "day"]] for rows in records.values()])
    row, start, end = cut_follow_up(entry, stop, days["row"].to_numpy(np.int64), days["day"].to_numpy(float), rows=seen)
    status = cohort.data[definition.status].to_numpy(dtype=object)[row]
    pieces = pd.DataFrame({"row": row, "start_day": start, "stop_day": end})
    pieces["status"] = np.where(end == stop[row], status, "censored")
    for column, rows in records.items():
        pieces[column] = value_at(row, start, rows)
    name = name or f"{outcome}_pieces"
    words = f"{outcome} in pieces by {', '.join(records)}: what is recorded on a day holds after it."
    arguments: dict[str, object] = {"outcome": outcome, "covariates": tuple(records)}
    return add_columns(cohort, {}, Definition(name, words, (), arguments), intervals=("time_varying", pieces))


def split_at_changes(
    frame: pd.DataFrame,
    *,
    changes: Mapping[str, str],
    duration: str,
    status: str,
    entry: str | None = None,
) -> pd.DataFrame:
    """Cut the rows of a plain frame where yes/no covariates become true.

    **Definition**: as in `add_time_varying`: a change on day d holds after d, an event on day d counts under the value
    before it.

    Parameters
    ----------
    frame : DataFrame
        One row per patient.
    changes : mapping of str to str
        New column -> column with the day it becomes True; missing: never.
    duration, status, entry : str
        Columns of the last day, of what happened on it (text, true/false or 0/1), and of late entry.

    Returns
    -------
    DataFrame
        The frame's columns with ``row`` (its rows counted from 0), ``start_day``, ``stop_day``, ``status`` (of the
        row's last piece; before it ``censored``, or false) and the new columns. Cluster the model on ``row``.

    Raises
    ------
    InputError
        A column is not there, or already is.
    DataError
        Days are missing, or not after entry.

    When not to use it
    ------------------
    With a cohort: `add_time_varying` finds the days in the event tables.

    Examples
    --------
    >>> frame = pd.DataFrame({"days": [10.0, 6.0], "died": [True, False], "implant_day": [4.0, None]})
    >>> pieces = split_at_changes(frame, changes={"implanted": "implant_day"}, duration="days", status="died")
    >>> pieces[["row", "start_day", "stop_day", "status", "implanted"]].values.tolist()
    [[0, 0.0, 4.0, False, False], [0, 4.0, 10.0, True, True], [1, 0.0, 6.0, False, False]]
    """
    _check_frame(frame, changes, [duration, status, *([entry] if entry else [])])
    stop = frame[duration].to_numpy(dtype=np.float64)
    begin = frame[entry].to_numpy(dtype=np.float64) if entry else np.zeros(len(frame))
    wrong = int((~(begin < stop)).sum())
    if wrong:
        raise DataError(f"{count(wrong)} of {count(len(frame))} rows have no {duration!r} after they enter.")
    records = {}
    for name, column in changes.items():
        day = frame[column].to_numpy(dtype=np.float64)
        known = np.flatnonzero(~np.isnan(day))
        records[name] = pd.DataFrame({"row": known, "day": day[known], "value": True})
    days = pd.concat(records.values())
    row, start, end = cut_follow_up(
        begin, stop, days["row"].to_numpy(np.int64), days["day"].to_numpy(float), rows=np.arange(len(frame))
    )
    pieces = frame.take(row).drop(columns=["row", "start_day", "stop_day"], errors="ignore").reset_index(drop=True)
    words = pd.api.types.infer_dtype(frame[status], skipna=True) in ("string", "categorical")
    happened = pieces.pop(status).astype(object).where(end == stop[row], "censored" if words else False)
    before = pd.DataFrame({"row": row, "start_day": start, "stop_day": end})
    before["status"] = happened.to_numpy() if words else happened.astype(bool).to_numpy()
    for name, rows in records.items():
        before[name] = value_at(row, start, rows)
    return pd.concat([before, pieces.drop(columns="status", errors="ignore")], axis=1)


def cut_follow_up(
    entry: Numbers, stop: Numbers, row: Integers, day: Numbers, *, rows: Integers
) -> tuple[Integers, Numbers, Numbers]:
    """Return row, start and stop (m,) of the pieces of ``rows``, cut at the days (k,) that lie within follow-up."""
    inside = (day > entry[row]) & (day < stop[row]) & np.isin(row, rows)
    at = pd.DataFrame({"row": np.append(rows, row[inside]), "start": np.append(entry[rows], day[inside])})
    at = at.drop_duplicates().sort_values(["row", "start"], kind="stable")
    end = at.groupby("row")["start"].shift(-1)
    of = at["row"].to_numpy(dtype=np.int64)
    return of, at["start"].to_numpy(dtype=np.float64), end.where(end.notna(), stop[of]).to_numpy(dtype=np.float64)


def value_at(row: Integers, start: Numbers, records: pd.DataFrame) -> npt.NDArray[Any]:
    """Return the last value recorded at or before the start of each piece; False or missing where there is none."""
    left = pd.DataFrame({"row": row, "day": start, "place": np.arange(len(row))}).sort_values("day", kind="stable")
    right = records.assign(day=records["day"].astype(np.float64)).sort_values("day", kind="stable")
    found = pd.merge_asof(left, right, on="day", by="row").sort_values("place")["value"]
    if records["value"].dtype == bool:
        return found.eq(True).to_numpy(dtype=bool)
    return found.to_numpy(dtype=np.float64)


def _records(
    cohort: Cohort, events: tuple[str, ...], conditions: tuple[str, ...], measurements: tuple[str, ...]
) -> dict[str, pd.DataFrame]:
    """Return row, day and value of every record, by the column it makes."""
    found = {}
    for name in events:
        event(name)
        rows = relative_events(cohort, name)
        found[f"had_{name}"] = rows[rows["day"] >= 1].assign(value=True) if name == cohort.index else rows
    for name in conditions:
        one_of(name, schema.vocabulary("condition"), name="condition")
        cohort.source.require("conditions", what=f"The condition {name!r}")
        keep = matches(cohort.source.tables["conditions"]["condition"], (name,))
        found[f"has_{name}"] = relative_days(cohort, "conditions", keep=keep)
    found = {column: rows.assign(value=np.ones(len(rows), dtype=bool)) for column, rows in found.items()}
    for name in measurements:
        one_of(name, schema.vocabulary("measure"), name="measurement")
        cohort.source.require("measurements", what=f"The measure {name!r}")
        keep = matches(cohort.source.tables["measurements"]["measure"], (name,))
        rows = relative_days(cohort, "measurements", columns=("value",), keep=keep)
        found[f"{name}_now"] = rows.groupby(["row", "day"])["value"].mean().reset_index()
    return found


def _listed(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _check_frame(frame: pd.DataFrame, changes: Mapping[str, str], needed: list[str]) -> None:
    """Raise `InputError` for columns that are not there, or new ones that are."""
    known = [str(column) for column in frame.columns]
    for column in (*needed, *changes.values()):
        if column not in known:
            raise InputError(f"{column!r} is no column of the frame.{nearest(column, known)}")
    for name in changes:
        if name in known:
            raise InputError(f"changes= makes a column {name!r}, which the frame already has; give it another name.")
    if not changes:
        raise InputError('changes= is empty; expected, for instance, {"implanted": "implant_day"}.')
