"""Days in hospital: left out of what is observed, or assumed to be supplied."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..cohort import Cohort
from ..cohort.linkage import relative_spans
from .intervals import make_spans, merge
from .supply import Supplies
from .sweep import STAY


def stay_spans(cohort: Cohort, *, what: str) -> pd.DataFrame:
    """Return the merged stays of a cohort relative to day 0, or raise `DataError` where the source has none."""
    cohort.source.require("stays", what=what)
    stays = relative_spans(cohort, "stays", keep=np.ones(cohort.source.tables["stays"].num_rows, dtype=bool))
    return merge(make_spans(stays["row"], stays["day"], stays["end"]))


def with_stays(supplies: Supplies, stays: pd.DataFrame) -> Supplies:
    """Return supplies with merged stays as supplies without a dose, of the group `STAY`."""
    n = len(stays)
    row, start, end = (np.append(getattr(supplies, name), stays[name]) for name in ("row", "start", "end"))
    mme, banded = np.append(supplies.mme_per_day, np.zeros(n)), np.append(supplies.banded_mg_per_day, np.zeros(n))
    group = np.append(supplies.group, np.full(n, STAY, dtype=np.int32))
    return Supplies(row, start, end, mme, banded, group, supplies.n_repeats)
