"""Who responds, in opioids, to a device: the published endpoints by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohort import Cohort, Definition
from ..cohort.nouns import add_columns
from ..dates import Window, check_window, window_words
from ..errors import InputError, is_positive, one_of
from ..exposure.coverage import check_dose
from ..exposure.definition import DoseDefinition
from ..exposure.freedom import Coverage, coverage
from ..exposure.intervals import first_run, less, make_spans, within
from .change import DIGITS
from .judging import Mask, dose_of, observed_throughout, yes_or_no
from .opioid_published import ANY_FALL, PUBLISHED, Published


def add_opioid_responder(
    cohort: Cohort,
    dose: DoseDefinition,
    *,
    definition: str,
    floor: float,
    baseline_days: Window | None = None,
    days: Window | None = None,
    stop_days: Window | None = None,
    name: str = "opioid_responder",
) -> Cohort:
    """Add who responded in opioids, by an endpoint as published, and in which way.

    **Definition**: *responder* is who is alive on the last day of the follow-up and

    - ``"fraifeld2021"``: stopped (at least 365 uncovered days in a row, or at most 30 days' supply, on days 1 to 730),
      or has a mean daily dose lower by at least 50 percent (days 1 to 730 against -365 to -1);
    - ``"yong2024"``: stopped (no supply on ``stop_days``), or a mean daily dose lower by at least 20 percent (days 1 to
      1095 against -365 to -1);
    - ``"hatheway2019"``: stopped (no supply on ``stop_days``), or a lower mean daily dose (days 1 to 395 against
      ``baseline_days``);
    - ``"adil2020"``: in a lower group of mean daily dose, of [0, 20], (20, 50], (50, 90] and (90, inf), on ``days``
      than on ``baseline_days``. No dose is in the lowest group, so that nobody in it at baseline can respond;
    - ``"nissen2021_opioid"``, ``"caraway2015"``: stopped (no supply on ``stop_days``, by two years or at a visit).

    Thresholds are included, windows hold both ends, means are per observed day (D3). Judged is who has a baseline dose
    of at least ``floor`` (included) and is observed on every day of baseline and follow-up, to its end or to death. The
    dead are no responders.

    Parameters
    ----------
    cohort : Cohort
    dose : DoseDefinition
    definition : {"fraifeld2021", "adil2020", "yong2024", "nissen2021_opioid", "hatheway2019", "caraway2015"}
    floor : float
        Least baseline dose, MME per day, above 0: without opioids there is nothing to lower.
    baseline_days, days : (int, int), optional
        Windows of baseline and follow-up. The published ones when not given; required where the paper's abstract gives
        none. ``days`` has no meaning where only stopping counts.
    stop_days : (int, int), optional
        Days without supply that make *stopped*, where the paper's abstract gives no rule: required there, refused with
        the others.
    name : str
        The column, and prefix of the others.

    Returns
    -------
    Cohort
        ``<name>`` (True, False; missing where not judged), ``<name>_reason`` (stopped, reduced, lower_group; stopped
        comes first), ``<name>_status`` (observed, death, below_floor, unobserved, unknown_dose) and
        ``<name>_share_unknown`` (of the fills of baseline or follow-up, the larger; above 0 a dose is a lower bound,
        and what looks like a fall may be none).

    Raises
    ------
    InputError
        Unknown definition, a window lacking, not wanted or in the wrong order, ``floor`` not above 0.
    DataError
        No dispensings, or nobody with pharmacy observation.

    Notes
    -----
    When not to use it: to compare one paper's share with another's; the endpoints range from any fall to none left. Who
    is followed to the end is selected: the papers ask for continued stimulation (Fraifeld) or no explant (Hatheway).
    Read from abstracts: a *gap* is counted in uncovered days and may run to the end of the follow-up; supply counts on
    the days it reaches; Adil's whole-number groups have no holes here.

    References
    ----------
    Fraifeld EM et al. 2021, doi 10.1093/pm/pnab033. Adil SM et al. 2020, doi 10.1093/neuros/nyaa353. Yong RJ et al.
    2024, doi 10.2147/JPR.S441195. Nissen M et al. 2021, PMID 33073907. Hatheway JA et al. 2019, PMC7687163. Caraway D
    et al. 2015, doi 10.1111/ner.12318.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> cohort = fbss.add_opioid_responder(cohort, dose, definition="fraifeld2021", floor=5)
    >>> sorted(set(cohort.frame["opioid_responder_reason"].dropna()))
    ['reduced', 'stopped']
    """
    check_dose(dose)
    rule = PUBLISHED[one_of(definition, PUBLISHED, name="definition")]
    before, after, stop = _windows(definition, rule, baseline_days, days, stop_days)
    if not is_positive(floor):
        raise InputError(f"floor={floor!r}: expected a least baseline dose above 0, for example floor=5.")
    found = coverage(cohort, dose, what="Opioid response")
    earlier, later = dose_of(cohort, dose, before), dose_of(cohort, dose, after)
    baseline = earlier["mme_per_day"]
    ways = _ways(rule, found, baseline, later, after, stop)
    last = max(after[1], stop[1] if stop else after[1])
    seen = observed_throughout(found, before) & observed_throughout(found, after)
    seen &= observed_throughout(found, stop or after)
    died = found.death <= last
    # A dose that is not known stands in the way only of those who did not respond by stopping.
    in_doubt = np.isnan(later["mme_per_day"]) & ~died & ~ways.get("stopped", np.False_)
    unknown = np.isnan(baseline) | (rule.compares_doses & in_doubt)
    reasons = [~seen, unknown, ~(np.round(baseline, DIGITS) >= floor), died]
    status = np.select(reasons, ["unobserved", "unknown_dose", "below_floor", "death"], "observed").astype(object)
    met = np.logical_or.reduce(list(ways.values())) & (status == "observed")
    reason = np.select(list(ways.values()), list(ways), "").astype(object)
    reason[~met] = None
    judged = np.isin(status, ("observed", "death"))
    columns: dict[str, npt.NDArray[Any]] = {
        name: yes_or_no(met, judged),
        f"{name}_reason": reason,
        f"{name}_status": status,
        f"{name}_share_unknown": np.where(judged, np.fmax(earlier["share_unknown"], later["share_unknown"]), np.nan),
    }
    words = _words(definition, rule, before, after, stop, floor)
    arguments = dose.arguments | {
        "definition": definition, "floor": floor, "baseline_days": before, "days": after, "stop_days": stop,
        "labels": tuple(ways),
    }  # fmt: skip
    made = Definition(name, f"{words} {dose.sentence()}", tuple(columns), arguments, rule.citation, known_at_day=last)
    return add_columns(cohort, columns, made)


def _windows(
    definition: str, rule: Published, baseline_days: Window | None, days: Window | None, stop_days: Window | None
) -> tuple[Window, Window, Window | None]:
    """Return the windows of baseline, follow-up and stopping, or raise `InputError` with what to type."""
    if rule.needs_stop_days != (stop_days is not None):
        raise InputError(
            f"{definition} needs stop_days=, the days without supply that make stopped; its abstract gives none. Type "
            "for example stop_days=(336, 395)."
            if stop_days is None else f"{definition} has its own rule of stopping, or none; leave stop_days= out."
        )  # fmt: skip
    stop = None if stop_days is None else check_window(stop_days, name="stop_days")
    if not rule.compares_doses and days is not None:
        raise InputError(f"{definition} counts stopping only, on stop_days=; leave days= out.")
    before, after = baseline_days or rule.baseline_days, days or rule.days or (None if rule.compares_doses else stop)
    if before is None or after is None:
        lacking = "baseline_days=(-365, -91)" if before is None else "days=(275, 365)"
        raise InputError(f"The abstract of {definition} gives no such window; type for example {lacking}.")
    before, after = check_window(before, name="baseline_days"), check_window(after)
    if after[0] <= before[1] or (stop is not None and stop[0] <= before[1]):
        raise InputError(f"days={after} and stop_days={stop} must begin after baseline_days={before} ends.")
    return before, after, stop


def _ways(
    rule: Published,
    found: Coverage,
    baseline: npt.NDArray[np.float64],
    later: dict[str, npt.NDArray[np.float64]],
    after: Window,
    stop: Window | None,
) -> dict[str, Mask]:
    """Return who meets each way to respond, by its name; the first that holds names the response."""
    ways, level = {}, later["mme_per_day"]
    if rule.gap_days is not None or stop is not None:
        ways["stopped"] = _stopped(rule, found, later["days_supplied"], after, stop)
    if rule.least_fall is not None:
        fall = np.divide(100 * (baseline - level), baseline, out=np.full(len(level), np.nan), where=baseline > 0)
        fall = np.round(fall, DIGITS)
        ways["reduced"] = fall > 0 if rule.least_fall == ANY_FALL else fall >= rule.least_fall
    if rule.groups:
        group = [np.searchsorted(rule.groups, np.round(each, DIGITS), side="left") for each in (baseline, level)]
        ways["lower_group"] = (group[1] < group[0]) & ~np.isnan(baseline) & ~np.isnan(level)
    return ways


def _stopped(
    rule: Published, found: Coverage, days_supplied: npt.NDArray[np.float64], after: Window, stop: Window | None
) -> Mask:
    """Return who stopped: a long gap or little supply in the follow-up, or no supply on the days that say so."""
    if stop is not None:
        supplied = np.zeros(found.n_rows, dtype=bool)
        supplied[within(found.covered, *stop)["row"].to_numpy()] = True
        return ~supplied
    rows = np.arange(found.n_rows)
    view = make_spans(rows, np.full(found.n_rows, after[0]), np.full(found.n_rows, after[1]))
    gap = first_run(less(view, found.covered, found.n_rows), rule.gap_days or 0, found.n_rows)
    return np.isfinite(gap) | (days_supplied <= (rule.most_supply or 0))


def _words(definition: str, rule: Published, before: Window, after: Window, stop: Window | None, floor: float) -> str:
    """Say the endpoint in words, and where its windows are not those of the paper."""
    words = f"opioid responder ({definition}): alive and {rule.words}; baseline {window_words(before)}, at least "
    words += f"{floor:g} MME per day; "
    words += f"follow-up {window_words(after)}" if rule.compares_doses else "follow-up on the days of stopping"
    words += f"; stopped is no supply on {window_words(stop)}" if stop else ""
    own = [each for each, given in ((rule.baseline_days, before), (rule.days, after)) if each not in (None, given)]
    return words + ("; windows other than the published ones." if own else ".")
