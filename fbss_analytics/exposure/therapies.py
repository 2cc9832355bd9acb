"""Treatments other than systemic opioids before or after day 0."""

from __future__ import annotations

import numpy as np

from ..cohort import Cohort, Definition
from ..cohort.linkage import relative_days
from ..cohort.nouns import add_columns
from ..dates import OpenWindow, open_window, window_words
from ..errors import one_of
from ..sources import schema
from ..sources.events import matches


def add_therapy(cohort: Cohort, therapy: str, *, days: OpenWindow, name: str | None = None) -> Cohort:
    """Add whether a patient had a therapy on any day of a window, both ends included.

    **Definition**: a therapy with an end date counts when any of its days is in the window, without when its date is.
    No record means False: it cannot be told from a therapy that was not recorded.

    Parameters
    ----------
    therapy : str
        A word of the therapy vocabulary, for example ``"gabapentinoid"``.
    days : (int or None, int or None)
        Window relative to day 0; ``None`` is no bound.
    name : str, optional
        The column; ``has_<therapy>`` when not given.

    Returns
    -------
    Cohort
        One boolean column.

    Raises
    ------
    InputError
        Unknown therapy or a window that ends before it starts.
    DataError
        The source has no therapies.

    Notes
    -----
    When not to use it: for opioids, which are dispensings (`add_opioid_dose`).

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> fbss.add_therapy(cohort, "gabapentinoid", days=(-365, -1)).frame["has_gabapentinoid"].dtype
    dtype('bool')
    """
    one_of(therapy, schema.vocabulary("therapy"), name="therapy")
    first, last = open_window(days)
    cohort.source.require("therapies", what=f"add_therapy({therapy!r})")
    keep = matches(cohort.source.tables["therapies"]["therapy"], (therapy,))
    rows = relative_days(cohort, "therapies", columns=("end_date",), keep=keep)
    end = np.maximum(rows["day"], rows["end_date"] - cohort.index_days[rows["row"].to_numpy()])
    had = np.zeros(len(cohort), dtype=bool)
    had[rows["row"].to_numpy()[(rows["day"] <= last) & (end >= first)]] = True
    column = name or f"has_{therapy}"
    words = f"{therapy.replace('_', ' ')} recorded on {window_words(days)}"
    definition = Definition(column, words, (column,), {"days": days}, known_at_day=days[1])
    return add_columns(cohort, {column: had}, definition)
