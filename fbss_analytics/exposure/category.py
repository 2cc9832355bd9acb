"""Bands of opioid dose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..cohort import Cohort, Definition
from ..cohort.nouns import add_columns
from ..dates import check_window, window_words
from ..errors import InputError, nearest, one_of
from .anchor import counted_from
from .coverage import death_days

BANDS = {"cdc": (50.0, 90.0), "adil2020": (20.0, 50.0, 90.0)}
CITATIONS = {
    "cdc": "Dowell D et al. MMWR Recomm Rep 2016;65(1), doi 10.15585/mmwr.rr6501e1",
    "adil2020": "Adil SM et al. Neurosurgery 2020, doi 10.1093/neuros/nyaa353",
}
CLOSED_RIGHT = ("adil2020",)
DIGITS = 6
"""Doses are put in bands after rounding to this many decimals: 4,500 MME in 90 days are 50, however summed."""


def add_dose_category(
    cohort: Cohort,
    dose: str,
    *,
    bands: str | Sequence[float],
    ended_by: Mapping[str, str] | None = None,
    name: str | None = None,
) -> Cohort:
    """Add the band of a window's opioid dose.

    **Definition**: 0 stands alone; the other bands are half-open real intervals [a, b), the lower edge included:
    ``"cdc"`` is 0, (0, 50), [50, 90), [90, inf) MME per day. ``"adil2020"`` repeats Adil's groups, whose *upper* edges
    are included: 0, (0, 20], (20, 50], (50, 90], (90, inf). Who died on or before the window's last day is ``dead``;
    a dose not known is missing.

    Parameters
    ----------
    cohort : Cohort
        With the window added by `add_opioid_dose`.
    dose : str
        The name of the window, for example ``"baseline"``.
    bands : {"cdc", "adil2020"} or sequence of float
        Bands by name, or inner edges above 0 in rising order.
    ended_by : mapping of str to str, optional
        States that take the place of a band: label to the outcome (by name) whose event, on or before the window's last
        day, puts a patient in it, for example ``{"explanted": "explant"}``; death comes before them.
    name : str, optional
        The column; ``<dose>_category`` when not given.

    Returns
    -------
    Cohort
        One text column. The definition's arguments hold the labels in order.

    Raises
    ------
    InputError
        There is no such window, or edges are not above 0 and rising.

    Notes
    -----
    When not to use it: as a predictor; cutting a dose into bands throws information away, and moving an edge from >90
    to >=90 changes the highest band by a sixth. Use the dose itself, with a spline.

    References
    ----------
    Adil SM et al. Neurosurgery 2020, doi 10.1093/neuros/nyaa353. Royston P et al. Stat Med 2006;25:127-141, doi
    10.1002/sim.2331.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> cohort = fbss.add_opioid_dose(cohort, dose, name="baseline", days=(-90, -1), per="day_in_window")
    >>> cohort = fbss.add_dose_category(cohort, "baseline", bands="cdc")
    >>> set(cohort.frame["baseline_category"].dropna()) <= {"0", "(0, 50)", "[50, 90)", "[90, inf)"}
    True
    """
    windows = {each.name: each for each in cohort.definitions if "per" in each.arguments}
    if dose not in windows:
        raise InputError(
            f"The cohort has no window of opioid dose named {dose!r}; type add_opioid_dose(cohort, ..., name={dose!r})."
            + (nearest(dose, windows) if windows else "")
        )
    edges = BANDS[one_of(bands, BANDS, name="bands")] if isinstance(bands, str) else tuple(float(e) for e in bands)
    if not edges or edges[0] <= 0 or any(b <= a for a, b in pairwise(edges)):
        raise InputError(f"bands={edges}: expected edges above 0 in rising order, for example (50, 90).")
    closed_right = isinstance(bands, str) and bands in CLOSED_RIGHT
    labels = _labels(edges, closed_right=closed_right)
    mme = np.round(cohort.data[f"{dose}_mme_per_day"].to_numpy(float), DIGITS)
    band = 1 + np.searchsorted(edges, mme, side="left" if closed_right else "right")
    category = np.array(labels, dtype=object)[np.where(mme == 0, 0, np.minimum(band, len(labels) - 1))]
    category[np.isnan(mme)] = None
    days = check_window(windows[dose].arguments["days"])  # type: ignore[arg-type]
    last = days[1]
    for label, outcome in (ended_by or {}).items():
        category[_had_event(cohort, outcome, last)] = label
    category[death_days(cohort) <= last] = "dead"
    name = name or f"{dose}_category"
    window = window_words(days) + counted_from(windows[dose])
    words = f"band of the systemic opioid dose on {window}, MME per day: {', '.join(labels)}"
    citation = CITATIONS.get(bands, "") if isinstance(bands, str) else ""
    arguments = {
        "dose": dose,
        "bands": bands if isinstance(bands, str) else edges,
        "labels": (*labels, *(ended_by or {}), "dead"),
    }
    definition = Definition(name, words, (name,), arguments, citation, known_at_day=last)
    return add_columns(cohort, {name: category}, definition)


def add_category(cohort: Cohort, column: str, *, edges: Sequence[float], name: str | None = None) -> Cohort:
    """Add groups of a numeric column, for tables and pictures.

    **Definition**: half-open real intervals [a, b), the lower edge included: ``edges=(50,)`` of an age gives ``< 50``
    and ``>= 50``. A missing value is in no group.

    Parameters
    ----------
    cohort : Cohort
    column : str
        A numeric column.
    edges : sequence of float
        Inner edges in rising order.
    name : str, optional
        The new column; ``<column>_group`` when not given.

    Returns
    -------
    Cohort
        One text column.

    Raises
    ------
    InputError
        No such numeric column, or edges that do not rise.

    Notes
    -----
    When not to use it: as a predictor; use the column itself, with a spline.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> cohort = fbss.add_category(cohort, "age_years", edges=(50,))
    >>> sorted(cohort.frame["age_years_group"].unique())
    ['< 50', '>= 50']
    """
    if column not in cohort.data or cohort.data[column].dtype.kind not in "fiu":
        numeric = [str(each) for each in cohort.data if cohort.data[each].dtype.kind in "fiu"]
        raise InputError(f"{column!r} is no numeric column of the cohort.{nearest(column, numeric)}")
    inner = tuple(float(edge) for edge in edges)
    if not inner or any(b <= a for a, b in pairwise(inner)):
        raise InputError(f"edges={inner}: expected one or more in rising order, for example (50,).")
    middle = [f"[{low:g}, {high:g})" for low, high in pairwise(inner)]
    labels = [f"< {inner[0]:g}", *middle, f">= {inner[-1]:g}"]
    values = cohort.data[column].to_numpy(float)
    group = np.array(labels, dtype=object)[np.searchsorted(inner, values, side="right").clip(max=len(inner))]
    group[np.isnan(values)] = None
    name = name or f"{column}_group"
    known = [each.known_at_day for each in cohort.definitions if column in each.columns]
    arguments = {"edges": inner, "labels": tuple(labels)}
    words = f"{column.replace('_', ' ')} in groups: {', '.join(labels)}"
    return add_columns(
        cohort, {name: group}, Definition(name, words, (name,), arguments, known_at_day=(known or [0])[0])
    )


def _had_event(cohort: Cohort, outcome: str, last_day: int) -> npt.NDArray[np.bool_]:
    """Return which rows had the outcome's event (of any of its causes) on or before a day."""
    chosen = cohort.outcome(outcome)
    happened = cohort.data[chosen.status].isin(chosen.causes) & (cohort.data[chosen.days] <= last_day)
    return happened.to_numpy(bool)


def _labels(edges: tuple[float, ...], *, closed_right: bool) -> tuple[str, ...]:
    """Return the labels of the bands: 0 alone, then one for each pair of neighbouring edges."""
    bounds = (0.0, *edges, np.inf)
    labels = ["0"]
    for place, (low, high) in enumerate(pairwise(bounds)):
        opens = "(" if closed_right or place == 0 else "["
        closes = "]" if closed_right and np.isfinite(high) else ")"
        labels.append(f"{opens}{low:g}, {high:g}{closes}")
    return tuple(labels)
