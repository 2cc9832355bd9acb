"""Change of the systemic opioid dose between two windows, and joint response of dose and pain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohort import Cohort, Definition
from ..cohort.nouns import add_columns
from ..dates import Window, window_words
from ..errors import InputError, nearest, one_of
from ..exposure.anchor import counted_from
from ..exposure.recorded import CHARTED
from .change import DIGITS, change_named, check_threshold, difference, named, percent_of, responds


def add_opioid_change(
    cohort: Cohort,
    *,
    baseline: str,
    later: str,
    unit: str,
    floor: float | None = None,
    at_least: float | None = None,
    name: str = "opioid_change",
) -> Cohort:
    """Add the change of the systemic opioid dose between two windows, and who is alive with a lower one.

    **Definition**: dose of the later window minus that of the baseline one, in MME per day, or in percent of the
    baseline dose for those whose baseline is at least ``floor`` (that dose included; others have no percent change).
    With ``at_least``, *reduced* is a fall of at least that much, the threshold included. The dead are not reduced: who
    died on or before the last day of the later window counts as not reduced, with status ``death``.

    Parameters
    ----------
    cohort : Cohort
        With both windows added by `add_opioid_dose`, both of fills or both of charted doses (``basis="recorded"``, or
        `add_measurement`); the baseline may be one of `add_anchored_opioid_dose`.
    baseline, later : str
        The names given to the two windows.
    unit : {"mme_per_day", "percent"}
        Of the change, and of ``at_least``.
    floor : float, optional
        Least baseline dose of a percent change, MME per day, above 0; required with ``"percent"``.
    at_least : float, optional
        The fall that counts as reduced, above 0.
    name : str
        Column of the change, and prefix of the others.

    Returns
    -------
    Cohort
        ``<name>`` (below 0 is a fall; missing for the dead and the unobserved) and ``<name>_status`` (observed,
        below_floor, unobserved, death); with ``at_least`` also ``<name>_is_reduced`` (True, False; missing where
        unobserved or below the floor) and ``<name>_outcome`` (reduced, not_reduced, death).

    Raises
    ------
    InputError
        A window is not there, the two are of another definition or basis or in the wrong order, percent without
        ``floor``.

    Notes
    -----
    When not to use it: without a comparator, to say that a device lowered doses (regression to the mean); with
    ``unit="percent"`` across low and high doses, where a high dose is easier to cut and harder to stop.

    References
    ----------
    Adil SM et al. Neurosurgery 2020, doi 10.1093/neuros/nyaa353; Fraifeld EM et al. Pain Med 2021, doi
    10.1093/pm/pnab033 (50 % or more).

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_trial", occurrence="first")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> cohort = fbss.add_opioid_dose(cohort, dose, name="before", days=(-365, -91), per="day_in_window")
    >>> cohort = fbss.add_opioid_dose(cohort, dose, name="year_1", days=(275, 365), per="day_in_window")
    >>> cohort = fbss.add_opioid_change(cohort, baseline="before", later="year_1", unit="percent", floor=5, at_least=50)
    >>> sorted(set(cohort.frame["opioid_change_outcome"].dropna()) - {"death"})
    ['not_reduced', 'reduced']
    """
    one_of(unit, ("mme_per_day", "percent"), name="unit")
    check_threshold(unit, floor, at_least)
    first, second = _dose_column(cohort, baseline), _dose_column(cohort, later)
    before, after = _windows(cohort, baseline, later)
    change, status = difference(cohort, first, second, after[1])
    if unit == "percent":
        change, status = percent_of(change, cohort.data[first].to_numpy(float), float(floor or 0), status)
    columns: dict[str, npt.NDArray[Any]] = {name: change, f"{name}_status": status}
    short = {"mme_per_day": "MME per day", "percent": f"percent of a baseline dose of at least {floor:g}"
             if floor else ""}[unit]  # fmt: skip
    start = window_words(before) + counted_from(_dose_windows(cohort)[baseline])
    words = f"change of the systemic opioid dose in {short}, from {start} to {window_words(after)}"
    if at_least is not None:
        is_reduced = responds(-change, status, at_least)
        columns[f"{name}_is_reduced"] = is_reduced
        columns[f"{name}_outcome"] = named(is_reduced, status, "reduced")
        words += f"; reduced is alive and lower by at least {at_least:g}"
    arguments = {"baseline": baseline, "later": later, "unit": unit, "floor": floor, "at_least": at_least,
                 "better": "lower", "days": after}  # fmt: skip
    return add_columns(cohort, columns, Definition(name, words, tuple(columns), arguments, known_at_day=after[1]))


def add_joint_response(
    cohort: Cohort, *, reduction: str, pain: str, worse_by: float = 2.0, name: str = "joint_response"
) -> Cohort:
    """Add who is on a lower opioid dose without more pain.

    **Definition**: alive, reduced (as the opioid change says), and pain not worse by ``worse_by`` points or more: a
    rise of exactly that is worse. Not reduced is no response, whatever the pain; reduced with pain not known is
    missing.

    Parameters
    ----------
    cohort : Cohort
    reduction : str
        Name of an `add_opioid_change` with ``at_least``.
    pain : str
        Name of an `add_change` of ``nrs_back`` or ``nrs_leg``.
    worse_by : float
        NRS points; 2 by definition.
    name : str
        The column.

    Returns
    -------
    Cohort
        ``<name>``: True, False or missing.

    Raises
    ------
    InputError
        One of the two changes is not there or of another kind.

    Notes
    -----
    When not to use it: where pain is recorded for few; those who answer are not those who do not.

    References
    ----------
    Farrar JT et al. Pain 2001;94:149-158, doi 10.1016/S0304-3959(01)00349-9 (2 points of the NRS).

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_trial", occurrence="first")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> cohort = fbss.add_opioid_dose(cohort, dose, name="before", days=(-365, -91), per="day_in_window")
    >>> cohort = fbss.add_opioid_dose(cohort, dose, name="year_1", days=(275, 365), per="day_in_window")
    >>> cohort = fbss.add_opioid_change(cohort, baseline="before", later="year_1", unit="percent", floor=5, at_least=50)
    >>> cohort = fbss.add_change(cohort, "nrs_leg", baseline_days=(-365, -1), days=(275, 455), take="last")
    >>> cohort = fbss.add_joint_response(cohort, reduction="opioid_change", pain="nrs_leg_change")
    >>> bool((cohort.frame["joint_response"].eq(True) <= cohort.frame["opioid_change_is_reduced"].eq(True)).all())
    True
    """
    dose, score = change_named(cohort, reduction), change_named(cohort, pain)
    if f"{reduction}_is_reduced" not in cohort.data:
        raise InputError(f"{reduction!r} does not say who is reduced; type add_opioid_change(..., at_least=...).")
    if score.arguments.get("measure") not in ("nrs_back", "nrs_leg"):
        raise InputError(f'{pain!r} is no change of nrs_back or nrs_leg; type add_change(cohort, "nrs_leg", ...).')
    reduced = cohort.data[f"{reduction}_is_reduced"].to_numpy(object)
    change = np.round(cohort.data[pain].to_numpy(float), DIGITS)
    response = np.full(len(cohort), None, dtype=object)
    response[reduced == np.False_] = False
    known = (reduced == np.True_) & ~np.isnan(change)
    response[known] = change[known] < worse_by
    words = f"alive, reduced ({dose.words}) and {score.words} below +{worse_by:g} points"
    arguments = {"reduction": reduction, "pain": pain, "worse_by": worse_by}
    day = max(dose.known_at_day or 0, score.known_at_day or 0)
    return add_columns(cohort, {name: response}, Definition(name, words, (name,), arguments, known_at_day=day))


def _dose_windows(cohort: Cohort) -> Mapping[str, Definition]:
    """Return the windows of dose of a cohort by name: of fills, or of charted doses."""
    return {
        each.name: each
        for each in cohort.definitions
        if "per" in each.arguments or (each.arguments.get("measure") == CHARTED and "better" not in each.arguments)
    }


def _dose_column(cohort: Cohort, name: str) -> str:
    windows = _dose_windows(cohort)
    if name not in windows:
        raise InputError(
            f"The cohort has no window of opioid dose named {name!r}; type add_opioid_dose(cohort, dose, "
            f"name={name!r}, ...).{nearest(name, windows) if windows else ''}"
        )
    return f"{name}_mme_per_day" if "per" in windows[name].arguments else name


def _is_recorded(arguments: Mapping[str, object]) -> bool:
    """Return whether a window of dose is of charted doses: of `add_opioid_dose` or of `add_measurement`."""
    return arguments.get("basis") == "recorded" or "measure" in arguments


def _windows(cohort: Cohort, baseline: str, later: str) -> tuple[Window, Window]:
    """Return the days of two windows of dose, or raise `InputError` where they cannot be compared."""
    windows = _dose_windows(cohort)
    first, second = (dict(windows[name].arguments) for name in (baseline, later))
    before, after = first.pop("days"), second.pop("days")
    # Where a window counts from another day than day 0, it ends by the day it is known.
    ends = windows[baseline].known_at_day if first.pop("anchor", None) else None
    if second.pop("anchor", None):
        raise InputError(f"later={later!r} must count from day 0; only the baseline may count from an anchor day.")
    if _is_recorded(first) != _is_recorded(second):
        raise InputError(f"{baseline!r} and {later!r} are dispensed and recorded doses, which are never mixed.")
    other = sorted(key for key in first | second if first.get(key) != second.get(key))
    if other:
        raise InputError(f"{baseline!r} and {later!r} differ in {' and '.join(other)}; a change needs one definition.")
    if not (isinstance(before, tuple) and isinstance(after, tuple)) or None in (*before, *after):
        raise InputError("A change is between two windows with both ends, for example (-365, -91) and (275, 365).")
    if after[0] <= (before[1] if ends is None else ends):
        raise InputError(f"later={later!r} {after} must begin after baseline={baseline!r} {before} ends.")
    return before, after
