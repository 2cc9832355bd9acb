"""Profile likelihood on arrays: where the likelihood, maximised over all else, has fallen by so much.

For a combination ``c' b`` of the coefficients held at ``t`` the model is fitted anew; the limits are the two values of
``t`` at which ``2 (max log L - log L(t))`` equals the quantile of chi-squared with one degree of freedom.

References: Venzon and Moolgavkar 1988 (doi:10.2307/2347496); Heinze and Schemper 2001
(doi:10.1111/j.0006-341X.2001.00114.x) for Firth's likelihood.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .cox import fit_risk_sets
from .firth import fit_firth
from .risk_sets import Floats, RiskSets, recombined

FARTHEST = 60.0
"""How many standard errors from the estimate a limit is looked for; beyond, it is infinite."""


def cox_profile(sets: RiskSets, combination: Floats, *, firth: bool = False) -> tuple[Callable[[float], float], float]:
    """Return the profile t -> likelihood maximised with ``combination' b`` = t, and its maximum over t.

    ``combination`` (p,) is on the scale of the matrix given; infinite estimates are refused before.
    """
    c = combination / sets.scale
    # Columns at right angles to c span what is left to maximise over.
    others = np.linalg.svd(c[None, :])[2][1:]
    along = c / (c @ c)
    if firth:
        turned = recombined(sets, np.vstack([along, others]))
        return lambda t: fit_firth(turned, held=np.array([t])).maximum, fit_firth(turned).maximum
    direction = along @ sets.x
    return (
        lambda t: fit_risk_sets(recombined(sets, others, more=t * direction)).maximum,
        fit_risk_sets(sets).maximum,
    )


def profile_limits(
    profile: Callable[[float], float], maximum: float, estimate: float, std_error: float, *, z: float
) -> tuple[float, float]:
    """Return the limits at which the profile has fallen by z^2 / 2; infinite where it does not within `FARTHEST`."""
    from scipy.optimize import brentq

    def beyond(t: float) -> float:
        return float(np.sqrt(max(2 * (maximum - profile(t)), 0.0)) - z)

    limits = []
    for sign in (-1.0, 1.0):
        near, far = estimate, estimate + sign * z * std_error
        while (fallen := beyond(far)) < 0 and abs(far - estimate) < FARTHEST * std_error:
            near, far = far, estimate + 1.6 * (far - estimate)
        limit = brentq(beyond, near, far, xtol=1e-10 * std_error, rtol=1e-12) if fallen >= 0 else sign * np.inf
        limits.append(float(limit))
    return limits[0], limits[1]
