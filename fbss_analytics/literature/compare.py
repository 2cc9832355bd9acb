"""A cohort's risks and shares beside published ones: which stands beside which, the difference, what differs."""

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

COMPARED = ("risk", "survival", "fraction", "rate", "share", "proportion")
"""Statistics that have a counterpart in ours."""
FIRST_OUTCOME = {
    "scs_explant": "explant",
    "scs_opioid": "opioid_elimination",
    "scs_trial": "trial_success",
    "itdd_opioid": "opioid_free",
    "itdd_other": "pump_or_catheter_revision",
    "reoperation": "reoperation",
    "fbss_incidence": "fbss_onset",
    "satisfaction": "dissatisfied",
    "other_therapy": "chronic_opioid_use",
}
"""The outcome that is compared for a topic when none is named."""
CURVE_CAUSE = {"any": "event"}
"""The cause of ours beside each published cause; a cause that is not named here has the same name in both."""
NEAR_DAYS = 15.0
"""How far a share of ours may lie from the published day."""
STATISTIC_NOTE = {
    "risk": "",
    "survival": "published as survival, shown as 1 - survival",
    "fraction": "share over unequal follow-up, ours the risk at its mean or planned end",
    "rate": "rates depend on the length of follow-up",
    "share": "",
    "proportion": "",
}
METHOD_NOTE = {
    "kaplan_meier": "Kaplan-Meier with death censored",
    "death_competing": "",
    "crude": "crude proportion",
    "among_remaining": "among those remaining and followed",
    "survey": "of those who answered a survey",
    "rate": "",
    "not_stated": "method not stated",
}
INDICATION_NOTE = {
    "fbss": "",
    "mixed": "all indications",
    "crps": "CRPS, not FBSS",
    "no_prior_surgery": "back pain without surgery, not FBSS",
    "lumbar": "",
    "disc_herniation": "after disc surgery",
    "fusion": "after fusion",
    "stenosis": "after surgery for stenosis",
    "spondylolisthesis": "after surgery for spondylolisthesis",
    "pump": "of pump patients",
}
OURS_NOTE = {
    "cumulative_incidence": "",
    "survival": "ours is 1 - Kaplan-Meier, death censored",
    "state_occupancy": "ours is of everyone from day 0",
    "share": "",
}
INTERVAL_NOTE = {
    "printed": "",
    "from n": "its interval from n, so too narrow",
    "from events": "its interval from the number of events",
    "none": "neither interval nor n, so no z",
}
ALL_FOLLOW_UP = "length of its follow-up not given, ours over all of ours"


