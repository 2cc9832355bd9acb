"""Profile likelihood intervals and likelihood ratio tests of a Cox model's terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from .bands import chi2_p, normal_quantile
from .cox_case import CoxCase
from .fit import Fit
from .kernels.cox import fit_risk_sets
from .kernels.firth import fit_firth
from .kernels.profile import cox_profile, profile_limits
from .kernels.risk_sets import RiskSets, recombined
from .terms import term_rows

Floats = npt.NDArray[np.float64]


def with_profile(fit: Fit, case: CoxCase) -> Fit:
    """Return the fit with profile likelihood intervals, and p-values and tests from the likelihood ratio."""
    z = normal_quantile(fit.conf_level)
    design, firth = case.rows.design, case.rows.settings.firth
    table = fit.table.copy()
    for place, (columns, combination) in enumerate(term_rows(design)):
        estimate, error = (float(table[name].iloc[place]) for name in ("coefficient", "std_error"))
        profile, top = cox_profile(case.sets, combination, firth=firth)
        low, high = profile_limits(profile, top, estimate, error, z=z)
        _, p = _likelihood_ratio(case, columns)
        for name, value in (("conf_low", np.exp(low)), ("conf_high", np.exp(high)), ("p_value", p)):
            table.loc[table.index[place], name] = value
    rows = []
    for term in design.terms:
        chi2, p = _likelihood_ratio(case, range(term.start, term.stop))
        rows.append((term.label, "likelihood ratio", chi2, term.stop - term.start, p))
    ratios = pd.DataFrame(rows, columns=fit.tests.columns)
    return replace(fit, table=table, tests=pd.concat([ratios, fit.tests], ignore_index=True))


def _likelihood_ratio(case: CoxCase, columns: Sequence[int]) -> tuple[float, float]:
    """Return chi2 and p of the model against the one in which the coefficients of ``columns`` are 0."""
    chosen = list(columns)
    smaller = _without(case.sets, chosen, firth=case.rows.settings.firth)
    chi2 = max(2 * (case.estimate.maximum - smaller), 0.0)
    return chi2, chi2_p(chi2, len(chosen))


def _without(sets: RiskSets, columns: list[int], *, firth: bool) -> float:
    """Return the likelihood maximised with the coefficients of ``columns`` at 0."""
    unit = np.eye(len(sets.x))
    others = np.delete(np.arange(len(unit)), columns)
    if firth:
        # The penalty is that of the whole model, so the columns stay and their coefficients are held.
        return fit_firth(recombined(sets, unit[[*columns, *others]]), held=np.zeros(len(columns))).maximum
    return fit_risk_sets(recombined(sets, unit[others])).maximum
