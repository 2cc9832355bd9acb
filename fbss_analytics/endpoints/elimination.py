"""Elimination of systemic opioids: at a day, for the first time, and relapse after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort, Definition
from ..dates import Window, check_window, whole_days, window_words
from ..exposure.coverage import check_dose
from ..exposure.definition import DoseDefinition
from ..exposure.freedom import Coverage, coverage, free_and_using, free_runs, was_covered
from ..exposure.intervals import first_run, holds_on_any, make_spans
from ..formats import count
from .assemble import Numbers, add_outcome, check_until, first_days, follow, rivals_of, rivals_words
from .gaps import first_gap, gap_columns
from .judging import made_with

MARGIN_DAYS = 14
FREE_DAYS = 90


def add_opioid_elimination(
    cohort: Cohort,
    dose: DoseDefinition,
    *,
    until_days: int,
    competing: str | tuple[str, ...] | None,
    baseline_days: Window | None,
    at_days: Sequence[int] = (),
    free_days: int = FREE_DAYS,
    name: str = "opioid_elimination",
) -> Cohort:
    """Add whether systemic opioids are eliminated at given days, and the time to their first elimination.

    **Definition**: *at day t* opioids are eliminated when no supply covers t-14 .. t+14 and these days are observed
    throughout in the pharmacy domain (a window that death cuts short counts as observed to its end). *First
    elimination* is the first of at least ``free_days`` observed days in a row without supply, from day 1 on; it is
    dated at the first of them and known at the last. A run that death cuts short of that is none: death competes. A run
    that the end of observation cuts short is not ascertainable: the time is censored on the last day before it. Supply
    of fills before day 0 counts as coverage on the days it reaches, that of a day-0 fill from day 1 on.

    Parameters
    ----------
    cohort : Cohort
    dose : DoseDefinition
        Which opioids count as systemic (``buprenorphine``); a fill of unknown dose is supply.
    until_days : int
        Last day of follow-up for the first elimination, included.
    competing : str, tuple of str, or None
        Named events that compete, as a rule ``"death"``.
    baseline_days : (int, int) or None
        Only those with observed supply on a day of this window have something to eliminate; for others all columns are
        missing. None keeps everyone: who has no supply from day 1 on is then eliminated on day 1.
    at_days : sequence of int
        Days t, 1 or later, at which elimination is judged.
    free_days : int
        Least days without supply of a first elimination; 90 by definition.
    name : str
        Name of the outcome, and prefix of the columns.

    Returns
    -------
    Cohort
        Outcome ``name`` with columns ``<name>_days`` (day of the first elimination), ``<name>_status`` and
        ``<name>_entry_days``; for each t ``<name>_at_<t>`` (True; False for those using or dead; missing where
        unobserved) and ``<name>_state_at_<t>`` (eliminated, using, dead, unobserved).

    Raises
    ------
    InputError
        A day in ``at_days`` before day 1, ``free_days`` or ``until_days`` below 1.
    DataError
        No dispensings, or nobody with pharmacy observation.

    Notes
    -----
    When not to use it: as abstinence; cash and hospital opioids are not seen. A 30-day fill on day -1 covers to day 28,
    so that elimination at one month judges the last fill before day 0. Prevalence at a day is not cumulative incidence,
    since patients relapse (`add_opioid_relapse`); show both, with their denominators.

    References
    ----------
    Caraway D et al. Neuromodulation 2015, doi 10.1111/ner.12318 (elimination at visits, "among those remaining");
    Hatheway JA et al. Pain Med, PMC7687163 (no systemic opioid in claims).

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> cohort = fbss.add_opioid_elimination(cohort, dose, until_days=730, competing="death", baseline_days=(-90, -1),
    ...                                      at_days=(365,))
    >>> sorted(set(cohort.frame["opioid_elimination_state_at_365"].dropna())) != []
    True
    """
    check_dose(dose)
    check_until(until_days)
    free_days = whole_days(free_days, name="free_days", example=90)
    at_days = tuple(whole_days(day, name="at_days", example=365) for day in at_days)
    window = None if baseline_days is None else check_window(baseline_days, name="baseline_days")
    rivals = rivals_of(competing)
    found = coverage(cohort, dose, what="Opioid elimination")
    chosen = np.ones(len(cohort), dtype=bool) if window is None else was_covered(found, window)
    gap = first_gap(found, free_days)
    columns = gap_columns(cohort, gap, chosen, rivals=rivals, until_days=until_days, name=name)
    columns |= _at_columns(found, chosen, at_days, name)
    words = (
        f"time from day 0 to first elimination of systemic opioids, the first of at least {free_days} observed days "
        f"without supply, followed to day {until_days}{rivals_words(rivals)}. "
    )
    if window is not None:
        words += f"{count(chosen.sum())} of {count(len(cohort))} had supply on {window_words(window)}. "
    words += f"At a day t: no supply on t-{MARGIN_DAYS} to t+{MARGIN_DAYS}, observed throughout. " if at_days else ""
    arguments = dose.arguments | {
        "until_days": until_days, "competing": rivals, "baseline_days": window, "at_days": tuple(at_days),
        "free_days": free_days, "margin_days": MARGIN_DAYS,
    }  # fmt: skip
    definition = Definition(name, words + dose.sentence(), tuple(columns), arguments)
    return add_outcome(cohort, definition, columns, competing=rivals, until_days=until_days)


def _at_columns(
    found: Coverage, chosen: npt.NDArray[np.bool_], at_days: Sequence[int], name: str
) -> dict[str, npt.NDArray[Any]]:
    columns: dict[str, npt.NDArray[Any]] = {}
    free, using = free_and_using(found, MARGIN_DAYS)
    places = np.arange(1, found.n_rows + 1)
    for t in at_days:
        is_free = holds_on_any(free, t, t, found.n_rows)
        is_using = holds_on_any(using, t, t, found.n_rows)
        state = np.select([found.death <= t, is_free, is_using], ["dead", "eliminated", "using"], "unobserved")
        known = chosen & (state != "unobserved")
        eliminated = np.full(found.n_rows, None, dtype=object)
        eliminated[known] = (state == "eliminated")[known]
        columns[f"{name}_at_{t}"] = eliminated
        columns[f"{name}_state_at_{t}"] = np.array([None, *state], dtype=object)[np.where(chosen, places, 0)]
    return columns


def add_opioid_relapse(
    cohort: Cohort,
    dose: DoseDefinition,
    *,
    until_days: int,
    competing: str | tuple[str, ...] | None,
    least_days: int,
    elimination: str = "opioid_elimination",
    name: str = "opioid_relapse",
) -> Cohort:
    """Add the time from first elimination of systemic opioids to relapse.

    **Definition**: the first covered day after first elimination that begins at least ``least_days`` days of supply in
    a row (fills that touch or overlap are one supply). ``least_days=1`` is the first covered day; 30 is the published
    variant. Time counts from the day of elimination. Elimination is known only on the last of its free days, so that
    nobody can relapse, or is at risk, before the day after it (``entry``). Supply that the end of observation cuts
    short of ``least_days`` is not ascertainable: the time is censored on the last day before it.

    Parameters
    ----------
    cohort : Cohort
        With the outcome of `add_opioid_elimination`.
    dose : DoseDefinition
        The same as for the elimination.
    until_days : int
        Last day of follow-up, counted from the elimination, included.
    competing : str, tuple of str, or None
        Named events after the elimination that compete, as a rule ``"death"``.
    least_days : int
        Least days of supply in a row; 1, or 30.
    elimination : str
        Name of the elimination outcome.
    name : str
        Name of the outcome, and prefix of the columns.

    Returns
    -------
    Cohort
        Outcome ``name``: ``<name>_days`` (since elimination), ``<name>_status``, ``<name>_entry_days``; missing for
        those without an elimination that was seen to its end.

    Raises
    ------
    InputError
        There is no such elimination, or the dose definition is another one.

    Notes
    -----
    When not to use it: to say how many of everyone implanted are free; use elimination at a day, or states.

    References
    ----------
    The clock that starts late: Andersen PK and Keiding N. Stat Med 2012, doi 10.1002/sim.4385.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> cohort = fbss.add_opioid_elimination(cohort, dose, until_days=730, competing="death", baseline_days=(-90, -1))
    >>> cohort = fbss.add_opioid_relapse(cohort, dose, until_days=730, competing="death", least_days=1)
    >>> bool((cohort.frame["opioid_relapse_days"].dropna() >= 90).all())
    True
    """
    check_dose(dose)
    check_until(until_days)
    least_days = whole_days(least_days, name="least_days")
    first = cohort.outcome(elimination)
    made = made_with(cohort, elimination, dose)
    rivals = rivals_of(competing)
    since = np.where(cohort.data[first.status] == "event", cohort.data[first.days].to_numpy(float), np.nan)
    free_days = int(str(made.arguments["free_days"]))
    found = coverage(cohort, dose, what="Relapse")
    day, end = _relapse_days(found, since, least_days)
    times = {rival: first_days(cohort, rival, after=np.nan_to_num(since)) - since for rival in rivals}
    entry = np.where(np.isnan(since), np.nan, float(free_days))
    days, status, late = follow(day - since, end - since, times, entry=entry, until_days=until_days)
    columns = {f"{name}_days": days, f"{name}_status": status, f"{name}_entry_days": late}
    supply = "the first covered day" if least_days == 1 else f"the first of at least {least_days} covered days in a row"
    words = f"time from first elimination of systemic opioids to {supply}, followed to day {until_days} after it"
    words += f"{rivals_words(rivals)}; at risk from day {free_days}, when the elimination is known."
    arguments = dose.arguments | {
        "until_days": until_days, "competing": rivals, "least_days": least_days, "elimination": elimination,
        "time_zero": "first elimination of systemic opioids",
    }  # fmt: skip
    definition = Definition(name, words, tuple(columns), arguments)
    return add_outcome(cohort, definition, columns, competing=rivals, until_days=until_days)


def _relapse_days(found: Coverage, since: Numbers, least_days: int) -> tuple[Numbers, Numbers]:
    """Return the first day of the first long enough supply after a day by row, and the last day that is certain."""
    _, _, end = free_runs(found)
    row = found.covered["row"].to_numpy()
    begins = found.covered["start"].to_numpy()
    after: pd.DataFrame = found.covered[(begins > since[row]) & (begins <= end[row])]
    day = first_run(after, least_days, found.n_rows)
    row = after["row"].to_numpy()
    cut = after[(after["end"].to_numpy() >= end[row]) & (end < found.death)[row]]
    short = cut[(cut["end"] - cut["start"] + 1 < least_days).to_numpy()]
    short_since = first_run(make_spans(short["row"], short["start"], short["end"]), 1, found.n_rows)
    end = np.where(np.isnan(day) & ~np.isnan(short_since), short_since - 1, end)
    return np.where(np.isnan(day), np.inf, day), end
