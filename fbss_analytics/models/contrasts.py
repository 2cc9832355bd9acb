"""The rows of a fit's estimates as combinations of its coefficients."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .formula import Design
from .terms import percentile_contrast

Floats = npt.NDArray[np.float64]


def contrast_rows(design: Design) -> Floats:
    """Return the combinations (rows of the estimates, p) of coefficients that the estimates of a fit are."""
    rows = []
    for term in design.terms:
        if term.kind == "curve" and len(term.variables) == 1:
            high, low, _ = percentile_contrast(design, term.variables[0])
            both = design.at(term.variables[0], [high, low])
            rows.append(both[0] - both[1])
        else:
            rows.extend(np.eye(len(design.names))[term.start : term.stop])
    return np.array(rows)
