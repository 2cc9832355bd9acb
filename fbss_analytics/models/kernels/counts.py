"""Mean number of events per row, on arrays: Nelson-Aalen type without, Ghosh-Lin with a terminal event.

Row ``i`` is at risk at ``u`` when it has a piece with ``start < u <= stop``; ``Y`` counts such rows, ``dN`` events and
``dD`` terminal events at ``u``. With ``S`` the Kaplan-Meier survival from the terminal event (1 where there is none),

    mu(t) = sum_{u <= t} S(u-) dN / Y,

an event on the day of the terminal event being counted. The influence of row ``i`` is

    psi_i(t) = sum_{u <= t} S(u-) { (dN_i - Y_i dN / Y) / Y - G_i(u-) dN / Y },
    G_i(u)   = sum_{v <= u} (dD_i - Y_i dD / Y) / (Y - dD),

and the variance the sum of its squares, within patients first (``cluster``): Lawless and Nadeau's robust variance, and
with a terminal event Ghosh and Lin's.

References: Lawless and Nadeau 1995 (doi:10.1080/00401706.1995.10484300); Ghosh and Lin 2000
(doi:10.1111/j.0006-341X.2000.00554.x).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pieces:
    """Pieces of follow-up. Shapes (m,): ``row`` codes from 0, ``start``, ``stop``, ``event`` and ``ended`` (bool)."""

    row: Ints
    start: Floats
    stop: Floats
    event: Mask
    ended: Mask


@dataclass(frozen=True, eq=False)
class Counts:
    """Mean counts at distinct times, the first of them 0. Shapes (K,).

    ``risk`` is the probability of the terminal event; ``at_risk`` counts rows just before each time, ``left`` those
    followed no further without the terminal event.
    """

    time: Floats
    mean: Floats
    mean_error: Floats
    risk: Floats
    risk_error: Floats
    at_risk: Ints
    events: Ints
    terminal: Ints
    left: Ints


def mean_counts(pieces: Pieces, n: int, *, cluster: Ints | None = None) -> Counts:
    """Estimate the mean cumulative count of ``n`` rows; ``cluster`` (n,) codes the patient of each row."""
    time, at = np.unique(np.append(pieces.stop, 0.0), return_inverse=True)
    at, size = at[:-1], len(time)
    begin = np.searchsorted(time, pieces.start, side="right")
    events, terminal = np.bincount(at[pieces.event], minlength=size), np.bincount(at[pieces.ended], minlength=size)
    last = np.zeros(n, dtype=np.int64)
    np.maximum.at(last, pieces.row, at)
    ended = np.zeros(n, dtype=bool)
    ended[pieces.row[pieces.ended]] = True
    at_risk = _at_risk(begin, at, size)
    risk = np.maximum(at_risk, 1).astype(np.float64)
    death = terminal / risk
    survival = np.asarray(np.cumprod(1.0 - death), dtype=np.float64)
    before = np.append(1.0, survival[:-1])
    rate = events / risk
    mean_error, risk_error = _errors(pieces, n, at, begin, (risk, before, rate, terminal), survival, cluster)
    shown = at_risk.copy()
    shown[0] = len(np.unique(pieces.row[pieces.start == 0]))
    return Counts(
        time=time,
        mean=np.cumsum(before * rate),
        mean_error=mean_error,
        risk=1.0 - survival,
        risk_error=risk_error,
        at_risk=shown,
        events=events.astype(np.int64),
        terminal=terminal.astype(np.int64),
        left=np.bincount(last[~ended], minlength=size).astype(np.int64),
    )


def _at_risk(begin: Ints, at: Ints, size: int) -> Ints:
    """Return how many pieces are under way at each time; pieces without length are none."""
    long = at >= begin
    came = np.bincount(begin[long], minlength=size + 1)[:size]
    went = np.bincount(at[long] + 1, minlength=size + 1)[:size]
    return np.asarray(np.cumsum(came - went), dtype=np.int64)


def _errors(
    pieces: Pieces,
    n: int,
    at: Ints,
    begin: Ints,
    totals: tuple[Floats, Floats, Floats, Ints],
    survival: Floats,
    cluster: Ints | None,
) -> tuple[Floats, Floats]:
    """Return the standard errors (K,) of the mean count and of the risk of the terminal event."""
    risk, before, rate, terminal = totals
    size = len(risk)
    mean_error, risk_error = np.zeros(size), np.zeros(size)
    psi, death = np.zeros(n), np.zeros(n)
    present = np.zeros(n, dtype=bool)
    long = np.flatnonzero(at >= begin)
    coming, going = _by_time(begin[long], size), _by_time(at[long], size)
    occurring, dying = _by_time(at[pieces.event], size), _by_time(at[pieces.ended], size)
    row, of_event, of_end = pieces.row[long], pieces.row[pieces.event], pieces.row[pieces.ended]
    for k in range(size):
        present[row[coming[k]]] = True
        if len(occurring[k]):
            psi -= before[k] * rate[k] * death
            psi[present] -= before[k] * rate[k] / risk[k]
            np.add.at(psi, of_event[occurring[k]], before[k] / risk[k])
        if len(dying[k]):
            left = risk[k] - terminal[k]
            if left > 0:
                death[present] -= terminal[k] / risk[k] / left
                death[of_end[dying[k]]] += 1.0 / left
        mean_error[k] = _root(psi, cluster)
        risk_error[k] = survival[k] * _root(death, cluster)
        # A row whose next piece begins here is present at the next time again; see the order of the two updates.
        present[row[going[k]]] = False
    return mean_error, risk_error


def _by_time(at: Ints, size: int) -> list[Ints]:
    """Return, for each time, the positions of the values that are its index."""
    order = np.argsort(at, kind="stable")
    cuts = np.searchsorted(at[order], np.arange(size + 1))
    return [order[cuts[k] : cuts[k + 1]] for k in range(size)]


def _root(influence: Floats, cluster: Ints | None) -> float:
    own = influence if cluster is None else np.bincount(cluster, influence)
    return float(np.sqrt(own @ own))
