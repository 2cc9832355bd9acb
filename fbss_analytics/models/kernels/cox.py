"""Cox partial likelihood on arrays: Newton steps to its maximum, with or without a ridge penalty.

The likelihood, its gradient and its information are those of `risk_sets`. A penalty ``P`` (p, p) on the standardised
scale maximises ``log L(b) - b' P b / 2``; the covariance is then the inverse of ``I + P``.

References: Cox 1972 (doi:10.1111/j.2517-6161.1972.tb00899.x); Gray 1992 (doi:10.1080/01621459.1992.10476248) for the
covariance under a penalty; Therneau and Grambsch 2000, Modeling Survival Data, chapters 3 and 5
(doi:10.1007/978-1-4757-3294-8).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .cox_variance import baseline_hazard, sandwich, score_residuals
from .flatness import flat_directions
from .risk_sets import Floats, RiskSets, RiskSums, derivatives, risk_sets, risk_sums

__all__ = [
    "CoxEstimate",
    "RiskSets",
    "baseline_hazard",
    "fit_risk_sets",
    "flat_directions",
    "risk_sets",
    "sandwich",
    "score_residuals",
]

DECREMENT = 1e-12
"""Newton stops when the predicted gain in log likelihood is below this; R at 1e-9 stops one step earlier."""

GAIN_OF_R = 1e-9
"""R's ``coxph.control(eps)``: a predicted gain below this counts as converged when all steps are used up."""

NOTHING = 1e-10
"""Information per event below which a standardised column does not vary among rows at risk together: what is left is
rounding."""

NOTHING_TO_GAIN = 1e-3
"""Gain in log likelihood below which a flat direction is an infinite estimate and no overshot step."""

LONGEST = 20.0
"""Longest Newton step, in log hazard ratio per standard deviation; halved thirty times it is below rounding."""


@dataclass(frozen=True, eq=False)
class CoxEstimate:
    """Maximum partial likelihood: ``coefficients`` (p,), ``covariance`` (p, p), on the scale of the matrix given.

    ``flat`` (p,) marks columns whose coefficient runs to infinity; ``center`` (p,) is where the baseline hazard stands.
    ``maximum`` is what was maximised: the log likelihood less its penalty; ``maximum_null`` its value at 0.
    """

    coefficients: Floats
    covariance: Floats
    log_likelihood: float
    log_likelihood_null: float
    steps: int
    converged: bool
    flat: npt.NDArray[np.bool_]
    center: Floats
    maximum: float
    maximum_null: float


def fit_risk_sets(
    sets: RiskSets, *, start: Floats | None = None, max_steps: int = 40, penalty: Floats | None = None
) -> CoxEstimate:
    """Maximise the partial likelihood by Newton steps, halving a step that does not raise it.

    ``start`` (p,) on the scale of the matrix given; ``penalty`` (p, p) on the standardised scale.
    """
    p = len(sets.x)
    ridge = np.zeros((p, p)) if penalty is None else penalty
    beta = np.zeros(p)
    sums = risk_sums(sets, beta)
    log_likelihood_null = sums.log_likelihood
    gradient, information = _penalised(sets, sums, beta, ridge)
    null_information = information
    if start is not None:
        beta = np.asarray(start, dtype=np.float64) * sets.scale
        sums = risk_sums(sets, beta)
        gradient, information = _penalised(sets, sums, beta, ridge)
    reached = sums.log_likelihood - beta @ ridge @ beta / 2
    converged, steps, gain = p == 0, 0, np.inf
    flat = flat_at_start(sets, null_information)
    while not converged and not flat.any() and steps < max_steps:
        step = np.linalg.lstsq(information, gradient)[0]
        step *= LONGEST / max(LONGEST, float(np.abs(step).max()))
        gain = float(gradient @ step)
        if gain < NOTHING_TO_GAIN:
            # An infinite estimate is recognised before rounding drowns what is left of the information.
            flat = flat_directions(information, null_information)
            if flat.any():
                break
        converged = gain < DECREMENT
        lowest, halvings = reached - 1e-9 * abs(reached), 0
        while True:
            sums = risk_sums(sets, beta + step)
            reached = sums.log_likelihood - (beta + step) @ ridge @ (beta + step) / 2
            if reached >= lowest or halvings == 30:
                break
            step, halvings = step / 2, halvings + 1
        if not np.isfinite(reached):
            # The risks have run so far apart that no step can be computed: what is known is known at `beta`.
            sums, reached = risk_sums(sets, beta), lowest
            break
        beta, steps = beta + step, steps + 1
        gradient, information = _penalised(sets, sums, beta, ridge)
    # Where the likelihood is nearly flat rounding may hide the last steps' gain; R stops at this one.
    converged = converged or (steps == max_steps and gain < GAIN_OF_R)
    if not converged and not flat.any():
        flat = flat_directions(information, null_information)
    covariance = np.full((p, p), np.nan) if flat.any() or not converged else np.linalg.inv(information)
    return CoxEstimate(
        coefficients=beta / sets.scale,
        covariance=covariance / np.outer(sets.scale, sets.scale),
        log_likelihood=sums.log_likelihood,
        log_likelihood_null=log_likelihood_null,
        steps=steps,
        converged=converged,
        flat=flat,
        center=sets.center,
        maximum=float(reached),
        maximum_null=log_likelihood_null,
    )


def flat_at_start(sets: RiskSets, null: Floats) -> npt.NDArray[np.bool_]:
    """Mark the columns of a direction that holds no information (p, p) where all coefficients are 0."""
    return flat_directions(null, null, nothing=NOTHING * float(sets.mean_weight @ sets.deaths))


def _penalised(sets: RiskSets, sums: RiskSums, beta: Floats, ridge: Floats) -> tuple[Floats, Floats]:
    """Return gradient and information with those of the penalty."""
    gradient, information = derivatives(sets, sums)
    return gradient - ridge @ beta, information + ridge
