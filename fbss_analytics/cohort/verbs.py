"""Opening a cohort and requiring things of it; each requirement returns a smaller cohort and one attrition line."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..dates import (
    OpenWindow,
    Window,
    check_window,
    month_of,
    open_window,
    to_days,
    to_timestamps,
    window_words,
    year_of,
)
from ..errors import DataError, InputError, one_of
from ..formats import count
from ..sources import schema
from ..sources.events import event, event_rows, matches
from ..sources.source import Source
from .linkage import any_in, observed_days, relative_days, relative_events
from .nouns import Attrition, Cohort, Definition, Mask, Step, keep_rows


def start_cohort(source: Source, *, index: str, occurrence: str, look_back_days: int | None = None) -> Cohort:
    """Open a cohort of everyone with an index event.

    **Definition**: day 0 is the day of the patient's first (or last) recorded event of that name. With
    ``look_back_days``, only events count on whose day and all so many days before it the patient was observed in a
    domain of the event: the first operation in observation after the look-back, whatever was done before.

    Parameters
    ----------
    source : Source
    index : str
        A named event, for example ``"scs_implant"`` (``data/events.toml``).
    occurrence : {"first", "last"}
        Which of a patient's events is day 0.
    look_back_days : int, optional
        Least observed days before day 0 (0: day 0 itself); None asks for no observation.

    Returns
    -------
    Cohort
        Columns patient_id, index_date, age_years (whole years that are certain to be completed), sex.

    Raises
    ------
    InputError
        Unknown event or occurrence, or ``look_back_days`` below 0.
    DataError
        The source lacks the event's table, or nobody has the event.

    Notes
    -----
    When not to use it: for comparators without an index event, whose time zero needs risk-set sampling.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> list(cohort.frame.columns)
    ['patient_id', 'index_date', 'age_years', 'sex']
    """
    one_of(occurrence, ("first", "last"), name="occurrence")
    definition = event(index)
    rows = event_rows(source, index, what=f"A cohort of index {index!r}")
    if rows.num_rows == 0:
        raise DataError(f"Nobody in this source has the event {index!r} ({definition.words}).")
    days = pd.DataFrame({"patient_id": rows["patient_id"].to_pandas(), "day": to_days(rows[definition.date])})
    within = ""
    if look_back_days is not None:
        days = days[_is_observed_before(source, index, days, look_back_days)]
        within = f" after at least {count(look_back_days)} observed days"
    picked = days.groupby("patient_id", sort=True)["day"].agg("min" if occurrence == "first" else "max")
    frame = with_people(source, picked.index.to_numpy(dtype=object), picked.to_numpy(dtype=np.int32))
    steps = (
        Step(f"patients in {source.name}", source.counts["patients"], source.counts["patients"]),
        Step(f"with a {definition.words}{within}", source.counts["patients"], len(frame)),
    )
    words = (
        f"day 0 is the {occurrence} {definition.words}{within}; age is the number of years certainly completed on it"
    )
    arguments: dict[str, object] = {"index": index, "occurrence": occurrence}
    arguments |= {} if look_back_days is None else {"look_back_days": look_back_days}
    start = Definition("index", words, ("index_date", "age_years", "sex"), arguments, known_at_day=0)
    return Cohort(source, frame, Attrition(steps), index, definitions=(start,))


def _is_observed_before(source: Source, index: str, days: pd.DataFrame, look_back_days: int) -> Mask:
    """Return which events lie at the end of a look-back that was observed throughout."""
    if look_back_days < 0:
        raise InputError(f"look_back_days={look_back_days}: expected 0 or more, for example 365.")
    source.require("observation_periods", what="A look-back")
    frame = days[["patient_id"]].assign(index_date=to_timestamps(days["day"].to_numpy()).to_numpy())
    probe = Cohort(source, frame.reset_index(drop=True), Attrition(()), index, unit="event")
    seen: Mask = observed_days(probe, event(index).domains, (-look_back_days, 0)) == look_back_days + 1
    if not seen.any():
        raise DataError(
            f"No {event(index).words} has {count(look_back_days)} observed days before it; shorten look_back_days=."
        )
    return seen


def with_people(source: Source, patient_id: npt.NDArray[Any], day: npt.NDArray[np.int32]) -> pd.DataFrame:
    """Return patients at a day as the first columns of a cohort: patient_id, index_date, age_years, sex."""
    people = _people(source, patient_id)
    return pd.DataFrame(
        {
            "patient_id": patient_id,
            "index_date": to_timestamps(day),
            "age_years": certain_age(people["birth_year"], people["birth_month"], day),
            "sex": people["sex"].cast(pa.string()).to_pandas().to_numpy(dtype=object),
        }
    )


def _people(source: Source, patient_id: npt.NDArray[Any]) -> pa.Table:
    people = source.scan("patients", ("patient_id", "birth_year", "birth_month", "sex"))
    at = pc.index_in(pa.array(patient_id, pa.string()), value_set=people["patient_id"].combine_chunks())
    return people.take(at)


def certain_age(
    birth_year: pa.ChunkedArray, birth_month: pa.ChunkedArray, day: npt.NDArray[np.int32]
) -> npt.NDArray[np.float64]:
    """Return the whole years certainly completed: a birthday counts from the month after the month of birth."""
    year, month = _numbers(birth_year), _numbers(birth_month, missing=12)
    return np.asarray(year_of(day) - year - (month_of(day) <= month), dtype=float)


def possible_age(
    birth_year: pa.ChunkedArray, birth_month: pa.ChunkedArray, day: npt.NDArray[np.int32]
) -> npt.NDArray[np.float64]:
    """Return the whole years possibly completed: a birthday may have been on the first day of the month of birth."""
    year, month = _numbers(birth_year), _numbers(birth_month, missing=1)
    return np.asarray(year_of(day) - year - (month_of(day) < month), dtype=float)


def _numbers(column: pa.ChunkedArray, missing: float = np.nan) -> npt.NDArray[np.float64]:
    return np.asarray(column.cast(pa.float64()).fill_null(missing).to_numpy(), dtype=float)


def require_age(cohort: Cohort, *, at_least: int | None = None, at_most: int | None = None) -> Cohort:
    """Keep patients whose age at the index date is certain to be within bounds, both included.

    **Definition**: ``at_least=18`` keeps a patient only when the 18th birthday is known to have passed, from year (and
    month) of birth; ``at_most=80`` only when the 81st birthday is known not to have passed.

    Raises
    ------
    InputError
        Neither bound is given, or the lower one is above the upper one.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> bool((fbss.require_age(cohort, at_least=40).frame["age_years"] >= 40).all())
    True
    """
    if at_least is None and at_most is None:
        raise InputError("require_age needs at_least=, at_most= or both; type at_least=18 for adults.")
    if at_least is not None and at_most is not None and at_least > at_most:
        raise InputError(f"at_least={at_least} is above at_most={at_most}; did you mean the other way round?")
    people = _people(cohort.source, cohort.data["patient_id"].to_numpy(dtype=object))
    born, day = (people["birth_year"], people["birth_month"]), cohort.index_days
    keep = ~np.isnan(certain_age(*born, day))
    unknown = len(cohort) - int(keep.sum())
    bounds = []
    if at_least is not None:
        keep &= certain_age(*born, day) >= at_least
        bounds.append(f"at least {at_least}")
    if at_most is not None:
        keep &= possible_age(*born, day) <= at_most
        bounds.append(f"at most {at_most}")
    words = f"aged {' and '.join(bounds)} years at day 0"
    return keep_rows(cohort, keep, words + (f" ({count(unknown)} without a year of birth)" if unknown else ""))


PAIN_CODES = ("fbss", "chronic_pain", "low_back_pain", "radiculopathy")
PAIN_SCORES = ("nrs_back", "nrs_leg")
PAIN_TABLES = ("conditions", "measurements", "therapies", "dispensings")
ANALGESICS = ("acetaminophen", "nsaid", "gabapentinoid", "snri", "tca", "muscle_relaxant", "ketamine")


def require_fbss(cohort: Cohort, *, definition: str, days: OpenWindow | None = None) -> Cohort:
    """Keep patients with failed back surgery syndrome (FBSS, persistent spinal pain syndrome type 2).

    **Definition**: ``"surgery_then_pain"``: a lumbar operation on day -180 or earlier and, dated on a later day up to
    day -1, a pain score above 0, a pain diagnosis, an analgesic or an opioid dispensed. ``"code"``: a diagnosis of FBSS
    within ``days``, both ends included.

    Parameters
    ----------
    definition : {"surgery_then_pain", "code"}
    days : (int or None, int), optional
        Window of the diagnosis; only with, and then required by, ``"code"``. ``None`` as first day means ever before.

    Raises
    ------
    InputError
        ``days`` is missing with ``"code"``, or given with ``"surgery_then_pain"``.
    DataError
        The source lacks the tables the definition needs.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> len(fbss.require_fbss(cohort, definition="code", days=(None, 0))) <= len(cohort)
    True
    """
    one_of(definition, ("surgery_then_pain", "code"), name="definition")
    if definition == "code":
        if days is None:
            raise InputError(
                'require_fbss(definition="code") needs days=; type days=(-365, 0), or (None, 0) for ever before.'
            )
        window = open_window(days)
        keep = any_in(cohort, relative_events(cohort, "fbss_diagnosis"), window)
        return keep_rows(cohort, keep, f"with a diagnosis of FBSS on {window_words(days)}")
    if days is not None:
        raise InputError('days= belongs to definition="code"; "surgery_then_pain" has its own window.')
    return keep_rows(
        cohort, _surgery_then_pain(cohort), "with a lumbar operation at least 180 days before day 0 and pain after it"
    )


def _surgery_then_pain(cohort: Cohort) -> Mask:
    surgery = relative_events(cohort, "lumbar_surgery")
    early = surgery[surgery["day"] <= -180]
    operated = np.full(len(cohort), np.iinfo(np.int32).max, dtype=np.int64)
    np.minimum.at(operated, early["row"].to_numpy(), early["day"].to_numpy())
    pain = np.zeros(len(cohort), dtype=bool)
    for table, keep in _pain_evidence(cohort.source):
        rows = relative_days(cohort, table, keep=keep)
        later = (rows["day"].to_numpy() > operated[rows["row"].to_numpy()]) & (rows["day"].to_numpy() <= -1)
        pain[rows["row"].to_numpy()[later]] = True
    return pain


def _pain_evidence(source: Source) -> list[tuple[str, Mask | None]]:
    evidence: list[tuple[str, Mask | None]] = []
    tables = source.tables
    if not any(name in tables for name in PAIN_TABLES):
        raise DataError(f"surgery_then_pain needs {' or '.join(PAIN_TABLES)}, none of which this source has.")
    if "conditions" in tables:
        evidence.append(("conditions", matches(tables["conditions"]["condition"], PAIN_CODES)))
    if "measurements" in tables:
        scores = tables["measurements"]
        evidence.append(("measurements", matches(scores["measure"], PAIN_SCORES) & (scores["value"].to_numpy() > 0)))
    if "therapies" in tables:
        evidence.append(("therapies", matches(tables["therapies"]["therapy"], ANALGESICS)))
    if "dispensings" in tables:
        evidence.append(("dispensings", None))
    return evidence


def require_observation(cohort: Cohort, *, domain: str, days: Window) -> Cohort:
    """Keep patients observed in a domain on every day of a window, both ends included.

    **Definition**: spans of ``observation_periods`` that touch or overlap count as one; one unobserved day excludes.

    Parameters
    ----------
    domain : {"medical", "pharmacy", "registry", "survey"}
    days : (int, int)
        Days relative to the index date, for example ``(-365, -1)``.

    Raises
    ------
    InputError
        Unknown domain, or a window that ends before it starts.

    Notes
    -----
    When not to use it: with a window after day 0 it conditions on the future (immortal time); censor instead.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> len(fbss.require_observation(cohort, domain="pharmacy", days=(-365, -1))) <= len(cohort)
    True
    """
    one_of(domain, schema.vocabulary("domain"), name="domain")
    first, last = check_window(days)
    observed = observed_days(cohort, (domain,), (first, last))
    return keep_rows(
        cohort, observed == last - first + 1, f"with {domain} observation throughout {window_words((first, last))}"
    )


def require_event(cohort: Cohort, name: str, *, days: OpenWindow) -> Cohort:
    """Keep patients with an event in a window.

    **Definition**: at least one event of that name on a day of the window, both ends included; `None` is no bound.

    Raises
    ------
    InputError
        Unknown event, or a window that ends before it starts.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> len(fbss.require_event(cohort, "scs_trial", days=(None, 0))) == len(cohort)
    True
    """
    window = open_window(days)
    keep = any_in(cohort, relative_events(cohort, name), window)
    return keep_rows(cohort, keep, f"with a {event(name).words} on {window_words(days)}")


def exclude_condition(cohort: Cohort, condition: str, *, days: OpenWindow) -> Cohort:
    """Exclude patients with a condition in a window.

    **Definition**: at least one record of it on a day of the window, both ends included; `None` is no bound.

    Raises
    ------
    InputError
        Unknown condition, or a window that ends before it starts.
    DataError
        The source has no conditions: nobody could be told to be free of one.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> len(fbss.exclude_condition(cohort, "cancer", days=(None, -1))) <= len(cohort)
    True
    """
    one_of(condition, schema.vocabulary("condition"), name="condition")
    window = open_window(days)
    cohort.source.require("conditions", what=f"exclude_condition({condition!r})")
    keep = matches(cohort.source.tables["conditions"]["condition"], (condition,))
    has = any_in(cohort, relative_days(cohort, "conditions", keep=keep), window)
    return keep_rows(cohort, ~has, f"without {condition.replace('_', ' ')} on {window_words(days)}")
