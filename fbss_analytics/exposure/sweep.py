"""The sweep over supplies: each patient's daily dose as steps, and the totals, days and maxima of windows.

Works on interval edges, never on single days: at every edge the sums of what is active change by what begins or ends.
Doses are counted in whole steps of `GRAIN`, so that sums are exact: neither the order of rows nor the cut into runs of
patients nor the number of threads changes a bit of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..compiled import compiled
from ..errors import DataError
from .factors import FactorTable, banded_ingredients
from .factors import bands as bands_of_ingredient
from .loops import GRAIN, MOST_GRAINS, order_loop, step_loop, total_loop
from .supply import Supplies

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bands = tuple[Numbers, Numbers]
"""Upper edges (mg/day, included) and factors of the ingredient that is converted by its total daily dose; or none."""
STAY = -2
"""The group of a supply that is no fill but a stay in hospital: it covers days without a dose."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Daily dose as steps: on days ``start .. stop - 1`` a patient with supply has ``grains`` steps of `GRAIN` MME.

    ``first`` has one entry per patient and one more: the steps of patient p are ``first[p] .. first[p + 1] - 1``, in
    order of days. A day without supply is in no step; a day whose supplies are all of unknown dose is in one of 0.
    """

    first: Integers
    start: Integers
    stop: Integers
    grains: Integers


@dataclass(frozen=True, eq=False)
class View:
    """Which days are looked at: rows by windows, seen from each row's day 0, as far as they were observed.

    Attributes
    ----------
    patient : (n_rows,) int
        Whose supplies a row sees.
    day_0 : (n_rows,) int
        The day from which the row's windows count.
    windows : (n_windows, 2) int
        First and last day, both included.
    spans : tuple of three int arrays, or None
        The observed days: where the spans of each patient begin in the list (n_patients + 1), first and last days. The
        spans of a patient are sorted and do not overlap. None where every day counts as observed.
    spans_of : (n_rows,) int, or None
        Whose spans a row has, where the list is not one of the patients whose supplies are given.
    """

    patient: Integers
    day_0: Integers
    windows: Integers
    spans: tuple[Integers, Integers, Integers] | None = None
    spans_of: Integers | None = None

    @property
    def observed(self) -> Integers:
        """Whose spans each row has."""
        return self.patient if self.spans_of is None else self.spans_of


@dataclass(frozen=True, eq=False)
class Totals:
    """What the supplies of each row add up to in each window: arrays (n_rows, n_windows).

    ``total_mme`` is the dose of known supplies on observed days of the window; ``days_supplied`` counts a day once per
    supply, ``days_covered`` once; ``days_in_window`` the observed days; ``max_daily_mme`` is the largest dose on one
    day, ``max_daily_mme_heal`` that of all supplies as if they shared one; ``supplies`` and ``unknown`` count the fills
    that supply at least one of the days, and those of them without a known dose.
    """

    total_mme: Numbers
    days_supplied: Numbers
    days_covered: Numbers
    days_in_window: Numbers
    max_daily_mme: Numbers
    max_daily_mme_heal: Numbers
    supplies: Numbers
    unknown: Numbers


COUNTED = tuple(each.name for each in fields(Totals))


def window_totals(supplies: Supplies, view: View, bands: Bands, *, whole_fills: bool = False) -> Totals:
    """Return what supplies add up to in the windows of each row.

    **Definition**: of a supply from day s to day e the days that lie in the window (both ends included) and are
    observed count; with ``whole_fills`` all of its days do when one of them does, those of other supplies only where
    they too have such a day. Doses of supplies on the same day add; an unknown dose covers its days and adds nothing.
    Days of a stay (group `STAY`) count where the window holds supply of at least one fill, and never as a fill.
    """
    supplies = by_row(supplies)
    if not whole_fills:
        first = _firsts(supplies.row, int(view.patient.max(initial=-1)) + 1)
        return _totals(supplies, first, to_steps(supplies, first, bands), view, bands)
    return _whole_totals(supplies, view, bands)


def to_steps(supplies: Supplies, first: Integers, bands: Bands) -> Steps:
    """Add up concurrent supplies, which are sorted by row; those of row p are ``first[p] .. first[p + 1] - 1``.

    An ingredient with ``bands`` is converted by its total on the day, the upper edge of a band included, and the factor
    applies to the whole dose.
    """
    n = len(supplies.row)
    begins, ends = order_within(first, supplies.start), order_within(first, supplies.end)
    linear, banded = _grains(supplies.mme_per_day), _grains(supplies.banded_mg_per_day)
    step_first = np.zeros(len(first), dtype=np.int64)
    start, stop, grains, mg = (np.empty(2 * n, dtype=np.int64) for _ in range(4))
    too_large = _compiled(step_loop)(
        first, begins, ends, supplies.start, supplies.end, linear, banded, step_first, start, stop, grains, mg
    )
    m = int(step_first[-1])
    return Steps(step_first, start[:m], stop[:m], _added(grains[:m], mg[:m], bands, bool(too_large)))


def bands_of(table: str | FactorTable) -> Bands:
    """Return the bands of a conversion table's ingredient that is converted by its total daily dose."""
    banded = banded_ingredients(table)
    return bands_of_ingredient(table, banded[0]) if banded else (np.empty(0), np.empty(0))


def banded_mme(mg_per_day: Numbers, bands: Bands) -> Numbers:
    """Convert a total daily dose by its band; the upper edge belongs to the band."""
    upper_edges, factors = bands
    if len(factors) == 0:
        return np.zeros_like(mg_per_day)
    # Three fills of 40/3 mg a day are 40 mg, although their sum comes out a hair above it.
    band = np.searchsorted(upper_edges, np.round(mg_per_day, 6), side="left")
    return np.asarray(mg_per_day * factors[np.minimum(band, len(factors) - 1)])


