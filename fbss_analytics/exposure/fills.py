"""Fills of systemic opioids as they were dispensed: their days and their days' supply, before any overlap policy."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..cohort import Cohort
from .coverage import death_days
from .definition import DoseDefinition
from .intervals import make_spans
from .opioids import systemic_fills


def fills(cohort: Cohort, dose: DoseDefinition) -> pd.DataFrame:
    """Return the systemic opioid fills of a cohort: row, start (day of the fill) and end (last day it supplies).

    A fill dated after death is none, and supply ends with life.
    """
    found = systemic_fills(cohort, dose)
    return make_spans(found.row, found.start, np.minimum(found.end, death_days(cohort)[found.row]))
