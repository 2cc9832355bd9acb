"""`compare_survival`: whether groups wait equally long for an event, by tests of the log-rank family."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort
from ..errors import InputError
from ..formats import plural
from .bands import chi2_p
from .followup import Columns, FollowUp, follow_up, groups
from .group_test import COUNT_COLUMNS, TEST_COLUMNS, GroupTest
from .kernels.log_rank import LogRank, chi_squared, log_rank
from .result_table import listed

Ints = npt.NDArray[np.int64]


def compare_survival(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str | None = None,
    by: str,
    rho: float = 0.0,
    gamma: float = 0.0,
    strata: str | Sequence[str] | None = None,
    trend: bool = False,
    duration: str | None = None,
    status: str | None = None,
    event: str | None = None,
    entry: str | None = None,
) -> GroupTest:
    """Test whether groups differ in how soon an event comes: log-rank, Fleming-Harrington, stratified, or for trend.

    **Definition**: at every day with an event, the events of each group are set against those expected had all at risk
    (entry < day <= day of leaving) the same hazard, weighted by S(day-)^rho (1 - S(day-))^gamma with S the Kaplan-Meier
    survival of all groups together. Of an outcome with several events each is tested on its own, the others counted as
    censored on their day: a cause-specific log-rank test, of hazards and not of risks.

    Parameters
    ----------
    cohort : Cohort or DataFrame
        A cohort takes ``outcome=``; a plain frame ``duration=``, ``status=``, ``event=`` and ``entry=``.
    outcome : str
        Name of a time-to-event outcome.
    by : str
        Column of at most 20 groups.
    rho, gamma : float
        0 and 0, the default, is the log-rank test; rho of 1 weights early differences (R ``survdiff(rho = 1)``, the
        Peto and Peto modification of Gehan's test), gamma of 1 late ones. Say which before looking.
    strata : str or list of str, optional
        Columns within whose combinations the groups are compared.
    trend : bool
        Test for a trend over the groups in their order, with scores 0, 1, 2 ...
    duration, status, event, entry : str
        Columns of a plain frame, as in `estimate_survival`; other events of ``status`` are allowed.

    Returns
    -------
    GroupTest
        One row for each event that occurs. Where a patient has several rows the variance is clustered on the patient.

    Raises
    ------
    InputError
        One group, a negative ``rho`` or ``gamma``, or no stratum with two groups at risk.
    DataError
        Times are negative, 0 or not after entry.

    When not to use it
    ------------------
    For a size: give the difference in risk or restricted mean beside it (`estimate_restricted_mean`). For risks under
    competing events: `compare_cumulative_incidence`. And with weights: use `fit_cox` with robust standard errors.

    References
    ----------
    Peto and Peto 1972, doi:10.2307/2344317; Fleming and Harrington 1981, doi:10.1080/03610928108828179. Held to R
    survival 3.5-3 ``survdiff`` and, with late entry, the score test of ``coxph(ties = "exact")``.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [5.0, 8.0, 9.0, 12.0, 14.0, 20.0], "ended": ["explant"] * 5 + ["censored"]})
    >>> frame["sex"] = ["female", "female", "male", "female", "male", "male"]
    >>> test = compare_survival(frame, duration="days", status="ended", event="explant", by="sex")
    >>> test.counts[["group", "observed", "expected"]].round(2).values.tolist()
    [['female', 3.0, 1.48], ['male', 2.0, 3.52]]
    """
    _check(rho, gamma)
    stratified = [strata] if isinstance(strata, str) else list(strata or ())
    columns = Columns(duration=duration, status=status, event=event, entry=entry)
    follow = follow_up(cohort, outcome, columns, also=[by, *stratified], others="compete")
    clusters = None if follow.cluster is None else follow.codes(follow.cluster)

    def of_cause(place: int, group: Ints, stratum: Ints | None) -> LogRank:
        return log_rank(
            follow.stop,
            follow.cause == place,
            group,
            entry=follow.entry,
            stratum=stratum,
            cluster=clusters,
            rho=rho,
            gamma=gamma,
        )

    ordered = _group_codes(follow, by)[0] if trend else ()
    method = _method(follow, (rho, gamma), stratified, ordered)
    return compare_groups(follow, by, stratified, of_cause, method=method, trend=trend)


def compare_groups(
    follow: FollowUp,
    by: str,
    strata: Sequence[str],
    of_cause: Callable[[int, Ints, Ints | None], LogRank],
    *,
    method: str,
    trend: bool = False,
) -> GroupTest:
    """Return the test of every event that occurs.

    ``of_cause`` makes the statistics of the event of that place (1 is the first) from the codes of groups and strata.
    """
    names, group = _group_codes(follow, by)
    stratum = None
    if strata:
        stratum = np.asarray(follow.frame.groupby(list(strata), sort=False, observed=True).ngroup(), dtype=np.int64)
    tests: list[tuple[str, float, int, float]] = []
    counts: list[tuple[str, str, int, float, float]] = []
    for place, cause in enumerate(follow.causes, start=1):
        if not (follow.cause == place).any():
            continue
        result = of_cause(place, group, stratum)
        statistic, df = _statistic(result, by, strata, trend=trend)
        tests.append((cause, statistic, df, chi2_p(statistic, df)))
        rows = zip(names, np.bincount(group), result.observed, result.expected, strict=True)
        counts.extend((cause, name, int(n), float(seen), float(expected)) for name, n, seen, expected in rows)
    return GroupTest(
        outcome=follow.outcome,
        by=by,
        table=pd.DataFrame(tests, columns=list(TEST_COLUMNS)),
        counts=pd.DataFrame(counts, columns=list(COUNT_COLUMNS)),
        method=method,
        definitions=follow.definitions,
        excluded=follow.excluded,
        unit=follow.unit,
    )


def _check(rho: float, gamma: float) -> None:
    """Raise `InputError` for powers that make no weight."""
    for name, value in (("rho", rho), ("gamma", gamma)):
        if not (np.isfinite(value) and value >= 0):
            raise InputError(f"{name}={value!r} must be 0 or more; 0 and 0 is the log-rank test.")


def _group_codes(follow: FollowUp, by: str) -> tuple[list[str], Ints]:
    """Return the names of the groups and each row's place among them."""
    named = groups(follow, by)
    if len(named) < 2:
        raise InputError(f"by={by!r} has one group, {named[0][0]!r}; a comparison needs two or more.")
    code = np.zeros(len(follow.stop), dtype=np.int64)
    for place, (_, mask) in enumerate(named):
        code[mask] = place
    return [name for name, _ in named], code


