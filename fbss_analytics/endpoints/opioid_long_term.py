"""Long-term opioid therapy in a window, by definitions as published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..cohort import Cohort, Definition
from ..cohort.nouns import add_columns
from ..dates import Window, check_window, whole_days, window_words
from ..errors import InputError, one_of
from ..exposure.coverage import check_dose
from ..exposure.definition import DoseDefinition
from ..exposure.fills import fills
from ..exposure.freedom import Coverage, coverage
from ..exposure.intervals import Integers, common, make_spans, merge, to_lists, within
from ..exposure.opioids import observed_and_supplied
from ..exposure.sweep import View, bands_of, sum_by_row, window_totals
from .change import DIGITS
from .judging import Mask, observed_throughout, yes_or_no

QUARTER_DAYS = 91
LEAST_QUARTERS, MORE_THAN_DAYS = 4, 60
LONGER_THAN_DAYS, LEAST_FILLS, LEAST_SUPPLY = 90, 10, 120
LEAST_COVERED = 90
HIGH_MME, HIGH_WINDOW_DAYS, LEAST_HIGH_DAYS = 90.0, 90, 81
LENGTHS = {"costa2020": (365, 366), "diprete2022": (HIGH_WINDOW_DAYS,)}
LEAST_LENGTH = {"von_korff2008": LONGER_THAN_DAYS + 1, "neprash2021": LEAST_QUARTERS * QUARTER_DAYS}
_REACH = 10**8
"""More days than any history holds, so that the spans of a row never reach those of the next on the joint axis."""


@dataclass(frozen=True)
class LongTerm:
    """A published definition of long-term opioid therapy: its rule in words, and where it stands."""

    words: str
    citation: str


DEFINITIONS: Mapping[str, LongTerm] = {
    "von_korff2008": LongTerm(
        f"an episode longer than {LONGER_THAN_DAYS} days with at least {LEAST_FILLS} fills or at least {LEAST_SUPPLY} "
        "days' supply",
        "Von Korff M et al. Clin J Pain 2008;24:521-527, doi 10.1097/AJP.0b013e318169d03b",
    ),
    "costa2020": LongTerm(
        f"at least {LEAST_COVERED} days with supply in a year",
        "Variations in long-term opioid therapy definitions: a systematic review of observational studies using "
        "routinely collected data (2000-2019), 2020, doi 10.22541/au.160192979.95446629/v1 (the commonest of 78)",
    ),
    "neprash2021": LongTerm(
        f"at least {LEAST_QUARTERS} consecutive quarters with more than {MORE_THAN_DAYS} days with supply in each",
        "Neprash HT et al. J Gen Intern Med 2021;36:1576-1583, doi 10.1007/s11606-020-06402-z",
    ),
    "diprete2022": LongTerm(
        f"high-dose, at least {HIGH_MME:g} MME on at least {LEAST_HIGH_DAYS} of {HIGH_WINDOW_DAYS} days",
        "DiPrete BL et al. JAMA Netw Open 2022;5(4):e229191, doi 10.1001/jamanetworkopen.2022.9191",
    ),
}


def add_long_term_opioid_therapy(
    cohort: Cohort,
    dose: DoseDefinition,
    *,
    days: Window,
    definition: str,
    gap_days: int | None = None,
    name: str = "long_term_opioid_therapy",
) -> Cohort:
    """Add who is on long-term opioid therapy in a window, by a published definition.

    **Definition**: on the days of the window, both ends included:

    - ``"von_korff2008"``: an episode longer than 90 days (91 or more, from its first to its last day with supply) with
      at least 10 fills or at least 120 days' supply. At least ``gap_days`` uncovered days in a row end an episode.
      Fills count where they are dated (on day 0 they count on neither side), days' supply by its days in the window, a
      day once per fill. An episode is judged by its part in the window.
    - ``"costa2020"``: at least 90 calendar days with supply, in a window of a year (365 or 366 days).
    - ``"neprash2021"``: at least 4 quarters in a row, each with more than 60 calendar days with supply. Quarters are of
      91 days, counted back from the window's last day (the paper takes those of the calendar).
    - ``"diprete2022"``: high-dose therapy, at least 90 MME on each of at least 81 days (90 percent) of a window of 90.

    Supply of a fill dated before the window counts on the days it reaches. Every day must be observed in the pharmacy
    domain, to the window's end or to death: whoever died on or before the last day without meeting the rule is not on
    long-term therapy, with status ``death``.

    Parameters
    ----------
    cohort : Cohort
    dose : DoseDefinition
        Which opioids count as systemic (``buprenorphine``); a fill of unknown dose is supply.
    days : (int, int)
        Window relative to day 0, for example ``(-365, -1)``.
    definition : {"von_korff2008", "costa2020", "neprash2021", "diprete2022"}
    gap_days : int, optional
        Least uncovered days in a row that end an episode; required with ``"von_korff2008"``, refused with the others.
    name : str
        The column, and prefix of the status.

    Returns
    -------
    Cohort
        ``<name>`` (True, False; missing where not judged) and ``<name>_status`` (observed, unobserved, death; with
        ``"diprete2022"`` also unknown_dose, where doses that are not known may make up what lacks).

    Raises
    ------
    InputError
        Unknown definition, a window too short for it, ``gap_days`` lacking or not wanted.
    DataError
        No dispensings, or nobody with pharmacy observation.

    Notes
    -----
    When not to use it: across definitions; one review counts 78, which call 0.2 to 57 % of patients long-term users.
    On days after day 0 as a covariate; it is known only at the window's end.

    References
    ----------
    Von Korff M et al. Clin J Pain 2008;24:521-527, doi 10.1097/AJP.0b013e318169d03b. The review, doi
    10.22541/au.160192979.95446629/v1. Neprash HT et al. J Gen Intern Med 2021, doi 10.1007/s11606-020-06402-z. DiPrete
    BL et al. JAMA Netw Open 2022, doi 10.1001/jamanetworkopen.2022.9191.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> cohort = fbss.add_long_term_opioid_therapy(cohort, dose, days=(-365, -1), definition="costa2020")
    >>> sorted(set(cohort.frame["long_term_opioid_therapy"].dropna()))
    [False, True]
    """
    check_dose(dose)
    window = check_window(days)
    rule = DEFINITIONS[one_of(definition, DEFINITIONS, name="definition")]
    _check_arguments(definition, window, gap_days)
    found = coverage(cohort, dose, what="Long-term opioid therapy")
    covered = within(common(found.covered, found.observed, found.n_rows), *window)
    unknown = np.zeros(found.n_rows, dtype=bool)
    if definition == "von_korff2008":
        met = _has_long_episode(cohort, dose, found, covered, window, int(gap_days or 0))
    elif definition == "costa2020":
        met = _days(covered, found.n_rows) >= LEAST_COVERED
    elif definition == "neprash2021":
        met = _has_quarters(covered, window, found.n_rows)
    else:
        met, unknown = _has_high_doses(cohort, dose, window)
    reasons = [~observed_throughout(found, window), unknown & ~met, (found.death <= window[1]) & ~met]
    status = np.select(reasons, ["unobserved", "unknown_dose", "death"], "observed").astype(object)
    columns = {name: yes_or_no(met, np.isin(status, ("observed", "death"))), f"{name}_status": status}
    ends = f"; at least {gap_days} uncovered days end an episode" if gap_days else ""
    words = f"long-term opioid therapy on {window_words(window)}: {rule.words}{ends}. {dose.sentence()}"
    arguments = dose.arguments | {"days": window, "definition": definition, "gap_days": gap_days}
    return add_columns(
        cohort, columns, Definition(name, words, tuple(columns), arguments, rule.citation, known_at_day=window[1])
    )


def _check_arguments(definition: str, window: Window, gap_days: int | None) -> None:
    if (definition == "von_korff2008") != (gap_days is not None):
        raise InputError(
            "von_korff2008 needs gap_days=, the least uncovered days in a row that end an episode, for example 90."
            if gap_days is None else f"gap_days= belongs to von_korff2008, not to {definition}; leave it out."
        )  # fmt: skip
    if gap_days is not None:
        whole_days(gap_days, name="gap_days", example=90)
    length = window[1] - window[0] + 1
    exact, least = LENGTHS.get(definition, (length,)), LEAST_LENGTH.get(definition, 0)
    if length not in exact:
        raise InputError(
            f"days={window} holds {length} days; {definition} judges {exact[0]}: type days=({-exact[0]}, -1)."
        )
    if length < least:
        raise InputError(f"days={window} holds {length} days; {definition} needs at least {least}.")


def _days(spans: pd.DataFrame, n_rows: int) -> Integers:
    """Return how many days the spans of each row hold."""
    length = (spans["end"] - spans["start"] + 1).to_numpy()
    return np.asarray(sum_by_row(spans["row"].to_numpy(), length, n_rows), dtype=np.int64)


def _has_quarters(covered: pd.DataFrame, window: Window, n_rows: int) -> Mask:
    """Return which rows have enough quarters in a row with enough supply; quarters count back from the last day."""
    ends = range(window[1], window[0] + QUARTER_DAYS - 2, -QUARTER_DAYS)
    run, longest = np.zeros(n_rows, dtype=np.int64), np.zeros(n_rows, dtype=np.int64)
    for end in ends:
        enough = _days(within(covered, end - QUARTER_DAYS + 1, end), n_rows) > MORE_THAN_DAYS
        run = np.where(enough, run + 1, 0)
        longest = np.maximum(longest, run)
    return np.asarray(longest >= LEAST_QUARTERS)


def _has_high_doses(cohort: Cohort, dose: DoseDefinition, window: Window) -> tuple[Mask, Mask]:
    """Return which rows have enough days of a high dose, and which have fills of unknown dose."""
    n = len(cohort)
    spans, supplies = observed_and_supplied(cohort, dose)
    each_day = np.array([(day, day) for day in range(window[0], window[1] + 1)])
    day_0 = np.zeros(n, dtype=np.int64)
    view = View(patient=np.arange(n), day_0=day_0, windows=each_day, spans=to_lists(spans, n))
    found = window_totals(supplies, view, bands_of(dose.factors))
    high = (np.round(found.max_daily_mme, DIGITS) >= HIGH_MME).sum(axis=1)
    return np.asarray(high >= LEAST_HIGH_DAYS), np.asarray((found.unknown > 0).any(axis=1))


def _has_long_episode(
    cohort: Cohort, dose: DoseDefinition, found: Coverage, covered: pd.DataFrame, window: Window, gap_days: int
) -> Mask:
    """Return which rows have an episode long enough, with enough fills or enough days' supply."""
    # Fewer uncovered days than the gap do not part an episode: spans touch when each reaches that many days further.
    bridged = merge(make_spans(covered["row"], covered["start"], covered["end"] + gap_days - 1))
    episodes = make_spans(bridged["row"], bridged["start"], bridged["end"] - gap_days + 1)
    dispensed = fills(cohort, dose)
    day = dispensed["start"].to_numpy()
    parts = dispensed.assign(
        is_dated=(day >= window[0]) & (day <= window[1]) & (day != 0),
        start=np.maximum(np.where(day == 0, 1, day), window[0]),
        end=np.minimum(dispensed["end"], window[1]),
    )
    parts = parts[(parts["end"] >= parts["start"]).to_numpy() & observed_throughout(found, window)[parts["row"]]]
    begins = episodes["row"].to_numpy() * _REACH + episodes["start"].to_numpy()
    place = np.searchsorted(begins, parts["row"].to_numpy() * _REACH + parts["start"].to_numpy(), side="right") - 1
    # A fill of a day that does not count as covered (in a stay, where stays are excluded) is in no episode.
    known = (place >= 0) & (np.append(episodes["row"], -1)[place] == parts["row"])
    parts, place = parts[known], place[known]
    n_fills = sum_by_row(place, parts["is_dated"].to_numpy(), len(episodes))
    supply = sum_by_row(place, (parts["end"] - parts["start"] + 1).to_numpy(), len(episodes))
    long_enough = (episodes["end"] - episodes["start"] + 1).to_numpy() > LONGER_THAN_DAYS
    met = np.zeros(found.n_rows, dtype=bool)
    met[episodes["row"].to_numpy()[long_enough & ((n_fills >= LEAST_FILLS) | (supply >= LEAST_SUPPLY))]] = True
    return met
