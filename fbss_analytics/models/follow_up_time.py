"""`estimate_follow_up`: how long rows were followed, by the reverse Kaplan-Meier method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ..cohort import Cohort, Definition
from ..errors import InputError
from ..formats import MISSING, count, decimal, html_table, interval, plural
from .curves import risk_curve
from .followup import Columns, FollowUp, follow_up
from .result_table import percent_words, whole
from .results import Curve
from .rows import check_columns

QUARTILES = (0.25, 0.5, 0.75)

ENDED = "end of observation"


@dataclass(frozen=True, eq=False)
class FollowUpTime:
    """How long rows were, or would have been, followed.

    Attributes
    ----------
    outcome, by : str
        The outcome whose follow-up it is; the column of the groups.
    observed : Curve
        Share still under observation (kind ``survival``), had no event ended it.
    reasons : Curve or None
        Cumulative incidence of each reason for which observation ended.
    estimates : DataFrame
        `ESTIMATE_COLUMNS`: days by which observation of 25, 50 and 75 % of each group had ended.
    """

    outcome: str
    by: str | None
    observed: Curve = field(repr=False)
    reasons: Curve | None = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    method: str
    definitions: tuple[Definition, ...] = field(repr=False)
    excluded: pd.DataFrame = field(repr=False)

    @property
    def estimates(self) -> pd.DataFrame:
        """A copy of the estimates."""
        return self.table.copy()

    def sentence(self) -> str:
        """Say the median follow-up of every group, and why observation ended."""
        level = percent_words(self.observed.conf_level)
        medians = self.table[self.table["contrast"].str.startswith("50 %")]
        said = [
            f"{_days(row['estimate'])} days ({level} CI {interval(row['conf_low'], row['conf_high'], digits=0)})"
            + (f" for {self.by} {row['level']}" if self.by else "")
            for row in medians.to_dict("records")
        ]
        text = (
            f"Median follow-up {', '.join(said)}; {plural(self.observed.n, self.observed.unit)}, reverse Kaplan-Meier."
        )
        if self.reasons is None:
            return text
        counts = self.reasons.data.groupby("cause", sort=False)["n_events"].sum()
        said_why = ", ".join(f"{cause} {count(n)}" for cause, n in counts.items())
        left = plural(int(counts.sum()), self.observed.unit)
        return f"{text} Without an event observation ended for {left}: {said_why}."

    def _repr_html_(self) -> str:
        shown = pd.DataFrame({"group": self.table["level"], "when": self.table["contrast"]})
        shown["days"] = self.table["estimate"].map(_days)
        rows = zip(self.table["conf_low"], self.table["conf_high"], strict=True)
        shown["interval"] = [interval(low, high, digits=0) for low, high in rows]
        return html_table(shown, caption=self.sentence(), notes=self.method)


def estimate_follow_up(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str | None = None,
    by: str | None = None,
    reason: str | None = None,
    conf_level: float = 0.95,
    duration: str | None = None,
    status: str | None = None,
    event: str | Sequence[str] | None = None,
    competing: str | Sequence[str] | None = None,
    entry: str | None = None,
) -> FollowUpTime:
    """Estimate the median follow-up by reverse Kaplan-Meier: the end of observation is the event.

    **Definition**: the Kaplan-Meier curve of the end of observation, every event (competing ones too) being counted as
    censored on its day; a row with an event on the day another is censored is still at risk. The median is the first
    day by which observation of half the rows would have ended.

    Parameters
    ----------
    cohort : Cohort or DataFrame
        A cohort takes ``outcome=``; a plain frame the columns below.
    outcome : str
        Name of a time-to-event outcome.
    by : str, optional
        Column of at most 20 groups.
    reason : str, optional
        Column that says why observation ended, read in censored rows: also estimates the share ended by each reason.
    conf_level : float
        Of the log-log band that is inverted for the limits.
    duration, status, event, competing, entry : str
        Columns of a plain frame, as in `estimate_cumulative_incidence`; other events of ``status`` are allowed.

    Returns
    -------
    FollowUpTime
        Days.

    Raises
    ------
    InputError
        Nobody is censored; arguments as in `estimate_survival`.

    When not to use it
    ------------------
    As proof that censoring is uninformative: compare ``by=`` groups, and see why observation ended (``reason=``).

    References
    ----------
    Schemper and Smith 1996, doi:10.1016/0197-2456(96)00075-X. Held to R survival 3.5-3 ``survfit`` of the flipped
    status.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [5.0, 8.0, 9.0, 12.0], "ended": ["explant", "censored", "censored", "censored"]})
    >>> estimate_follow_up(frame, duration="days", status="ended", event="explant").sentence()
    'Median follow-up 9 days (95 % CI 8 to -); 4 rows, reverse Kaplan-Meier.'
    """
    columns = Columns(duration=duration, status=status, event=event, competing=competing, entry=entry)
    follow = follow_up(cohort, outcome, columns, also=[by] if by else [], others="compete")
    if (follow.cause > 0).all():
        raise InputError(
            "Nobody is censored: observation of every row ended with an event. There is nothing to reverse."
        )
    ended = replace(follow, cause=(follow.cause == 0).astype(np.int64), causes=(ENDED,), n_events=1, outcome=ENDED)
    method = f"Reverse Kaplan-Meier of {follow.outcome}: events censored, end of observation counted; log-log interval"
    observed = _curve(ended, "survival", by, conf_level, method)
    table = observed.quantile(QUARTILES)
    table["outcome"], table["model"] = follow.outcome, "follow_up"
    table["contrast"] = table["contrast"].str.replace("have had the event", "have left observation")
    reasons = None
    if reason is not None:
        reasons = _curve(_by_reason(ended, reason), "cumulative_incidence", by, conf_level, method)
    return FollowUpTime(
        outcome=follow.outcome,
        by=by,
        observed=observed,
        reasons=reasons,
        table=table,
        method=observed.method,
        definitions=follow.definitions,
        excluded=follow.excluded,
    )


def _curve(ended: FollowUp, kind: str, by: str | None, conf_level: float, method: str) -> Curve:
    """Return the curve of the end of observation."""
    return risk_curve(
        ended,
        kind=kind,
        cause=ended.cause,
        names=ended.causes,
        by=by,
        conf_level=conf_level,
        conf_type="log-log",
        method=method,
    )


def _by_reason(ended: FollowUp, column: str) -> FollowUp:
    """Return the ends of observation apart by reason; a missing reason is "not stated"."""
    check_columns(ended.frame, [column], argument="reason=")
    words = ended.frame[column].astype(object).where(ended.frame[column].notna(), "not stated").astype(str)
    names = sorted(set(words[ended.cause > 0]))
    cause = np.where(ended.cause > 0, 1 + pd.Index(names).get_indexer(pd.Index(words)), 0)
    return replace(ended, cause=cause.astype(np.int64), causes=tuple(names), n_events=len(names))


def _days(value: float) -> str:
    """Return days without needless decimals, `MISSING` where a quartile was not reached."""
    return MISSING if np.isnan(value) else whole(float(decimal(value).replace(",", "")))