def _statistic(result: LogRank, by: str, strata: Sequence[str], *, trend: bool) -> tuple[float, int]:
    """Return chi-squared and its degrees of freedom."""
    difference, covariance = result.observed - result.expected, result.covariance
    if trend:
        scores = np.arange(len(difference), dtype=np.float64)[None, :]
        difference, covariance = scores @ difference, scores @ covariance @ scores.T
    statistic, df = chi_squared(difference, covariance)
    if df == 0:
        where = f" of one stratum of {listed(list(strata))}" if strata else ""
        raise InputError(f"by={by!r}: at no event are two groups{where} at risk together; there is nothing to compare.")
    return statistic, df


def _method(follow: FollowUp, powers: tuple[float, float], strata: Sequence[str], ordered: Sequence[str]) -> str:
    """Say in words which test it is."""
    rho, gamma = powers
    family = f"Fleming-Harrington test, rho {rho:g}, gamma {gamma:g}"
    words = ["Log-rank test" if powers == (0, 0) else family]
    if ordered:
        words.append(f"for trend over {', '.join(ordered)} (scores 0, 1, 2 ...)")
    if len(follow.causes) > 1:
        words.append("cause-specific: the other events are counted as censored, so hazards are compared and not risks")
    if strata:
        words.append(f"stratified by {', '.join(strata)}")
    if follow.entry is not None:
        words.append("at risk only after entry")
    if follow.cluster is not None:
        clusters = plural(int(follow.codes(follow.cluster).max()) + 1, "cluster")
        words.append(f"variance clustered on {follow.cluster} ({clusters})")
    return "; ".join(words) + "."
