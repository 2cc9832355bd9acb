"""The device a patient received on day 0."""

from __future__ import annotations

import numpy as np

from ..cohort import Cohort, Definition
from ..cohort.linkage import relative_events
from ..cohort.nouns import add_columns
from ..errors import InputError

COLUMNS = {"waveform": "waveform", "lead_type": "lead_type", "rechargeable": "is_rechargeable"}


def add_device(cohort: Cohort) -> Cohort:
    """Add what is recorded of the spinal cord stimulator implanted on day 0.

    **Definition**: the generator implanted on day 0; of several on that day the one recorded first. A device not
    described is missing, not of a default kind.

    Parameters
    ----------
    cohort : Cohort
        With day 0 at a permanent implant (``index="scs_implant"``).

    Returns
    -------
    Cohort
        ``waveform``, ``lead_type`` (text) and ``is_rechargeable`` (True, False or missing).

    Raises
    ------
    InputError
        Day 0 is no implant.

    Notes
    -----
    When not to use it: to compare devices as treatments; who gets which device is not by chance, and it changes with
    calendar time.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.add_device(fbss.start_cohort(source, index="scs_implant", occurrence="first"))
    >>> cohort.frame[["waveform", "lead_type", "is_rechargeable"]].shape[1]
    3
    """
    if cohort.index != "scs_implant":
        raise InputError(
            f'add_device describes the implant on day 0, but day 0 is {cohort.index!r}; use index="scs_implant".'
        )
    rows = relative_events(cohort, "scs_implant", columns=tuple(COLUMNS))
    rows = rows[rows["day"] == 0].drop_duplicates("row")
    columns = {}
    for recorded, column in COLUMNS.items():
        values = np.full(len(cohort), None, dtype=object)
        values[rows["row"].to_numpy()] = rows[recorded].to_numpy(object)
        columns[column] = values
    words = "waveform, lead type and rechargeability of the generator implanted on day 0"
    return add_columns(cohort, columns, Definition("device", words, tuple(columns), known_at_day=0))
