"""`estimate_survival`, `estimate_cause_specific_hazard` and the log-log view of a curve."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..cohort import Cohort
from ..errors import InputError, one_of
from .censored_competing import censored_beside_incidence
from .crosscheck_curves import check_curve
from .curves import risk_curve
from .followup import Columns, ended_by, follow_up, pick_cause
from .results import Curve


def estimate_survival(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str | None = None,
    by: str | None = None,
    conf_level: float = 0.95,
    conf_type: str = "log-log",
    weights: str | None = None,
    crosscheck: bool = False,
    competing: str | None = None,
    acknowledge: str | None = None,
    duration: str | None = None,
    status: str | None = None,
    event: str | None = None,
    entry: str | None = None,
) -> Curve:
    """Estimate the share still free of the event, by Kaplan-Meier.

    **Definition**: S(t) = product over the days u <= t with an event of (1 - events / at risk); at risk on day u are
    rows with entry < u <= day of leaving, so an event on the last day of follow-up counts.

    Parameters
    ----------
    cohort : Cohort or DataFrame
        A cohort takes ``outcome=``; a plain frame ``duration=``, ``status=``, ``event=`` and ``entry=``.
    outcome : str
        Name of a time-to-event outcome without competing events.
    by : str, optional
        Column of at most 20 groups.
    conf_level : float
        0.95 by default.
    conf_type : str
        ``log-log`` (the default), ``log`` (R's default) or ``plain``.
    weights : str, optional
        Column of weights above 0. Whole numbers count rows; others (sampling, treatment weights) make standard errors
        robust, and numbers at risk then count rows unweighted.
    crosscheck : bool
        Estimate again with statsmodels, and stop when it disagrees at any step. It has no standard errors of weighted
        or clustered rows; the method says what was compared.
    competing : str, optional
        ``censor`` counts competing events as censored, to repeat figures printed that way; with ``acknowledge=``.
    acknowledge : str, optional
        Why that is needed; recorded in the method and the definitions.
    duration, status, event, entry : str
        Columns of days, status (text, true/false or 0/1) and late entry; the word of ``status`` that is the event.

    Returns
    -------
    Curve
        Of kind ``survival``, with Greenwood's standard errors. With ``competing="censor"`` of kind
        ``cumulative_incidence``: the Aalen-Johansen risk of every event, beside it 1 - Kaplan-Meier (``overstated``).

    Raises
    ------
    InputError
        The outcome has competing events and these are not acknowledged as censored, status is ambiguous (1/2), or there
        is no event.
    DataError
        Times are negative, 0 or not after entry; weights are 0 or less; or the second engine disagrees.

    When not to use it
    ------------------
    Where another event (death) ends the wait: 1 - S is then no risk; use `estimate_cumulative_incidence`.

    References
    ----------
    Kaplan and Meier 1958, doi:10.1080/01621459.1958.10501452. Held to R survival 3.5-3 ``survfit``.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [5.0, 8.0, 8.0, 12.0], "ended": ["explant", "censored", "explant", "explant"]})
    >>> curve = estimate_survival(frame, duration="days", status="ended", event="explant")
    >>> curve.frame["estimate"].tolist()
    [1.0, 0.75, 0.5, 0.0]
    """
    columns = Columns(duration=duration, status=status, event=event, entry=entry)
    censor = one_of(competing, ("censor",), name="competing") if competing is not None else ""
    others = "compete" if censor else "refuse"
    follow = follow_up(cohort, outcome, columns, also=[name for name in (by, weights) if name], others=others)
    if censor and len(follow.causes) > 1:
        if crosscheck:
            raise InputError(
                "crosscheck=True compares survival with a second engine, not 1 minus Kaplan-Meier beside the risk; "
                "use it in estimate_cumulative_incidence."
            )
        return censored_beside_incidence(
            follow, acknowledge=acknowledge, by=by, conf_level=conf_level, conf_type=conf_type, weights=weights
        )
    if len(follow.causes) > 1:
        named = ", ".join(follow.causes[1:])
        raise InputError(
            f"{follow.outcome!r} has competing events ({named}): 1 minus Kaplan-Meier would not be its risk. "
            f"Use estimate_cumulative_incidence; for the log-log plot, estimate_cause_specific_hazard."
        )
    curve = risk_curve(
        follow,
        kind="survival",
        cause=follow.cause,
        names=follow.causes,
        by=by,
        conf_level=conf_level,
        conf_type=conf_type,
        method=f"Kaplan-Meier (own kernel), Greenwood standard error, {conf_type} interval",
        weights=weights,
    )
    return check_curve(curve, follow, weights=weights) if crosscheck else curve


def estimate_cause_specific_hazard(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str | None = None,
    cause: str | None = None,
    by: str | None = None,
    conf_level: float = 0.95,
    duration: str | None = None,
    status: str | None = None,
    event: str | None = None,
    entry: str | None = None,
) -> Curve:
    """Estimate the cumulative cause-specific hazard, by Nelson-Aalen.

    **Definition**: H(t) = sum over the days u <= t of events of the cause / at risk; other events end follow-up on
    their day. The column ``n_censored`` counts them with the censored.

    Parameters
    ----------
    cohort, outcome, by, conf_level, duration, status, event, entry
        As in `estimate_survival`; other events of ``status`` are allowed.
    cause : str, optional
        Which event, where the outcome has several.

    Returns
    -------
    Curve
        Of kind ``cumulative_hazard``; `log_minus_log` of it gives the log-log plot of proportional hazards.

    Raises
    ------
    InputError, DataError
        As in `estimate_survival`; or ``cause`` is not an event of the outcome.

    When not to use it
    ------------------
    As a risk: a cumulative hazard is not a probability; use `estimate_cumulative_incidence`.

    References
    ----------
    Aalen 1978, doi:10.1214/aos/1176344247. Held to R survival 3.5-3 (``cumhaz``, ``std.chaz``).

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [5.0, 8.0, 9.0, 12.0], "ended": ["explant", "death", "censored", "explant"]})
    >>> curve = estimate_cause_specific_hazard(frame, duration="days", status="ended", event="explant")
    >>> curve.frame["estimate"].tolist()
    [0.0, 0.25, 0.25, 0.25, 1.25]
    """
    columns = Columns(duration=duration, status=status, event=event, entry=entry)
    follow = follow_up(cohort, outcome, columns, also=[by] if by else [], others="compete")
    which = pick_cause(follow, cause)
    happened = follow.cause == 1 + follow.causes.index(which)
    return risk_curve(
        follow,
        kind="cumulative_hazard",
        cause=happened.astype(np.int64),
        names=(which,),
        by=by,
        conf_level=conf_level,
        conf_type="log",
        method=f"Nelson-Aalen cumulative hazard of {follow.name_of(which)}{ended_by(follow, which)}, log interval",
    )


def log_minus_log(curve: Curve) -> pd.DataFrame:
    """Return the points of a log-log plot: parallel lines speak for proportional hazards.

    **Definition**: log days against log(-log S(t)) of a survival curve, or against log H(t) of a cumulative hazard;
    steps where S is 1 or 0 have no point.

    Parameters
    ----------
    curve : Curve
        Of kind ``survival`` or ``cumulative_hazard``.

    Returns
    -------
    DataFrame
        group, log_days, log_minus_log.

    Raises
    ------
    InputError
        Another kind of curve.

    When not to use it
    ------------------
    As a test: with few events early lines cross by chance.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"days": [5.0, 8.0, 12.0], "ended": ["explant", "censored", "explant"]})
    >>> curve = estimate_survival(frame, duration="days", status="ended", event="explant")
    >>> log_minus_log(curve).round(3).values.tolist()
    [['all', 1.609, -0.903], ['all', 2.079, -0.903]]
    """
    if curve.kind not in ("survival", "cumulative_hazard"):
        raise InputError(f"A log-log plot needs a survival curve or a cumulative hazard, not kind {curve.kind!r}.")
    steps = curve.frame
    with np.errstate(divide="ignore"):
        hazard = -np.log(steps["estimate"]) if curve.kind == "survival" else steps["estimate"]
    steps = steps[(hazard > 0) & np.isfinite(hazard)]
    drawn = {
        "group": steps["group"],
        "log_days": np.log(steps["time_days"]),
        "log_minus_log": np.log(hazard[steps.index]),
    }
    return pd.DataFrame(drawn).reset_index(drop=True)
