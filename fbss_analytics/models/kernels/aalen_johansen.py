"""Kaplan-Meier, Nelson-Aalen and Aalen-Johansen curves on arrays, exact on ties, with late entry.

Row ``i`` is at risk at ``t`` when ``entry_i < t <= stop_i``; ``Y`` counts them, ``d_j`` counts events of cause ``j`` at
``t``, all causes of one time taken together:

    S(t) = prod_{u <= t} (1 - d / Y),    F_j(t) = sum_{u <= t} S(u-) d_j / Y,    H_j(t) = sum_{u <= t} d_j / Y.

Standard errors are the infinitesimal jackknife, as R's multi-state ``survfit``: with ``q = 1 / (1 - d / Y)`` the
influence of row ``i`` on ``F_j(t)`` is ``P_i(t) - F_j(t) B_i(t)``, where ``P`` and ``B`` add, over the times at which
``i`` is at risk, ``p_c`` and ``q`` times ``(dN_ic - d_c / Y) / Y`` with ``p_c = S(u-) [c = j] + F_j(u) q``. The sums
of squares follow in closed form from counts (and, with late entry, from sums over entry times), so the cost is O(rows
+ times). Without late entry this is Greenwood's variance for ``S``. Rows of one patient (``cluster``) are summed
before squaring.

References: Kaplan and Meier 1958 (doi:10.1080/01621459.1958.10501452); Aalen and Johansen 1978
(https://www.jstor.org/stable/4615704); Andersen, Borgan, Gill and Keiding 1993 (doi:10.1007/978-1-4612-4348-9);
Therneau, Crowson and Atkinson, vignette "Multi-state models and competing risks" of R survival (variance).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CELLS = 4_000_000
"""Influence values held at once when rows are clustered (32 MB)."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Curves of one group at its distinct times, the first of them 0. Shapes (K,) and, per cause, (J, K).

    ``at_risk`` counts just before each time (at time 0: those under observation then).
    """

    time: Floats
    at_risk: Ints
    events: Ints
    censored: Ints
    survival: Floats
    survival_error: Floats
    incidence: Floats
    incidence_error: Floats
    hazard: Floats
    hazard_error: Floats


def curves(
    stop: Floats,
    cause: Ints,
    n_causes: int,
    *,
    entry: Floats | None = None,
    cluster: Ints | None = None,
    entry_in_variance: bool = True,
) -> Steps:
    """Estimate all curves of one group.

    Parameters
    ----------
    stop : (n,) positive times. cause : (n,) 0 for censored, 1 .. ``n_causes``. entry : (n,) times of late entry.
    cluster : (n,) codes of the patient, where a patient may have several rows.
    entry_in_variance : keep the terms by which late entry makes the jackknife differ from Greenwood's variance. R keeps
        them in a multi-state ``survfit`` and leaves them out of a two-state one.
    """
    begin = np.zeros(len(stop)) if entry is None else np.asarray(entry, dtype=np.float64)
    time, place, began = _grid(np.asarray(stop, dtype=np.float64), begin, late=entry is not None)
    size = len(time)
    counts = np.bincount(cause * size + place, minlength=(n_causes + 1) * size).reshape(-1, size).astype(np.int64)
    censored, events = counts[0], counts[1:]
    entered = np.bincount(began, minlength=size)
    left = np.cumsum(counts.sum(axis=0))
    at_risk = np.cumsum(entered) - left
    at_risk[1:] = at_risk[:-1].copy()
    at_risk[0] = entered[0]
    risk = np.maximum(at_risk, 1).astype(np.float64)
    share = events / risk
    survival = np.cumprod(1.0 - share.sum(axis=0))
    before = np.append(1.0, survival[:-1])
    incidence = np.cumsum(before * share, axis=1)
    late = _Late(place, began, cause, size, n_causes) if entry is not None and entry_in_variance else None
    weights = _Weights(risk, events.astype(np.float64), before, incidence)
    if cluster is None:
        variance_s, variance_f = _variance(weights, survival, late)
    else:
        variance_s, variance_f = _clustered(weights, survival, place, began, cause, cluster)
    return Steps(
        time=time,
        at_risk=at_risk,
        events=events,
        censored=censored,
        survival=survival,
        survival_error=np.sqrt(variance_s),
        incidence=incidence,
        incidence_error=np.sqrt(variance_f),
        hazard=np.cumsum(share, axis=1),
        hazard_error=np.sqrt(np.cumsum(share / risk, axis=1)),
    )


@dataclass(frozen=True, eq=False)
class _Late:
    """Where rows enter and leave the grid, needed only with late entry."""

    place: Ints
    began: Ints
    cause: Ints
    size: int
    n_causes: int


@dataclass(frozen=True, eq=False)
class _Weights:
    """Counts and the two integrands of the influence function."""

    risk: Floats
    events: Floats
    before: Floats
    incidence: Floats

    @property
    def q(self) -> Floats:
        """Return 1 / (1 - d / Y), and 0 where everyone at risk has the event: nothing is left to change."""
        alive = self.risk - self.events.sum(axis=0)
        inverse: Floats = np.divide(self.risk, alive, out=np.zeros_like(alive), where=alive > 0)
        return inverse

    def p(self, j: int) -> Floats:
        """Return the integrand (J, K) of cause ``j``."""
        integrand = np.tile(self.incidence[j] * self.q, (len(self.events), 1))
        integrand[j] += self.before
        return integrand


def _grid(stop: Floats, begin: Floats, *, late: bool) -> tuple[Floats, Ints, Ints]:
    """Return distinct times with 0 first, and the place of every stop and entry among them.

    Whole and half days, the usual case, are found by counting; anything else by sorting.
    """
    values = np.concatenate([[0.0], stop, begin]) if late else np.append(0.0, stop)
    codes = (values * 2).astype(np.int64)
    top = int(codes.max())
    if top < 4 * len(values) + 10_000 and np.array_equal(codes, values * 2):
        seen = np.zeros(top + 1, dtype=bool)
        seen[codes] = True
        time = np.flatnonzero(seen) / 2.0
        index = (np.cumsum(seen) - 1)[codes]
    else:
        time, index = np.unique(values, return_inverse=True)
    n = len(stop)
    return time, index[1 : n + 1], index[n + 1 :] if late else np.zeros(n, dtype=np.int64)


def _variance(weights: _Weights, survival: Floats, late: _Late | None) -> tuple[Floats, Floats]:
    """Return the jackknife variances of S (K,) and F (J, K) in closed form."""
    q = np.tile(weights.q, (len(weights.events), 1))
    squared = _product(weights, q, q, late)
    variance = np.empty_like(weights.incidence)
    for j, incidence in enumerate(weights.incidence):
        p = weights.p(j)
        mixed = _product(weights, p, q, late)
        variance[j] = _product(weights, p, p, late) - 2 * incidence * mixed + incidence**2 * squared
    return np.asarray(survival**2 * squared), np.maximum(variance, 0.0)


def _product(weights: _Weights, a: Floats, b: Floats, late: _Late | None) -> Floats:
    """Return, at each time, the sum over rows of the product of their two stochastic integrals of ``a`` and ``b``."""
    risk, events = weights.risk, weights.events
    mean_a, mean_b = (a * events).sum(axis=0) / risk, (b * events).sum(axis=0) / risk
    steps = ((a * b * events).sum(axis=0) - risk * mean_a * mean_b) / risk**2
    if late is not None:
        steps = steps + _entry_terms(late, risk, mean_a, b, mean_b) + _entry_terms(late, risk, mean_b, a, mean_a)
    return np.asarray(np.cumsum(steps), dtype=np.float64)


def _entry_terms(late: _Late, risk: Floats, mean_a: Floats, b: Floats, mean_b: Floats) -> Floats:
    """Return what late entry adds: rows at risk differ in how much of the integral of ``a`` they have gone through."""
    at_entry = np.cumsum(mean_a / risk)[late.began]
    change = np.bincount(late.began, at_entry, late.size) - np.bincount(late.place, at_entry, late.size)
    present = np.append(0.0, np.cumsum(change)[:-1])
    index = late.cause * late.size + late.place
    of_events = np.bincount(index, at_entry, (late.n_causes + 1) * late.size).reshape(-1, late.size)[1:]
    return np.asarray(((b * of_events).sum(axis=0) - mean_b * present) / risk, dtype=np.float64)


def _clustered(
    weights: _Weights, survival: Floats, place: Ints, began: Ints, cause: Ints, cluster: Ints
) -> tuple[Floats, Floats]:
    """Return the variances with the influence of a patient's rows summed, in blocks of times."""
    order = np.argsort(cluster, kind="stable")
    place, began, cause = place[order], began[order], cause[order]
    starts = np.flatnonzero(np.append(True, np.diff(cluster[order]) != 0))
    q = np.tile(weights.q, (len(weights.events), 1))
    integrands = [weights.p(j) for j in range(len(weights.events))]
    variance_s, variance_f = np.zeros_like(survival), np.zeros_like(weights.incidence)
    width = max(1, CELLS // len(place))
    for a in range(0, len(survival), width):
        at = np.arange(a, min(a + width, len(survival)))
        base = np.add.reduceat(_integral(weights, q, at, place, began, cause), starts, axis=0)
        variance_s[at] = ((survival[at] * base) ** 2).sum(axis=0)
        for j, p in enumerate(integrands):
            own = np.add.reduceat(_integral(weights, p, at, place, began, cause), starts, axis=0)
            variance_f[j, at] = ((own - weights.incidence[j, at] * base) ** 2).sum(axis=0)
    return variance_s, variance_f


def _integral(weights: _Weights, a: Floats, at: Ints, place: Ints, began: Ints, cause: Ints) -> Floats:
    """Return each row's integral (n, times) of ``a`` up to the times ``at`` of the grid."""
    drift = np.cumsum((a * weights.events).sum(axis=0) / weights.risk**2)
    until = np.maximum(np.minimum(at[None, :], place[:, None]), began[:, None])
    jump = np.where(cause > 0, a[np.maximum(cause, 1) - 1, place] / weights.risk[place], 0.0)
    value = np.where(at[None, :] >= place[:, None], jump[:, None], 0.0)
    return np.asarray(value - drift[until] + drift[began][:, None], dtype=np.float64)
