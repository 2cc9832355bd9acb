"""Rows that stay at risk after their last day with a falling weight, as a competing event leaves them in Fine-Gray.

A row of group ``g`` counts ``over * share[g, k]`` times at the event times ``k`` after its last one, so that a sum over
rows is ``share`` times a cumulative sum of what has come in: O(rows + groups x times).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tail:
    """The rows with a tail. Shapes: ``rows``, ``group`` (codes), ``begin`` (first event time in the tail), ``over``
    (m,); ``share`` (G, K)."""

    rows: Ints
    group: Ints
    begin: Ints
    over: Floats
    share: Floats


def tail_at_risk(tail: Tail, value: Floats) -> Floats:
    """Return the sum (K,) of ``value`` (n,) over the tails that reach each event time, as often as each row counts."""
    groups, size = tail.share.shape
    begun = np.bincount(tail.group * size + tail.begin, value[tail.rows] * tail.over, groups * size)
    return np.asarray((np.cumsum(begun.reshape(groups, size), axis=1) * tail.share).sum(axis=0), dtype=np.float64)


def tail_passed(tail: Tail, step: Floats) -> Floats:
    """Return the sum (m,) of ``step`` (K,) over the event times in the tail of each of its rows."""
    left = np.cumsum((step * tail.share)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(tail.over * left[tail.group, tail.begin], dtype=np.float64)
