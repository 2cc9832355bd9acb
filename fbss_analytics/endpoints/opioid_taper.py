"""Tapering of the systemic opioid dose: whether, when and how fast; and whether a stop was abrupt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..cohort import Cohort, Definition
from ..cohort.nouns import add_columns
from ..dates import Window, check_window, window_words
from ..errors import InputError, is_positive
from ..exposure.anchor import seen_from
from ..exposure.coverage import check_dose
from ..exposure.definition import DoseDefinition
from ..exposure.freedom import Coverage, coverage
from .assemble import Numbers
from .change import DIGITS
from .judging import Mask, dose_of, made_with, observed_throughout, yes_or_no

PERIODS, PERIOD_DAYS, STEP_DAYS = 6, 60, 30
LEAST_FALL = 15.0
RATES = (10.0, 20.0, 30.0)
RATE_LABELS = ("(0, 10]", "(10, 20]", "(20, 30]", "(30, inf)")
LAST_MONTH, REFERENCE_MONTHS = (-30, -1), (-360, -181)
ABRUPT_BELOW = 50.0
TAPER_CITATION = (
    "Fenton JJ et al. Pain Med 2021, doi 10.1093/pm/pnaa470; Agnoli A et al. JAMA 2021;326:411-419, doi "
    "10.1001/jama.2021.11013 (velocity); PMC11044711 (bands of velocity)"
)
STOP_CITATION = "Neprash HT et al. J Gen Intern Med 2021;36:1576-1583, doi 10.1007/s11606-020-06402-z"


def add_taper(
    cohort: Cohort,
    dose: DoseDefinition,
    *,
    baseline_days: Window,
    floor: float,
    from_day: int = 1,
    at_least: float = LEAST_FALL,
    name: str = "taper",
) -> Cohort:
    """Add whether the systemic opioid dose was tapered within seven months, from when on, and how fast.

    **Definition** (Fenton, Agnoli): in any of six overlapping periods of 60 days the mean daily dose is lower than that
    of the baseline window by at least ``at_least`` percent of it, the threshold included. The periods begin every 30
    days from ``from_day`` on: days 1 to 60, 31 to 90, ... 151 to 210. Means are per observed day (D3). The *rate*, in
    percent of the baseline dose per month of 30 days, is the largest fall from one period to the next, the baseline
    standing before the first. Judged is who has a baseline dose of at least ``floor`` and is observed on every day of
    the baseline window and of the seven months. Periods with the day of death or after it do not count; who dies
    without a taper before is not tapered, with status ``death``.

    Parameters
    ----------
    cohort : Cohort
    dose : DoseDefinition
    baseline_days : (int, int)
        Window of the baseline dose; it ends before ``from_day``. The papers take the year before.
    floor : float
        Least baseline dose, MME per day, above 0. The papers take 50.
    from_day : int
        First day of the first period; for example -210 for the taper before a pump.
    at_least : float
        Percent; 15 as published.
    name : str
        The column, and prefix of the others.

    Returns
    -------
    Cohort
        ``<name>`` (True, False; missing where not judged), ``<name>_status`` (observed, death, below_floor, unobserved,
        unknown_dose), ``<name>_start_day`` (first day of the first period that is lower by that much),
        ``<name>_percent_per_month`` (of all judged; below 0 where the dose only rose), ``<name>_band`` (of the tapered:
        (0, 10], (10, 20], (20, 30], (30, inf) percent per month) and ``<name>_share_unknown`` (of the fills of the
        window with most of them; above 0 a dose is a lower bound, and what looks like a fall may be none).

    Raises
    ------
    InputError
        ``floor`` or ``at_least`` not above 0, or a baseline window that does not end before ``from_day``.
    DataError
        No dispensings, or nobody with pharmacy observation.

    Notes
    -----
    When not to use it: to tell an abrupt stop from a taper (`add_abrupt_stop`): means of 60 days that overlap by half
    spread a stop over two months. The papers also ask for a stable baseline, which is not asked for here. Their
    abstracts do not print how the velocity is computed: the fall from period to period is our reading. The bands are
    printed as whole numbers (11-20); here they have no holes, and an upper edge belongs to its band.

    References
    ----------
    Fenton JJ et al. Pain Med 2021, doi 10.1093/pm/pnaa470. Agnoli A et al. JAMA 2021;326:411-419, doi
    10.1001/jama.2021.11013. PMC11044711.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> frame = fbss.add_taper(cohort, dose, baseline_days=(-365, -1), floor=20).frame
    >>> bool((frame.loc[frame["taper"].eq(True), "taper_percent_per_month"] > 0).all())
    True
    """
    check_dose(dose)
    before = check_window(baseline_days, name="baseline_days")
    _check(before, floor, from_day, at_least)
    periods = [(day, day + PERIOD_DAYS - 1) for day in range(from_day, from_day + PERIODS * STEP_DAYS, STEP_DAYS)]
    after = (from_day, periods[-1][1])
    found = coverage(cohort, dose, what="A taper")
    doses = [dose_of(cohort, dose, each) for each in (before, *periods)]
    baseline = doses[0]["mme_per_day"]
    level = _while_alive(found, [each["mme_per_day"] for each in doses[1:]], periods)
    of_baseline = np.divide(100.0, baseline, out=np.full(len(baseline), np.nan), where=baseline > 0)
    lower = np.round((baseline - level) * of_baseline, DIGITS) >= at_least
    falls = -np.diff(np.vstack([baseline, level]), axis=0) * of_baseline
    met = lower.any(axis=0)
    seen = observed_throughout(found, before) & observed_throughout(found, after)
    died = found.death <= after[1]
    unknown = np.isnan(baseline) | (np.isnan(level).any(axis=0) & ~died)
    reasons = [~seen, unknown, ~(np.round(baseline, DIGITS) >= floor), died & ~met]
    status = np.select(reasons, ["unobserved", "unknown_dose", "below_floor", "death"], "observed").astype(object)
    judged = np.isin(status, ("observed", "death"))
    fastest = np.where(judged, np.fmax.reduce(falls), np.nan)
    tapered = met & judged
    columns = {
        name: yes_or_no(met, judged),
        f"{name}_status": status,
        f"{name}_start_day": np.where(tapered, from_day + STEP_DAYS * np.argmax(lower, axis=0), np.nan),
        f"{name}_percent_per_month": fastest,
        f"{name}_band": _band(fastest, tapered),
        f"{name}_share_unknown": np.where(judged, np.fmax.reduce([of["share_unknown"] for of in doses]), np.nan),
    }
    words = (
        f"taper: systemic opioid dose lower by at least {at_least:g} percent of its mean on {window_words(before)} (at "
        f"least {floor:g} MME per day) in any of {PERIODS} periods of {PERIOD_DAYS} days, which begin every "
        f"{STEP_DAYS} days from day {from_day} on. {dose.sentence()}"
    )
    arguments = dose.arguments | {
        "baseline_days": before, "floor": floor, "from_day": from_day, "at_least": at_least, "labels": RATE_LABELS,
    }  # fmt: skip
    definition = Definition(name, words, tuple(columns), arguments, TAPER_CITATION, known_at_day=after[1])
    return add_columns(cohort, columns, definition)


def add_abrupt_stop(
    cohort: Cohort,
    dose: DoseDefinition,
    *,
    discontinuation: str = "opioid_discontinuation",
    name: str = "abrupt_stop",
) -> Cohort:
    """Add whether those who stopped systemic opioids stopped abruptly or after a taper.

    **Definition** (Neprash 2021): with day S the first day of the gap, a stop is abrupt when the mean daily dose of the
    last month (days S-30 to S-1) is lower than that of months 12 to 7 before it (days S-360 to S-181) by less than 50
    percent of the latter; lower by exactly 50 percent is tapered. Months have 30 days, means are per day (D3). Judged
    is who stopped, had a dose in months 12 to 7, and is observed on all of these days.

    Parameters
    ----------
    cohort : Cohort
        With the outcome of `add_opioid_discontinuation` (or `add_opioid_elimination`).
    dose : DoseDefinition
        The same as for the discontinuation.
    discontinuation : str
        Name of that outcome.
    name : str
        The column, and prefix of the status.

    Returns
    -------
    Cohort
        ``<name>`` (True abrupt, False tapered, missing), ``<name>_status`` (observed, no_stop, no_dose: none in months
        12 to 7, unobserved, unknown_dose) and ``<name>_share_unknown`` (as for `add_taper`).

    Raises
    ------
    InputError
        There is no such outcome, or the dose definition is another one.

    Notes
    -----
    When not to use it: for short courses; the paper asks for a year of long-term therapy before
    (`add_long_term_opioid_therapy`), without which the dose of months 12 to 7 means little.

    References
    ----------
    Neprash HT et al. J Gen Intern Med 2021;36:1576-1583, doi 10.1007/s11606-020-06402-z (70 to 81 % abrupt).

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> cohort = fbss.add_opioid_discontinuation(
    ...     cohort, dose, gap_days=60, until_days=730, competing="death", baseline_days=(-90, -1)
    ... )
    >>> "no_stop" in set(fbss.add_abrupt_stop(cohort, dose).frame["abrupt_stop_status"])
    True
    """
    check_dose(dose)
    outcome = cohort.outcome(discontinuation)
    made = made_with(cohort, discontinuation, dose)
    stopped = (cohort.data[outcome.status] == "event").to_numpy(bool)
    seen, doses = _around_stop(cohort, dose, np.where(stopped, cohort.data[outcome.days], np.nan))
    last, reference = (of["mme_per_day"] for of in doses)
    unknown = np.isnan(last) | np.isnan(reference)
    reasons = [~stopped, ~seen, unknown, reference == 0]
    status = np.select(reasons, ["no_stop", "unobserved", "unknown_dose", "no_dose"], "observed").astype(object)
    fall = np.divide(100 * (reference - last), reference, out=np.zeros(len(last)), where=reference > 0)
    judged = status == "observed"
    columns = {
        name: yes_or_no(np.round(fall, DIGITS) < ABRUPT_BELOW, judged),
        f"{name}_status": status,
        f"{name}_share_unknown": np.where(judged, np.fmax.reduce([of["share_unknown"] for of in doses]), np.nan),
    }
    words = (
        f"abrupt stop of systemic opioids: among those who stopped, a mean dose in the last {-LAST_MONTH[0]} days "
        f"lower by less than {ABRUPT_BELOW:g} percent of that on days {REFERENCE_MONTHS[0]} to {REFERENCE_MONTHS[1]} "
        f"before the stop. Stopped: {made.words}"
    )
    arguments = dose.arguments | {"discontinuation": discontinuation}
    return add_columns(cohort, columns, Definition(name, words, tuple(columns), arguments, STOP_CITATION))


def _around_stop(cohort: Cohort, dose: DoseDefinition, stop: Numbers) -> tuple[Mask, list[dict[str, Numbers]]]:
    """Return who was observed before the day of the stop, and the doses of the last month and of months 12 to 7."""
    at_stop = seen_from(cohort, stop)
    found = replace(coverage(at_stop, dose, what="An abrupt stop"), death=np.full(len(cohort), np.inf))
    seen = observed_throughout(found, (REFERENCE_MONTHS[0], LAST_MONTH[1]))
    return seen & np.isfinite(stop), [dose_of(at_stop, dose, days) for days in (LAST_MONTH, REFERENCE_MONTHS)]


def _while_alive(found: Coverage, level: list[Numbers], periods: list[Window]) -> Numbers:
    """Return the dose of each period (periods by rows), missing where the patient died in it or before."""
    last = np.array([[period[1]] for period in periods])
    return np.where(found.death <= last, np.nan, np.array(level))


def _band(rate: Numbers, tapered: Mask) -> npt.NDArray[np.object_]:
    """Return the band of the rate of those who tapered; the upper edge belongs to the band."""
    band = np.full(len(rate), None, dtype=object)
    place = np.searchsorted(RATES, np.round(rate[tapered], DIGITS), side="left")
    band[tapered] = np.array(RATE_LABELS, dtype=object)[place]
    return band


def _check(before: Window, floor: float, from_day: int, at_least: float) -> None:
    if not (is_positive(floor) and is_positive(at_least)):
        raise InputError(
            f"floor={floor!r} and at_least={at_least!r}: expected above 0; a percentage of no dose is undefined. Type "
            "for example floor=50."
        )
    if not isinstance(from_day, int | np.integer):
        raise InputError(f"from_day={from_day!r} is no day; expected a whole number, for example 1.")
    if before[1] >= from_day:
        raise InputError(f"baseline_days={before} must end before from_day={from_day}.")