def compare_with_published(
    *results: Curve | pd.DataFrame,
    topic: str = "scs_explant",
    outcome: str | None = None,
    group: str = "all",
    match: Mapping[str, str] | None = None,
    indication: str | None = None,
) -> Comparison:
    """Put a cohort's risks or shares beside published ones, with the difference and what keeps them apart.

    **Definition.** A published risk or share at m months is set beside ours at m / 12 x 365 days, that day included (of
    a frame of shares, beside the row at most 15 days away); a fraction beside our risk at its mean or planned
    follow-up; a proportion, which belongs to no day (such as trial success), beside the only row of a frame; an annual
    rate beside our events per patient-year up to its follow-up (or to the end of ours where none is printed). ``any``
    stands beside a curve whose outcome is not split by cause, a published cause beside ours of the same name. A horizon
    after our last day stays without our number.

    ``z`` is the difference divided by the root of the two squared standard errors. The published one comes from the
    printed 95 % interval, else from the events (rates: estimate / sqrt(events)), else from n
    (sqrt(p (1 - p) / n), which ignores censoring and is too small); without any of them there is no z.

    Parameters
    ----------
    *results : Curve or DataFrame
        Cumulative incidence, survival or state occupancy of the same cohort, for example one for any explant and one
        split by reason; or shares in a frame with ``horizon_days``, ``estimate`` and, where known, ``std_error``,
        ``conf_low``, ``conf_high`` and ``cause``. No two may answer the same cause.
    topic : str
        Topic of the published figures, as in `published_figures`.
    outcome : str, optional
        The published outcome which the results estimate; the topic's first when None (``explant``,
        ``opioid_elimination``, ``opioid_free``, ``reoperation``, ``fbss_onset``, ``dissatisfied`` ...).
    group : str
        The group of the curves to compare (``"all"`` for a curve without ``by``).
    indication : str, optional
        Only figures of that indication (``disc_herniation``, ``stenosis``, ``fusion`` ...); all when None.
    match : mapping of str to str, optional
        Published cause to our cause where they are called differently: ``{"any": "on pump, free"}`` for a state.

    Returns
    -------
    Comparison
        One row per published figure in `Comparison.frame`.

    Raises
    ------
    InputError
        When nothing is given, a curve is of another kind, lacks the group, or repeats a cause.

    When not to use it: as a test of agreement; the populations, definitions and handling of death differ, as
    ``comparable_note`` says, and a small z may only mean a small study.

    References
    ----------
    Altman DG, Bland JM. Interaction revisited: the difference between two estimates. BMJ 2003;326:219.
    doi:10.1136/bmj.326.7382.219

    Examples
    --------
    >>> import pandas as pd, fbss_analytics as fbss
    >>> status = ["again", "censored", "death", "again"]
    >>> people = pd.DataFrame({"days": [30, 400, 700, 2000] * 50, "status": status * 50})
    >>> risk = fbss.estimate_cumulative_incidence(
    ...     people, duration="days", status="status", event="again", competing="death"
    ... )
    >>> beside = fbss.compare_with_published(risk, topic="reoperation")
    >>> beside.frame["study_key"].nunique() > 5
    True
    """
    published = published_figures(topic=topic)
    outcome = FIRST_OUTCOME[topic] if outcome is None else outcome
    one_of(outcome, [name for name in published["outcome"].unique() if name], name="outcome")
    chosen = published[(published["outcome"] == outcome) & published["statistic"].isin(COMPARED)]
    if indication is not None:
        one_of(indication, [name for name in chosen["indication"].unique() if name], name="indication")
        chosen = chosen[chosen["indication"] == indication]
    names = CURVE_CAUSE | dict(match or {})
    for name in match or {}:
        one_of(name, chosen["cause"].unique(), name="match")
    ours = _by_cause(results, group, {names.get(cause, cause) for cause in chosen["cause"]})
    for name in (match or {}).values():
        one_of(name, ours, name="match")
    rows = [_beside(row, ours.get(names.get(row["cause"], row["cause"]))) for row in records(chosen)]
    frame = pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))
    order = frame.assign(_last=frame["horizon_days"].fillna(np.inf))
    order = order.sort_values(["cause", "statistic", "_last", "study_key"], kind="stable")
    return Comparison(
        topic=topic,
        outcome=outcome,
        conf_level=getattr(results[0], "conf_level", 0.95),
        _frame=order.drop(columns="_last").reset_index(drop=True),
    )


@dataclass(frozen=True, eq=False)
class _Steps:
    """One group and cause of ours as arrays in order of time."""

    kind: str
    time: np.ndarray
    risk: np.ndarray
    std_error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray

    def at(self, row: int) -> tuple[float, float, float, float]:
        """Return estimate, low, high and standard error of a row."""
        return self.risk[row], self.low[row], self.high[row], self.std_error[row]


def _by_cause(results: Iterable[Curve | pd.DataFrame], group: str, compared: set[str]) -> Mapping[str, _Steps]:
    """Return ours by cause; only causes that published figures stand beside (``compared``) must not recur."""
    found: dict[str, _Steps] = {}
    for result in results:
        pieces = _of_shares(result) if isinstance(result, pd.DataFrame) else _of_curve(result, group)
        for cause, steps in pieces.items():
            if cause in found and cause in compared:
                raise InputError(f"Two results answer {cause!r}; pass one, or compare them one after the other.")
            found[cause] = steps
    if not found:
        raise InputError("compare_with_published needs at least one curve, for example compare_with_published(risk).")
    return found


