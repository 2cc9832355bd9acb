"""Gray's test on arrays: events of one cause in each group against those expected had all groups the same risk.

In each stratum ``Y_r`` rows of group ``r`` are at risk (stop >= t), ``d_r`` of them have the cause and ``e_r`` a
competing event; a dot sums over groups. ``S_r`` is the Kaplan-Meier share free of every event, ``F_r`` the
Aalen-Johansen incidence of the cause. Rows with a competing event stay in the risk set ``R_r`` of the subdistribution:

    h_r(t) = Y_r(t) / S_r(t-),    R_r(t) = h_r(t) (1 - F_r(t-)),
    O_g = sum_t w d_g,    E_g = sum_t w d. R_g / R.,    w(t) = (1 - F(t-))^rho,

where the pooled incidence ``F`` has the jumps ``dF = d. / h.``, the mean of ``dF_r = d_r / h_r`` weighted by ``h_r``.

**Covariance.** ``O_g - E_g`` is ``sum_r sum_t D_gr R_r {dF_r / (1 - F_r(t-)) - d. / R.}`` with
``D_gr = w ([g = r] - R_g / R.)``. Its derivatives by the hazards ``d_r / Y_r`` and ``e_r / Y_r`` at ``t``, through
``S_r`` and ``F_r`` too but with ``D_gr R_r`` held, are ``Y_r A_gr`` and ``Y_r B_gr``:

    C_gr(t) = sum_{u > t} D_gr(u) h_r(u) dF(u) / (1 - F(u-)),
    A_gr = D_gr + {1 - (1 - F(t)) / S_r(t)} C_gr / h_r,    B_gr = -{(1 - F(t)) / S_r(t)} C_gr / h_r,

with ``F`` for ``F_r``, and hence ``h_g / h.`` for ``R_g / R.``, as all groups are supposed alike. Both kinds of event
are martingale noise around their hazards, each by itself: ``dF / S_r(t-) = d. / (h. S_r(t-))`` of the cause by that
supposition, and ``e_r / Y_r``. With ``T(x, n) = (n - x) / (n - 1)``, the hypergeometric factor for ``x`` events of one
time among ``n``,

    V_gk = sum_r sum_t {A_gr A_kr h_r dF T(d., h. S_r(t-)) + B_gr B_kr e_r T(e_r, Y_r)}.

``h. S_r(t-)`` is the number among which ``d.`` events make that hazard: all at risk, if all ``S_r`` are alike.

Where groups differ so much that the formulas leave their range they are held in it: ``w`` is 0 once ``F`` exceeds 1 (if
rho > 0), ``C_gr`` skips times with ``F(u-) = 1``, and ``T`` is 0 where a hazard ``dF / S_r(t-)`` exceeds 1, if ``V`` of
the stratum were no covariance otherwise. R cmprsk ``cuminc``, to which all else is held, with ties and without, gives
negative weights or statistics, NaN or rounding noise there.

Reference: Gray 1988 (doi:10.1214/aos/1176350951). The derivatives above are those of the sums at hand, ties included;
``T`` is not in the paper.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .log_rank import LogRank

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def gray(stop: Floats, cause: Ints, group: Ints, *, stratum: Ints | None = None, rho: float = 0.0) -> LogRank:
    """Return weighted observed and expected events of the cause in every group, summed over strata.

    Parameters
    ----------
    stop : (n,) time. cause : (n,) 0 censored, 1 the cause, 2 and more competing. group : (n,) codes 0 .. G - 1.
    stratum : (n,) codes. rho : power of the weight.
    """
    size = int(group.max()) + 1
    strata = np.zeros(len(stop), dtype=np.int64) if stratum is None else stratum
    observed, expected, covariance = np.zeros(size), np.zeros(size), np.zeros((size, size))
    for code in np.unique(strata[cause == 1]):
        rows = strata == code
        one = _one_stratum(*_counts(stop[rows], cause[rows], group[rows], size), rho)
        observed += one.observed
        expected += one.expected
        covariance += one.covariance
    return LogRank(observed, expected, covariance)


def _counts(stop: Floats, cause: Ints, group: Ints, size: int) -> tuple[Floats, Floats, Floats]:
    """Return Y, d and e of one stratum, each (G, K), at its distinct times of any event."""
    time = np.unique(stop[cause > 0])
    width = len(time) + 1
    # A row is at risk at the times before its place; an event is at the last of them.
    cell = group * width + np.searchsorted(time, stop, side="right")

    def counted(which: npt.NDArray[np.bool_]) -> Floats:
        return np.bincount(cell[which], minlength=size * width).reshape(size, width)[:, 1:].astype(np.float64)

    at_risk = np.cumsum(counted(cause >= 0)[:, ::-1], axis=1)[:, ::-1]
    return at_risk, counted(cause == 1), counted(cause > 1)


def _one_stratum(at_risk: Floats, events: Floats, competing: Floats, rho: float) -> LogRank:
    """Return the statistics of one stratum from its Y, d and e."""
    free = np.cumprod(1 - _over(events + competing, at_risk), axis=1, dtype=np.float64)
    free_before = _before(free, 1.0)
    h = _over(at_risk, free_before)
    subject = h * (1 - _before(np.cumsum(_over(events, h), axis=1, dtype=np.float64), 0.0))
    seen, pooled = events.sum(axis=0), h.sum(axis=0)
    jump = _over(seen, pooled)
    left = 1 - np.cumsum(jump)
    left_before = _before(left, 1.0)
    weight = np.maximum(left_before, 0) ** rho
    # Jumps that add up to 1 do so up to rounding.
    rate = np.divide(jump, left_before, out=np.zeros_like(jump), where=np.abs(left_before) > 1e-9)
    # D, C / h, A and B are (g, r, K).
    direct = weight * (np.eye(len(h))[:, :, None] - _over(h, pooled)[:, None, :])
    carried = _over(_before(np.cumsum((direct * h * rate)[..., ::-1], axis=-1), 0.0)[..., ::-1], h)
    ratio = _over(left, free)
    own, other = direct + (1 - ratio) * carried, -ratio * carried
    spread = h * jump * _finite(seen, pooled * free_before)
    rest = _squared(other, competing * _finite(competing, at_risk))
    covariance = _squared(own, spread) + rest
    if np.linalg.eigvalsh(covariance)[0] < -1e-9 * np.abs(covariance).max():
        covariance = _squared(own, np.maximum(spread, 0)) + rest
    return LogRank(events @ weight, _over(subject, subject.sum(axis=0)) @ (weight * seen), covariance)


def _over(above: Floats, below: Floats) -> Floats:
    """Return the quotient, 0 where nothing is below: a group that has left, or has nobody free of events."""
    shape = np.broadcast_shapes(above.shape, below.shape)
    return np.divide(above, below, out=np.zeros(shape), where=np.broadcast_to(below > 0, shape))


def _before(steps: Floats, start: float) -> Floats:
    """Return the values of a step function just before each time (last axis)."""
    first = np.full_like(steps[..., :1], start)
    return np.asarray(np.concatenate([first, steps[..., :-1]], axis=-1), dtype=np.float64)


def _finite(events: Floats, n: Floats) -> Floats:
    """Return T, 1 where no more than one is at risk."""
    return np.divide(n - events, n - 1, out=np.ones(n.shape), where=n > 1)


def _squared(slope: Floats, variance: Floats) -> Floats:
    """Return the sum over groups r and times of slope_gr slope_kr variance_r."""
    size = len(slope)
    return np.asarray((slope * variance).reshape(size, -1) @ slope.reshape(size, -1).T, dtype=np.float64)
