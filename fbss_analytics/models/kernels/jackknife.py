"""Influence of rows on risk curves, on arrays: what the infinitesimal jackknife sums and squares.

At the times of a grid ``Y`` weights are at risk and ``d_c`` weights have an event of cause ``c``. Every curve here has
an influence function made of stochastic integrals of row ``i`` over the times at which it is at risk,

    M_i^a(t) = sum_{u <= t} sum_c a_c(u) (dN_ic(u) - d_c(u) / Y(u)) / Y(u),

so that its variance is a sum over rows of weighted products of two such integrals. With the weights ``m`` of the
squares (``m = w`` where a row stands for ``w`` rows, ``m = w^2`` for sampling weights), ``d2_c`` and ``Y2`` the sums of
``m``, and ``abar = sum_c a_c d_c / Y``, the products grow at each time by

    { sum a b d2 - abar sum b d2 - bbar sum a d2 + Y2 abar bbar } / Y^2
    - A(u-) (sum b d2 - Y2 bbar) / Y - B(u-) (sum a d2 - Y2 abar) / Y + what late entry adds,

where ``A`` sums ``abar / Y`` before ``u``; the second line is 0 where ``m = w``.

Reference: Therneau, Crowson and Atkinson, vignette "Multi-state models and competing risks" of R survival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Where rows stand on the grid: (n,) ``began`` (entry), ``place`` (leaving), ``cause`` (0 censored); ``late`` says
    whether any entered after 0. ``weight`` and ``squared``, the weights w and m: None for 1."""

    began: Ints
    place: Ints
    cause: Ints
    late: bool
    weight: Floats | None = None
    squared: Floats | None = None


@dataclass(frozen=True, eq=False)
class Process:
    """Weights at the grid's times: ``risk`` (K,), ``events`` (J, K), and the same of the squares, None where equal."""

    risk: Floats
    events: Floats
    risk_squared: Floats | None = None
    events_squared: Floats | None = None

    @property
    def q(self) -> Floats:
        """Return 1 / (1 - d / Y), and 0 where everyone at risk has the event: nothing is left to change."""
        alive = self.risk - self.events.sum(axis=0)
        # Sums of weights that are no whole numbers leave a rounding error where nobody is left.
        some = alive > 1e-9 * self.risk
        inverse: Floats = np.divide(self.risk, alive, out=np.zeros_like(alive), where=some)
        return inverse

    def mean(self, a: Floats) -> Floats:
        """Return abar (K,)."""
        return np.asarray((a * self.events).sum(axis=0) / self.risk, dtype=np.float64)


def grid(stop: Floats, begin: Floats, *, late: bool) -> tuple[Floats, Ints, Ints]:
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


def counts(rows: Rows, size: int, n_causes: int, weight: Floats | None) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the weights leaving by cause, censored first (1 + J, K), and at risk just before each time (K,).

    At time 0: those under observation then.
    """
    code = rows.cause * size + rows.place
    leaving = np.bincount(code, weight, minlength=(n_causes + 1) * size).reshape(-1, size)
    entered = np.bincount(rows.began, weight, minlength=size)
    at_risk = np.cumsum(entered) - np.cumsum(leaving.sum(axis=0))
    at_risk[1:] = at_risk[:-1].copy()
    at_risk[0] = entered[0]
    return leaving, at_risk


def product(process: Process, a: Floats, b: Floats, rows: Rows | None) -> Floats:
    """Return, at each time, the sum over rows of the weighted product of their integrals of ``a`` and ``b`` (J, K).

    ``rows`` with late entry, so that its terms are added; None leaves them out.
    """
    risk, mean_a, mean_b = process.risk, process.mean(a), process.mean(b)
    if process.risk_squared is None or process.events_squared is None:
        steps = ((a * b * process.events).sum(axis=0) - risk * mean_a * mean_b) / risk**2
    else:
        risk2, events2 = process.risk_squared, process.events_squared
        sum_a, sum_b = (a * events2).sum(axis=0), (b * events2).sum(axis=0)
        both = (a * b * events2).sum(axis=0) - mean_a * sum_b - mean_b * sum_a + risk2 * mean_a * mean_b
        drift = _before(mean_a / risk) * (sum_b - risk2 * mean_b) + _before(mean_b / risk) * (sum_a - risk2 * mean_a)
        steps = both / risk**2 - drift / risk
    if rows is not None:
        steps = steps + _entry_terms(rows, risk, mean_a, b, mean_b) + _entry_terms(rows, risk, mean_b, a, mean_a)
    return np.asarray(np.cumsum(steps), dtype=np.float64)


def row_integral(process: Process, a: Floats, rows: Rows, at: Ints) -> Floats:
    """Return each row's weighted integral (n, times) of ``a`` (J, K) up to the places ``at`` of the grid."""
    drift = np.cumsum((a * process.events).sum(axis=0) / process.risk**2)
    until = np.maximum(np.minimum(at[None, :], rows.place[:, None]), rows.began[:, None])
    jump = np.where(rows.cause > 0, a[np.maximum(rows.cause, 1) - 1, rows.place] / process.risk[rows.place], 0.0)
    value = np.where(at[None, :] >= rows.place[:, None], jump[:, None], 0.0)
    value = value - drift[until] + drift[rows.began][:, None]
    return np.asarray(value if rows.weight is None else value * rows.weight[:, None], dtype=np.float64)


def _before(steps: npt.NDArray[Any]) -> Floats:
    """Return the sum of the steps before each time."""
    return np.append(0.0, np.cumsum(steps)[:-1])


def _entry_terms(rows: Rows, risk: Floats, mean_a: Floats, b: Floats, mean_b: Floats) -> Floats:
    """Return what late entry adds: rows at risk differ in how much of the integral of ``a`` they have gone through."""
    size, at_entry = len(risk), np.cumsum(mean_a / risk)[rows.began]
    if rows.squared is not None:
        at_entry = at_entry * rows.squared
    present = _before(np.bincount(rows.began, at_entry, size) - np.bincount(rows.place, at_entry, size))
    index = rows.cause * size + rows.place
    of_events = np.bincount(index, at_entry, (len(b) + 1) * size).reshape(-1, size)[1:]
    return np.asarray(((b * of_events).sum(axis=0) - mean_b * present) / risk, dtype=np.float64)
