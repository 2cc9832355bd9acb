"""Change of a score between two windows, and responders; death is never taken for a good result."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohort import Cohort, Definition
from ..cohort.nouns import add_columns
from ..dates import Window, check_window, window_words
from ..errors import InputError, is_positive, nearest, one_of
from ..exposure.covariates import add_measurement
from ..sources import schema
from .assemble import Numbers, first_days

DIGITS = 6
"""Differences are compared with a threshold after rounding to this many decimals: 45 is half of 90 however summed."""


def add_change(
    cohort: Cohort, measure: str, *, baseline_days: Window, days: Window, take: str, name: str | None = None
) -> Cohort:
    """Add the change of a score or measured quantity from one window to a later one.

    **Definition**: follow-up value minus baseline value, each taken from its window (both ends included) in the same
    way. Missing where either is missing; ``<name>_status`` says why: ``death`` where the patient died on or before the
    last day of the later window, else ``unobserved``; the dead have no change, even where a value was recorded first.

    Parameters
    ----------
    cohort : Cohort
    measure : str
        A measure of the schema, for example ``"nrs_leg"``.
    baseline_days, days : (int, int)
        The two windows relative to day 0; the second begins after the first ends.
    take : {"first", "last", "mean", "minimum", "maximum"}
        Which value of a window.
    name : str, optional
        Prefix of the columns; ``<measure>_change`` when not given.

    Returns
    -------
    Cohort
        ``<name>_baseline``, ``<name>_follow_up``, ``<name>`` (difference, in the measure's unit; below 0 is a fall)
        and ``<name>_status`` (observed, unobserved, death).

    Raises
    ------
    InputError
        Unknown measure, or windows that overlap or stand in the wrong order.
    DataError
        The source has no measurements.

    Notes
    -----
    When not to use it: as an outcome against the baseline value without adjusting for it; regression to the mean makes
    high starters fall. Model the follow-up value given the baseline one.

    References
    ----------
    Vickers AJ and Altman DG. BMJ 2001;323:1123, doi 10.1136/bmj.323.7321.1123.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> cohort = fbss.add_change(cohort, "nrs_leg", baseline_days=(-365, -1), days=(275, 455), take="last")
    >>> float(cohort.frame["nrs_leg_change"].mean()) < 0
    True
    """
    before, after = check_window(baseline_days, name="baseline_days"), check_window(days)
    if after[0] <= before[1]:
        raise InputError(f"days={after} must begin after baseline_days={before} ends.")
    name = name or f"{measure}_change"
    first, second = f"{name}_baseline", f"{name}_follow_up"
    cohort = add_measurement(cohort, measure, days=before, take=take, name=first)
    cohort = add_measurement(cohort, measure, days=after, take=take, name=second)
    change, status = difference(cohort, first, second, after[1])
    what = schema.measures()[measure]
    words = f"change of {what['words']} ({what['unit']}) from {window_words(before)} to {window_words(after)}"
    arguments = {"measure": measure, "better": what["better"], "baseline": first, "later": second,
                 "baseline_days": before, "days": after, "take": take}  # fmt: skip
    columns = {name: change, f"{name}_status": status}
    return add_columns(cohort, columns, Definition(name, words, tuple(columns), arguments, known_at_day=after[1]))


def add_responder(
    cohort: Cohort, change: str, *, at_least: float, unit: str, floor: float | None = None, name: str | None = None
) -> Cohort:
    """Add who got better by a stated amount between the two windows of a change.

    **Definition**: the change, in the direction the measure's ``better`` says, is at least ``at_least`` points, or at
    least that percent of the baseline value; the threshold is included. A percent needs a baseline of at least
    ``floor``; below it nobody can be judged. The dead are no responders.

    Parameters
    ----------
    cohort : Cohort
        With a change added by `add_change`.
    change : str
        Its name.
    at_least : float
        Points of the measure, or percent; above 0.
    unit : {"points", "percent"}
    floor : float, optional
        Least baseline value, above 0; required with ``"percent"``.
    name : str, optional
        Prefix of the columns; ``<change>_responder`` when not given.

    Returns
    -------
    Cohort
        ``<name>`` (True, False; missing where unobserved or below the floor) and ``<name>_outcome`` (responder,
        no_responder, death).

    Raises
    ------
    InputError
        There is no such change, the measure has no better direction, percent without ``floor``.

    Notes
    -----
    When not to use it: as the only result; a cut-off throws information away. Show the change itself first.

    References
    ----------
    Dworkin RH et al. J Pain 2008;9:105-121, doi 10.1016/j.jpain.2007.09.005 (30 and 50 % as benchmarks).

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> cohort = fbss.add_change(cohort, "nrs_leg", baseline_days=(-365, -1), days=(275, 455), take="last")
    >>> cohort = fbss.add_responder(cohort, "nrs_leg_change", at_least=50, unit="percent", floor=1)
    >>> sorted(set(cohort.frame["nrs_leg_change_responder"].dropna()))
    [False, True]
    """
    one_of(unit, ("points", "percent"), name="unit")
    check_threshold(unit, floor, at_least)
    made = change_named(cohort, change)
    if made.arguments.get("measure") is None:
        raise InputError(f"{change!r} is no change of a measure; for doses type add_opioid_change(..., at_least=...).")
    better = str(made.arguments["better"])
    if not better:
        measure = made.arguments["measure"]
        raise InputError(f"{measure} is better neither higher nor lower; a responder needs a direction.")
    moved, status = cohort.data[change].to_numpy(float), cohort.data[f"{change}_status"].to_numpy(object)
    if unit == "percent":
        start = cohort.data[str(made.arguments["baseline"])].to_numpy(float)
        moved, status = percent_of(moved, start, float(floor or 0), status)
    name = name or f"{change}_responder"
    is_responder = responds(moved if better == "higher" else -moved, status, at_least)
    columns = {name: is_responder, f"{name}_outcome": named(is_responder, status, "responder")}
    of = "points" if unit == "points" else f"percent of a baseline of at least {floor:g}"
    words = f"alive and {better} by at least {at_least:g} {of}: {made.words}"
    arguments = {"change": change, "at_least": at_least, "unit": unit, "floor": floor}
    definition = Definition(name, words, tuple(columns), arguments, known_at_day=made.known_at_day)
    return add_columns(cohort, columns, definition)


def difference(cohort: Cohort, first: str, second: str, last_day: int) -> tuple[Numbers, npt.NDArray[Any]]:
    """Return second minus first, and why it is missing: nobody, dead or alive, is judged without a baseline."""
    change = cohort.data[second].to_numpy(float) - cohort.data[first].to_numpy(float)
    unknown = np.isnan(cohort.data[first].to_numpy(float))
    dead = first_days(cohort, "death") <= last_day
    change = np.where(dead, np.nan, change)
    status = np.select([unknown, dead, np.isnan(change)], ["unobserved", "death", "unobserved"], "observed")
    status = status.astype(object)
    return change, status


def percent_of(
    change: Numbers, baseline: Numbers, floor: float, status: npt.NDArray[Any]
) -> tuple[Numbers, npt.NDArray[Any]]:
    """Return the change in percent of the baseline; below the floor (dead or not) there is none to speak of."""
    below = ~(np.round(baseline, DIGITS) >= floor) & ~np.isnan(baseline)
    share = np.divide(100 * change, baseline, out=np.full(len(change), np.nan), where=~below & ~np.isnan(baseline))
    return share, np.where(below, "below_floor", status)


def responds(better_by: Numbers, status: npt.NDArray[Any], at_least: float) -> npt.NDArray[Any]:
    """Return who is better by at least a threshold: the dead are not, the unobserved are missing."""
    responds = np.full(len(status), None, dtype=object)
    observed = status == "observed"
    responds[observed] = (np.round(better_by, DIGITS) >= at_least)[observed]
    responds[status == "death"] = False
    return responds


def named(responds: npt.NDArray[Any], status: npt.NDArray[Any], word: str) -> npt.NDArray[Any]:
    """Return a response as text, the dead apart."""
    named = np.full(len(status), None, dtype=object)
    named[responds == np.True_] = word
    named[responds == np.False_] = f"no_{word}" if word == "responder" else f"not_{word}"
    named[status == "death"] = "death"
    return named


def check_threshold(unit: str, floor: float | None, at_least: float | None) -> None:
    """Raise `InputError` for a percent without a floor, a floor without percent, or no improvement."""
    if unit == "percent" and not is_positive(floor):
        raise InputError(
            "A percent change needs floor=, the least baseline value it is taken of, above 0: a percentage of 0 is "
            "undefined, and one of nearly 0 is noise. Type for example floor=5."
        )
    if unit != "percent" and floor is not None:
        raise InputError('floor= belongs to unit="percent"; leave it out.')
    if at_least is not None and not is_positive(at_least):
        raise InputError(f"at_least={at_least!r} is no improvement; expected more than 0, for example 50.")


def change_named(cohort: Cohort, name: str) -> Definition:
    """Return the definition of a change, or raise `InputError` with the nearest name."""
    for each in cohort.definitions:
        if each.name == name and "better" in each.arguments:
            return each
    made = [each.name for each in cohort.definitions if "better" in each.arguments]
    raise InputError(f"The cohort has no change {name!r}.{nearest(name, made)}")
