"""Onset of failed back surgery syndrome after an operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohort import Cohort, Definition
from ..cohort.linkage import observed_spans, relative_days
from ..errors import InputError, one_of
from ..exposure.coverage import followed
from ..sources.events import event, matches
from .assemble import add_outcome, first_days, follow, rivals_of, rivals_words

PAIN_CODES = ("fbss", "chronic_pain", "low_back_pain", "radiculopathy")
ONSET_DEFINITIONS: dict[str, tuple[str, tuple[str, ...], int, tuple[int, ...], str]] = {
    "code": ("a diagnosis of FBSS", ("fbss",), 1, (), ""),
    "stanton2022": (
        "a diagnosis of FBSS", ("fbss",), 1, (183, 365),
        "Stanton EW et al. J Clin Neurosci 2022, doi 10.1016/j.jocn.2022.06.027",
    ),
    "weir2017": (
        "a diagnosis of FBSS, chronic pain, low back pain or radiculopathy from day 91 on", PAIN_CODES, 91, (730,),
        "Weir S et al. BMJ Open 2017, doi 10.1136/bmjopen-2017-017585",
    ),
}  # fmt: skip
"""Words, conditions, first day that counts, days at which it is judged (by the user where none), source."""


def add_fbss_onset(
    cohort: Cohort,
    *,
    definition: str,
    competing: str | tuple[str, ...] | None,
    at_days: Sequence[int] | None = None,
    name: str = "fbss_onset",
) -> Cohort:
    """Add the onset of failed back surgery syndrome (FBSS) after the operation on day 0.

    **Definition**: ``"code"``: the first diagnosis of FBSS on day 1 or later. ``"stanton2022"``: the same, judged at 6
    and 12 months (days 183 and 365). ``"weir2017"``: persistent postoperative pain within 2 years (day 730), here a
    pain diagnosis from day 91 on; the paper states the window, the choice of records is ours. By day t: dated on t or
    before. The last of ``at_days`` is the last day of follow-up, included.

    Parameters
    ----------
    cohort : Cohort
        With day 0 at a lumbar operation.
    definition : {"code", "stanton2022", "weir2017"}
    competing : str, tuple of str, or None
        Named events that compete, as a rule ``"death"``.
    at_days : sequence of int, optional
        Days t; required by ``"code"`` (183, 365, 730 are 6 and 12 months and 2 years), given by the other two.
    name : str
        Name of the outcome, and prefix of the columns.

    Returns
    -------
    Cohort
        Outcome ``name`` with ``<name>_days``, ``<name>_status``, ``<name>_entry_days``; and ``<name>_by_<t>`` for each
        t: True, False (also for those who died before it), or missing where observation ended before.

    Raises
    ------
    InputError
        Day 0 is no lumbar operation; ``at_days`` lacking or not wanted.
    DataError
        The source has no conditions or observation periods.

    Notes
    -----
    When not to use it: with patients who had the diagnosis before (`require_no_prior`); and not to compare a code, a
    pain rule and dissatisfaction, which are three outcomes from 5 to 32 %.

    References
    ----------
    Stanton EW et al. 2022, doi 10.1016/j.jocn.2022.06.027. Weir S et al. 2017, doi 10.1136/bmjopen-2017-017585; both
    require later follow-up, which conditions on survival; here those who leave are censored.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="lumbar_surgery", occurrence="last")
    >>> cohort = fbss.add_fbss_onset(cohort, definition="stanton2022", competing="death")
    >>> list(cohort.frame.columns[-2:])
    ['fbss_onset_by_183', 'fbss_onset_by_365']
    """
    one_of(definition, ONSET_DEFINITIONS, name="definition")
    what, conditions, first, given, citation = ONSET_DEFINITIONS[definition]
    if cohort.index != "lumbar_surgery":
        raise InputError(f'Onset counts from an operation, but day 0 is {cohort.index!r}; use index="lumbar_surgery".')
    if given and at_days is not None:
        raise InputError(f'{definition!r} is judged at {given}; leave at_days= out, or type definition="code".')
    days = given or tuple(at_days or ())
    if not days or min(days) < 1:
        raise InputError(f"{definition!r} needs at_days=, days from 1 on; type at_days=(183, 365, 730).")
    cohort.source.require("conditions", "observation_periods", what="Onset of FBSS")
    rivals = rivals_of(competing)
    keep = matches(cohort.source.tables["conditions"]["condition"], conditions)
    rows = relative_days(cohort, "conditions", keep=keep)
    rows = rows[rows["day"] >= first]
    found = np.full(len(cohort), np.inf)
    np.minimum.at(found, rows["row"].to_numpy(), rows["day"].to_numpy(float))
    entry, end = followed(observed_spans(cohort, event("fbss_diagnosis").domains), len(cohort))
    times = {rival: first_days(cohort, rival) for rival in rivals}
    time, status, late = follow(found, end, times, entry=entry, until_days=max(days))
    columns: dict[str, npt.NDArray[Any]] = {
        f"{name}_days": time, f"{name}_status": status, f"{name}_entry_days": late,
    }  # fmt: skip
    death = first_days(cohort, "death")
    for t in days:
        had = (status == "event") & (time <= t)
        known = had | (~np.isnan(time) & (entry == 0) & ((end >= t) | ((death <= t) & (death <= end))))
        by = np.full(len(cohort), None, dtype=object)
        by[known] = had[known]
        columns[f"{name}_by_{t}"] = by
    words = f"time from day 0 to {what}, followed to day {max(days)}{rivals_words(rivals)}."
    arguments = {"definition": definition, "competing": rivals, "at_days": days}
    made = Definition(name, words, tuple(columns), arguments, citation)
    return add_outcome(cohort, made, columns, competing=rivals, until_days=max(days))