def by_row(supplies: Supplies) -> Supplies:
    """Return supplies in the order of their rows."""
    row = supplies.row
    return supplies if bool((row[1:] >= row[:-1]).all()) else take(supplies, np.argsort(row, kind="stable"))


def take(supplies: Supplies, which: npt.NDArray[Any]) -> Supplies:
    """Return some of the supplies, by their places or a mask."""
    arrays = {each.name: getattr(supplies, each.name) for each in fields(supplies)}
    return replace(supplies, **{k: v[which] for k, v in arrays.items() if isinstance(v, np.ndarray)})


def sum_by_row(row: Integers, values: npt.NDArray[Any], n_rows: int) -> Numbers:
    """Return the sum of values per row, 0 for rows without any."""
    return np.asarray(np.bincount(row, weights=values, minlength=n_rows), dtype=np.float64)


def _firsts(row: Integers, n_rows: int) -> Integers:
    return np.searchsorted(row, np.arange(n_rows + 1)).astype(np.int64)


def _grains(dose: Numbers) -> Integers:
    return np.rint(np.nan_to_num(dose) / GRAIN).astype(np.int64)


def _added(grains: Integers, mg: Integers, bands: Bands, too_large: bool) -> Integers:
    """Return doses with what is converted by its total added, or raise `DataError` where they are too large."""
    if len(bands[1]):
        banded = np.rint(banded_mme(np.asarray(mg * GRAIN, dtype=np.float64), bands) / GRAIN)
        too_large = too_large or bool((grains + banded > MOST_GRAINS).any())
        grains = grains if too_large else grains + banded.astype(np.int64)
    if too_large:
        raise DataError(
            f"The fills of a patient add up to more than {MOST_GRAINS * GRAIN:.0e} MME on one day, which cannot be "
            "summed exactly and is no dose. Correct strengths, quantities and days' supply at the source."
        )
    return grains


def order_within(first: Integers, day: Integers) -> Integers:
    """Return the places of days in order within each patient; they are nearly sorted as a rule."""
    order = np.arange(len(day))
    _compiled(order_loop)(first, day, order)
    return order


def _totals(supplies: Supplies, first: Integers, steps: Steps, view: View, bands: Bands) -> Totals:
    shape = (len(view.patient), len(view.windows))
    sums, heal, mg = np.zeros((len(COUNTED), *shape)), *np.zeros((2, *shape), dtype=np.int64)
    none = np.zeros(1, dtype=np.int64)
    too_large = _compiled(total_loop)(
        first, supplies.start, supplies.end, _grains(supplies.mme_per_day), _grains(supplies.banded_mg_per_day),
        supplies.is_unknown, supplies.group == STAY, steps.first, steps.start, steps.stop, steps.grains,
        view.patient, view.observed, view.day_0, view.windows, view.spans is not None,
        *(view.spans or (none, none, none)), sums, heal, mg,
    )  # fmt: skip
    heal = _added(heal, mg, bands, bool(too_large))
    return replace(Totals(*sums), max_daily_mme_heal=np.asarray(heal * GRAIN, dtype=np.float64))


def _whole_totals(supplies: Supplies, view: View, bands: Bands) -> Totals:
    """Return the totals of all days of the supplies that touch a window: each cell has supplies of its own."""
    inside = window_totals(supplies, view, bands)
    n_rows, n_windows = len(view.patient), len(view.windows)
    first = _firsts(supplies.row, int(view.patient.max(initial=-1)) + 1)
    parts = [_touching(supplies, first, view, window) for window in range(n_windows)]
    which = np.concatenate([each for each, _ in parts] or [np.empty(0, np.int64)])
    row = np.concatenate([at * n_windows + window for window, (_, at) in enumerate(parts)] or [np.empty(0, np.int64)])
    cells = by_row(replace(take(supplies, which), row=row))
    far = np.iinfo(np.int32)
    everything = View(
        np.arange(n_rows * n_windows), np.zeros(n_rows * n_windows, np.int64), np.array([[far.min, far.max]])
    )
    whole = window_totals(cells, everything, bands)
    shaped = {name: getattr(whole, name).reshape(n_rows, n_windows) for name in COUNTED}
    return replace(Totals(**shaped), days_in_window=inside.days_in_window)


def _touching(supplies: Supplies, first: Integers, view: View, window: int) -> tuple[Integers, Integers]:
    """Return (place of a supply, row) for supplies with at least one observed day in a row's window."""
    size = np.diff(first)[view.patient]
    row = np.repeat(np.arange(len(size)), size)
    which = np.repeat(first[view.patient], size) + np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
    begin = np.maximum(supplies.start[which], view.day_0[row] + view.windows[window, 0])
    finish = np.minimum(supplies.end[which], view.day_0[row] + view.windows[window, 1])
    touches = begin <= finish
    if view.spans is not None:
        span_first, span_start, span_end = view.spans
        owned = view.observed[row]
        # The first span of the patient that ends on or after the supply's first day in the window.
        axis = np.int64(2**33)
        owner = np.repeat(np.arange(len(span_first) - 1), np.diff(span_first))
        at = np.searchsorted(owner * axis + span_end, owned * axis + begin)
        has = at < span_first[owned + 1]
        touches &= has & (np.append(span_start, 0)[np.minimum(at, len(span_start))] <= finish)
    return which[touches], row[touches]


@cache
def _compiled(loop: Callable[..., Any]) -> Callable[..., Any]:
    return compiled(loop)
