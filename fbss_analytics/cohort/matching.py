"""`start_matched_cohort`: the treated, and comparators sampled from those still untreated at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, InputError
from ..formats import count, plural
from ..sources.events import event
from ..sources.source import Source
from .linkage import observed_spans, relative_events
from .nouns import Attrition, Cohort, Definition, Step
from .verbs import start_cohort, with_people

Integers = npt.NDArray[np.int64]
_CELLS = 2_000_000
"""Pairs of a treated patient and a candidate that are held in memory at a time."""


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Days since eligibility of each eligible patient: treatment (a far day when never) and the last day observed."""

    index_day: npt.NDArray[np.float64]
    treated: npt.NDArray[np.float64]
    last: npt.NDArray[np.float64]
    eligible_on: npt.NDArray[np.int64]


def start_matched_cohort(
    source: Source,
    *,
    index: str,
    eligibility: str,
    ratio: int,
    seed: int,
    within_calendar_days: int | None,
    treatments: tuple[str, ...] = (),
) -> Cohort:
    """Open a cohort of treated patients and of comparators sampled from their risk sets.

    **Definition**: time runs from a patient's first ``eligibility`` event, observed in the medical or registry domain
    from that day on without a gap. A patient is *treated* u days later, on the first ``index`` event, where no other of
    ``treatments`` came first. The risk set at u are all other patients who u days after their own eligibility are
    alive, observed and not yet treated by any of ``treatments`` (not on that day either). From each risk set ``ratio``
    comparators are drawn at random without replacement, fewer where it is smaller; day 0 is their day u. A patient may
    be drawn for several treated patients, and may be treated later: that is recorded, not excluded.

    Parameters
    ----------
    source : Source
    index : str
        The treatment, for example ``"scs_trial"``.
    eligibility : str
        The event from which both groups could have been treated, for example ``"fbss_diagnosis"``.
    ratio : int
        Comparators for each treated patient, 1 or more.
    seed : int
        Of the draw; the same seed gives the same cohort.
    within_calendar_days : int or None
        A comparator's day 0 lies at most so many days from that of the treated patient; None for no bound.
    treatments : tuple of str
        Further named events that end being untreated, for example ``("scs_implant", "pump_trial")``; ``index`` always
        does.

    Returns
    -------
    Cohort
        Of unit ``matched row``, clustered on the patient: patient_id, index_date, age_years, sex, ``group`` (treated,
        comparator), ``matched_set`` (whole number), ``days_since_eligibility``, and ``later_treatment_days`` (days from
        day 0 to a comparator's own later treatment; missing without one).

    Raises
    ------
    InputError
        Unknown event, ``ratio`` below 1, or a calendar bound on shifted calendars.
    DataError
        Nobody is eligible, treated after eligibility, or left as a comparator.

    Notes
    -----
    When not to use it: where treatment is given at once to all who become eligible; there is then no risk set. Sampling
    balances the time since eligibility only: adjust for the rest. Censoring a comparator at its own treatment needs
    weights; treatment policy keeps it.

    References
    ----------
    Lubin JH and Gail MH. Am J Epidemiol 1990;131:552-566 (later cases stay eligible as controls, doi
    10.1093/oxfordjournals.aje.a115531). Suissa S et al. Pharmacoepidemiol Drug Saf 2017;26:459-468, doi
    10.1002/pds.4107 (prevalent new users, time-based).

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_matched_cohort(source, index="scs_trial", eligibility="fbss_diagnosis", ratio=2, seed=7,
    ...                                    within_calendar_days=None, treatments=("scs_implant",))
    >>> sorted(set(cohort.frame["group"]))
    ['comparator', 'treated']
    """
    if ratio < 1:
        raise InputError(f"ratio={ratio}: expected 1 comparator or more for each treated patient.")
    if within_calendar_days is not None:
        _check_calendar(source, within_calendar_days)
    names = tuple(dict.fromkeys((index, *treatments)))
    for name in names:
        event(name)
    eligible = start_cohort(source, index=eligibility, occurrence="first")
    candidates, known = _candidates(eligible, index, names)
    cases = np.flatnonzero(np.isfinite(candidates.index_day))
    words = event(index).words
    if len(cases) == 0:
        raise DataError(
            f"Nobody has a {words} after a {event(eligibility).words}: the treated group is empty. Choose another "
            "eligibility= event, or describe the eligible with start_cohort."
        )
    case, control = _draw(candidates, cases, ratio, np.random.default_rng(seed), within_calendar_days)
    if len(case) == 0:
        raise DataError(
            f"{plural(len(cases), 'patient')} with a {words}, and nobody eligible and untreated at the same time: the "
            "comparator group is empty. Widen within_calendar_days=, or analyse the treated alone (start_cohort)."
        )
    kept = np.unique(case)
    frame = _rows(source, eligible, candidates, kept, case, control)
    n, unmatched = int(known.sum()), len(cases) - len(kept)
    how = f"{count(len(kept))} treated and {count(len(control))} comparator rows of "
    how += f"{plural(len(np.unique(control)), 'patient')}"
    how += f" ({count(unmatched)} treated without a comparator left out)" if unmatched else ""
    steps = (
        *eligible.attrition.steps,
        Step("observed on that day and not treated before", len(eligible), n),
        Step(f"as {how}", n, len(frame)),
    )
    meaning = (
        f"day 0 of the treated is the first {words}; of comparators the day as long after their "
        f"{event(eligibility).words}, alive, observed and not yet treated; up to {ratio} for each by risk-set sampling "
        f"(seed {seed})"
    )
    arguments = {
        "index": index, "eligibility": eligibility, "ratio": ratio, "seed": seed, "treatments": names,
        "within_calendar_days": within_calendar_days,
    }  # fmt: skip
    columns = tuple(str(name) for name in frame if name != "patient_id")
    start = Definition("index", meaning, columns, arguments, known_at_day=0)
    return Cohort(source, frame, Attrition(steps), index, unit="matched row", definitions=(start,))


