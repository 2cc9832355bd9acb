"""`daily_dose`: one patient's fills day by day, for a picture of what the definitions of dose per day mean."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from ..dates import Window, check_window, from_timestamps, window_words
from ..errors import InputError, StudyWarning
from ..formats import decimal
from .definition import DoseDefinition
from .exposure import check_definition, opioid_exposure
from .loops import GRAIN
from .overlap import resolve
from .plausibility import checked_dispensings
from .supply import is_repeat, to_supplies
from .sweep import bands_of, to_steps

FOUR = {
    "mme_per_day_supplied": "per day supplied (D1)",
    "mme_per_day_covered": "per day covered (D2)",
    "mme_per_day_in_window": "per day in the window (D3)",
    "max_daily_mme": "largest day (D4)",
}
"""The four definitions of MME per day of Dasgupta 2021: column of `opioid_exposure`, and what it is called."""


@dataclass(frozen=True, eq=False)
class DailyDose:
    """One patient's fills and daily dose over a window.

    Attributes
    ----------
    fills : DataFrame
        One row per systemic fill with a day in the window, after the overlap policy, in order of days: ingredient,
        form, start_day, stop_day (the day after its last), mme_per_day (NaN where unknown, or converted by the total).
    steps : DataFrame
        On the days start_day .. stop_day - 1 of the window the known dose is mme_per_day; a day in no step has none.
    exposure : Series
        The row of `opioid_exposure` for the window.
    days : (int, int)
        The window.
    definition : DoseDefinition
    """

    fills: pd.DataFrame = field(repr=False)
    steps: pd.DataFrame = field(repr=False)
    exposure: pd.Series = field(repr=False)
    days: Window
    definition: DoseDefinition

    @property
    def frame(self) -> pd.DataFrame:
        """The four doses per day: definition, mme_per_day."""
        values = [self.exposure[name] for name in FOUR]
        return pd.DataFrame({"definition": list(FOUR.values()), "mme_per_day": np.array(values, dtype=float)})

    def sentence(self) -> str:
        """Say the four doses."""
        said = ", ".join(f"{decimal(self.exposure[name])} {words}" for name, words in FOUR.items())
        return f"MME per day on {window_words(self.days)}: {said}. {self.definition.sentence()}"


def daily_dose(
    dispensings: pd.DataFrame, definition: DoseDefinition, *, index_date: str | pd.Timestamp, days: Window
) -> DailyDose:
    """Lay out one patient's fills day by day over a window, with the four definitions of dose per day.

    **Definition**: as in `opioid_exposure`, every day of the window counting as observed; both ends belong to it.

    Parameters
    ----------
    dispensings : DataFrame
        Fills of one patient, with the columns of the schema's table ``dispensings``.
    definition : DoseDefinition
    index_date : date
        Day 0.
    days : (int, int)
        The window, relative to day 0.

    Returns
    -------
    DailyDose
        For `plot_daily_dose`.

    Raises
    ------
    InputError
        Fills of more than one patient, or no fill that covers a day of the window.
    DataError
        A column is missing.

    Notes
    -----
    When not to use it: in anything that leaves the machine, with a real patient's fills. Make up an example.

    References
    ----------
    Dasgupta N et al. Clin J Pain 2021;37(8):565-574, doi 10.1097/AJP.0000000000000948.

    Examples
    --------
    >>> import pandas as pd
    >>> import fbss_analytics as fbss
    >>> fills = pd.DataFrame({
    ...     "patient_id": "a", "date": pd.to_datetime(["2020-01-01", "2020-01-01"]), "ingredient": "oxycodone",
    ...     "form": ["tablet_er", "tablet"], "route": "oral", "strength_value": [30.0, 5.0], "strength_unit": "mg",
    ...     "quantity": [60, 14], "quantity_unit": "unit", "days_supply": [30, 7]})
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> daily = fbss.daily_dose(fills, dose, index_date="2020-01-01", days=(0, 89))
    >>> daily.frame["mme_per_day"].round(1).tolist()
    [75.8, 93.5, 31.2, 105.0]
    >>> daily.steps.to_numpy().tolist()
    [[0.0, 7.0, 105.0], [7.0, 30.0, 90.0]]
    """
    check_definition(definition)
    window = check_window(days)
    if dispensings["patient_id"].nunique() > 1:
        raise InputError("The fills are of more than one patient; daily_dose lays out one, opioid_exposure all.")
    index = pd.DataFrame({"patient_id": dispensings["patient_id"].unique(), "index_date": pd.Timestamp(index_date)})
    exposure = opioid_exposure(dispensings, index, definition, days=window)
    with warnings.catch_warnings():
        # Rows that were set aside have just been said.
        warnings.simplefilter("ignore", StudyWarning)
        usable, _ = checked_dispensings(dispensings)
    fills, steps = _laid_out(usable, definition, int(from_timestamps(index["index_date"])[0]), window)
    if fills.empty:
        raise InputError(f"No systemic fill covers a day of {window_words(window)}; there is nothing to lay out.")
    return DailyDose(fills, steps, exposure.iloc[0], window, definition)


def _laid_out(
    usable: pd.DataFrame, definition: DoseDefinition, day_0: int, window: Window
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return fills and steps of dose inside a window, relative to day 0."""
    if definition.repeats == "drop":
        usable = usable[~is_repeat(usable)]
    place = np.arange(len(usable))
    supplies = to_supplies(usable.assign(row=place, day=usable["day"] - day_0), replace(definition, repeats="keep"))
    words = usable[["ingredient", "form"]].astype(str).iloc[supplies.row].reset_index(drop=True)
    supplies = resolve(replace(supplies, row=np.zeros_like(supplies.row)), definition)
    first, last = window[0], window[1] + 1
    fills = words.assign(
        start_day=np.maximum(supplies.start, first),
        stop_day=np.minimum(supplies.end + 1, last),
        mme_per_day=np.where(supplies.banded_mg_per_day > 0, np.nan, supplies.mme_per_day),
    )
    found = to_steps(supplies, np.array([0, len(supplies.row)]), bands_of(definition.factors))
    start, stop = np.maximum(found.start, first), np.minimum(found.stop, last)
    steps = pd.DataFrame({"start_day": start, "stop_day": stop, "mme_per_day": found.grains * GRAIN})
    inside = [frame[frame["stop_day"] > frame["start_day"]].reset_index(drop=True) for frame in (fills, steps)]
    return inside[0].sort_values("start_day", kind="stable", ignore_index=True), inside[1]
