"""Uniforms of a set of patients, and the inverse distribution functions that turn them into values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...dates import DAYS_PER_YEAR
from .philox import uniform

Numbers = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
NEVER = np.int64(10**7)
"""A day that no observation reaches: what does not happen, happens then."""
LEAST_HAZARD = 1e-12
"""Stands for a hazard of 0, by which nothing can be divided."""


@dataclass(frozen=True, eq=False)
class Draws:
    """The random numbers of some patients: a seed and their numbers."""

    seed: int
    patient: Whole

    def uniform(self, purpose: str, draw: npt.ArrayLike = 0) -> Numbers:
        """Return one uniform per patient for a purpose and a draw number."""
        return uniform(self.seed, purpose, self.patient, draw)

    def below(self, purpose: str, probability: npt.ArrayLike, draw: npt.ArrayLike = 0) -> Flags:
        """Return true with the given probability."""
        return np.asarray(self.uniform(purpose, draw) < np.asarray(probability, dtype=np.float64))

    def normal(self, purpose: str, draw: npt.ArrayLike = 0) -> Numbers:
        """Return standard normal values."""
        return to_normal(self.uniform(purpose, draw))

    def exponential(self, purpose: str, draw: npt.ArrayLike = 0) -> Numbers:
        """Return standard exponential values."""
        return -np.log(self.uniform(purpose, draw))

    def wait(self, purpose: str, hazard: npt.ArrayLike, draw: npt.ArrayLike = 0) -> Whole:
        """Return the days to an event of a constant hazard per year; where that is 0, more than anyone is observed."""
        return in_days(self.exponential(purpose, draw) / np.maximum(hazard, LEAST_HAZARD))

    def days(self, purpose: str, window: tuple[float, float], draw: npt.ArrayLike = 0) -> Whole:
        """Return whole days, uniform over a window that includes both ends."""
        first, last = window
        return np.floor(first + self.uniform(purpose, draw) * (last - first + 1)).astype(np.int64)

    def choice(self, purpose: str, shares: Mapping[str, float], draw: npt.ArrayLike = 0) -> Whole:
        """Return the position of a category drawn with the given shares."""
        return choose(self.uniform(purpose, draw), shares)

    def take(self, rows: npt.NDArray[np.intp] | Flags | Whole) -> Draws:
        """Return the draws of some of the patients (or of patients repeated)."""
        return Draws(self.seed, self.patient[rows])


def to_normal(u: Numbers) -> Numbers:
    """Return the standard normal quantile of each uniform."""
    from scipy.special import ndtri

    return np.asarray(ndtri(u), dtype=np.float64)


def to_truncated_normal(u: Numbers, mean: float, sd: float, window: tuple[float, float]) -> Numbers:
    """Return quantiles of a normal distribution cut off at both ends of a window."""
    from scipy.special import ndtr, ndtri

    low, high = ndtr((np.array(window) - mean) / sd)
    return np.asarray(mean + sd * ndtri(low + u * (high - low)), dtype=np.float64)


def to_gompertz(exponential: Numbers, rate: Numbers, slope: float) -> Numbers:
    """Return the time at which a hazard ``rate * exp(slope * t)`` has accumulated a standard exponential value."""
    return np.asarray(np.log1p(slope * exponential / np.maximum(rate, LEAST_HAZARD)) / slope, dtype=np.float64)


def to_weibull(exponential: Numbers, cumulative: npt.ArrayLike, at: float, shape: npt.ArrayLike) -> Numbers:
    """Return the time at which ``cumulative * (t / at) ** shape`` reaches a standard exponential value."""
    rate = np.maximum(np.asarray(cumulative, dtype=np.float64), LEAST_HAZARD)
    return np.asarray(at * (exponential / rate) ** (1 / np.asarray(shape)), dtype=np.float64)


def to_counts(u: Numbers, mean: float, shape: float, most: int) -> Whole:
    """Return negative binomial counts with this mean and shape, none above ``most``."""
    counts = np.arange(most + 1, dtype=np.float64)
    ratio = (counts[:-1] + shape) / counts[1:] * (mean / (mean + shape))
    mass = np.cumprod(np.append((shape / (mean + shape)) ** shape, ratio))
    return np.minimum(np.searchsorted(np.cumsum(mass), u, side="right"), most).astype(np.int64)


def choose(u: Numbers, shares: Mapping[str, float]) -> Whole:
    """Return the position of a category for each uniform."""
    edges = np.cumsum(list(shares.values()))[:-1]
    return np.searchsorted(edges, u, side="right").astype(np.int64)


def in_days(years: Numbers) -> Whole:
    """Return years as whole days, at least one, and never more than `NEVER`."""
    return np.clip(np.ceil(np.minimum(years, 1e4) * DAYS_PER_YEAR), 1, NEVER).astype(np.int64)


def expit(logit: Numbers) -> Numbers:
    """Return the probability of a logarithm of odds."""
    return np.asarray(1 / (1 + np.exp(-logit)), dtype=np.float64)
