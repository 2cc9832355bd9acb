"""Dispensed opioids as drug exposures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..omop_concepts import ROUTE_CONCEPTS, ROUTES
from .chunks import Text, or_else
from .omop_model import FILL, Cdm, renumbered
from .omop_vocabulary import Product, name_of

ROUTE_IDS = {word: concept for concept, word in ROUTE_CONCEPTS.items()}
HELD = (
    "patient_id", "dispensing_id", "date", "ingredient", "form", "route", "strength_value", "strength_unit",
    "quantity", "quantity_unit", "days_supply",
)  # fmt: skip


def products(rows: Text) -> list[Product]:
    """Return the product of each dispensing: ingredient, form, and strength with its unit where both are known."""
    known = rows["strength_value"].notna() & rows["strength_unit"].notna()
    columns = (
        rows["ingredient"],
        or_else(rows["form"], ""),
        rows["strength_value"].where(known, ""),
        rows["strength_unit"].where(known, ""),
    )
    return list(zip(*columns, strict=True))


def last_days(dates: pd.Series, days: pd.Series) -> pd.Series:
    """Return the last day that each supply covers: of one day, its first."""
    start = dates.to_numpy(dtype="datetime64[D]")
    last = start + days.to_numpy(dtype=np.int64) - 1
    return pd.Series(np.datetime_as_string(last).astype(object), index=dates.index)


def write_dispensings(cdm: Cdm) -> None:
    """Write the fills."""
    table, rows = "dispensings", cdm.rows("dispensings")
    implied = rows["route"].isna() & rows["form"].isin(list(ROUTES))
    unitless = rows["quantity_unit"].isna() & rows["form"].notna() & (rows["form"] != "solution")
    half = rows["strength_value"].notna() ^ rows["strength_unit"].notna()
    cdm.ledger.change(table, "dispensing_id", "fills are numbered by day", renumbered(rows, "dispensing_id"))
    cdm.ledger.change(table, "route", "a form is read as its usual route", int(implied.sum()))
    cdm.ledger.change(table, "quantity_unit", "a form is read as what its quantity counts", int(unitless.sum()))
    cdm.ledger.leave_out(table, "a strength has a unit", int(half.sum()), column="strength_value")
    each = products(rows)
    ids = cdm.add(
        "drug_exposure",
        rows,
        drug_concept_id=[cdm.vocabulary.product(product) for product in each],
        drug_exposure_start_date=rows["date"],
        drug_exposure_end_date=last_days(rows["date"], rows["days_supply"]),
        drug_type_concept_id=FILL,
        quantity=rows["quantity"],
        days_supply=rows["days_supply"],
        route_concept_id=or_else(rows["route"].map(ROUTE_IDS), "0"),
        route_source_value=rows["route"],
        dose_unit_source_value=rows["quantity_unit"],
        drug_source_value=[name_of(product) for product in each],
    )
    cdm.details(table, rows, ids, "drug_exposure_id", held=HELD)
