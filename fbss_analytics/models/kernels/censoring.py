"""Weights of inverse probability of censoring for rows with a competing event, and what estimating them adds.

After a competing event at ``s`` a row counts at the event time ``t > s`` with the weight ``g(t) / g(s)``, where
``g(t) = G(t-) H(t-)``: the chance of not being censored before ``t``, times that of having entered before ``t``,

    G(t-) = prod_{u < t} (1 - d(u) / Y(u)),        H(t-) = prod_{v >= t} (1 - e(v) / R(v)),

``d`` counting the censored at ``u`` among the ``Y`` with entry < u <= stop, ``e`` those who enter at ``v`` among the
``R`` with entry <= v < stop. Events of a day come before its censorings, so ``Y`` leaves them out; ``crr`` of R cmprsk
keeps them (``events_first=False``). Rows of one stratum have their own ``G`` and ``H``, and no weight after its last
day.

Influence: row ``j`` moves log g(t) - log g(s) by ``-dM_j(u) / (Y - d)`` at each ``u`` in [s, t), with
``dM_j(u) = [j censored at u] - [j at risk at u] d / Y``; ``H`` likewise with the opposite sign. Fine and Gray's own
estimator takes ``Y`` for ``Y - d`` (Nelson-Aalen for Kaplan-Meier) and ``u`` in (s, t], and so does ``crr``; without
ties the difference is of order 1 / Y.

References: Fine and Gray 1999 (doi:10.1080/01621459.1999.10474144); Geskus 2011
(doi:10.1111/j.1541-0420.2010.01420.x) for late entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Jumps:
    """One product of a stratum: its ``time`` (U,), who leaves it (``gone``) and who is ``present``, by weight.

    ``reach`` is ``present - gone``, or ``present`` where Nelson-Aalen stands for Kaplan-Meier. For each row of the
    stratum: ``own`` the place of its own jump (-1 without), and it is present at the times ``since .. until - 1``.
    """

    time: Floats
    gone: Floats
    present: Floats
    reach: Floats
    own: Ints
    since: Ints
    until: Ints


@dataclass(frozen=True, eq=False)
class Stratum:
    """The weights of one censoring stratum: its ``rows`` of the data, ``censoring``, ``entering``, ``last`` day.

    ``side`` says where the times a weight reaches across begin: "right" for [s, t), "left" for (s, t].
    """

    rows: Ints
    censoring: Jumps
    entering: Jumps | None
    last: float
    side: Literal["left", "right"]

    @property
    def times(self) -> Floats:
        """The times (U + V,) of the jumps of G, then of H."""
        entering = np.empty(0) if self.entering is None else self.entering.time
        return np.concatenate([self.censoring.time, entering])

    def remaining(self, time: Floats) -> Floats:
        """Return g just before each time, 0 after the last day of the stratum."""
        g = np.append(1.0, np.cumprod(1 - self.censoring.gone / self.censoring.present))
        share = g[np.searchsorted(self.censoring.time, time, side="left")]
        if self.entering is not None:
            h = np.append(np.cumprod((1 - self.entering.gone / self.entering.present)[::-1])[::-1], 1.0)
            share = share * h[np.searchsorted(self.entering.time, time, side="left")]
        return np.where(time > self.last, 0.0, share)


def censoring_strata(
    stop: Floats,
    censored: npt.NDArray[np.bool_],
    entry: Floats | None,
    stratum: Ints,
    weight: Floats,
    *,
    events_first: bool,
) -> tuple[Stratum, ...]:
    """Estimate G, and with late entry H, in every stratum.

    Parameters
    ----------
    stop, censored, entry, stratum (codes from 0, each present), weight : (n,).
    events_first : events of a day come before its censorings.
    """
    made = []
    for code in range(int(stratum.max()) + 1):
        rows = np.flatnonzero(stratum == code)
        end, out, w = stop[rows], censored[rows], weight[rows]
        begin = np.full(len(rows), -np.inf) if entry is None else entry[rows]
        censoring = _censoring(end, out, begin, w, events_first)
        entering = None if entry is None else _entering(end, begin, w, events_first)
        made.append(Stratum(rows, censoring, entering, float(end.max()), "right" if events_first else "left"))
    return tuple(made)


def _censoring(stop: Floats, censored: npt.NDArray[np.bool_], entry: Floats, weight: Floats, exact: bool) -> Jumps:
    """Return the jumps of G."""
    time = np.unique(stop[censored])
    since = np.searchsorted(time, entry, side="right")
    until = np.searchsorted(time, stop, side="right")
    own = np.where(censored, until - 1, -1)
    if exact:
        # Events of the day are gone before its censorings.
        until -= ~censored & (np.append(-np.inf, time)[until] == stop)
    return _jumps(time, own, since, np.maximum(since, until), weight, exact)


def _entering(stop: Floats, entry: Floats, weight: Floats, exact: bool) -> Jumps:
    """Return the jumps of H, in reverse time."""
    time, own = np.unique(entry, return_inverse=True)
    return _jumps(time, own, own, np.searchsorted(time, stop, side="left"), weight, exact)


def _jumps(time: Floats, own: Ints, since: Ints, until: Ints, weight: Floats, exact: bool) -> Jumps:
    """Return the jumps at ``time`` of rows that are present at ``since .. until - 1``."""
    size = len(time) + 1
    gone = np.bincount(own[own >= 0], weight[own >= 0], len(time)).astype(np.float64)
    present = np.cumsum(np.bincount(since, weight, size) - np.bincount(until, weight, size))[:-1]
    return Jumps(time, gone, present, present - gone if exact else present, own, since, until)


def weight_influence(strata: tuple[Stratum, ...], pulls: list[Floats], n: int) -> Floats:
    """Return how each row (n,) moves d statistics (d, n) by way of the weights.

    Parameters
    ----------
    pulls : (d, U + V) per stratum, at its ``times``: minus the derivative of the statistics by the log of all weights
        that reach across each time.
    """
    influence = np.zeros((len(pulls[0]), n))
    for stratum, pull in zip(strata, pulls, strict=True):
        split = len(stratum.censoring.time)
        for moved, own in zip(influence, pull, strict=True):
            moved[stratum.rows] = _martingale(stratum.censoring, own[:split])
            if stratum.entering is not None:
                moved[stratum.rows] -= _martingale(stratum.entering, own[split:])
    return influence


def _martingale(jumps: Jumps, pull: Floats) -> Floats:
    """Return the integral (n,) of pull / reach (U,) against each row's martingale of the jumps."""
    # Where nobody is left the product is 0 and no weight reaches across: the pull is 0 there.
    rate = np.divide(pull, jumps.reach, out=np.zeros_like(pull), where=jumps.reach > 0)
    drift = np.append(0.0, np.cumsum(rate * (jumps.gone / jumps.present)))
    moved = np.append(rate, 0.0)[jumps.own] - drift[jumps.until]
    if jumps.since.any():
        moved += drift[jumps.since]
    return np.asarray(moved, dtype=np.float64)
