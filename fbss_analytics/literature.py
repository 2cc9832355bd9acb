"""Published figures as data, and a cohort's own estimates beside them.

Each row of ``data/published_figures.csv`` is one printed number with its source. Four columns say what it can be
compared with: ``outcome`` and ``cause`` (empty: nothing here), ``statistic`` (how to read the number) and ``method``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .dates import DAYS_PER_YEAR
from .errors import InputError, nearest, one_of
from .formats import count, html_table, percent, plural

if TYPE_CHECKING:
    from .models.results import Curve

DAYS_PER_PUBLISHED_YEAR = 365
"""Published years are counted as 365 days, so that 5 years is day 1,825 and lies inside ``until_days=1825``."""

Z95 = 1.959963984540054

COMPARISON_COLUMNS = (
    "study_key",
    "label",
    "outcome",
    "cause",
    "statistic",
    "n",
    "horizon_days",
    "definition",
    "published",
    "published_low",
    "published_high",
    "published_interval",
    "ours",
    "ours_low",
    "ours_high",
    "difference",
    "z",
    "comparable_note",
    "citation",
    "address",
)

COMPARED = ("risk", "survival", "fraction", "rate")
"""Statistics of which a curve has a counterpart."""

CURVE_CAUSE = {"any": "event"}
"""The cause of a curve beside each published cause; a cause that is not named here has the same name in both."""

COMPARED_CAUSES = ("event", "inadequate_relief")
"""Causes of a curve that published figures stand beside; other causes, such as death, may recur."""

STATISTIC_NOTE = {
    "risk": "",
    "survival": "published as device survival, shown as 1 - survival",
    "fraction": "explants divided by patients over unequal follow-up; ours is the risk at its mean or plan",
    "rate": "explants per patient-year; the rate falls with time, so it depends on the length of follow-up",
}
METHOD_NOTE = {
    "kaplan_meier": "published by Kaplan-Meier, death censored",
    "crude": "published as a crude proportion",
    "rate": "",
    "not_stated": "published method not stated in the abstract",
}
INDICATION_NOTE = {
    "fbss": "",
    "mixed": "all indications, not FBSS alone",
    "crps": "CRPS, not FBSS",
    "no_prior_surgery": "back pain without previous surgery, not FBSS",
}
OURS_NOTE = {"cumulative_incidence": "", "survival": "ours is 1 - Kaplan-Meier, death censored"}
INTERVAL_NOTE = {
    "printed": "",
    "from n": "published interval computed from n as if all had been followed, so too narrow",
    "from events": "published interval computed from the number of explants",
    "none": "no published interval and no n, so no z",
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """A cohort's estimates beside published ones.

    Attributes
    ----------
    topic : str
        The topic of the published figures.
    outcome : str
        The published outcome that the curves stand for.
    conf_level : float
        Level of our intervals.
    frame : pandas.DataFrame
        One row per published figure: ``study_key, label, outcome, cause, statistic, n, horizon_days, definition,
        published, published_low, published_high, published_interval, ours, ours_low, ours_high, difference, z, comparable_note,
        citation, address``. Risks and fractions are shares, rates are per patient-year; ``difference`` is ours minus
        published; ``ours`` is missing where the published horizon lies beyond our follow-up or we have no such outcome.
    """

    topic: str
    outcome: str
    conf_level: float
    _frame: pd.DataFrame

    @property
    def frame(self) -> pd.DataFrame:
        """Return a copy of the rows."""
        return self._frame.copy()

    def sentence(self) -> str:
        """Return the comparison in one sentence.

        Returns
        -------
        str
            How many published figures could be compared, and how many agree within two standard errors.
        """
        return _comparison_words(self._frame, self.outcome)

    def __str__(self) -> str:
        return self.sentence()

    def _repr_html_(self) -> str:
        return html_table(_display(self._frame), caption=self.sentence())


@cache
def _read_published() -> pd.DataFrame:
    path = resources.files("fbss_analytics") / "data" / "published_figures.csv"
    with path.open(encoding="utf-8") as handle:
        words = pd.read_csv(handle, dtype=str, keep_default_na=False)
    for column in ("n", "follow_up_months", "estimate", "ci_low", "ci_high", "events"):
        words[column] = pd.to_numeric(words[column].replace("", None), errors="raise").astype("float64")
    return words


def published_figures(*, topic: str | None = None, quantity: str | None = None) -> pd.DataFrame:
    """Return the published figures this library carries, each with its source.

    **Definition.** One row per number printed in a paper, abstract or registry report; nothing is pooled or corrected,
    and known inconsistencies of a source are told in ``definition``.

    Parameters
    ----------
    topic : str, optional
        Keep one topic, for example ``"scs_explant"``.
    quantity : str, optional
        Keep one quantity, for example ``"explant_cumulative_incidence"``.

    Returns
    -------
    pandas.DataFrame
        ``study_key, label, citation, doi, address, topic, population, n, follow_up_months, quantity, group, estimate,
        ci_low, ci_high, unit, definition, confidence`` and, for comparison, ``outcome, cause, statistic, events, method,
        indication``. Shares are between 0 and 1. ``confidence`` says where the number was read
        (``verified_abstract``: in the abstract).

    Raises
    ------
    InputError
        When the topic or quantity is not known.

    When not to use it: as the data of a meta-analysis; most numbers come from abstracts, and cohorts overlap.

    References
    ----------
    Each row has its own ``doi`` or ``address``.

    Examples
    --------
    >>> figures = published_figures(topic="scs_explant", quantity="explant_cumulative_incidence")
    >>> figures.loc[figures["study_key"] == "gatzinsky2024", ["follow_up_months", "cause", "estimate"]].head(2)
       follow_up_months              cause  estimate
    4              36.0                any      0.17
    5              36.0  inadequate_relief      0.10
    """
    frame = _read_published()
    for column, wanted in (("topic", topic), ("quantity", quantity)):
        if wanted is not None:
            one_of(wanted, frame[column].unique(), name=column)
            frame = frame[frame[column] == wanted]
    return frame.copy()


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
    rows = [_beside(row, ours) for row in _records(chosen)]
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


def published_interval(row: Mapping[str, Any]) -> tuple[float, float, float, float, str]:
    """Return estimate, low, high, standard error and the interval's origin of one published row, as a risk or rate.

    **Definition.** Device survival is turned into a risk. Without a printed interval, a share gets Wilson's 95 %
    interval from n and the standard error sqrt(p (1 - p) / n); a rate gets the log-normal interval from its explants.

    Parameters
    ----------
    row : mapping
        A row of `published_figures`.

    Returns
    -------
    tuple
        ``(estimate, low, high, std_error, origin)``; origin is ``"printed"``, ``"from n"``, ``"from events"`` or
        ``"none"``.

    When not to use it: on rows whose ``ci_low`` holds a quartile (their ``definition`` says so).

    References
    ----------
    Wilson EB. Probable inference, the law of succession, and statistical inference. J Am Stat Assoc 1927;22:209-212.
    doi:10.1080/01621459.1927.10502953

    Examples
    --------
    >>> row = {"statistic": "risk", "estimate": 0.2, "ci_low": float("nan"), "ci_high": float("nan"), "n": 100.0,
    ...        "events": float("nan")}
    >>> [round(value, 3) for value in published_interval(row)[:4]]
    [0.2, 0.133, 0.289, 0.04]
    """
    estimate, low, high = row["estimate"], row["ci_low"], row["ci_high"]
    if row["statistic"] == "survival":
        estimate, low, high = 1 - estimate, 1 - high, 1 - low
    if np.isfinite(low) and np.isfinite(high):
        return estimate, low, high, (high - low) / (2 * Z95), "printed"
    if row["statistic"] == "rate":
        if not row["events"] > 0:
            return estimate, np.nan, np.nan, np.nan, "none"
        factor = np.exp(Z95 / np.sqrt(row["events"]))
        return estimate, estimate / factor, estimate * factor, estimate / np.sqrt(row["events"]), "from events"
    if not row["n"] > 0:
        return estimate, np.nan, np.nan, np.nan, "none"
    low, high = wilson_interval(estimate, row["n"])
    return estimate, low, high, float(np.sqrt(estimate * (1 - estimate) / row["n"])), "from n"


def wilson_interval(share: float, n: float) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share observed in ``n`` people.

    **Definition.** The shares that a score test at 5 % does not reject.

    Parameters
    ----------
    share : float
        Between 0 and 1.
    n : float
        People.

    Returns
    -------
    tuple of float
        ``(low, high)``, within 0 and 1.

    When not to use it: for a risk with censoring, where n is not the number followed.

    References
    ----------
    Wilson EB. J Am Stat Assoc 1927;22:209-212. doi:10.1080/01621459.1927.10502953

    Examples
    --------
    >>> [round(bound, 4) for bound in wilson_interval(0.1, 50)]
    [0.0435, 0.2136]
    """
    square = Z95**2 / n
    centre = (share + square / 2) / (1 + square)
    half = Z95 / (1 + square) * np.sqrt(share * (1 - share) / n + square / (4 * n))
    return float(centre - half), float(centre + half)


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