def _check_calendar(source: Source, within_calendar_days: int) -> None:
    if source.calendar != "gregorian":
        raise InputError(
            "within_calendar_days= compares calendar dates, and those of this source are shifted patient by patient. "
            "Type within_calendar_days=None; the secular fall in prescribing then stays uncontrolled."
        )
    if within_calendar_days < 0:
        raise InputError(f"within_calendar_days={within_calendar_days}: expected 0 or more, or None.")


def _candidates(eligible: Cohort, index: str, names: tuple[str, ...]) -> tuple[_Candidates, npt.NDArray[np.bool_]]:
    """Return what the draw needs of every eligible patient, and who can be drawn at all."""
    n = len(eligible)
    firsts = {name: _first_day(relative_events(eligible, name), n) for name in names}
    treated = np.min(list(firsts.values()), axis=0)
    last = np.full(n, np.nan)
    spans = observed_spans(eligible, ("medical", "registry"))
    over = spans[(spans["start"] <= 0) & (spans["end"] >= 0)]
    last[over["row"].to_numpy()] = over["end"].to_numpy()
    known = ~np.isnan(last) & (treated >= 0)
    is_case = known & (firsts[index] == treated) & (treated <= last)
    index_day = np.where(is_case, treated, np.inf)
    last = np.where(known, last, -1)
    return _Candidates(index_day, treated, last, eligible.index_days.astype(np.int64)), known


def _first_day(rows: pd.DataFrame, n: int) -> npt.NDArray[np.float64]:
    first = np.full(n, np.inf)
    np.minimum.at(first, rows["row"].to_numpy(), rows["day"].to_numpy(float))
    return first


def _draw(
    candidates: _Candidates, cases: Integers, ratio: int, rng: np.random.Generator, within_calendar_days: int | None
) -> tuple[Integers, Integers]:
    """Return pairs of treated patient and comparator, in order of the treated; block by block to bound memory."""
    n = len(candidates.last)
    size = max(1, _CELLS // n)
    pairs = []
    for first in range(0, len(cases), size):
        block = cases[first : first + size]
        u = candidates.index_day[block][:, None]
        at_risk = (candidates.last >= u) & (candidates.treated > u)
        if within_calendar_days is not None:
            date = candidates.eligible_on[block][:, None] - candidates.eligible_on
            at_risk &= np.abs(date) <= within_calendar_days
        key = np.where(at_risk, rng.random(at_risk.shape), np.inf)
        most = min(ratio, n)
        chosen = np.argsort(key, axis=1, kind="stable")[:, :most]
        real = np.isfinite(np.take_along_axis(key, chosen, axis=1))
        pairs.append((np.repeat(block, most)[real.ravel()], chosen.ravel()[real.ravel()]))
    case, control = (np.concatenate(each).astype(np.int64) for each in zip(*pairs, strict=True))
    return case, control


def _rows(
    source: Source, eligible: Cohort, candidates: _Candidates, kept: Integers, case: Integers, control: Integers
) -> pd.DataFrame:
    """Return the rows of the cohort, each set together with its treated patient first."""
    number = np.searchsorted(kept, case) + 1
    who = np.concatenate([kept, control])
    sets = np.concatenate([np.arange(1, len(kept) + 1), number])
    group = np.array(["treated"] * len(kept) + ["comparator"] * len(control), dtype=object)
    waited = candidates.index_day[np.concatenate([kept, case])]
    day = candidates.eligible_on[who] + waited.astype(np.int64)
    later = np.where(group == "comparator", candidates.treated[who] - waited, np.nan)
    patient_id: npt.NDArray[Any] = eligible.data["patient_id"].to_numpy(dtype=object)[who]
    frame = with_people(source, patient_id, day.astype(np.int32))
    frame = frame.assign(
        group=group,
        matched_set=sets,
        days_since_eligibility=waited,
        later_treatment_days=np.where(np.isfinite(later), later, np.nan),
    )
    order = np.lexsort((group != "treated", sets))
    return frame.iloc[order].reset_index(drop=True)
