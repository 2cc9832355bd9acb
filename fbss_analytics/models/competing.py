"""`estimate_cumulative_incidence` and `compare_cumulative_incidence`: risks where other events compete."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort
from ..errors import InputError
from .comparison import compare_groups
from .crosscheck_curves import check_curve
from .curves import risk_curve
from .followup import Columns, FollowUp, follow_up
from .group_test import GroupTest
from .kernels.gray import gray
from .kernels.log_rank import LogRank
from .results import Curve

Ints = npt.NDArray[np.int64]


def estimate_cumulative_incidence(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str | None = None,
    by: str | None = None,
    conf_level: float = 0.95,
    conf_type: str = "log-log",
    weights: str | None = None,
    crosscheck: bool = False,
    duration: str | None = None,
    status: str | None = None,
    event: str | Sequence[str] | None = None,
    competing: str | Sequence[str] | None = None,
    entry: str | None = None,
) -> Curve:
    """Estimate the risk of each event by each day, the others competing, by Aalen-Johansen.

    **Definition**: F_j(t) = sum over the days u <= t of S(u-) x events of cause j / at risk, S being free of every
    event; at risk on day u are rows with entry < u <= day of leaving. All causes of one day are taken together, so
    ties need no breaking.

    Parameters
    ----------
    cohort : Cohort or DataFrame
        A cohort takes ``outcome=``; a plain frame ``duration=``, ``status=``, ``event=``, ``competing=`` and
        ``entry=``.
    outcome : str
        Name of a time-to-event outcome.
    by : str, optional
        Column of at most 20 groups.
    conf_level : float
        0.95 by default.
    conf_type : str
        ``log-log`` on the incidence (the default: it stays between 0 and 1 and is nearly right when events are few),
        ``log`` (R ``survfit``'s default) or ``plain``.
    weights : str, optional
        Column of weights above 0, as in `estimate_survival`.
    crosscheck : bool
        Estimate again with statsmodels, and stop when it disagrees at any step. It has no standard errors of weighted
        or clustered rows, nor with late entry; the method says what was compared.
    duration, status, entry : str
        Columns of days, text status and late entry.
    event, competing : str or list of str
        Words of ``status``: what is of interest, and what ends the wait for it.

    Returns
    -------
    Curve
        Of kind ``cumulative_incidence``; every event, competing ones too, is a ``cause``. Standard errors are the
        infinitesimal jackknife.

    Raises
    ------
    InputError
        Status is ambiguous, holds words that were not named, or has no event.
    DataError
        Times are negative, 0 or not after entry; or the second engine disagrees.

    When not to use it
    ------------------
    To compare causes of an effect: a factor may raise an event's risk by lowering its competitor's hazard; see
    `fit_cox`.

    References
    ----------
    Aalen and Johansen 1978, https://www.jstor.org/stable/4615704; Putter 2007, doi:10.1002/sim.2712. Held to R
    survival 3.5-3.

    Examples
    --------
    >>> import pandas as pd
    >>> ended = ["censored", "explant", "explant", "death", "death", "censored"]
    >>> frame = pd.DataFrame({"days": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "ended": ended})
    >>> risk = estimate_cumulative_incidence(frame, duration="days", status="ended", event="explant", competing="death")
    >>> risk.at(6)[["cause", "estimate"]].round(6).values.tolist()
    [['explant', 0.4], ['death', 0.4]]
    """
    columns = Columns(duration=duration, status=status, event=event, competing=competing, entry=entry)
    follow = follow_up(cohort, outcome, columns, also=[name for name in (by, weights) if name])
    curve = risk_curve(
        follow,
        kind="cumulative_incidence",
        cause=follow.cause,
        names=follow.causes,
        by=by,
        conf_level=conf_level,
        conf_type=conf_type,
        method=(
            "Aalen-Johansen cumulative incidence (own kernel), all causes of one day together, infinitesimal-jackknife "
            f"standard error, {conf_type} interval"
        ),
        weights=weights,
    )
    return check_curve(curve, follow, weights=weights) if crosscheck else curve


def compare_cumulative_incidence(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str | None = None,
    by: str,
    rho: float = 0.0,
    strata: str | Sequence[str] | None = None,
    duration: str | None = None,
    status: str | None = None,
    event: str | Sequence[str] | None = None,
    competing: str | Sequence[str] | None = None,
) -> GroupTest:
    """Test whether groups differ in the risk of each event, the others competing, by Gray's test.

    **Definition**: at every day with an event of the cause, the events of each group are set against those expected had
    all groups the same subdistribution hazard, weighted by (1 - F(day-))^rho with F the pooled incidence. Those with a
    competing event stay in the risk set of their group, R = Y (1 - F(day-)) / S(day-), with Y at risk and S free of
    every event just before the day.

    Parameters
    ----------
    cohort : Cohort or DataFrame
        As in `estimate_cumulative_incidence`.
    outcome : str
        Name of a time-to-event outcome.
    by : str
        Column of at most 20 groups.
    rho : float
        0, the default, gives all days equal weight; above 0 early differences count more. Say which before looking.
    strata : str or list of str, optional
        Columns within whose combinations the groups are compared.
    duration, status, event, competing : str
        Columns of a plain frame and words of ``status``.

    Returns
    -------
    GroupTest
        One row for each event that occurs, competing ones too.

    Raises
    ------
    InputError
        One group, a negative ``rho``, late entry or several rows of a patient, which the test has no form for, or no
        stratum with two groups at risk.
    DataError
        Times are negative or 0.

    When not to use it
    ------------------
    For why risks differ: a group may have fewer explants because more of it died. `compare_survival` compares the
    cause-specific hazards. And alone: give the risks and their difference beside it.

    References
    ----------
    Gray 1988, doi:10.1214/aos/1176350951. Held to R cmprsk 2.2-11 ``cuminc``.

    Examples
    --------
    >>> import pandas as pd
    >>> ended = ["explant", "death", "explant", "censored", "explant", "death", "censored", "explant"]
    >>> frame = pd.DataFrame({"days": [float(day) for day in range(1, 9)], "ended": ended})
    >>> frame["sex"] = ["f", "f", "m", "m"] * 2
    >>> keys = {"duration": "days", "status": "ended", "event": "explant", "competing": "death"}
    >>> compare_cumulative_incidence(frame, by="sex", **keys).frame[["cause", "df"]].values.tolist()
    [['explant', 1], ['death', 1]]
    """
    if not (np.isfinite(rho) and rho >= 0):
        raise InputError(f"rho={rho!r} must be 0 or more; 0 weights all days alike.")
    stratified = [strata] if isinstance(strata, str) else list(strata or ())
    columns = Columns(duration=duration, status=status, event=event, competing=competing)
    follow = follow_up(cohort, outcome, columns, also=[by, *stratified])
    _refuse_dependence(follow)

    def of_cause(place: int, group: Ints, stratum: Ints | None) -> LogRank:
        event = np.where(follow.cause == place, 1, np.where(follow.cause > 0, 2, 0))
        return gray(follow.stop, event, group, stratum=stratum, rho=rho)

    words = ["Gray's test of cumulative incidences, each event tested with the others competing"]
    words += [f"rho {rho:g}"] if rho else []
    words += [f"stratified by {', '.join(stratified)}"] if stratified else []
    return compare_groups(follow, by, stratified, of_cause, method="; ".join(words) + ".")


def _refuse_dependence(follow: FollowUp) -> None:
    """Raise `InputError` for follow-up that Gray's test has no form for."""
    why = "late entry" if follow.entry is not None else f"several rows of a {follow.cluster}" if follow.cluster else ""
    if why:
        raise InputError(
            f"Gray's test has no form for {why}; use fit_fine_gray with the groups as formula=, whose Wald test of all "
            f"terms compares the same risks."
        )
