"""All events of a kind after day 0, with death and the end of observation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort, Definition
from ..cohort.linkage import observed_spans, relative_events
from ..cohort.nouns import add_columns
from ..errors import InputError, one_of
from ..exposure.coverage import followed
from ..sources import schema
from ..sources.events import event
from .assemble import Numbers, check_until, first_days, follow, rivals_of, rivals_words
from .reoperation import BY_LEVEL, SCOPES, reoperations


def add_recurrent(
    cohort: Cohort,
    event_name: str,
    *,
    until_days: int,
    competing: str | tuple[str, ...] | None,
    scope: str | None = None,
    name: str | None = None,
) -> Cohort:
    """Add every event of a kind after day 0, as pieces of follow-up that each end with one.

    **Definition**: events on day 0 (at 0.5; of the named event that is day 0, from day 1) to ``until_days``, that day
    included, within the first unbroken span of observation that reaches day 0 or later. Several on one day are one. A
    piece runs from the event before (or day 0, or half a day before observation begins after it) to the next one; the
    last ends with a competing event, which ends the count for good, or censored. An event on the day of death counts:
    death is then a piece without length.

    Parameters
    ----------
    cohort : Cohort
    event_name : str
        A named event, for example ``"device_revision"``, or ``"reoperation"``.
    until_days : int
        Last day of follow-up, included.
    competing : str, tuple of str, or None
        Named events after which none can follow, as a rule ``"death"``.
    scope : {"any_lumbar", "index_level", "adjacent_level", "fusion_only"}
        Reoperation only, and required there; see `add_time_to`. Levels are those of the index operation throughout. An
        operation without listed levels ends follow-up, censored.
    name : str, optional
        Name of the episodes, and prefix of the columns; ``event_name`` when not given.

    Returns
    -------
    Cohort
        ``<name>_count`` (events; missing where nothing was observed) and ``<name>_followed_days``; and `Episodes` of
        kind ``recurrent``, ``cohort.episodes(name)``: ``start_day``, ``stop_day``, ``status`` (event, a competing
        event's name, censored), ``events_before`` and ``reason`` (of the event, where recorded).

    Raises
    ------
    InputError
        Unknown event, or ``scope`` lacking or not wanted.
    DataError
        The source lacks the event's table or observation.

    Notes
    -----
    When not to use it: for the first event only (`add_time_to`). A model on the pieces must cluster on the patient.

    References
    ----------
    Andersen PK and Gill RD. Ann Stat 1982;10:1100-1120, doi 10.1214/aos/1176345976 (the counting process). Ghosh D and
    Lin DY. Biometrics 2000;56:554-562, doi 10.1111/j.0006-341X.2000.00554.x (with death).

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> cohort = fbss.add_recurrent(cohort, "device_revision", competing="death", until_days=1825)
    >>> pieces = cohort.episodes("device_revision").frame
    >>> int(pieces["status"].eq("event").sum()) == int(cohort.frame["device_revision_count"].sum())
    True
    """
    check_until(until_days)
    cohort.source.require("observation_periods", what=f"Recurrent {event_name}")
    rivals = rivals_of(competing)
    if event_name in rivals:
        raise InputError(f"{event_name!r} cannot compete with itself; leave it out of competing=.")
    rows, judged, what, end_of_levels = _events(cohort, event_name, scope)
    domains = event("lumbar_surgery" if event_name == "reoperation" else event_name).domains
    entry, end = followed(observed_spans(cohort, domains), len(cohort))
    end = np.minimum(end, end_of_levels)
    times = {rival: first_days(cohort, rival) for rival in rivals}
    never = np.full(len(cohort), np.inf)
    entry = np.where(judged, entry, np.nan)
    stop, status, late = follow(never, end, times, entry=entry, until_days=until_days)
    rows = rows[rows["day"].to_numpy() >= np.nan_to_num(entry, nan=np.inf)[rows["row"].to_numpy()]]
    pieces = _pieces(rows, late, stop, status)
    name = name or event_name
    n_events = np.bincount(pieces["row"][pieces["status"] == "event"], minlength=len(cohort)).astype(float)
    columns = {f"{name}_count": np.where(np.isnan(stop), np.nan, n_events), f"{name}_followed_days": stop}
    words = f"every {what} after day 0, followed to day {until_days}{rivals_words(rivals)}; day 0 counts as 0.5."
    arguments = {"event": event_name, "until_days": until_days, "competing": rivals, "scope": scope}
    definition = Definition(name, words, tuple(columns), arguments)
    return add_columns(cohort, columns, definition, intervals=("recurrent", pieces))


def _events(
    cohort: Cohort, event_name: str, scope: str | None
) -> tuple[pd.DataFrame, npt.NDArray[np.bool_], str, Numbers]:
    """Return events (row, day, reason), rows that can be judged, words, and the last day on which levels are known."""
    n = len(cohort)
    if event_name != "reoperation":
        if scope is not None:
            raise InputError(f"{event_name!r} takes no scope; it belongs to reoperation.")
        definition = event(event_name)
        columns = ("reason",) if "reason" in schema.table(definition.table).names else ()
        rows = relative_events(cohort, event_name, columns=columns)
        rows = rows[rows["day"] >= (1 if event_name == cohort.index else 0)]
        rows = rows if columns else rows.assign(reason=None)
        return rows, np.ones(n, dtype=bool), definition.words, np.full(n, np.inf)
    if scope is None:
        raise InputError(f"Reoperation needs scope=; choose one of {', '.join(SCOPES)}.")
    rows, judged = reoperations(cohort, one_of(scope, SCOPES, name="scope"))
    last = np.full(n, np.inf)
    if scope in BY_LEVEL:
        unclear = rows[~rows["is_certain"]]
        np.minimum.at(last, unclear["row"].to_numpy(), unclear["day"].to_numpy(float))
        rows = rows[rows["is_certain"]]
    return rows, judged, SCOPES[scope], last


def _pieces(rows: pd.DataFrame, late: Numbers, stop: Numbers, status: npt.NDArray[np.object_]) -> pd.DataFrame:
    """Return the pieces of follow-up of every row that was observed, in order."""
    events = rows[["row", "day", "reason"]].sort_values(["row", "day"], kind="stable").drop_duplicates(["row", "day"])
    events = events[events["day"].to_numpy() <= stop[events["row"].to_numpy()]]
    events = events.assign(stop_day=np.maximum(events["day"].to_numpy(float), 0.5), status="event")
    seen = np.flatnonzero(~np.isnan(stop))
    ends = pd.DataFrame({"row": seen, "stop_day": stop[seen], "status": status[seen], "reason": None})
    pieces = pd.concat([events.drop(columns="day").astype({"reason": object}), ends.astype({"reason": object})])
    pieces = pieces.assign(is_end=pieces["status"] != "event").sort_values(["row", "stop_day", "is_end"], kind="stable")
    before = pieces.groupby("row")["stop_day"].shift()
    entry = late[pieces["row"].to_numpy()]
    pieces = pieces.assign(
        start_day=np.where(before.isna(), entry, before),
        events_before=pieces.groupby("row").cumcount(),
    )
    # Censored on the day of the last event: nothing was followed after it.
    empty = (pieces["status"] == "censored") & (pieces["start_day"] == pieces["stop_day"])
    order = ["row", "start_day", "stop_day", "status", "events_before", "reason"]
    return pieces.loc[~empty, order].reset_index(drop=True)
