"""`estimate_cumulative_incidence` and `estimate_cause_specific_hazard`: curves where other events compete."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..cohort import Cohort
from .curves import risk_curve
from .followup import Columns, ended_by, follow_up, pick_cause
from .results import Curve


def estimate_cumulative_incidence(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str | None = None,
    by: str | None = None,
    conf_level: float = 0.95,
    conf_type: str = "log-log",
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
        Times are negative, 0 or not after entry.

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
    follow = follow_up(cohort, outcome, columns, also=[by] if by else [])
    return risk_curve(
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
    )


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
