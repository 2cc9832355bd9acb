"""A cohort's curves beside published figures: which stands beside which, the difference, and what differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..dates import DAYS_PER_YEAR
from ..errors import InputError, nearest, one_of
from .noun import COMPARISON_COLUMNS, DAYS_PER_PUBLISHED_YEAR, Comparison
from .published import Z95, published_figures, published_interval, records

if TYPE_CHECKING:
    from ..models.results import Curve

COMPARED = ("risk", "survival", "fraction", "rate")
"""Statistics of which a curve has a counterpart."""
CURVE_CAUSE = {"any": "event"}
"""The cause of a curve beside each published cause; a cause that is not named here has the same name in both."""
COMPARED_CAUSES = ("event", "inadequate_relief")
"""Causes of a curve that published figures stand beside; other causes, such as death, may recur."""
STATISTIC_NOTE = {
    "risk": "",
    "survival": "published as device survival, shown as 1 - survival",
    "fraction": "share over unequal follow-up, ours the risk at its mean or planned end",
    "rate": "rates depend on the length of follow-up",
}
METHOD_NOTE = {
    "kaplan_meier": "Kaplan-Meier with death censored",
    "crude": "crude proportion",
    "rate": "",
    "not_stated": "method not stated",
}
INDICATION_NOTE = {
    "fbss": "",
    "mixed": "all indications",
    "crps": "CRPS, not FBSS",
    "no_prior_surgery": "back pain without surgery, not FBSS",
}
OURS_NOTE = {"cumulative_incidence": "", "survival": "ours is 1 - Kaplan-Meier, death censored"}
INTERVAL_NOTE = {
    "printed": "",
    "from n": "its interval from n, so too narrow",
    "from events": "its interval from the number of explants",
    "none": "neither interval nor n, so no z",
}
ALL_FOLLOW_UP = "length of its follow-up not given, ours over all of ours"


def compare_with_published(
    *results: Curve, topic: str = "scs_explant", outcome: str = "explant", group: str = "all"
) -> Comparison:
    """Put a cohort's risk beside each published one, with the difference and what keeps them from being the same.

    **Definition.** A published risk at m months is set beside our risk at m / 12 x 365 days, that day included; a
    fraction beside our risk at its mean or planned follow-up; an annual rate beside our explants per patient-year up
    to its follow-up (or to the end of ours where none is printed). ``any`` stands beside a curve whose outcome is not
    split by cause, a published reason beside the curve's cause of the same name. A horizon after our last day stays
    without our number.

    ``z`` is the difference divided by the root of the two squared standard errors. The published one comes from the
    printed 95 % interval, else from the explants (rates: estimate / sqrt(explants)), else from n
    (sqrt(p (1 - p) / n), which ignores censoring and is too small); without any of them there is no z.

    Parameters
    ----------
    *results : Curve
        Cumulative incidence or survival curves of the same cohort, for example one for any explant and one split by
        reason. No two may answer the same cause.
    topic : str
        Topic of the published figures.
    outcome : str
        The published outcome which the curves estimate.
    group : str
        The group of the curves to compare (``"all"`` for a curve without ``by``).

    Returns
    -------
    Comparison
        One row per published figure in `Comparison.frame`.

    Raises
    ------
    InputError
        When no curve is given, a curve is of another kind, lacks the group, or repeats a cause.

    When not to use it: as a test of agreement; the populations, definitions and handling of death differ, as
    ``comparable_note`` says, and a small z may only mean a small study.

    References
    ----------
    Altman DG, Bland JM. Interaction revisited: the difference between two estimates. BMJ 2003;326:219.
    doi:10.1136/bmj.326.7382.219

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> cohort = fbss.start_cohort(
    ...     fbss.simulate("neuromodulation", n_patients=200, seed=1), index="scs_implant", occurrence="first"
    ... )
    >>> cohort = fbss.add_time_to(
    ...     cohort, "explant", definition="without_replacement", within_days=90, clock="therapy", competing="death",
    ...     until_days=1825,
    ... )
    >>> risk = fbss.estimate_cumulative_incidence(cohort, outcome="explant")
    >>> beside = fbss.compare_with_published(risk)
    >>> beside.frame["study_key"].nunique() > 5
    True
    """
    ours = _curves_by_cause(results, group)
    published = published_figures(topic=topic)
    one_of(outcome, [name for name in published["outcome"].unique() if name], name="outcome")
    chosen = published[(published["outcome"] == outcome) & published["statistic"].isin(COMPARED)]
    rows = [_beside(row, ours) for row in records(chosen)]
    frame = pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))
    order = frame.assign(_last=frame["horizon_days"].fillna(np.inf))
    order = order.sort_values(["cause", "statistic", "_last", "study_key"], kind="stable")
    return Comparison(
        topic=topic,
        outcome=outcome,
        conf_level=results[0].conf_level,
        _frame=order.drop(columns="_last").reset_index(drop=True),
    )


@dataclass(frozen=True, eq=False)
class _Steps:
    """One group and cause of a risk curve as arrays, risk rising from 0."""

    kind: str
    time: np.ndarray
    risk: np.ndarray
    std_error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray


def _curves_by_cause(results: Iterable[Curve], group: str) -> Mapping[str, _Steps]:
    found: dict[str, _Steps] = {}
    for curve in results:
        if curve.kind not in OURS_NOTE:
            raise InputError(
                f"A curve of kind {curve.kind!r} has no published counterpart; pass what estimate_cumulative_incidence "
                "or estimate_survival returns."
            )
        frame = curve.frame
        groups = [str(name) for name in frame["group"].unique()]
        if group not in groups:
            raise InputError(f"The curve of {curve.outcome!r} has no group {group!r}.{nearest(group, groups)}")
        for name, rows in frame[frame["group"] == group].groupby("cause", sort=False):
            # A plain frame's curve calls its only event by the outcome's name, a cohort's curve "event".
            cause = "event" if name == curve.outcome else str(name)
            steps = _steps(curve.kind, rows)
            if cause in found and cause in COMPARED_CAUSES:
                raise InputError(f"Two curves answer {cause!r}; pass one, or compare them one after the other.")
            found[cause] = steps
    if not found:
        raise InputError("compare_with_published needs at least one curve, for example compare_with_published(risk).")
    return found


def _steps(kind: str, rows: pd.DataFrame) -> _Steps:
    def column(name: str) -> np.ndarray:
        return rows[name].to_numpy(dtype=float)

    falling = kind == "survival"
    return _Steps(
        kind=kind,
        time=column("time_days"),
        risk=1 - column("estimate") if falling else column("estimate"),
        std_error=column("std_error"),
        low=1 - column("conf_high") if falling else column("conf_low"),
        high=1 - column("conf_low") if falling else column("conf_high"),
        at_risk=column("n_at_risk"),
        events=column("n_events"),
    )


def _beside(row: Mapping[str, Any], ours: Mapping[str, _Steps]) -> dict[str, Any]:
    """Return one row of the comparison."""
    horizon = (
        round(row["follow_up_months"] / 12 * DAYS_PER_PUBLISHED_YEAR, 0) if row["follow_up_months"] > 0 else np.nan
    )
    published, low, high, std_error, interval = published_interval(row)
    steps = ours.get(CURVE_CAUSE.get(row["cause"], row["cause"]))
    estimate, ours_low, ours_high, ours_error, missing = _our_number(steps, row["statistic"], horizon)
    difference = estimate - published
    kinds = steps.kind if steps is not None and not missing else "cumulative_incidence"
    notes = (
        missing,
        INDICATION_NOTE[row["indication"]],
        STATISTIC_NOTE[row["statistic"]],
        METHOD_NOTE[row["method"]],
        ALL_FOLLOW_UP if row["statistic"] == "rate" and np.isnan(horizon) and not missing else "",
        OURS_NOTE[kinds],
        INTERVAL_NOTE[interval],
    )
    same = ("study_key", "label", "outcome", "cause", "statistic", "n", "definition", "citation", "address")
    return {name: row[name] for name in same} | {
        "horizon_days": horizon,
        "published": published,
        "published_low": low,
        "published_high": high,
        "published_interval": interval,
        "ours": estimate,
        "ours_low": ours_low,
        "ours_high": ours_high,
        "difference": difference,
        "z": difference / np.hypot(std_error, ours_error),
        "comparable_note": "; ".join(note for note in notes if note),
    }


def _our_number(steps: _Steps | None, statistic: str, horizon: float) -> tuple[float, float, float, float, str]:
    """Return our estimate, low, high and standard error, and why there is none."""
    nothing = (np.nan, np.nan, np.nan, np.nan)
    if steps is None:
        return *nothing, "not estimated by the curves given"
    if np.isnan(horizon) and statistic != "rate":
        return *nothing, "published without the length of follow-up, so not compared"
    if horizon > steps.time[-1]:
        return *nothing, "beyond our follow-up, so not compared"
    if statistic == "rate":
        return *_our_rate(steps, horizon), ""
    row = int(np.searchsorted(steps.time, horizon, side="right")) - 1
    return steps.risk[row], steps.low[row], steps.high[row], steps.std_error[row], ""


def _our_rate(steps: _Steps, horizon: float) -> tuple[float, float, float, float]:
    """Return events per patient-year up to the horizon, with a log-normal interval.

    A curve has a row wherever someone leaves, so the number at risk is constant from one row to the next.
    """
    until = np.minimum(steps.time, steps.time[-1] if np.isnan(horizon) else horizon)
    years = float(np.sum(np.diff(until) * steps.at_risk[1:])) / DAYS_PER_YEAR
    events = float(steps.events[steps.time <= until[-1]].sum())
    if events == 0 or years == 0:
        return (0.0 if years else np.nan), np.nan, np.nan, np.nan
    rate, factor = events / years, float(np.exp(Z95 / np.sqrt(events)))
    return rate, rate / factor, rate * factor, rate / float(np.sqrt(events))
