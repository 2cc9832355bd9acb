"""Charted daily opioid doses, and the choice between them and fills: the two are never mixed."""

from __future__ import annotations

import numpy as np

from ..cohort import Cohort, Definition
from ..cohort.linkage import relative_days
from ..cohort.nouns import add_columns
from ..dates import Window, window_words
from ..errors import DataError, InputError, one_of
from ..formats import count
from ..sources.events import matches
from .covariates import add_measurement
from .definition import DoseDefinition

CHARTED = "opioid_mme_per_day"
TAKEN = {"mean_recorded": "mean", "last_recorded": "last", "maximum_day": "maximum"}
PER_RECORDED = {
    "mean_recorded": "mean of the charted doses",
    "last_recorded": "the last charted dose",
    "maximum_day": "the largest charted dose",
}


def basis_of(cohort: Cohort, basis: str | None) -> str:
    """Return ``dispensed`` or ``recorded``: what was asked for, or the only one the source has."""
    tables = cohort.source.tables
    charts = "measurements" in tables and int(matches(tables["measurements"]["measure"], (CHARTED,)).sum())
    fills = cohort.source.counts.get("dispensings", 0)
    if basis is not None:
        one_of(basis, ("dispensed", "recorded"), name="basis")
        if basis == "recorded" and not charts:
            raise DataError(
                f"The source has no charted dose (measure {CHARTED!r})"
                + (f'; it has {count(fills)} dispensings: type basis="dispensed".' if fills else " or fill.")
            )
        return basis
    if charts and fills:
        raise InputError(
            f"The source has {count(fills)} dispensings and {count(charts)} charted doses, which are never mixed; type "
            'basis="dispensed" or basis="recorded".'
        )
    return "recorded" if charts else "dispensed"


def check_basis(dose: object, basis: str) -> None:
    """Raise `InputError` where fills come without a dose definition, or charted doses with one."""
    if (basis == "dispensed") != isinstance(dose, DoseDefinition):
        raise InputError(
            f'basis="{basis}" takes '
            + ('a DoseDefinition as second argument; type fbss.DoseDefinition(factors="cdc_2022", ...).'
               if basis == "dispensed" else "no dose definition; type None as second argument.")
        )  # fmt: skip


def add_recorded_dose(cohort: Cohort, *, name: str, days: Window, per: str) -> Cohort:
    """Add the charted dose of a window: ``<name>_mme_per_day`` and ``<name>_records``, how many doses were charted.

    Without a charted dose in the window it is missing, not 0: nothing was charted.
    """
    one_of(per, PER_RECORDED, name="per")
    column = f"{name}_mme_per_day"
    dose = add_measurement(cohort, CHARTED, days=days, take=TAKEN[per], name=column).data[column].to_numpy(float)
    keep = matches(cohort.source.tables["measurements"]["measure"], (CHARTED,))
    rows = relative_days(cohort, "measurements", keep=keep)
    records = np.bincount(rows["row"][rows["day"].between(*days)], minlength=len(cohort))
    columns = {column: dose, f"{name}_records": records}
    words = f"systemic opioid dose on {window_words(days)}: {PER_RECORDED[per]}, as charted (MME per day)"
    arguments = {"basis": "recorded", "days": days, "per": per}
    return add_columns(cohort, columns, Definition(name, words, tuple(columns), arguments, known_at_day=days[1]))
