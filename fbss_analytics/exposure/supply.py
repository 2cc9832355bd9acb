"""From dispensings to supplies: the days a fill covers, and the MME it gives on each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..compiled import compiled
from ..sources import schema
from .columns import not_text
from .definition import DoseDefinition
from .factors import BY_TOTAL, DAY_WORN, PATCH_HOURS, Factor, conversion_factors

WORDS = ("ingredient", "form", "route", "strength_unit", "quantity_unit")
COLUMNS = (
    "ingredient", "form", "route", "strength_value", "strength_unit", "quantity", "quantity_unit", "days_supply",
)  # fmt: skip
NOT_SYSTEMIC = ("intrathecal",)
MOST_MME_PER_DAY = 1e6
"""A single fill above it (a kilogram of morphine a day) is a slip: its dose is unknown, and sums stay exact."""
LEFT_OUT = -1
_IN_UNIT = {("mg", "mg"): 1.0, ("mcg", "mcg"): 1.0, ("mcg", "mg"): 1e-3, ("mg", "mcg"): 1e3, ("mg/mL", "mg"): 1.0,
            ("mg/mL", "mcg"): 1e3, ("mcg/h", "mcg/h"): 1.0}  # fmt: skip
_UNKNOWN, _AMOUNT, _WORN, _BANDED = 0, 1, 2, 3

Numbers = npt.NDArray[np.float64]
Codes = Sequence[npt.NDArray[Any]]
Dispensings = pd.DataFrame | Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Supplies:
    """Supplies of patients, one entry per systemic dispensing that the definition keeps, in input order.

    Attributes
    ----------
    row : (n,) int
        Row of the cohort, or any other code of the patient.
    start, end : (n,) int
        First and last day covered.
    mme_per_day : (n,) float
        MME on each covered day; 0 where it comes from ``banded_mg_per_day``, NaN where it is unknown.
    banded_mg_per_day : (n,) float
        mg/day of an ingredient that is converted by its total daily dose (methadone under ``cdc_2016``), else 0.
    group : (n,) int
        Fills of one group follow each other under an overlap policy: code of the ingredient, or of ingredient and form.
    n_repeats : int
        Rows that ``repeats="drop"`` left out.
    """

    row: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    mme_per_day: Numbers
    banded_mg_per_day: Numbers
    group: npt.NDArray[np.int32]
    n_repeats: int = 0

    @property
    def is_unknown(self) -> npt.NDArray[np.bool_]:
        """Which supplies have no known dose."""
        return np.isnan(self.mme_per_day)


@dataclass(frozen=True, eq=False)
class Lookup:
    """What a definition makes of each combination of the words in `WORDS`; the last code of each stands for missing.

    Attributes
    ----------
    sizes : (5,) int
        Codes of each word, the one for missing included.
    kind : (cells,) int
        How the dose comes about: unknown, by amount, by patches worn, by the ingredient's total daily dose.
    numbers : (cells, 4) float
        Factor, scale of the strength to the factor's unit, usual and shorter hours a patch is worn.
    group : (cells,) int
        Group of the supply; `LEFT_OUT` where the definition leaves the dispensing out.
    """

    sizes: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int8]
    numbers: Numbers
    group: npt.NDArray[np.int32]


def to_supplies(dispensings: Dispensings, definition: DoseDefinition) -> Supplies:
    """Turn dispensings (columns row, day and `COLUMNS`) into supplies under a dose definition.

    **Definition**: a fill of n days from day s covers s .. s+n-1 and gives strength x quantity / days_supply x factor
    on each. A patch gives strength (mcg/h) x factor on each day it is worn; each is worn 72 hours (fentanyl; 48 where
    the fill then lasts exactly its days' supply) or 7 days (buprenorphine). A strength in mg/mL needs the quantity in
    mL; a count of bottles is no amount, so its dose is unknown until it is rescaled to mL at the source. Without a
    factor for ingredient, form, route and unit, without strength, or above `MOST_MME_PER_DAY` the dose is unknown.
    Intrathecal drugs are not systemic and are left out, as is buprenorphine where the definition excludes it.

    ``repeats="drop"`` compares every column that is there but ``dispensing_id``: give it all of the table's columns.
    """
    n_repeats = 0
    if definition.repeats == "drop":
        repeated = is_repeat(dispensings)
        dispensings = _kept(dispensings, ~repeated)
        n_repeats = int(repeated.sum())
    codes = [word_codes(dispensings[name], name) for name in WORDS]
    strength, quantity, days = (to_numbers(dispensings[name]) for name in ("strength_value", "quantity", "days_supply"))
    mme, banded, group = prepare(codes, strength, quantity, days, lookup_of(definition))
    kept = group != LEFT_OUT
    start = np.asarray(dispensings["day"], dtype=np.int64)[kept]
    end = start + np.asarray(days[kept], dtype=np.int64) - 1
    row = np.asarray(dispensings["row"], dtype=np.int64)[kept]
    return Supplies(row, start, end, mme[kept], banded[kept], group[kept], n_repeats)


def prepare(
    codes: Codes, strength: npt.NDArray[Any], quantity: npt.NDArray[Any], days_supply: npt.NDArray[Any], lookup: Lookup
) -> tuple[Numbers, Numbers, npt.NDArray[np.int32]]:
    """Convert dispensings in one compiled pass: MME per day, banded mg per day, and group, as in `Supplies`.

    One entry per dispensing, none left away: the group is `LEFT_OUT` (-1) where the definition leaves a dispensing out
    (intrathecal; buprenorphine when excluded), so keep those with ``group != LEFT_OUT``.

    Parameters
    ----------
    codes : sequence of five (n,) int arrays
        Codes of `WORDS`, in that order, over the schema's vocabulary (the indices of the Arrow dictionary); -1, or any
        code outside the vocabulary, for a missing word. int16 as Arrow has them is taken as it is.
    strength, quantity : (n,) float
        NaN where missing; then, and where not above 0, the dose is unknown.
    days_supply : (n,) int or float
        Likewise; below 1 the dose is unknown.
    lookup : Lookup
        From `lookup_of(definition)`.
    """
    n = len(strength)
    mme, banded, group = np.empty(n), np.empty(n), np.empty(n, dtype=np.int32)
    _compiled_pass()(
        *(_fixed(each, np.int16) for each in codes),
        _fixed(strength, np.float64),
        _fixed(quantity, np.float64),
        _fixed(days_supply, None),
        *(_fixed(each, None) for each in (lookup.sizes, lookup.kind, lookup.numbers, lookup.group)),
        mme,
        banded,
        group,
    )
    return mme, banded, group


def is_repeat(dispensings: Dispensings) -> npt.NDArray[np.bool_]:
    """Return which rows equal an earlier one in every column but ``dispensing_id``."""
    frame = dispensings if isinstance(dispensings, pd.DataFrame) else pd.DataFrame(dict(dispensings))
    try:
        return np.asarray(frame.drop(columns="dispensing_id", errors="ignore").duplicated(), dtype=bool)
    except TypeError:
        raise not_text("a column by which repeats are told") from None


def word_codes(values: Any, name: str) -> npt.NDArray[np.int16]:
    """Return the codes of words over the schema's vocabulary, -1 for any other.

    An array of integers holds codes already. A column of integers does not: numbers in a frame are the source's own
    concepts, and no words.
    """
    words = schema.vocabulary(name)
    dtype = getattr(values, "dtype", None)
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        return np.asarray(values, dtype=np.int16)
    if isinstance(dtype, pd.CategoricalDtype):
        known = pd.Index(words).get_indexer(dtype.categories.astype(object)).astype(np.int16)
        # A missing value has the code -1, and so takes the last entry.
        return np.asarray(np.append(known, np.int16(-1))[np.asarray(values.array.codes)])
    if isinstance(dtype, pd.ArrowDtype | pd.StringDtype):
        found = pc.index_in(pa.array(values).cast(pa.string()), value_set=pa.array(words, pa.string()))
        return np.asarray(found.fill_null(-1), dtype=np.int16)
    try:
        found = pd.Index(words).get_indexer(np.asarray(values, dtype=object))  # type: ignore[arg-type]
    except TypeError:
        raise not_text(name) from None
    return np.asarray(found, dtype=np.int16)


@lru_cache(maxsize=64)
def lookup_of(definition: DoseDefinition) -> Lookup:
    """Return what a definition makes of every combination of words; made once for each."""
    words = {name: schema.vocabulary(name) for name in WORDS}
    shape = tuple(len(known) + 1 for known in words.values())
    kind, numbers = np.zeros(shape, dtype=np.int8), np.zeros((*shape, 4))
    for factor in conversion_factors(definition.factors):
        for given, scale in ((given, ratio) for (given, wanted), ratio in _IN_UNIT.items() if wanted == factor.unit):
            cells = np.ix_(
                [words["ingredient"].index(factor.ingredient)],
                [words["form"].index(form) for form in factor.forms],
                [words["route"].index(route) for route in factor.routes],
                [words["strength_unit"].index(given)],
                _quantities(factor, given, words["quantity_unit"]),
            )
            kind[cells] = {DAY_WORN: _WORN, BY_TOTAL: _BANDED}.get(factor.basis, _AMOUNT)
            numbers[cells] = (factor.factor, scale, *_hours(factor))
    n_ingredients, n_forms = shape[:2]
    group: npt.NDArray[np.int32] = np.arange(n_ingredients, dtype=np.int32)[:, None]
    if definition.overlap_within == "ingredient_and_form":
        group = group * np.int32(n_forms) + np.arange(n_forms, dtype=np.int32)[None, :]
    groups = np.broadcast_to(group[..., None, None, None], shape).copy()
    groups[:, :, [words["route"].index(route) for route in NOT_SYSTEMIC]] = LEFT_OUT
    if definition.buprenorphine == "exclude":
        groups[words["ingredient"].index("buprenorphine")] = LEFT_OUT
    return Lookup(np.array(shape), kind.ravel(), numbers.reshape(-1, 4), groups.ravel())


def _quantities(factor: Factor, given: str, known: tuple[str, ...]) -> list[int]:
    """Return the codes of quantity units that count what the strength is per; a missing unit counts units."""
    if factor.basis == DAY_WORN:
        return [known.index("patch"), known.index("unit"), len(known)]
    return [known.index("mL")] if given == "mg/mL" else [known.index("unit"), len(known)]


def _hours(factor: Factor) -> tuple[float, float]:
    """Return the usual and the shorter hours a patch is worn; 0 where there is none."""
    hours = (*PATCH_HOURS[factor.ingredient], 0, 0) if factor.basis == DAY_WORN else (0, 0)
    return float(hours[0]), float(hours[1])


def _kept(dispensings: Dispensings, keep: npt.NDArray[np.bool_]) -> Dispensings:
    if isinstance(dispensings, pd.DataFrame):
        return dispensings[keep]
    return {name: values[keep] for name, values in dispensings.items()}


def to_numbers(values: Any) -> npt.NDArray[Any]:
    """Return numbers as numpy has them; missing ones of a nullable column become NaN."""
    if isinstance(values, pd.Series) and not isinstance(values.dtype, np.dtype):
        return values.to_numpy(np.float64, na_value=np.nan)
    array = np.asarray(values)
    return array if array.dtype.kind in "iuf" else array.astype(np.float64)


def _fixed(array: npt.NDArray[Any], dtype: Any) -> npt.NDArray[Any]:
    """Return a contiguous array that is read-only, as Arrow's are: one compiled version then serves both."""
    view = np.ascontiguousarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view


@cache
def _compiled_pass() -> Callable[..., None]:
    return compiled(_pass)


def _pass(
    ingredient: Any, form: Any, route: Any, strength_unit: Any, quantity_unit: Any,
    strength: Any, quantity: Any, days_supply: Any,
    sizes: Any, kind: Any, numbers: Any, group_of: Any,
    mme: Any, banded: Any, group: Any,
) -> None:  # fmt: skip
    """Fill ``mme``, ``banded`` and ``group`` for each dispensing; the loop that `prepare` compiles."""
    last_ingredient, last_form, last_route = sizes[0] - 1, sizes[1] - 1, sizes[2] - 1
    last_unit, last_counted = sizes[3] - 1, sizes[4] - 1
    for i in range(len(strength)):
        a, b, c, d, e = ingredient[i], form[i], route[i], strength_unit[i], quantity_unit[i]
        cell = a if 0 <= a < last_ingredient else last_ingredient
        cell = cell * sizes[1] + (b if 0 <= b < last_form else last_form)
        cell = cell * sizes[2] + (c if 0 <= c < last_route else last_route)
        cell = cell * sizes[3] + (d if 0 <= d < last_unit else last_unit)
        cell = cell * sizes[4] + (e if 0 <= e < last_counted else last_counted)
        group[i] = group_of[cell]
        mme[i], banded[i] = np.nan, 0.0
        how, power, units, days = kind[cell], strength[i], quantity[i], days_supply[i]
        if how == _UNKNOWN or not (power > 0 and units > 0 and days >= 1):
            continue
        factor = numbers[cell, 0]
        if how == _WORN:
            hours, shorter = numbers[cell, 2], numbers[cell, 3]
            if shorter > 0 and abs(units * shorter / 24 - days) <= 1e-8 + 1e-9 * days:
                hours = shorter
            dose = power * (units * hours / 24 / days) * factor
        else:
            dose = power * numbers[cell, 1] * (units / days)
            if how == _BANDED:
                if dose <= MOST_MME_PER_DAY:
                    mme[i], banded[i] = 0.0, dose
                continue
            dose = dose * factor
        if dose <= MOST_MME_PER_DAY:
            mme[i] = dose
