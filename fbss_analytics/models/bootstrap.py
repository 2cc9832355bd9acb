"""The bootstrap on arrays: patients drawn as counts, what is computed from each sample, and intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..errors import DataError, InputError, one_of
from ..formats import plural
from .bands import normal_quantile
from .progress import progress

Floats = npt.NDArray[np.float64]

Evaluate = Callable[[Floats], Floats]
"""Counts of patients (b, units) to values (b, q): a row of NaN where a sample gives none."""

MOST_LOST = 0.05
"""Share of samples without a value above which no interval is given."""

CELLS = 4_000_000
"""Counts held at once (32 MB)."""

INTERVALS = ("percentile", "normal", "bca")


@dataclass(frozen=True, eq=False)
class Samples:
    """Values (n_samples - lost, q) of the bootstrap samples that gave one."""

    values: Floats = field(repr=False)
    lost: int

    def words(self, what: str) -> str:
        """Return how many samples of ``what`` there are, and how many were left out."""
        left_out = f" ({plural(self.lost, 'sample')} without a finite value left out)" if self.lost else ""
        return f"{len(self.values):,} {what}{left_out}"


def bootstrap(evaluate: Evaluate, units: int, *, n_samples: int, seed: int, advice: str) -> Samples:
    """Return the values of ``n_samples`` samples of as many units as there are, drawn with replacement.

    Raises
    ------
    InputError
        Fewer than 2 samples, or a seed that is no whole number.
    DataError
        More than 5 % of the samples give no value; ``advice`` says what to do then.
    """
    if n_samples < 2:
        raise InputError(f"n_samples={n_samples} gives no interval; 200 or more do, 1,000 for bca.")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed={seed!r} must be a whole number of 0 or more.")
    values = _evaluated(evaluate, _drawn(units, n_samples, seed), n_samples, "Bootstrap samples")
    found = np.isfinite(values).all(axis=1)
    if found.sum() < (1 - MOST_LOST) * n_samples:
        lost = int((~found).sum())
        raise DataError(f"{lost} of {plural(n_samples, 'bootstrap sample')} have no finite value: {advice}")
    return Samples(values[found], int((~found).sum()))


def limits(
    samples: Samples, estimate: Floats, *, conf_level: float, interval: str, evaluate: Evaluate, units: int
) -> tuple[Floats, Floats]:
    """Return lower and upper limits (q,).

    **Definition**: ``percentile``: quantiles of the samples; ``normal``: the estimate and z standard deviations of the
    samples; ``bca``: quantiles corrected for bias (the share of samples below the estimate) and for acceleration (the
    skewness of the values without each unit in turn: Efron 1987, doi:10.1080/01621459.1987.10478410).
    """
    one_of(interval, INTERVALS, name="interval")
    z, values = normal_quantile(conf_level), samples.values
    if interval == "normal":
        error = values.std(axis=0, ddof=1)
        return estimate - z * error, estimate + z * error
    levels = np.array([(1 - conf_level) / 2, (1 + conf_level) / 2])
    if interval == "percentile":
        low, high = np.quantile(values, levels, axis=0)
        return low, high
    corrected = _corrected(values, estimate, z, _acceleration(evaluate, units))
    pairs = [np.quantile(column, own) for column, own in zip(values.T, corrected, strict=True)]
    return np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])


def _corrected(values: Floats, estimate: Floats, z: float, acceleration: Floats) -> Floats:
    """Return the levels (q, 2) of the quantiles that correct bias and acceleration."""
    from scipy.special import ndtr, ndtri

    below = (values < estimate).mean(axis=0) + (values == estimate).mean(axis=0) / 2
    if ((below <= 0) | (below >= 1)).any():
        raise DataError(
            "An estimate lies outside all bootstrap samples: bca has no interval. Use percentile or normal."
        )
    bias = ndtri(below)[:, None]
    moved = bias + np.array([-z, z])
    return np.asarray(ndtr(bias + moved / (1 - acceleration[:, None] * moved)), dtype=np.float64)


def _acceleration(evaluate: Evaluate, units: int) -> Floats:
    """Return sum (m - v)^3 / (6 (sum (m - v)^2)^1.5) over the values v without each unit and their mean m."""
    left_out = _evaluated(evaluate, _leaving_one_out(units), units, "Samples without one patient")
    if not np.isfinite(left_out).all():
        raise DataError("Without one patient there is no finite value: bca has no interval. Use percentile or normal.")
    change = left_out.mean(axis=0) - left_out
    squares = (change**2).sum(axis=0)
    skewed = (change**3).sum(axis=0)
    return np.asarray(np.divide(skewed, 6 * squares**1.5, out=np.zeros_like(squares), where=squares > 0))


def _evaluated(evaluate: Evaluate, blocks: Iterator[Floats], total: int, words: str) -> Floats:
    """Return the values (total, q) of all blocks of counts."""
    found = []
    with progress(words, total) as line:
        for counts in blocks:
            found.append(evaluate(counts))
            line.add(len(counts))
    return np.concatenate(found)


def _drawn(units: int, n_samples: int, seed: int) -> Iterator[Floats]:
    """Yield blocks of counts (b, units): how often each unit has been drawn."""
    random = np.random.default_rng(seed)
    for size in _blocks(n_samples, units):
        drawn = [np.bincount(random.integers(0, units, units), minlength=units) for _ in range(size)]
        yield np.stack(drawn).astype(np.float64)


def _leaving_one_out(units: int) -> Iterator[Floats]:
    """Yield blocks of counts (b, units): 1, and 0 for one unit after another."""
    begin = 0
    for size in _blocks(units, units):
        counts = np.ones((size, units))
        counts[np.arange(size), np.arange(begin, begin + size)] = 0.0
        begin += size
        yield counts


def _blocks(total: int, units: int) -> Iterator[int]:
    """Yield the sizes of blocks: several, so that progress moves, and none too large."""
    width = int(np.clip(CELLS // units, 1, max(1, total // 10 + 1)))
    for begin in range(0, total, width):
        yield min(width, total - begin)
