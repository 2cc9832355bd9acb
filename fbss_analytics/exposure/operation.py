"""The operation of day 0."""

from __future__ import annotations

import numpy as np

from ..cohort import Cohort, Definition
from ..cohort.linkage import relative_events
from ..cohort.nouns import add_columns
from ..errors import InputError

GROUPS = {
    "discectomy": "discectomy",
    "fusion": "fusion",
    "decompression_fusion": "fusion",
    "laminectomy": "decompression",
    "laminotomy": "decompression",
    "foraminotomy": "decompression",
    "decompression": "decompression",
}
"""Procedures by group; every other procedure is ``other``."""


def add_operation(cohort: Cohort) -> Cohort:
    """Add what was done on day 0.

    **Definition**: the lumbar operation dated on day 0; of several on that day a fusion before a decompression before a
    discectomy, since a fusion is followed as one. Not recorded is missing.

    Parameters
    ----------
    cohort : Cohort
        With day 0 at a lumbar operation (``index="lumbar_surgery"``).

    Returns
    -------
    Cohort
        ``procedure_group`` (discectomy, decompression, fusion, other), ``levels_n`` (levels operated on) and
        ``is_multilevel`` (two levels or more).

    Raises
    ------
    InputError
        Day 0 is no lumbar operation.

    Notes
    -----
    When not to use it: to compare procedures as treatments; the procedure follows the indication.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("surgical", n_patients=200, seed=1)
    >>> cohort = fbss.add_operation(fbss.start_cohort(source, index="lumbar_surgery", occurrence="first"))
    >>> set(cohort.frame["procedure_group"]) <= {"discectomy", "decompression", "fusion", "other"}
    True
    """
    if cohort.index != "lumbar_surgery":
        raise InputError(f"add_operation needs day 0 at a lumbar operation, but it is {cohort.index!r}.")
    rows = relative_events(cohort, "lumbar_surgery", columns=("procedure", "levels_n"))
    rows = rows[rows["day"] == 0]
    order = {"fusion": 0, "decompression": 1, "discectomy": 2, "other": 3}
    rows = rows.assign(group=rows["procedure"].map(GROUPS).fillna("other"))
    rows = (
        rows.assign(place=rows["group"].map(order)).sort_values(["row", "place"], kind="stable").drop_duplicates("row")
    )
    group = np.full(len(cohort), None, dtype=object)
    group[rows["row"].to_numpy()] = rows["group"].to_numpy()
    levels = np.full(len(cohort), np.nan)
    levels[rows["row"].to_numpy()] = rows["levels_n"].to_numpy(float)
    several = (levels >= 2).astype(object)
    several[np.isnan(levels)] = None
    columns = {"procedure_group": group, "levels_n": levels, "is_multilevel": several}
    words = "procedure (of several the largest), levels operated on, and whether two or more, on day 0"
    return add_columns(cohort, columns, Definition("operation", words, tuple(columns), known_at_day=0))
