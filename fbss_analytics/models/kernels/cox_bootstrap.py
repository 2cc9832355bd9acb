"""Cox models of many weightings of the same rows, on arrays: compiled Newton steps from a warm start.

The partial likelihood is that of `risk_sets`, with the counts of a bootstrap sample as weights of the rows: nothing is
indexed, sorted or copied again. A row counted 0 times is not there, so that Efron's fractions are those of the rows of
the sample. Each step sums ``r``, ``r x`` at the places where rows leave (and enter), adds them up backwards over the
event times, and takes

    g = sum_events w x - sum_k (C_k S1_k - Cf_k E1_k),
    I = sum_i r_i h_i x_i x_i' - sum_k v sum_l a a',

with ``C_k = sum_l v / D``, ``Cf_k`` the same with the factor ``f_l``, and ``h`` as in `risk_sets`.

A step that lowers the likelihood is halved. Steps end once the gain they promise is below 1e-8; being quadratic, what
the step then taken leaves is of the order of its square.

References: Cox 1972 (doi:10.1111/j.2517-6161.1972.tb00899.x); Efron 1977 (doi:10.1080/01621459.1977.10480613); Davison
and Hinkley 1997, Bootstrap Methods and their Application, section 7.3 (doi:10.1017/CBO9780511802843).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ...compiled import compiled
from .cox_maximum import maximise
from .flatness import FLAT
from .risk_sets import RiskSets

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEW = 8
"""Fewer samples than this are not worth handing out to threads."""


@dataclass(frozen=True, eq=False)
class Refits:
    """``coefficients`` (B, p) on the scale of the matrix given; ``found`` (B,) whether a finite maximum was found."""

    coefficients: Floats
    found: npt.NDArray[np.bool_]


def refit(sets: RiskSets, counts: Floats, start: Floats, information: Floats) -> Refits:
    """Fit the model to each weighting of the rows.

    Parameters
    ----------
    sets : the rows, indexed once; their own weights multiply the counts.
    counts : (B, n) how often each row occurs in each sample.
    start : (p,) coefficients of the whole, on the scale of the matrix given. information : (p, p) of the whole, on the
        standardised scale, against which the samples' information is judged: a direction with next to none of it is an
        infinite estimate.
    """
    samples, p = len(counts), len(sets.x)
    # In the order of leaving, rows that are summed together lie together.
    order = np.argsort(sets.last, kind="stable")
    event = np.zeros(len(order), dtype=bool)
    event[sets.events] = True
    entering = np.zeros(0, dtype=np.int64) if sets.entering is None else sets.entering[order]
    offset = np.zeros(0) if sets.offset is None else sets.offset[order]
    own_time = np.full(len(order), -1, dtype=np.int64)
    own_time[sets.events] = sets.event_time
    rows = (np.ascontiguousarray(sets.x.T[order]), sets.leaving[order], entering, own_time[order], offset)
    begins = np.zeros(len(sets.time), dtype=bool)
    begins[sets.bounds[:-1]] = True
    # One memory layout, so that it is compiled once.
    weight = np.ascontiguousarray(counts[:, order] * sets.weight[order])
    efron = bool((sets.fraction > 0).any()) or len(sets.events) == len(sets.time)
    beta, curvature, converged = np.empty((samples, p)), np.empty((samples, p, p)), np.empty(samples, dtype=bool)
    work = _compiled()
    warm = np.asarray(start, dtype=np.float64) * sets.scale

    def fit(a: int, b: int) -> None:
        work(*rows, weight[a:b], warm, begins, efron, beta[a:b], curvature[a:b], converged[a:b])

    threads = 1 if samples < FEW else min(os.cpu_count() or 1, samples)
    cuts = np.linspace(0, samples, threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fit, cuts[:-1], cuts[1:]))
    return Refits(beta / sets.scale, converged & ~_flat(curvature, converged, information))


def _flat(curvature: Floats, converged: npt.NDArray[np.bool_], whole: Floats) -> npt.NDArray[np.bool_]:
    """Mark the samples with a direction that holds next to none of the information it has in the whole."""
    values, vectors = np.linalg.eigh(whole)
    # Of columns that are nearly the same, rounding may leave an eigenvalue below 0.
    root = vectors / np.sqrt(np.maximum(values, 1e-15 * values[-1:]))
    flat = np.zeros(len(curvature), dtype=bool)
    if converged.any() and len(whole):
        flat[converged] = np.linalg.eigvalsh(root.T @ curvature[converged] @ root)[:, 0] < FLAT
    return flat


@lru_cache(maxsize=1)
def _compiled() -> Callable[..., Any]:
    """Return `maximise` compiled."""
    return compiled(maximise, error_model="numpy")
