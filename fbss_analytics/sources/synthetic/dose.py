"""The latent daily opioid dose before any tablet is dispensed: the level at eligibility and calendar time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...dates import DAYS_PER_YEAR
from .draws import Numbers
from .parameters import Parameters
from .people import People


def secular_log_dose(day: npt.NDArray[np.integer], p: Parameters) -> Numbers:
    """Return the log change of dose that calendar time brings; none before the fall began."""
    years = np.maximum(day - p.number("opioids.secular_start"), 0) / DAYS_PER_YEAR
    return np.asarray(p.number("opioids.secular_log_dose_per_year") * years, dtype=np.float64)


def mme_at_eligibility(people: People, p: Parameters) -> Numbers:
    """Return the daily dose at eligibility in MME, 0 for those who take none."""
    log_dose = people.log_mme + secular_log_dose(people.eligible, p)
    return np.asarray(np.where(people.is_user, np.exp(log_dose), 0.0), dtype=np.float64)