def _of_curve(curve: Curve, group: str) -> dict[str, _Steps]:
    if curve.kind not in OURS_NOTE:
        raise InputError(
            f"A curve of kind {curve.kind!r} has no published counterpart; pass what estimate_cumulative_incidence, "
            "estimate_survival or estimate_state_occupancy returns, or a frame of shares."
        )
    frame = curve.frame
    groups = [str(name) for name in frame["group"].unique()]
    if group not in groups:
        raise InputError(f"The curve of {curve.outcome!r} has no group {group!r}.{nearest(group, groups)}")
    mine = frame[frame["group"] == group]
    # A plain frame's curve calls its only event by the outcome's name, a cohort's curve "event".
    return {
        "event" if name == curve.outcome else str(name): _steps(curve.kind, rows)
        for name, rows in mine.groupby("cause", sort=False)
    }


def _of_shares(frame: pd.DataFrame) -> dict[str, _Steps]:
    """Return shares given as a frame, by cause."""
    for name in ("horizon_days", "estimate"):
        if name not in frame:
            raise InputError(f"A frame of shares needs the column {name!r}.{nearest(name, map(str, frame.columns))}")
    full = frame.rename(columns={"horizon_days": "time_days"}).sort_values("time_days", kind="stable")
    if not full["estimate"].dropna().between(0, 1).all():
        raise InputError("Shares lie between 0 and 1; divide percentages by 100.")
    for name in ("std_error", "conf_low", "conf_high", "n_at_risk", "n_events"):
        full[name] = full.get(name, np.nan)
    causes = full["cause"] if "cause" in full else pd.Series("event", index=full.index)
    return {str(name): _steps("share", rows) for name, rows in full.groupby(causes, sort=False)}


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


def _beside(row: Mapping[str, Any], steps: _Steps | None) -> dict[str, Any]:
    """Return one row of the comparison."""
    months = row["follow_up_months"]
    horizon = round(months / 12 * DAYS_PER_PUBLISHED_YEAR, 0) if months >= 0 else np.nan
    published, low, high, std_error, interval = published_interval(row)
    estimate, ours_low, ours_high, ours_error, missing = _our_number(steps, row["statistic"], horizon)
    difference = estimate - published
    kind = steps.kind if steps is not None and not missing else "cumulative_incidence"
    notes = (
        missing,
        INDICATION_NOTE[row["indication"]],
        STATISTIC_NOTE[row["statistic"]],
        METHOD_NOTE[row["method"]],
        ALL_FOLLOW_UP if row["statistic"] == "rate" and np.isnan(horizon) and not missing else "",
        OURS_NOTE[kind],
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
    if statistic == "proportion":
        single = steps.kind == "share" and len(steps.time) == 1
        return (*steps.at(0), "") if single else (*nothing, "needs a share of its own, which belongs to no day")
    if statistic == "rate":
        if steps.kind not in ("cumulative_incidence", "survival"):
            return *nothing, "a rate needs a cumulative incidence or survival curve"
        if horizon > steps.time[-1]:
            return *nothing, "beyond our follow-up, so not compared"
        return *_our_rate(steps, horizon), ""
    if np.isnan(horizon):
        return *nothing, "published without the length of follow-up, so not compared"
    if steps.kind == "share":
        nearest_row = int(np.argmin(np.abs(steps.time - horizon)))
        if abs(steps.time[nearest_row] - horizon) > NEAR_DAYS:
            return *nothing, "not estimated for that day"
        return *steps.at(nearest_row), ""
    if horizon > steps.time[-1]:
        return *nothing, "beyond our follow-up, so not compared"
    return *steps.at(int(np.searchsorted(steps.time, horizon, side="right")) - 1), ""


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
