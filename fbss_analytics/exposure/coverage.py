"""Which days a patient had systemic opioids, and on which days a fill would have been seen."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..cohort import Cohort
from ..cohort.linkage import observed_spans, relative_events
from ..dates import FAR
from ..errors import DataError, InputError
from .definition import DoseDefinition
from .intervals import Numbers, make_spans, merge
from .opioids import systemic_supplies
from .stays import stay_spans


def check_dose(dose: object) -> DoseDefinition:
    """Return the dose definition, or raise `InputError` where something else stands in its place."""
    if not isinstance(dose, DoseDefinition):
        raise InputError('The second argument is a DoseDefinition; type fbss.DoseDefinition(factors="cdc_2022", ...).')
    return dose


def covered_spans(cohort: Cohort, dose: DoseDefinition) -> pd.DataFrame:
    """Return merged spans of days with supply of a systemic opioid: row, start, end (both days included).

    The day of a fill dated on day 0 belongs to neither side; its supply on the days after it counts. Days in hospital
    that are assumed to be supplied count for those with at least one fill.
    """
    supplies = systemic_supplies(cohort, dose)
    spans = make_spans(supplies.row, np.where(supplies.start == 0, 1, supplies.start), supplies.end)
    if dose.stays == "exclude":
        raise InputError(
            'stays="exclude" takes days in hospital out of a window, and here every day has supply or none; type '
            'stays="ignore" or "assume_supplied".'
        )
    if dose.stays == "assume_supplied":
        stays = stay_spans(cohort, what='Supply with stays="assume_supplied"')
        spans = pd.concat([spans, stays[stays["row"].isin(supplies.row)]])
    return merge(spans)


def pharmacy_spans(cohort: Cohort, *, what: str) -> pd.DataFrame:
    """Return merged spans in which a fill would have been seen, or raise `DataError` where there are none at all."""
    cohort.source.require("dispensings", "observation_periods", what=what)
    spans = observed_spans(cohort, ("pharmacy",))
    if spans.empty:
        raise DataError(
            f"{what} needs pharmacy observation, and nobody in this cohort has any: a day without a fill cannot be "
            'told from a day not seen. Charted doses still can be used: basis="recorded" or '
            'add_measurement(cohort, "opioid_mme_per_day", ...).'
        )
    return spans


def death_days(cohort: Cohort) -> Numbers:
    """Return the day of death of each row relative to day 0; infinite where none is recorded."""
    deaths = relative_events(cohort, "death").drop_duplicates("row")
    day = np.full(len(cohort), np.inf)
    day[deaths["row"].to_numpy()] = deaths["day"].to_numpy()
    return day


def followed(spans: pd.DataFrame, n_rows: int) -> tuple[Numbers, Numbers]:
    """Return first and last day of the first merged span that reaches day 0 or later; missing without one."""
    spans = spans[spans["end"] >= 0].drop_duplicates("row")
    entry, end = np.full(n_rows, np.nan), np.full(n_rows, np.nan)
    row = spans["row"].to_numpy()
    entry[row], end[row] = np.clip(spans["start"], 0, FAR), np.clip(spans["end"], 0, FAR)
    return entry, end