def _comparison_words(frame: pd.DataFrame, outcome: str) -> str:
    compared = frame[frame["ours"].notna()]
    if compared.empty:
        return f"None of {plural(len(frame), 'published figure')} on {outcome} can be set beside this cohort."
    text = (
        f"{count(len(compared))} of {plural(len(frame), 'published figure')} on {outcome} "
        f"({plural(compared['study_key'].nunique(), 'study', 'studies')}) can be set beside this cohort"
    )
    judged = compared[compared["z"].notna()]
    if judged.empty:
        return text + "; none of them allows a standard error."
    near = int((judged["z"].abs() < 2).sum())
    text += f"; ours lies within two standard errors of {near} of the {len(judged)} that allow one"
    return text + "."


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _display(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows as text for reading."""

    def cell(row: Mapping[str, Any], name: str) -> str:
        value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
        if np.isnan(value):
            return "-"
        if np.isnan(low):
            return percent(value)
        return f"{percent(value)} ({percent(low)} to {percent(high)})"

    rows = _records(frame)
    return pd.DataFrame(
        {
            "study": [row["label"] for row in rows],
            "cause": [str(row["cause"]).replace("_", " ") for row in rows],
            "statistic": [row["statistic"] for row in rows],
            "years": ["-" if np.isnan(h) else f"{h / DAYS_PER_PUBLISHED_YEAR:.3g}" for h in frame["horizon_days"]],
            "n": ["-" if np.isnan(n) else count(n) for n in frame["n"]],
            "published (95 % CI)": [cell(row, "published") for row in rows],
            "ours (95 % CI)": [cell(row, "ours") for row in rows],
            "z": ["-" if np.isnan(z) else f"{z:.1f}" for z in frame["z"]],
            "what differs": [row["comparable_note"] for row in rows],
        }
    )
