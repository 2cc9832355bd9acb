"""What describes a patient at day 0: conditions, attributes, scores and the surgical past."""

from __future__ import annotations

import numpy as np

from ..cohort import Cohort, Definition
from ..cohort.linkage import any_in, relative_days, relative_events, relative_spans
from ..cohort.nouns import add_columns
from ..dates import DAYS_PER_YEAR, OpenWindow, open_window, window_words
from ..errors import InputError, one_of
from ..sources import schema
from ..sources.events import matches

FUSIONS = ("fusion", "decompression_fusion")
TAKE = ("first", "last", "mean", "minimum", "maximum")


def add_condition(cohort: Cohort, condition: str, *, days: OpenWindow, name: str | None = None) -> Cohort:
    """Add whether a condition was recorded on any day of a window, both ends included.

    **Definition**: True with at least one record in the window. No record means False: it cannot be told from a
    condition that was not recorded, so the look-back should lie inside observation (`require_observation`).

    Parameters
    ----------
    condition : str
        A word of the condition vocabulary, for example ``"depression"``.
    days : (int or None, int or None)
        Window relative to day 0; ``None`` is no bound.
    name : str, optional
        The column; ``has_<condition>`` when not given.

    Returns
    -------
    Cohort
        One boolean column.

    Raises
    ------
    InputError
        Unknown condition or a window that ends before it starts.
    DataError
        The source has no conditions.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> fbss.add_condition(cohort, "depression", days=(-365, -1)).frame["has_depression"].dtype
    dtype('bool')
    """
    one_of(condition, schema.vocabulary("condition"), name="condition")
    first, last = open_window(days)
    cohort.source.require("conditions", what=f"add_condition({condition!r})")
    keep = matches(cohort.source.tables["conditions"]["condition"], (condition,))
    has = any_in(cohort, relative_days(cohort, "conditions", keep=keep), (first, last))
    column = name or f"has_{condition}"
    words = f"{condition.replace('_', ' ')} recorded on {window_words(days)}"
    definition = Definition(column, words, (column,), {"days": days}, known_at_day=days[1])
    return add_columns(cohort, {column: has}, definition)


def add_attribute(cohort: Cohort, attribute: str, *, name: str | None = None) -> Cohort:
    """Add an attribute's value in force on day 0.

    **Definition**: the value whose span covers day 0, both ends included (no start: from the beginning; no end: to the
    end); of several the one that started last. Missing where none is in force.

    Parameters
    ----------
    attribute : str
        A word of the attribute vocabulary, for example ``"smoking"``.
    name : str, optional
        The column; the attribute's name when not given.

    Returns
    -------
    Cohort
        One text column.

    Raises
    ------
    InputError
        Unknown attribute.
    DataError
        The source has no attributes.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> "smoking" in fbss.add_attribute(cohort, "smoking").frame
    True
    """
    one_of(attribute, schema.vocabulary("attribute"), name="attribute")
    cohort.source.require("attributes", what=f"add_attribute({attribute!r})")
    keep = matches(cohort.source.tables["attributes"]["attribute"], (attribute,))
    rows = relative_spans(cohort, "attributes", columns=("value",), keep=keep)
    in_force = rows[(rows["day"] <= 0) & (rows["end"] >= 0)].sort_values("day", kind="stable")
    values = np.full(len(cohort), None, dtype=object)
    values[in_force["row"].to_numpy()] = in_force["value"].to_numpy()
    column = name or attribute
    words = f"{attribute.replace('_', ' ')} in force on day 0"
    return add_columns(cohort, {column: values}, Definition(column, words, (column,), known_at_day=0))


