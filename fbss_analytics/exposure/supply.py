"""From dispensings to supplies: the days a fill covers, and the MME it gives on each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from .factors import BY_TOTAL, Factor, banded_ingredients, conversion_factors

COLUMNS = (
    "ingredient", "form", "route", "strength_value", "strength_unit", "quantity", "quantity_unit", "days_supply",
)  # fmt: skip
PATCH_HOURS = {"fentanyl": (72, 48), "buprenorphine": (168,)}
"""Hours a patch is worn, as labelled; the second is the shorter change interval in use."""
_IN_UNIT = {("mg", "mg"): 1.0, ("mcg", "mcg"): 1.0, ("mcg", "mg"): 1e-3, ("mg", "mcg"): 1e3, ("mg/mL", "mg"): 1.0,
            ("mg/mL", "mcg"): 1e3, ("mcg/h", "mcg/h"): 1.0}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Supplies:
    """Supplies of a cohort, one entry per dispensing.

    Attributes
    ----------
    row : (n,) int
        Row of the cohort.
    start, end : (n,) int
        First and last day covered, relative to day 0.
    mme_per_day : (n,) float
        MME on each covered day; 0 where it comes from ``banded_mg_per_day``, NaN where it is unknown.
    banded_mg_per_day : (n,) float
        mg/day of an ingredient that is converted by its total daily dose (methadone under ``cdc_2016``), else 0.
    """

    row: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    mme_per_day: npt.NDArray[np.float64]
    banded_mg_per_day: npt.NDArray[np.float64]

    @property
    def is_unknown(self) -> npt.NDArray[np.bool_]:
        """Which supplies have no known dose."""
        return np.isnan(self.mme_per_day)


def to_supplies(dispensings: pd.DataFrame, *, factors: str) -> Supplies:
    """Turn dispensings (columns row, day and `COLUMNS`) into supplies under a conversion table.

    **Definition**: a fill of n days from day s covers s .. s+n-1 and gives strength x quantity / days_supply x factor
    on each. A patch gives strength (mcg/h) x factor on each day it is worn; each is worn 72 hours (fentanyl; 48 where
    the fill then lasts exactly its days' supply) or 7 days (buprenorphine). Without a factor for ingredient, form,
    route and unit, or without strength, the dose is unknown.
    """
    daily = np.full(len(dispensings), np.nan)
    banded = np.zeros(len(dispensings))
    by_total = banded_ingredients(factors)
    amount = dispensings["quantity"].to_numpy(float) / dispensings["days_supply"].to_numpy(float)
    strength = dispensings["strength_value"].to_numpy(float)
    for factor in conversion_factors(factors):
        if factor.basis == BY_TOTAL and factor.above_mg_per_day > 0:
            continue  # The bands of an ingredient share one selection; the sweep picks the band.
        chosen, scale = _selected(dispensings, factor)
        per_day = strength * scale * amount
        if factor.basis == "day_worn":
            daily[chosen] = (strength * _patches_worn(dispensings, factor.ingredient) * factor.factor)[chosen]
        elif factor.ingredient in by_total:
            known = chosen & np.isfinite(per_day)
            banded[known], daily[known] = per_day[known], 0.0
        else:
            daily[chosen] = (per_day * factor.factor)[chosen]
    start = dispensings["day"].to_numpy(np.int64)
    end = start + dispensings["days_supply"].to_numpy(np.int64) - 1
    return Supplies(dispensings["row"].to_numpy(np.int64), start, end, daily, banded)


def _selected(dispensings: pd.DataFrame, factor: Factor) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return which dispensings a factor applies to, and the scale from their strength unit to the factor's."""
    chosen = (dispensings["ingredient"] == factor.ingredient).to_numpy(bool)
    chosen &= dispensings["form"].isin(factor.forms).to_numpy(bool)
    chosen &= dispensings["route"].isin(factor.routes).to_numpy(bool)
    in_unit = {given: ratio for (given, wanted), ratio in _IN_UNIT.items() if wanted == factor.unit}
    scale = np.asarray(dispensings["strength_unit"].map(in_unit), dtype=np.float64)
    return chosen & np.isfinite(scale) & _quantity_fits(dispensings, factor), scale


def _quantity_fits(dispensings: pd.DataFrame, factor: Factor) -> npt.NDArray[np.bool_]:
    """Return where the quantity counts what the strength is per: mL for mg/mL, patches for patches, else units."""
    counted = dispensings["quantity_unit"].fillna("unit").to_numpy(object)
    if factor.basis == "day_worn":
        return np.isin(counted, ("patch", "unit"))
    per_volume = (dispensings["strength_unit"] == "mg/mL").to_numpy(bool)
    return np.asarray(np.where(per_volume, counted == "mL", counted == "unit"), dtype=bool)


def _patches_worn(dispensings: pd.DataFrame, ingredient: str) -> npt.NDArray[np.float64]:
    quantity, days = dispensings["quantity"].to_numpy(float), dispensings["days_supply"].to_numpy(float)
    usual, *shorter = PATCH_HOURS[ingredient]
    hours = np.full(len(dispensings), float(usual))
    for each in shorter:
        hours[np.isclose(quantity * each / 24, days, rtol=1e-9)] = each
    return np.asarray(quantity * hours / 24 / days)
