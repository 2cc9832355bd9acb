"""`estimate_restricted_mean`: days free of an event, and days lost to each cause, up to a horizon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort, Definition
from ..errors import DataError, InputError
from ..formats import decimal, html_table, interval, p_value, plural
from .bands import normal_quantile, wald_p
from .followup import Columns, FollowUp, follow_up, groups
from .kernels.restricted_mean import RestrictedMeans, restricted_means
from .result_table import estimate_table, listed, p_words, percent_words, whole
from .weights import Weights, case_weights, count_rows

Floats = npt.NDArray[np.float64]

FREE, LOST = "days free", "days lost"


@dataclass(frozen=True, eq=False)
class RestrictedMean:
    """Mean days free of the event, and lost to each cause, up to a horizon.

    Attributes
    ----------
    outcome, by : str
        What is waited for; the column of the groups (None: all rows together).
    until_days : float
        The horizon.
    estimates : DataFrame
        `ESTIMATE_COLUMNS`: for each group ``days free`` and, for each cause, ``days lost``, which add up to the
        horizon; for each group but the first its difference and ratio to the first. ``events`` are those up to and
        including the horizon.
    method : str
        How it was estimated.
    n : int
        Rows used.
    """

    outcome: str
    by: str | None
    until_days: float
    table: pd.DataFrame = field(repr=False)
    method: str
    conf_level: float
    definitions: tuple[Definition, ...] = field(repr=False)
    excluded: pd.DataFrame = field(repr=False)
    n: int
    unit: str = "row"

    @property
    def estimates(self) -> pd.DataFrame:
        """A copy of the estimates."""
        return self.table.copy()

    def sentence(self) -> str:
        """Say the days of every group, and the first difference."""
        level = percent_words(self.conf_level)
        shown = self.table[self.table["measure"].isin((FREE, LOST))]
        # With one cause the days lost are what the days free leave of the horizon.
        shown = shown if shown["cause"].nunique() > 2 else shown[shown["measure"] == FREE]
        causes = [self._name(name) for name in self.table.loc[self.table["measure"] == LOST, "cause"].unique()]
        said = []
        for (measure, cause), rows in shown.groupby(["measure", "cause"], sort=False):
            each = [
                f"{decimal(row['estimate'])} ({level} CI {interval(row['conf_low'], row['conf_high'], digits=1)})"
                + (f" for {self.by} {row['level']}" if self.by else "")
                for row in rows.to_dict("records")
            ]
            named = f"lost to {self._name(str(cause))}" if measure == LOST else f"free of {listed(causes)}"
            said.append(f"days {named} {', '.join(each)}")
        text = f"Within {whole(self.until_days)} days: {'; '.join(said)}. {plural(self.n, self.unit)}"
        changes = self.table[self.table["measure"] == f"difference in {FREE}"]
        if changes.empty:
            return f"{text}."
        first = changes.iloc[0]
        return (
            f"{text}; difference in days free {decimal(first['estimate'])} "
            f"({interval(first['conf_low'], first['conf_high'], digits=1)}; {first['contrast']}), "
            f"p {p_words(first['p_value'])}."
        )

    def _name(self, cause: str) -> str:
        """Return a cause as a reader knows it."""
        return self.outcome if cause == "event" else cause

    def _repr_html_(self) -> str:
        table = self.table
        shown = pd.DataFrame({"measure": table["measure"], "cause": table["cause"], "group": table["level"]})
        pairs = zip(table["estimate"], table["measure"], strict=True)
        shown["estimate"] = [decimal(value, _digits(name)) for value, name in pairs]
        rows = zip(table["conf_low"], table["conf_high"], table["measure"], strict=True)
        shown["interval"] = [interval(low, high, digits=_digits(name)) for low, high, name in rows]
        shown["p"] = table["p_value"].map(p_value)
        return html_table(shown, caption=self.sentence(), notes=self.method)


def estimate_restricted_mean(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str | None = None,
    until_days: float,
    by: str | None = None,
    weights: str | None = None,
    conf_level: float = 0.95,
    duration: str | None = None,
    status: str | None = None,
    event: str | Sequence[str] | None = None,
    competing: str | Sequence[str] | None = None,
    entry: str | None = None,
) -> RestrictedMean:
    """Estimate the mean days free of an event, and the mean days lost to each cause, up to a horizon.

    **Definition**: days free are the area under the survival from every event between 0 and ``until_days``, days lost
    to a cause the area under its cumulative incidence; together they are ``until_days``. An event on day u loses
    ``until_days`` - u days, one on day ``until_days`` none. Death competing is a cause of its own: days lost to
    explant are then days with the system out and the patient's death not before.

    Parameters
    ----------
    cohort : Cohort or DataFrame
        A cohort takes ``outcome=``; a plain frame the columns below.
    outcome : str
        Name of a time-to-event outcome.
    until_days : float
        The horizon, chosen beforehand; every group must be followed to it (or all of it have had an event).
    by : str, optional
        Column of at most 20 groups; the first is the reference of differences and ratios.
    weights : str, optional
        Column of weights above 0: whole numbers count rows, others are sampling weights.
    conf_level : float
        Of the normal intervals, on the log scale for ratios.
    duration, status, event, competing, entry : str
        Columns of a plain frame, as in `estimate_cumulative_incidence`.

    Returns
    -------
    RestrictedMean
        Days.

    Raises
    ------
    InputError
        The horizon lies beyond a group's follow-up, or arguments as in `estimate_cumulative_incidence`.
    DataError
        Everyone at risk had an event before others entered.

    When not to use it
    ------------------
    Where the horizon is picked after seeing the curves; and as a mean waiting time without naming the horizon.

    References
    ----------
    Andersen 2013, doi:10.1002/sim.5903; Royston and Parmar 2013, doi:10.1186/1471-2288-13-152. Held to R survival
    3.5-3 (``print(survfit, rmean = )``), whose standard errors are these.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [20.0, 60.0, 80.0, 100.0], "ended": ["explant", "death", "censored", "censored"]})
    >>> mean = estimate_restricted_mean(
    ...     frame, duration="days", status="ended", event="explant", competing="death", until_days=100
    ... )
    >>> mean.estimates[["measure", "cause", "estimate"]].values.tolist()
    [['days free', '', 70.0], ['days lost', 'explant', 20.0], ['days lost', 'death', 10.0]]
    """
    columns = Columns(duration=duration, status=status, event=event, competing=competing, entry=entry)
    follow = follow_up(cohort, outcome, columns, also=[name for name in (by, weights) if name])
    weighted = case_weights(follow, weights)
    found = _by_group(follow, by, weighted, until_days)
    common = {"model": "restricted_mean", "outcome": follow.outcome, "horizon_days": until_days, "term": by or ""}
    rows = [common | row for row in _rows(follow, by, found, _Spread(follow, weighted, conf_level), until_days)]
    words = [f"Areas under the Aalen-Johansen curves from day 0 to {whole(until_days)}"]
    words.append("infinitesimal-jackknife standard errors, normal intervals (on the log scale for ratios)")
    if follow.entry is not None:
        words.append("at risk only after entry")
    if weighted is not None:
        words.append(weighted.words)
    if follow.cluster is not None:
        words.append(f"standard errors clustered on {follow.cluster}")
    return RestrictedMean(
        outcome=follow.outcome,
        by=by,
        until_days=float(until_days),
        table=estimate_table(rows),
        method="; ".join(words) + ".",
        conf_level=conf_level,
        definitions=follow.definitions,
        excluded=follow.excluded,
        n=count_rows(np.ones(len(follow.stop), dtype=bool), weighted),
        unit=follow.unit,
    )


@dataclass(frozen=True, eq=False)
class _Spread:
    """How influences become standard errors and intervals."""

    follow: FollowUp
    weighted: Weights | None
    conf_level: float

    def count(self, mask: npt.NDArray[np.bool_]) -> int:
        """Return how many rows there are."""
        return count_rows(mask, self.weighted)

    def error(self, influence: Floats) -> float:
        """Return the standard error: rows of one patient are summed before squaring."""
        weight = np.ones(len(influence)) if self.weighted is None else self.weighted.values
        if self.follow.cluster is not None:
            own = np.bincount(self.follow.codes(self.follow.cluster), weight * influence)
            return float(np.sqrt(own @ own))
        squares = weight if self.weighted is None or self.weighted.repeats else weight**2
        return float(np.sqrt(squares @ influence**2))

    def row(self, estimate: float, influence: Floats, *, log: bool = False) -> dict[str, Any]:
        """Return estimate, error and interval; with ``log`` the influence is on the logarithm."""
        z, error = normal_quantile(self.conf_level), self.error(influence)
        value = float(np.log(estimate)) if log else estimate
        low, high = value - z * error, value + z * error
        return {
            "estimate": estimate,
            "coefficient": value,
            "std_error": error,
            "conf_low": float(np.exp(low)) if log else low,
            "conf_high": float(np.exp(high)) if log else high,
        }


def _by_group(
    follow: FollowUp, by: str | None, weighted: Weights | None, until: float
) -> list[tuple[str, npt.NDArray[np.bool_], RestrictedMeans]]:
    """Return name, rows and means of each group."""
    if not (np.isfinite(until) and until > 0):
        raise InputError(f"until_days={until!r} must be a number of days above 0.")
    found = []
    for name, mask in groups(follow, by):
        means = restricted_means(
            follow.stop[mask],
            follow.cause[mask],
            len(follow.causes),
            until,
            entry=None if follow.entry is None else follow.entry[mask],
            weight=None if weighted is None else weighted.values[mask],
        )
        last, left = float(means.time[-1]), float(means.survival[-1])
        if last < until and left > 0:
            where = f"group {name!r}" if by else "the cohort"
            raise InputError(
                f"until_days={whole(until)} lies beyond the follow-up of {where}, which ends on day {whole(last)}. "
                f"Give an earlier horizon."
            )
        if follow.entry is not None and _ends_early(follow, mask, means, until):
            raise DataError(
                f"In group {name!r} everyone at risk had an event before others entered: no mean exists. Start the "
                f"clock later, when more are under observation."
            )
        found.append((name, mask, means))
    return found


def _ends_early(follow: FollowUp, mask: npt.NDArray[np.bool_], means: RestrictedMeans, until: float) -> bool:
    """Return whether survival reaches 0 before the horizon although others are followed later."""
    ended = means.time[means.survival == 0]
    return len(ended) > 0 and ended[0] < until and bool((follow.stop[mask] > ended[0]).any())


def _rows(
    follow: FollowUp,
    by: str | None,
    found: list[tuple[str, npt.NDArray[np.bool_], RestrictedMeans]],
    spread: _Spread,
    until: float,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of the table: means of each group, then differences and ratios to the first group."""
    kinds = [(FREE, ""), *((LOST, cause) for cause in follow.causes)]
    ended = np.where(follow.stop <= until, follow.cause, 0)
    whole_influence = np.zeros((len(follow.stop), len(kinds)))
    for name, mask, means in found:
        whole_influence[mask] = means.influence
        counts = {"n": spread.count(mask), "level": name if by else ""}
        for k, (measure, cause) in enumerate(kinds):
            happened = mask & (ended > 0 if measure == FREE else ended == k)
            own = np.where(mask, whole_influence[:, k], 0.0)
            row = spread.row(float(means.means[k]), own)
            yield {"measure": measure, "cause": cause, "events": spread.count(happened), **counts, **row}
    reference, base, first = found[0]
    for name, mask, means in found[1:]:
        both: dict[str, Any] = {"level": name, "reference": reference, "contrast": f"{name} vs {reference}"}
        for k, (measure, cause) in enumerate(kinds):
            happened = (mask | base) & (ended > 0 if measure == FREE else ended == k)
            both |= {"cause": cause, "n": spread.count(mask | base), "events": spread.count(happened)}
            value, other, influence = float(means.means[k]), float(first.means[k]), whole_influence[:, k]
            change = np.where(mask, influence, 0.0) - np.where(base, influence, 0.0)
            yield both | {"measure": f"difference in {measure}"} | _tested(spread.row(value - other, change))
            if value > 0 and other > 0:
                relative = np.where(mask, influence / value, 0.0) - np.where(base, influence / other, 0.0)
                row = spread.row(value / other, relative, log=True)
                yield both | {"measure": f"ratio of {measure}"} | _tested(row)


def _tested(row: dict[str, Any]) -> dict[str, Any]:
    """Return a contrast with its p-value, where anything varies."""
    if row["std_error"] > 0:
        row["p_value"] = float(wald_p(np.asarray(row["coefficient"] / row["std_error"])))
    return row


def _digits(measure: str) -> int:
    """Return the decimals of a measure: two for ratios, one for days."""
    return 2 if measure.startswith("ratio") else 1
