"""Whether data can carry a model: too few events are warned of, an infinite estimate is refused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import DataError, InputError
from ..formats import plural
from .formula import Design
from .rows import warn

FEW = 10
"""Fewer events, or events per parameter, than this are warned of."""


def warn_if_few(events: int, parameters: int, *, when: str = "") -> None:
    """Warn of few events, or few per parameter (Peduzzi 1995, doi:10.1016/0895-4356(95)00048-8)."""
    where = f" ({when})" if when else ""
    if events < FEW:
        warn(f"Only {plural(events, 'event')}{where}: the estimates say little.")
    elif events < FEW * parameters:
        ratio = events / parameters
        warn(
            f"{plural(events, 'event')}{where} for {plural(parameters, 'parameter')}, {ratio:.1f} per parameter; "
            f"below {FEW} estimates are unsteady and too extreme. Leave terms out, or use fewer knots."
        )


def refuse_flat(
    design: Design,
    flat: npt.NDArray[np.bool_],
    converged: bool,
    happened: npt.NDArray[np.bool_],
    *,
    firth: str = "",
) -> None:
    """Raise `DataError` naming the columns that separate rows with and without the event: no maximum exists.

    ``firth`` is what to type for Firth's penalised likelihood, where the model offers it.
    """
    if flat.any():
        named = ", ".join(name for j in np.flatnonzero(flat) for name in _column(design, int(j)))
        raise DataError(
            f"{named}: no finite estimate exists, because the {plural(int(happened.sum()), 'event')} lie entirely on "
            f"one side of it (or it does not vary among rows at risk together). Join small categories, or leave it "
            f"out{f', or use {firth} (penalised likelihood) where it does vary' if firth else ''}."
        )
    if not converged:
        raise DataError(
            "The likelihood did not reach its maximum; look for extreme values or nearly collinear columns."
        )


def check_clusters(codes: npt.NDArray[np.int64], parameters: int, *, cluster: str) -> int:
    """Return how many clusters there are; refuse fewer than parameters + 1, with which no robust covariance exists."""
    clusters = int(codes.max()) + 1
    if clusters <= parameters:
        raise InputError(
            f"cluster={cluster!r} has {plural(clusters, 'cluster')} for {plural(parameters, 'parameter')}; robust "
            f"standard errors need more clusters than parameters. Use it as strata= or in the formula."
        )
    return clusters


def _column(design: Design, j: int) -> list[str]:
    """Return a column of the matrix as a reader knows it, with its level; nothing for the intercept."""
    found = [(term, j - term.start) for term in design.terms if term.start <= j < term.stop]
    return [f"{term.label!r}" + (f" ({term.levels[k]})" if term.levels[k] else "") for term, k in found]