def add_measurement(cohort: Cohort, measure: str, *, days: OpenWindow, take: str, name: str | None = None) -> Cohort:
    """Add a score or measured quantity from a window, both ends included.

    **Definition**: the first, last, mean, minimum or maximum of the values recorded in the window; of several on the
    first or last day their mean. Missing where there is none.

    Parameters
    ----------
    measure : str
        A measure of the schema, for example ``"nrs_leg"``; the unit is the schema's.
    days : (int or None, int or None)
        Window relative to day 0; ``None`` is no bound.
    take : {"first", "last", "mean", "minimum", "maximum"}
        Which value.
    name : str, optional
        The column; the measure's name when not given.

    Returns
    -------
    Cohort
        One float column.

    Raises
    ------
    InputError
        Unknown measure or ``take``, or a window that ends before it starts.
    DataError
        The source has no measurements.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> fbss.add_measurement(cohort, "nrs_leg", days=(-365, -1), take="last").frame["nrs_leg"].dtype
    dtype('float64')
    """
    one_of(measure, schema.vocabulary("measure"), name="measure")
    one_of(take, TAKE, name="take")
    first, last = open_window(days)
    cohort.source.require("measurements", what=f"add_measurement({measure!r})")
    keep = matches(cohort.source.tables["measurements"]["measure"], (measure,))
    rows = relative_days(cohort, "measurements", columns=("value",), keep=keep)
    rows = rows[rows["day"].between(first, last)]
    if take in ("first", "last"):
        edge = rows.groupby("row")["day"].transform("min" if take == "first" else "max")
        rows = rows[rows["day"] == edge]
    how = {"first": "mean", "last": "mean", "mean": "mean", "minimum": "min", "maximum": "max"}[take]
    found = rows.groupby("row")["value"].agg(how)
    values = np.full(len(cohort), np.nan)
    values[found.index.to_numpy()] = found.to_numpy()
    column = name or measure
    unit = schema.measures()[measure]["unit"]
    words = f"{take} {schema.measures()[measure]['words']} ({unit}) on {window_words(days)}"
    arguments = {"measure": measure, "days": days, "take": take}
    definition = Definition(column, words, (column,), arguments, known_at_day=days[1])
    return add_columns(cohort, {column: values}, definition)


def add_surgery_history(cohort: Cohort, *, days: OpenWindow) -> Cohort:
    """Add the lumbar operations of a window before day 0, both ends included.

    **Definition**: lumbar and lumbosacral operations dated in the window; a staged further sitting is not counted
    again and does not restart the years, but a fusion done in it is a fusion.

    Parameters
    ----------
    days : (int or None, int or None)
        Window relative to day 0, for example ``(None, -1)`` for ever before.

    Returns
    -------
    Cohort
        ``prior_lumbar_surgeries`` (count), ``has_prior_fusion`` (bool), ``years_since_lumbar_surgery`` (since the last
        one, years of 365.25 days; missing without one).

    Raises
    ------
    InputError
        A window that ends before it starts, or after day 0.
    DataError
        The source has no surgeries.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> bool((fbss.add_surgery_history(cohort, days=(None, -1)).frame["prior_lumbar_surgeries"] >= 0).all())
    True
    """
    first, last = open_window(days)
    if last > 0:
        raise InputError(f"A history ends on day 0 or before; {window_words(days)} does not. Type days=(None, -1).")
    cohort.source.require("surgeries", what="add_surgery_history")
    rows = relative_events(cohort, "lumbar_surgery", columns=("procedure", "staged"))
    fused = any_in(cohort, rows[rows["procedure"].isin(FUSIONS)], (first, last))
    rows = rows[rows["day"].between(first, last) & ~rows["staged"].eq(True)]
    row = rows["row"].to_numpy()
    latest = np.full(len(cohort), -np.inf)
    np.maximum.at(latest, row, rows["day"].to_numpy(float))
    columns = {
        "prior_lumbar_surgeries": np.bincount(row, minlength=len(cohort)),
        "has_prior_fusion": fused,
        "years_since_lumbar_surgery": np.where(np.isfinite(latest), -latest / DAYS_PER_YEAR, np.nan),
    }
    words = f"lumbar operations on {window_words(days)}: number, whether one was a fusion, years since the last"
    definition = Definition("surgery_history", words, tuple(columns), {"days": days}, known_at_day=days[1])
    return add_columns(cohort, columns, definition)
