"""Directions of a likelihood that hold no information: columns that do not vary, and infinite estimates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FLAT = 1e-5
"""Share of its null information below which a direction of the likelihood counts as flat (an infinite estimate)."""


def flat_directions(information: Floats, null: Floats, *, nothing: float = 0.0) -> npt.NDArray[np.bool_]:
    """Mark the columns that make up a direction without information, at the start or by the end of the steps.

    None at the start: the column does not vary among rows at risk together. None left at the end: an infinite estimate.
    ``nothing`` is the information at the start that rounding alone may leave.
    """
    p = len(null)
    if p == 0:
        return np.zeros(0, dtype=bool)
    values, vectors = np.linalg.eigh(null)
    if values[0] <= max(1e-9 * values[-1], nothing):
        size = np.abs(vectors[:, 0])
        return np.asarray(size > 0.5 * size.max(), dtype=bool)
    root = vectors / np.sqrt(values)
    share, direction = np.linalg.eigh(root.T @ information @ root)
    if share[0] > FLAT:
        return np.zeros(p, dtype=bool)
    size = np.abs(root @ direction[:, 0]) * np.sqrt(np.diag(null))
    return np.asarray(size > 0.5 * size.max(), dtype=bool)
