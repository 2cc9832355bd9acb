"""Concordance of a risk score with survival, and its standard error, in one sweep over time per stratum.

Of all pairs of rows of a stratum in which one has the event at ``t`` and the other is at risk after it (``entry < t``,
and ``t < stop``, or ``t = stop`` without the event), each counting the product of its weights, C is the share in which
the first has the higher score, ties of the score counting a half. The derivative of C by a row's weight is
``(A_i - C B_i) / B``, with ``A_i`` and ``B_i`` the row's concordant and all pairs and ``B`` the sum of all pairs: the
infinitesimal jackknife, whose squares, summed within clusters, add up to the variance.

References: Harrell et al. 1982 (doi:10.1001/jama.1982.03320430047030); Therneau and Watson 2017, The concordance
statistic and the Cox model, Mayo Clinic technical report 85.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiled import compiled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DIGITS = 10
"""Decimals at which scores are told apart: rows with the same covariates must tie whatever the order of a sum."""

LEAVE_WITH_EVENT, MEET_LATER, JOIN_EVENTS, LEAVE_CENSORED, ENTER = range(5)
"""What happens to a row, in the order of one day."""


def concordance(
    score: Floats,
    stop: Floats,
    event: npt.NDArray[np.bool_],
    *,
    entry: Floats | None = None,
    stratum: Ints | None = None,
    weight: Floats | None = None,
) -> tuple[float, Floats, float]:
    """Return C, each row's influence (n,) on it, and the weight of the pairs.

    Parameters
    ----------
    score : (n,) higher means earlier events. stop, event, entry, stratum, weight : as in `risk_sets`.
    """
    n = len(stop)
    begin = np.full(n, -np.inf) if entry is None else entry
    weights = np.ones(n) if weight is None else weight
    strata = np.zeros(n, dtype=np.int64) if stratum is None else stratum
    rank = np.unique(np.round(score, DIGITS), return_inverse=True)[1].astype(np.int64)
    higher, pairs, total = np.zeros(n), np.zeros(n), np.zeros(2)
    for rows in np.split(np.argsort(strata, kind="stable"), np.cumsum(np.bincount(strata))[:-1]):
        happened = np.flatnonzero(event[rows])
        left = np.flatnonzero(~event[rows])
        every = np.arange(len(rows))
        kinds = ((happened, LEAVE_WITH_EVENT), (happened, MEET_LATER), (happened, JOIN_EVENTS), (left, LEAVE_CENSORED))
        row = np.concatenate([*(which for which, _ in kinds), every])
        act = np.concatenate([*(np.full(len(which), kind) for which, kind in kinds), np.full(len(every), ENTER)])
        day = np.concatenate([stop[rows][row[: -len(every)]], begin[rows]])
        order = np.lexsort((act, day))
        arguments = (row[order], act[order], rank[rows], weights[rows], int(rank.max()) + 1)
        higher[rows], pairs[rows], own = _compiled()(*arguments)
        total += own
    if total[1] == 0:
        return np.nan, np.full(n, np.nan), 0.0
    c = float(total[0] / total[1])
    return c, weights * (higher - c * pairs) / total[1], float(total[1])


@lru_cache(maxsize=1)
def _compiled() -> Callable[..., Any]:
    """Return `sweep` compiled."""
    return compiled(sweep)


def sweep(row: Ints, act: Ints, rank: Ints, weight: Floats, size: int) -> tuple[Floats, Floats, Floats]:
    """Return the concordant and all pairs (n,) of each row, and their sums over the rows with the event (2,).

    ``row`` and ``act``: who does what, in order. Two trees of running sums over ranks (Fenwick) hold the weights at
    risk and those of the events so far. Written for the compiler.
    """

    def add(tree: Floats, place: int, value: float) -> None:
        place += 1
        while place < len(tree):
            tree[place] += value
            place += place & -place

    def below(tree: Floats, place: int) -> float:
        value = 0.0
        while place > 0:
            value += tree[place]
            place -= place & -place
        return value

    at_risk, gone = np.zeros(size + 1), np.zeros(size + 1)
    n_at_risk, n_gone = 0.0, 0.0
    higher, pairs, total = np.zeros(len(rank)), np.zeros(len(rank)), np.zeros(2)
    for k in range(len(row)):
        i = row[k]
        r, w = rank[i], weight[i]
        if act[k] == MEET_LATER:
            concordant = (below(at_risk, r) + below(at_risk, r + 1)) / 2
            higher[i] += concordant
            pairs[i] += n_at_risk
            total[0] += w * concordant
            total[1] += w * n_at_risk
        elif act[k] == JOIN_EVENTS:
            add(gone, r, w)
            n_gone += w
        else:
            # Pairs of this row with the events of its days at risk: those by its end less those by its entry.
            sign = -1.0 if act[k] == ENTER else 1.0
            higher[i] += sign * (n_gone - (below(gone, r) + below(gone, r + 1)) / 2)
            pairs[i] += sign * n_gone
            add(at_risk, r, -sign * w)
            n_at_risk -= sign * w
    return higher, pairs, total
