"""Cox models of pieces of follow-up, several of a patient, whose standard errors are robust."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from .adequacy import check_clusters, refuse_flat
from .fit import Fit
from .formula import Design
from .kernels import cox
from .terms import make_fit


def clustered_fit(
    design: Design, sets: cox.RiskSets, happened: npt.NDArray[np.bool_], patients: pd.Series, **about: Any
) -> Fit:
    """Return the fit of pieces with their risk sets, clustered on the patient, a column of theirs.

    ``about`` is what `make_fit` takes besides numbers.

    Raises
    ------
    InputError
        Too few patients for the parameters.
    DataError
        No finite estimate exists.
    """
    result = cox.fit_risk_sets(sets)
    refuse_flat(design, result.flat, result.converged, happened)
    codes = np.asarray(pd.factorize(patients)[0], dtype=np.int64)
    check_clusters(codes, design.n_parameters, cluster=str(patients.name))
    return make_fit(
        design,
        result.coefficients,
        cox.sandwich(sets, result, cluster=codes),
        happened,
        log_likelihood=(result.log_likelihood, result.log_likelihood_null),
        robust=True,
        **about,
    )
