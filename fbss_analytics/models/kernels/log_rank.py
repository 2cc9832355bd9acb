"""Weighted log-rank statistics on arrays: what each group saw, what was expected, and the covariance.

At each time ``u`` with an event, in each stratum, ``Y_g`` rows of group ``g`` are at risk (entry < u <= stop), ``Y`` in
all, and ``d_g`` of them, ``d`` in all, have the event. With ``S`` the Kaplan-Meier survival of all groups of the
stratum together and weights ``w(u) = S(u-)^rho (1 - S(u-))^gamma``,

    O_g = sum w d_g,    E_g = sum w d Y_g / Y,
    V_gh = sum w^2 d (Y - d) / (Y - 1) (Y_g / Y) ([g = h] - Y_h / Y),

and ``(O - E)' V^- (O - E)`` is chi-squared with as many degrees of freedom as ``V`` has rank. The covariance is that of
the hypergeometric distribution, right on ties; of rows that belong together (``cluster``) it is the sum over clusters
of the squares of what their rows add to ``O - E``,

    sum_rows { w(t_i) dN_i ([g_i = g] - Y_g / Y) - sum_{u at risk} w(u) ([g_i = g] - Y_g / Y) d / Y }.

References: Mantel 1966; Peto and Peto 1972 (doi:10.2307/2344317); Fleming and Harrington 1981
(doi:10.1080/03610928108828179); Lin and Wei 1989 (doi:10.1080/01621459.1989.10478874) for the clustered covariance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class LogRank:
    """Weighted events of each group: ``observed``, ``expected`` (G,), ``covariance`` (G, G) of their difference."""

    observed: Floats
    expected: Floats
    covariance: Floats


def log_rank(
    stop: Floats,
    event: Mask,
    group: Ints,
    *,
    entry: Floats | None = None,
    stratum: Ints | None = None,
    cluster: Ints | None = None,
    rho: float = 0.0,
    gamma: float = 0.0,
) -> LogRank:
    """Return observed and expected events of every group, summed over strata.

    Parameters
    ----------
    stop : (n,) time. event : (n,) bool. group : (n,) codes 0 .. G - 1. entry : (n,) at risk from just after it.
    stratum : (n,) codes. cluster : (n,) codes of the patient. rho, gamma : powers of the weight.
    """
    n, size = len(stop), int(group.max()) + 1
    strata = np.zeros(n, dtype=np.int64) if stratum is None else stratum
    observed, expected = np.zeros(size), np.zeros(size)
    covariance = np.zeros((size, size), dtype=np.float64)
    own = np.zeros((n, size)) if cluster is not None else None
    for code in np.unique(strata[event]):
        rows = np.flatnonzero(strata == code)
        begin = None if entry is None else entry[rows]
        table = _table(stop[rows], event[rows], group[rows], begin, size)
        weight = _weight(table, rho, gamma)
        seen = table.deaths.sum(axis=0)
        share = table.at_risk / table.risk
        observed += table.deaths @ weight
        expected += share @ (weight * seen)
        left = np.divide(table.risk - seen, table.risk - 1, out=np.zeros_like(table.risk), where=table.risk > 1)
        spread = weight**2 * seen * left
        covariance += np.diag(share @ spread) - (share * spread) @ share.T
        if own is not None:
            own[rows] = _contributions(table, weight, seen, share, event[rows], group[rows])
    if own is not None and cluster is not None:
        summed = np.stack([np.bincount(cluster, column) for column in own.T])
        covariance = np.asarray(summed @ summed.T, dtype=np.float64)
    return LogRank(observed, expected, covariance)


def chi_squared(difference: Floats, covariance: Floats) -> tuple[float, int]:
    """Return the statistic of a difference (G,) and its degrees of freedom, the rank of the covariance."""
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True))
    if rank == 0:
        return 0.0, 0
    return float(difference @ np.linalg.pinv(covariance, rcond=1e-10, hermitian=True) @ difference), rank


@dataclass(frozen=True, eq=False)
class _Table:
    """Event times of one stratum: ``at_risk`` and ``deaths`` (G, K), ``risk`` (K,); rows are at risk at the times
    ``first`` .. ``last`` - 1 of the grid."""

    at_risk: Floats
    deaths: Floats
    risk: Floats
    first: Ints
    last: Ints


def _table(stop: Floats, event: Mask, group: Ints, entry: Floats | None, size: int) -> _Table:
    """Return the counts of one stratum at its distinct event times."""
    time = np.unique(stop[event])
    k = len(time)
    last = np.searchsorted(time, stop, side="right")
    first = np.zeros(len(stop), dtype=np.int64) if entry is None else np.searchsorted(time, entry, side="right")
    # A row at risk at no event time enters and leaves at the same place and cancels out.
    change = _counts(group, first, size, k + 1) - _counts(group, last, size, k + 1)
    at_risk = np.cumsum(change, axis=1)[:, :-1]
    deaths = _counts(group[event], last[event] - 1, size, k)
    return _Table(at_risk, deaths, at_risk.sum(axis=0), first, last)


def _counts(group: Ints, place: Ints, size: int, k: int) -> Floats:
    """Return how many rows of each group stand at each place, (G, k)."""
    return np.bincount(group * k + place, minlength=size * k).reshape(size, k).astype(np.float64)


def _weight(table: _Table, rho: float, gamma: float) -> Floats:
    """Return the weight (K,) from the survival of all groups just before each time."""
    survival = np.cumprod(1 - table.deaths.sum(axis=0) / table.risk)
    before = np.append(1.0, survival[:-1])
    return np.asarray(before**rho * (1 - before) ** gamma, dtype=np.float64)


def _contributions(table: _Table, weight: Floats, seen: Floats, share: Floats, event: Mask, group: Ints) -> Floats:
    """Return what each row adds (n, G) to observed less expected, in expectation 0."""
    rate = weight * seen / table.risk
    passed = np.append(0.0, np.cumsum(rate))
    shared = np.hstack([np.zeros((len(share), 1)), np.cumsum(share * rate, axis=1)])
    member = np.eye(len(share))[group]
    own = -(member * (passed[table.last] - passed[table.first])[:, None])
    own += (shared[:, table.last] - shared[:, table.first]).T
    at = table.last[event] - 1
    own[event] += weight[at, None] * (member[event] - share[:, at].T)
    return np.asarray(own, dtype=np.float64)
