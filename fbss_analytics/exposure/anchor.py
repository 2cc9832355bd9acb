"""Doses of a window counted from another day than the index date, such as the trial before an implant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..cohort import Cohort, Definition
from ..cohort.linkage import relative_events
from ..cohort.nouns import add_columns
from ..dates import OpenWindow, Window, check_window, open_window, to_timestamps, window_words
from ..errors import InputError, nearest
from ..formats import count
from ..sources.events import event
from .definition import DoseDefinition
from .opioids import add_opioid_dose

Numbers = npt.NDArray[np.float64]


def add_anchor_day(
    cohort: Cohort, events: str | Sequence[str], *, days: OpenWindow, taper: str | None = None, name: str = "anchor_day"
) -> Cohort:
    """Add the day from which a dose window is to be counted: the first of named events, or a taper before it.

    **Definition**: the first day, within the window (both ends included), of any of the events; with ``taper``, the
    first day of that taper's first lower period where it lies before that. Missing without such an event.

    Parameters
    ----------
    cohort : Cohort
    events : str or sequence of str
        Named events, for example ``("pump_trial", "pump_implant")``.
    days : (int or None, int or None)
        Window relative to day 0; ``None`` is no bound.
    taper : str, optional
        Name of an `add_taper` that is judged on days before day 0 (``from_day=-210``).
    name : str
        The column.

    Returns
    -------
    Cohort
        One column of days relative to day 0.

    Raises
    ------
    InputError
        Unknown event, no such taper, or one judged on days after day 0.

    Notes
    -----
    When not to use it: as an index date; everything else still counts from day 0 (`start_cohort`).

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=400, seed=1)
    >>> cohort = fbss.start_cohort(source, index="pump_implant", occurrence="first")
    >>> cohort = fbss.add_anchor_day(cohort, ("pump_trial", "pump_implant"), days=(-180, 0))
    >>> bool((cohort.frame["anchor_day"] <= 0).all())
    True
    """
    names = (events,) if isinstance(events, str) else tuple(events)
    called = [event(each).words for each in names]
    if not names:
        raise InputError('events=() names no event; type for example ("pump_trial", "pump_implant").')
    first, last = open_window(days)
    day = np.full(len(cohort), np.inf)
    for each in names:
        rows = relative_events(cohort, each)
        rows = rows[rows["day"].between(first, last)]
        np.minimum.at(day, rows["row"].to_numpy(), rows["day"].to_numpy(float))
    words = f"first day of {' or '.join(called)} on {window_words(days)}"
    if taper is not None:
        day = np.where(np.isfinite(day), np.fmin(day, _start_of(cohort, taper)), day)
        words += f", or the start of the taper {taper!r} before it"
    day = np.where(np.isfinite(day), day, np.nan)
    words += f". {count(np.isfinite(day).sum())} of {count(len(cohort))} have one."
    arguments = {"events": names, "days": days, "taper": taper}
    return add_columns(cohort, {name: day}, Definition(name, words, (name,), arguments, known_at_day=days[1]))


def add_anchored_opioid_dose(
    cohort: Cohort, dose: DoseDefinition, *, anchor: str, name: str, days: Window, per: str
) -> Cohort:
    """Add the systemic opioid dose of a window that is counted from each patient's own anchor day.

    **Definition**: as `add_opioid_dose`, with the anchor day in the place of day 0: ``days=(-90, -1)`` ends on the day
    before the anchor, and a fill dated on the anchor day counts among the fills of neither side. All is missing for
    those without an anchor day.

    Parameters
    ----------
    cohort : Cohort
    dose : DoseDefinition
    anchor : str
        A column of days relative to day 0, as a rule that of `add_anchor_day`.
    name : str
        Prefix of the columns.
    days : (int, int)
        Window relative to the anchor day.
    per : {"day_supplied", "day_covered", "day_in_window", "maximum_day"}
        As in `add_opioid_dose`.

    Returns
    -------
    Cohort
        The columns of `add_opioid_dose`.

    Raises
    ------
    InputError
        ``anchor`` is no column of days.

    Notes
    -----
    When not to use it: where the anchor day depends on what happens after day 0.

    References
    ----------
    Dasgupta N et al. Clin J Pain 2021, doi 10.1097/AJP.0000000000000948.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=400, seed=1)
    >>> cohort = fbss.start_cohort(source, index="pump_implant", occurrence="first")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> cohort = fbss.add_anchor_day(cohort, ("pump_trial", "pump_implant"), days=(-180, 0))
    >>> cohort = fbss.add_anchored_opioid_dose(
    ...     cohort, dose, anchor="anchor_day", name="baseline", days=(-90, -1), per="day_in_window"
    ... )
    >>> bool(cohort.frame["baseline_mme_per_day"].notna().any())
    True
    """
    window = check_window(days)
    if anchor not in cohort.data or cohort.data[anchor].dtype.kind not in "fi":
        known = [str(each) for each in cohort.data if str(each).endswith("_day")]
        near = nearest(anchor, known) if known else ""
        raise InputError(f"anchor={anchor!r} is no column of days; add one with add_anchor_day.{near}")
    day = cohort.data[anchor].to_numpy(float)
    has = np.isfinite(day)
    seen = add_opioid_dose(seen_from(cohort, day), dose, name=name, days=window, per=per)
    made = seen.definitions[-1]
    columns = {each: np.where(has, seen.data[each].to_numpy(float), np.nan) for each in made.columns}
    latest = int(day[has].max() if has.any() else 0) + window[1]
    definition = replace(made, arguments=dict(made.arguments) | {"anchor": anchor}, known_at_day=latest)
    words = f"{made.words} The days are{counted_from(definition)}, which {count(has.sum())} of {count(len(has))} have."
    return add_columns(cohort, columns, replace(definition, words=words))


def counted_from(window: Definition) -> str:
    """Say which day a window of dose counts from, where it is not day 0."""
    anchor = window.arguments.get("anchor")
    return f" counted from {str(anchor).replace('_', ' ')}" if anchor else ""


def seen_from(cohort: Cohort, day: Numbers) -> Cohort:
    """Return the cohort with other days as day 0; rows without one keep theirs, and what is found there means nothing.

    Only what is read from the source moves: columns and definitions of the cohort still count from the index date.
    """
    whole = np.where(np.isfinite(day), day, 0).astype(np.int64)
    moved = to_timestamps(cohort.index_days.astype(np.int64) + whole).to_numpy()
    return replace(cohort, data=cohort.data.assign(index_date=moved))


def _start_of(cohort: Cohort, taper: str) -> Numbers:
    """Return the days on which a taper before day 0 began, infinite without one."""
    column = f"{taper}_start_day"
    tapers = {each.name: each for each in cohort.definitions if f"{each.name}_start_day" in each.columns}
    if taper not in tapers:
        near = nearest(taper, tapers) if tapers else ""
        raise InputError(f"The cohort has no taper {taper!r}; add one with add_taper.{near}")
    known = tapers[taper].known_at_day
    if known is None or known >= 0:
        raise InputError(
            f"The taper {taper!r} is judged to day {known}, so it may begin after the event; judge it before day 0: "
            "type for example from_day=-210."
        )
    return cohort.data[column].fillna(np.inf).to_numpy(float)
