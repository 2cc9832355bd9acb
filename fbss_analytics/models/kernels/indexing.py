"""How the rows of a risk set model are indexed: where their times lie in the grid of event times, and their columns.

The grid holds the distinct event times of stratum after stratum. Rows are sorted once, by time; the matrix is not.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BLOCK = 1 << 12
"""Rows per block of a matrix: small enough for the block to stay in the processor's cache."""


def standardised(x: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Return columns (p, n) less their weighted mean, over their standard deviation (1 for a constant), and both."""
    total, p = weight.sum(), x.shape[1]
    standard, center, scale = np.empty((p, len(x))), np.zeros(p), np.ones(p)
    for a in range(0, len(x), BLOCK):
        standard[:, a : a + BLOCK] = x[a : a + BLOCK].T
    for j, column in enumerate(standard):
        center[j] = np.einsum("n,n", weight, column) / total
        column -= center[j]
        spread = np.sqrt(np.einsum("n,n,n", weight, column, column) / total)
        if spread > 0:
            scale[j] = spread
            column /= spread
    return standard, center, scale


def gram(x: Floats, v: Floats, y: Floats) -> Floats:
    """Return ``(x * v) @ y'`` (p, q) of rows of numbers (p, n), (n,) and (q, n), block by block."""
    total, product = np.zeros((len(x), len(y))), np.empty((len(x), BLOCK))
    for a in range(0, len(v), BLOCK):
        block = x[:, a : a + BLOCK]
        weighted = np.multiply(block, v[a : a + BLOCK], out=product[:, : block.shape[1]])
        total += weighted @ y[:, a : a + BLOCK].T
    return total


def running(value: Floats, bounds: Ints) -> Floats:
    """Return running totals of ``value`` (K,), which begin anew at each of the ``bounds`` (S + 1,) but the last."""
    total = np.empty(len(value))
    for a, b in pairwise(bounds):
        np.cumsum(value[a:b], out=total[a:b])
    return total


def columns(x: Floats, rows: Ints) -> Floats:
    """Return ``x[:, rows]``, one column of the data at a time, which is faster."""
    taken = np.empty((len(x), len(rows)))
    for column, own in zip(x, taken, strict=True):
        np.take(column, rows, out=own, mode="clip")
    return taken


def ended(stop: Floats, event: npt.NDArray[np.bool_], stratum: Ints | None) -> Ints:
    """Return how many event times of the grid lie at or before each row's ``stop``, counted through its own stratum."""
    order = np.argsort(stop) if stratum is None else np.lexsort((stop, stratum))
    value = stop[order]
    new = np.append(True, value[1:] != value[:-1])
    if stratum is not None:
        new[1:] |= np.diff(stratum[order]) != 0
    begun = np.flatnonzero(new)
    counted = np.cumsum(np.logical_or.reduceat(event[order], begun))
    last = np.empty(len(order), dtype=np.int64)
    last[order] = np.repeat(counted, np.diff(np.append(begun, len(order))))
    return last


def place_of(value: Floats, stratum: Ints, time: Floats, stratum_of: Ints) -> Ints:
    """Return how many event times of the grid lie at or before each value, counted through its own stratum."""
    if stratum_of[0] == stratum_of[-1] and not stratum.any():
        return np.searchsorted(time, value, side="right")
    of_row = np.append(np.zeros(len(time)), np.ones(len(value)))
    order = np.lexsort((of_row, np.append(time, value), np.append(stratum_of, stratum)))
    counted = np.empty(len(order), dtype=np.int64)
    counted[order] = np.cumsum(order < len(time))
    return counted[len(time) :]
