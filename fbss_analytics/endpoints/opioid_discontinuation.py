"""Discontinuation of systemic opioids: the time to the first gap in supply of a stated length."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohort import Cohort, Definition
from ..dates import Window, check_window, whole_days, window_words
from ..exposure.coverage import check_dose
from ..exposure.definition import DoseDefinition
from ..exposure.freedom import coverage, was_covered
from ..formats import count
from .assemble import add_outcome, check_until, rivals_of, rivals_words
from .gaps import FirstGap, first_gap, gap_columns

CITATION = (
    "gap rules: Neprash HT et al. J Gen Intern Med 2021;36:1576-1583, doi 10.1007/s11606-020-06402-z (60 days); "
    "Bao Y et al. PMC8311577 (30 days); Fraifeld EM et al. Pain Med 2021;22:784-799, doi 10.1093/pm/pnab033 (365 days)"
)


def add_opioid_discontinuation(
    cohort: Cohort,
    dose: DoseDefinition,
    *,
    gap_days: int,
    until_days: int,
    competing: str | tuple[str, ...] | None,
    baseline_days: Window | None,
    name: str = "opioid_discontinuation",
) -> Cohort:
    """Add the time to discontinuation of systemic opioids, and whether it could be told.

    **Definition**: the first of at least ``gap_days`` observed days in a row without supply, from day 1 on; a gap of
    exactly ``gap_days`` counts. It is dated at its first day and known at its last: *stopped* needs observation to
    reach the last day of supply + ``gap_days``. A gap that the end of observation cuts short is not ascertainable: time
    is censored on the last day before it, and ``<name>_ascertained`` is False. A gap that death cuts short is none.
    Supply of fills before day 0 counts on the days it reaches, that of a day-0 fill from day 1 on.

    Parameters
    ----------
    cohort : Cohort
    dose : DoseDefinition
        Which opioids count as systemic (``buprenorphine``); a fill of unknown dose is supply.
    gap_days : int
        Least uncovered days in a row, 1 or more: 30 (Bao), 60 (Neprash), 365 (Fraifeld). Tools that compare dates of
        fills and ends of supply say a day more.
    until_days : int
        Last day of follow-up, included. Where a gap begins by then, it may end later.
    competing : str, tuple of str, or None
        Named events that compete, as a rule ``"death"``.
    baseline_days : (int, int) or None
        Only those with observed supply on a day of this window have something to stop; for others all columns are
        missing. None keeps everyone: who has no supply from day 1 on has then stopped on day 1.
    name : str
        Name of the outcome, and prefix of the columns.

    Returns
    -------
    Cohort
        Outcome ``name``: ``<name>_days`` (first day of the gap), ``<name>_status``, ``<name>_entry_days``; and
        ``<name>_ascertained`` (False where observation ended inside a gap too short to judge; missing where the outcome
        is).

    Raises
    ------
    InputError
        ``gap_days`` or ``until_days`` below 1.
    DataError
        No dispensings, or nobody with pharmacy observation.

    Notes
    -----
    When not to use it: as abstinence; cash and hospital opioids are not seen. As permanent: many start again
    (`add_opioid_relapse` follows the elimination of `add_opioid_elimination`, which is this outcome with 90 days).

    References
    ----------
    Neprash HT et al. J Gen Intern Med 2021;36:1576-1583, doi 10.1007/s11606-020-06402-z. Bao Y et al. PMC8311577.
    Fraifeld EM et al. Pain Med 2021;22:784-799, doi 10.1093/pm/pnab033.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> cohort = fbss.add_opioid_discontinuation(
    ...     cohort, dose, gap_days=60, until_days=730, competing="death", baseline_days=(-90, -1)
    ... )
    >>> sorted(set(cohort.frame["opioid_discontinuation_status"].dropna()) - {"death"})
    ['censored', 'event']
    """
    check_dose(dose)
    check_until(until_days)
    gap_days = whole_days(gap_days, name="gap_days", example=60)
    window = None if baseline_days is None else check_window(baseline_days, name="baseline_days")
    rivals = rivals_of(competing)
    found = coverage(cohort, dose, what="Opioid discontinuation")
    chosen = np.ones(len(cohort), dtype=bool) if window is None else was_covered(found, window)
    gap = first_gap(found, gap_days)
    columns = gap_columns(cohort, gap, chosen, rivals=rivals, until_days=until_days, name=name)
    ascertained = _ascertained(columns[f"{name}_status"], gap, until_days)
    columns[f"{name}_ascertained"] = ascertained
    words = (
        f"time from day 0 to discontinuation of systemic opioids, the first of at least {gap_days} observed days in a "
        f"row without supply, followed to day {until_days}{rivals_words(rivals)}. "
    )
    if window is not None:
        words += f"{count(chosen.sum())} of {count(len(cohort))} had supply on {window_words(window)}. "
    words += f"{count((ascertained == np.False_).sum())} are censored inside a gap too short to judge. "
    arguments = dose.arguments | {
        "gap_days": gap_days, "until_days": until_days, "competing": rivals, "baseline_days": window,
    }  # fmt: skip
    definition = Definition(name, words + dose.sentence(), tuple(columns), arguments, CITATION)
    return add_outcome(cohort, definition, columns, competing=rivals, until_days=until_days)


def _ascertained(status: npt.NDArray[Any], gap: FirstGap, until_days: int) -> npt.NDArray[Any]:
    """Return where the outcome is known to its end: not where an open gap began before the last day of follow-up."""
    known = np.full(len(status), None, dtype=object)
    known[status != None] = True  # noqa: E711 - compared one by one
    known[(status == "censored") & (gap.open_since <= until_days)] = False
    return known
