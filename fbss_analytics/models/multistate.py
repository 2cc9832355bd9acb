"""`estimate_state_occupancy`: what share of everyone is in each state, day by day, by Aalen-Johansen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, nearest
from ..formats import plural
from .bands import probability_limits
from .episodes import spells, unit_of
from .kernels.occupancy import Intervals, Occupancy, occupancy
from .results import STEP_COLUMNS, Curve


def estimate_state_occupancy(
    episodes: Any,
    *,
    row: str = "row",
    start: str = "start_day",
    stop: str = "stop_day",
    state: str = "state",
    states: Sequence[str] | None = None,
    among: Sequence[str] | None = None,
    by: str | None = None,
    cluster: str | None = None,
    outcome: str = "state",
    conf_level: float = 0.95,
    conf_type: str = "log-log",
) -> Curve:
    """Estimate the share of everyone who is in each state on each day, by Aalen-Johansen.

    **Definition**: p(t) = p(0) x product over the days u <= t of (I + A(u)), A holding the moves from state to state on
    day u over those at risk in the state left; at risk on day u are rows with start < u <= stop. A row is in its state
    from ``start`` on, and in the next one from ``stop`` on, that day included; where nothing follows it is censored on
    ``stop``. All moves of one day are taken together. Shares of all states add up to 1.

    Parameters
    ----------
    episodes : DataFrame, or anything whose ``.frame`` is one
        One row per interval; every row of the cohort from day 0, without gaps. Death is a state, and so is time not
        observed where it is not to count as censoring.
    row, start, stop, state : str
        Columns of the row of the cohort, the first day, the day of leaving, and the state (text).
    states : list of str, optional
        All states, in the order of the figure; as they first occur by day when None.
    among : list of str, optional
        Shares among those in one of these states, for instance "among those with a pump" beside everyone implanted.
    by : str, optional
        Column of at most 20 groups, the same in all intervals of a row.
    cluster : str, optional
        Column of the patient where a patient has several rows: standard errors are clustered on it.
    outcome : str
        What the states describe, for sentences and figures.
    conf_level : float
        0.95 by default.
    conf_type : str
        ``log-log`` (the default), ``log`` (R's default) or ``plain``.

    Returns
    -------
    Curve
        Of kind ``state_occupancy``, a state in ``cause``; ``n_at_risk`` counts those in the state just before a day,
        ``n_events`` moves into it, ``n_censored`` those last seen in it. Standard errors are the infinitesimal
        jackknife. Limits are missing where a share is 0 or 1 although moves have taken place.

    Raises
    ------
    InputError
        A column is not there; a state is not text or not among ``states``; ``among`` names no state.
    DataError
        Values are missing, or a row starts late, has a gap or an overlap.

    When not to use it
    ------------------
    Where leaving the study depends on the state: censoring must not. And to say how many ever reach a state, which
    occupancy hides: use `estimate_cumulative_incidence`.

    References
    ----------
    Aalen and Johansen 1978, https://www.jstor.org/stable/4615704; Datta and Satten 2001,
    doi:10.1016/S0167-7152(01)00155-9. Held to R survival 3.5-3 ``survfit``.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame(
    ...     [(1, 0, 10, "using"), (1, 10, 30, "free"), (2, 0, 20, "using"), (3, 0, 30, "using"), (4, 0, 15, "free")],
    ...     columns=["row", "start_day", "stop_day", "state"],
    ... )
    >>> curve = estimate_state_occupancy(frame, states=["free", "using"])
    >>> curve.at([0, 10, 20])[["cause", "horizon_days", "estimate"]].values.tolist()[:3]
    [['free', 0.0, 0.25], ['free', 10.0, 0.5], ['free', 20.0, 0.5]]
    """
    found = spells(episodes, row=row, start=start, stop=stop, label=state, by=by, cluster=cluster)
    names = _states(found.label, found.start, states)
    codes = np.asarray(pd.Index(names).get_indexer(pd.Index(found.label)), dtype=np.int64)
    chosen = None if among is None else _among(names, among)
    tables: list[pd.DataFrame] = []
    sizes: dict[str, int] = {}
    for number, group in enumerate(found.groups):
        mask, rows, patients = found.of(number)
        intervals = Intervals(rows, found.start[mask], found.stop[mask], codes[mask])
        steps = occupancy(intervals, len(names), among=chosen, cluster=patients)
        shown = range(len(names)) if chosen is None else chosen
        tables += [_table(steps, int(j), group, names[j], conf_type, conf_level) for j in shown]
        sizes[group] = int(rows[-1]) + 1
    words = "Aalen-Johansen state occupancy (own kernel), all moves of one day together, infinitesimal-jackknife "
    words += f"standard error, {conf_type} interval"
    words += f"; among those in {' or '.join(among)}" if among is not None else "; of everyone from day 0"
    if found.cluster is not None:
        words += f"; standard errors clustered on {cluster} ({plural(int(found.cluster.max()) + 1, 'cluster')})"
    return Curve(
        kind="state_occupancy",
        outcome=outcome,
        by=by,
        data=pd.concat(tables, ignore_index=True),
        method=f"{words}.",
        conf_type=conf_type,
        conf_level=conf_level,
        definitions=tuple(getattr(episodes, "definitions", ())),
        excluded=pd.DataFrame({"reason": pd.Series(dtype=object), "n": pd.Series(dtype=np.int64)}),
        n=sum(sizes.values()),
        events=int(sum(table["n_events"].sum() for table in tables)),
        sizes=sizes,
        unit=unit_of(episodes),
    )


def _states(labels: npt.NDArray[np.object_], start: npt.NDArray[np.float64], given: Sequence[str] | None) -> list[str]:
    """Return the names of all states in order."""
    if pd.api.types.infer_dtype(labels, skipna=False) != "string":
        raise InputError("States must be text, such as 'on pump, free'.")
    seen = list(dict.fromkeys(labels[np.argsort(start, kind="stable")]))
    if given is None:
        return seen
    if len(set(given)) != len(given):
        raise InputError("states= names a state twice.")
    for name in seen:
        if name not in given:
            raise InputError(f"states= does not name {name!r}, which occurs.{nearest(name, given)}")
    return list(given)


def _among(names: list[str], among: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the codes of the states named by ``among``."""
    wanted = [among] if isinstance(among, str) else list(among)
    for name in wanted:
        if name not in names:
            raise InputError(f"among= names {name!r}, which is no state.{nearest(name, names)}")
    return np.array([names.index(name) for name in wanted], dtype=np.int64)


def _table(steps: Occupancy, j: int, group: str, state: str, conf_type: str, conf_level: float) -> pd.DataFrame:
    """Return the steps of one group and state with `STEP_COLUMNS`."""
    estimate, error = steps.share[j], steps.std_error[j]
    low, high = probability_limits(estimate, error, conf_type=conf_type, conf_level=conf_level)
    counts = (steps.present[j], steps.entered[j], steps.censored[j])
    columns = (group, state, steps.time, estimate, error, low, high, *counts)
    return pd.DataFrame(dict(zip(STEP_COLUMNS, columns, strict=True)))
