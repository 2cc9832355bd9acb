"""Whether data can carry a model: too few events are warned of, an infinite estimate is refused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..formats import plural
from .formula import Design
from .rows import warn

FEW = 10
"""Fewer events, or events per parameter, than this are warned of."""


def warn_if_few(events: int, parameters: int) -> None:
    """Warn of few events, or few per parameter (Peduzzi 1995, doi:10.1016/0895-4356(95)00048-8)."""
    if events < FEW:
        warn(f"Only {plural(events, 'event')}: the estimates say little.")
    elif events < FEW * parameters:
        ratio = events / parameters
        warn(
            f"{plural(events, 'event')} for {plural(parameters, 'parameter')}, {ratio:.1f} per parameter; below {FEW} "
            f"estimates are unsteady and too extreme. Leave terms out, or use fewer knots."
        )


def refuse_flat(design: Design, flat: npt.NDArray[np.bool_], converged: bool, happened: npt.NDArray[np.bool_]) -> None:
    """Raise `DataError` naming the columns that separate rows with and without the event: no maximum exists."""
    if flat.any():
        named = ", ".join(repr(design.names[j]) for j in np.flatnonzero(flat) if design.names[j] != "Intercept")
        raise DataError(
            f"{named}: the estimate is infinite, because the events lie entirely on one side of it "
            f"({plural(int(happened.sum()), 'event')}). Join small categories, or leave the column out."
        )
    if not converged:
        raise DataError(
            "The likelihood did not reach its maximum; look for extreme values or nearly collinear columns."
        )
