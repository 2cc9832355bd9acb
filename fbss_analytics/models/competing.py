"""`estimate_cumulative_incidence`: risks where other events compete, by Aalen-Johansen."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ..cohort import Cohort
from .curves import risk_curve
from .followup import Columns, follow_up
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
