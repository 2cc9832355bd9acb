"""Accelerated failure time models on arrays: log T = x b + sigma W, by Newton steps on (b, log sigma).

``W`` has the smallest extreme value distribution (T Weibull, or exponential with sigma = 1), the normal (log-normal) or
the logistic (log-logistic). With ``w = (log t - x b) / sigma``, density ``f`` and survival ``S`` of ``W``, a row adds

    log f(w) - log sigma - log t              seen at t,
    log (S(w_lower) - S(w_upper))             in (lower, upper]; upper infinite: censored, lower 0: happened before,
    - log S(w_entry)                          under observation only after entry,

times its weight. Derivatives of each are those in ``w``, chained with dw/d(xb) = -1 / sigma and dw/d(log sigma) = -w.

References: Kalbfleisch and Prentice 2002, The Statistical Analysis of Failure Time Data, chapter 3
(doi:10.1002/9781118032985); the parametrisation is that of R's ``survreg``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ERRORS = {"weibull": "extreme", "exponential": "extreme", "lognormal": "normal", "loglogistic": "logistic"}
"""Distribution of W for each distribution of T."""

DECREMENT = 1e-12


@dataclass(frozen=True, eq=False)
class Times:
    """When each row's event happened, (n,): exactly at ``upper`` where ``lower == upper``, else in (lower, upper].

    ``entry`` (n,) days of late entry, 0 for none.
    """

    lower: Floats
    upper: Floats
    entry: Floats


@dataclass(frozen=True, eq=False)
class Accelerated:
    """``coefficients`` (p + 1,): b, then log sigma (p,: b alone, where sigma is 1); ``scores`` (n, ...) of the rows."""

    coefficients: Floats
    covariance: Floats
    log_likelihood: float
    converged: bool
    scores: Floats


def fit_accelerated(x: Floats, times: Times, weight: Floats, *, distribution: str) -> Accelerated:
    """Maximise the likelihood; ``x`` (n, p) with its intercept first, ``weight`` (n,)."""
    free = distribution != "exponential"
    size = x.shape[1] + free
    theta = _start(x, times, weight, size)
    return climb(lambda at: _derivatives(at, x, times, weight, distribution), theta)


def climb(derive: Callable[[Floats], tuple[float, Floats, Floats]], start: Floats) -> Accelerated:
    """Return the maximum by Newton steps, halving a step that lowers the likelihood.

    ``derive`` gives the log likelihood, the weighted scores (n, q) and the information (q, q) at coefficients (q,).
    """
    theta, converged = start, False
    covariance = np.full((len(start), len(start)), np.nan)
    reached, scores, information = derive(theta)
    for _ in range(200):
        gradient = scores.sum(axis=0)
        step = _uphill(information, gradient)
        converged = float(gradient @ step) < DECREMENT
        for _ in range(60):
            value, scores, curvature = derive(theta + step)
            if value >= reached - 1e-10 * abs(reached):
                break
            step = step / 2
        theta, reached, information = theta + step, value, curvature
        if converged:
            break
    if np.linalg.eigvalsh(information)[0] > 0:
        return Accelerated(theta, np.asarray(np.linalg.inv(information)), float(reached), converged, scores)
    return Accelerated(theta, covariance, float(reached), False, scores)


def survival_at(w: Floats, distribution: str) -> Floats:
    """Return S(w) of the standard distribution."""
    return np.asarray(np.exp(_tails(w, ERRORS[distribution])[0]), dtype=np.float64)


def _start(x: Floats, times: Times, weight: Floats, size: int) -> Floats:
    """Return a start: the weighted mean of log days, and their spread."""
    known = np.where(np.isfinite(times.upper), (times.lower + times.upper) / 2, times.lower)
    logs = np.log(np.maximum(known, 1e-3))
    theta = np.zeros(size)
    theta[0] = np.average(logs, weights=weight)
    if size > x.shape[1]:
        theta[-1] = np.log(max(np.sqrt(np.average((logs - theta[0]) ** 2, weights=weight)), 0.1))
    return theta


def _uphill(information: Floats, gradient: Floats) -> Floats:
    """Return a Newton step, turned uphill where the likelihood is not concave."""
    values, vectors = np.linalg.eigh(information)
    bent = np.maximum(np.abs(values), 1e-8 * np.abs(values).max())
    return np.asarray(vectors @ ((vectors.T @ gradient) / bent), dtype=np.float64)


def _derivatives(
    theta: Floats, x: Floats, times: Times, weight: Floats, distribution: str
) -> tuple[float, Floats, Floats]:
    """Return the log likelihood, the weighted scores (n, q) and the information (q, q)."""
    p, error = x.shape[1], ERRORS[distribution]
    # A step too far gives an infinite scale, and is halved.
    with np.errstate(over="ignore"):
        scale = float(np.exp(theta[p])) if len(theta) > p else 1.0
    eta = x @ theta[:p]
    low, high, begin = (_standard(days, eta, scale) for days in (times.lower, times.upper, times.entry))
    exact = times.lower == times.upper
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        value, a, b, aa, ab, bb = _interval(low, high, error)
        own, first, second = _density(high, error)
        value = np.where(exact, own - np.log(scale) - np.log(np.where(exact, times.upper, 1.0)), value)
        a, aa, ab = (np.where(exact, 0.0, part) for part in (a, aa, ab))
        b, bb = np.where(exact, first, b), np.where(exact, second, bb)
        late = times.entry > 0
        gone, hazard, slope = _tails(begin, error)
        value = value - np.where(late, gone, 0.0)
        # d(-log S)/dw is the hazard of W.
        c, cc = np.where(late, hazard, 0.0), np.where(late, slope, 0.0)
    likelihood = float(weight @ value)
    if not np.isfinite(likelihood):
        return -np.inf, np.zeros((len(x), len(theta))), np.eye(len(theta))
    low, high, begin = (np.where(np.isfinite(w), w, 0.0) for w in (low, high, begin))
    total = a + b + c
    moved = low * a + high * b + begin * c
    shape = np.where(exact, -1.0, 0.0) - moved
    scores = np.column_stack([-x * (total / scale)[:, None], shape]) * weight[:, None]
    ee = (aa + 2 * ab + bb + cc) / scale**2
    es = (total + low * (aa + ab) + high * (bb + ab) + begin * cc) / scale
    ss = moved + low**2 * aa + 2 * low * high * ab + high**2 * bb + begin**2 * cc
    information = np.empty((p + 1, p + 1))
    information[:p, :p] = -(x * (weight * ee)[:, None]).T @ x
    information[:p, p] = information[p, :p] = -x.T @ (weight * es)
    information[p, p] = -float(weight @ ss)
    q = len(theta)
    return likelihood, scores[:, :q], information[:q, :q]


def _standard(days: Floats, eta: Floats, scale: float) -> Floats:
    """Return w; minus infinity at day 0, infinity where days are infinite."""
    with np.errstate(divide="ignore"):
        return np.asarray((np.log(days) - eta) / scale, dtype=np.float64)


def _interval(low: Floats, high: Floats, error: str) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """Return log (S(low) - S(high)), its derivatives in low and high, and the second ones: ll, lh, hh."""
    left, _, _ = _tails(low, error)
    right, _, _ = _tails(high, error)
    inside = np.where(np.isposinf(high), left, left + np.log(-np.expm1(np.minimum(right - left, -1e-300))))
    log_low, psi_low, _ = _density(low, error)
    log_high, psi_high, _ = _density(high, error)
    a = np.where(np.isfinite(low), -np.exp(log_low - inside), 0.0)
    b = np.where(np.isfinite(high), np.exp(log_high - inside), 0.0)
    aa = np.where(a != 0, psi_low * a, 0.0) - a**2
    bb = np.where(b != 0, psi_high * b, 0.0) - b**2
    return inside, a, b, aa, -a * b, bb


def _density(w: Floats, error: str) -> tuple[Floats, Floats, Floats]:
    """Return log f and its first two derivatives."""
    from scipy.special import expit, log_expit

    if error == "extreme":
        power = np.exp(w)
        return w - power, 1 - power, -power
    if error == "normal":
        return -(w**2) / 2 - np.log(2 * np.pi) / 2, -w, np.full_like(w, -1.0)
    p = expit(w)
    return w + 2 * log_expit(-w), 1 - 2 * p, -2 * p * (1 - p)


def _tails(w: Floats, error: str) -> tuple[Floats, Floats, Floats]:
    """Return log S, the hazard f / S, and the slope of the hazard."""
    from scipy.special import expit, log_expit, log_ndtr

    if error == "extreme":
        power = np.exp(w)
        return -power, power, power
    if error == "normal":
        gone = log_ndtr(-w)
        hazard = np.where(np.isfinite(w), np.exp(-(w**2) / 2 - np.log(2 * np.pi) / 2 - gone), 0.0)
        return gone, hazard, hazard * (hazard - np.where(np.isfinite(w), w, 0.0))
    p = expit(w)
    return log_expit(-w), p, p * (1 - p)
