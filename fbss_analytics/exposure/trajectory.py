"""The systemic opioid dose month by month, before and after day 0."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort, Definition
from ..cohort.linkage import relative_days
from ..cohort.nouns import add_columns
from ..dates import Window, check_window
from ..errors import InputError
from ..sources.events import matches
from .coverage import death_days, pharmacy_spans
from .definition import DoseDefinition
from .factors import conversion_factors
from .intervals import holds_throughout
from .opioids import systemic_supplies
from .recorded import CHARTED, basis_of, check_basis
from .sweep import View, bands_of, window_totals

MONTH_DAYS = 30
Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def add_opioid_trajectory(
    cohort: Cohort,
    dose: DoseDefinition | None,
    *,
    months: Window = (-24, 24),
    basis: str | None = None,
    name: str = "opioids",
) -> Cohort:
    """Add the systemic opioid dose of every month before and after day 0.

    **Definition**: a month is a block of 30 days: month 1 is days 1 to 30, month m days 30(m-1)+1 to 30m; month -1 is
    days -30 to -1, month -m days -30m to -30(m-1)-1. There is no month 0, and day 0 is in no month. The dose of a month
    is its total MME / 30 days (fills prorated by day, concurrent ones added); a patient is using in a month with supply
    on at least one day. A month counts when all 30 days are observed in the pharmacy domain; else it is ``unobserved``,
    and from the month of death on ``dead``, both without a dose. ``basis="recorded"`` takes the mean charted dose of a
    month instead; a month without a charted dose is unobserved, not 0.

    Parameters
    ----------
    cohort : Cohort
    dose : DoseDefinition or None
        How dispensings become MME; None with ``basis="recorded"``.
    months : (int, int)
        First and last month.
    basis : {"dispensed", "recorded"}, optional
        Fills, or charted daily doses (measure ``opioid_mme_per_day``). Required where the source has both: they are
        never mixed.
    name : str
        Name of the episodes, and prefix of the columns.

    Returns
    -------
    Cohort
        New columns ``<name>_months_observed`` and ``<name>_months_using``, and `Episodes` of kind ``months``,
        ``cohort.episodes(name)``: ``month``, ``start_day``, ``stop_day``, ``state`` (using, not_using, unobserved,
        dead), ``mme_per_day`` (everyone observed), ``mme_per_day_if_using`` (missing for others), ``is_using`` (1, 0 or
        missing) and ``share_unknown`` (of the month's fills; their dose is in no sum; a month of unknown fills only has
        no dose).

    Raises
    ------
    InputError
        Both kinds of dose are present and ``basis`` is not given; a dose definition is missing or not wanted.
    DataError
        The source has no dispensings or nobody pharmacy observation (or, recorded, no charted dose).

    Notes
    -----
    When not to use it: to prove an effect. Doses peak before implants, so a fall after day 0 is in part regression to
    the mean; set a comparator beside it (`start_matched_cohort`).

    References
    ----------
    Sharan AD et al. Pain Medicine 2018, PMID 29244102, on the rise before the implant. The dose: Dasgupta N et al.
    2021, doi 10.1097/AJP.0000000000000948.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_trial", occurrence="first")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> cohort = fbss.add_opioid_trajectory(cohort, dose, months=(-3, 2))
    >>> months = cohort.episodes("opioids").frame
    >>> months.loc[months["row"] == 0, ["month", "start_day", "stop_day"]].to_numpy().tolist()
    [[-3, -90, -60], [-2, -60, -30], [-1, -30, 0], [1, 1, 31], [2, 31, 61]]
    """
    first, last = check_window(months, name="months")
    numbers = np.array([month for month in range(first, last + 1) if month != 0], dtype=np.int64)
    if len(numbers) == 0:
        raise InputError("months=(0, 0) holds no month: day 0 is in none. Type months=(-24, 24).")
    basis = basis_of(cohort, basis)
    check_basis(dose, basis)
    start = month_start(numbers)
    if isinstance(dose, DoseDefinition):
        table = _dispensed(cohort, dose, start)
        meaning, citation = dose.sentence(), conversion_factors(dose.factors)[0].source
    else:
        table = _recorded(cohort, start)
        meaning, citation = "Charted daily doses, their mean in each month.", ""
    table = _labelled(table, cohort, numbers, start)
    observed = table["mme_per_day"].notna() | table["is_using"].notna()
    columns = {
        f"{name}_months_observed": observed.groupby(table["row"]).sum().to_numpy(),
        f"{name}_months_using": (table["is_using"] == 1).groupby(table["row"]).sum().to_numpy(),
    }
    words = f"systemic opioid dose by month (30 days), months {first} to {last}; day 0 is in none. {meaning}"
    arguments = (dose.arguments if dose else {}) | {"months": (first, last), "basis": basis}
    definition = Definition(name, words, tuple(columns), arguments, citation, int(start[-1] + MONTH_DAYS - 1))
    return add_columns(cohort, columns, definition, intervals=("months", table))


def month_start(month: Integers) -> Integers:
    """Return the first day of months of 30 days: month 1 begins on day 1, month -1 on day -30."""
    return np.where(month > 0, MONTH_DAYS * (month - 1) + 1, MONTH_DAYS * month)


def _dispensed(cohort: Cohort, dose: DoseDefinition, start: Integers) -> pd.DataFrame:
    """Return dose, use and unknown share of every row and month; missing where a day of the month is not observed."""
    if dose.straddle == "whole_fill" or dose.stays == "exclude":
        raise InputError(
            'A month is 30 days and takes its part of every fill; type straddle="prorate" and stays="ignore" in the '
            "dose definition of a trajectory."
        )
    spans = pharmacy_spans(cohort, what="The opioid trajectory")
    n = len(cohort)
    seen = np.array([holds_throughout(spans, day, day + MONTH_DAYS - 1, n) for day in start.tolist()]).T
    windows = np.stack([start, start + MONTH_DAYS - 1], axis=1)
    view = View(np.arange(n), np.zeros(n, np.int64), windows)
    totals = window_totals(systemic_supplies(cohort, dose), view, bands_of(dose.factors))
    fills, unknown = totals.supplies, totals.unknown
    only_unknown = (fills > 0) & (unknown == fills)
    table = {
        "mme_per_day": np.where(only_unknown, np.nan, totals.total_mme / MONTH_DAYS),
        "is_using": (fills > 0).astype(float),
        "share_unknown": unknown / np.maximum(fills, 1),
    }
    return pd.DataFrame({name: np.where(seen, values, np.nan).ravel() for name, values in table.items()})


def _recorded(cohort: Cohort, start: Integers) -> pd.DataFrame:
    keep = matches(cohort.source.tables["measurements"]["measure"], (CHARTED,))
    rows = relative_days(cohort, "measurements", columns=("value",), keep=keep)
    day = rows["day"].to_numpy()
    place = np.searchsorted(start, day, side="right") - 1
    inside = (place >= 0) & (day < start[np.maximum(place, 0)] + MONTH_DAYS)
    cell = (rows["row"].to_numpy() * len(start) + place)[inside]
    size = len(cohort) * len(start)
    n = np.bincount(cell, minlength=size)
    total = np.bincount(cell, weights=rows["value"].to_numpy(float)[inside], minlength=size)
    mean = np.divide(total, n, out=np.full(size, np.nan), where=n > 0)
    using = np.where(n > 0, mean > 0, np.nan)
    return pd.DataFrame({"mme_per_day": mean, "is_using": using, "share_unknown": np.where(n > 0, 0.0, np.nan)})


def _labelled(table: pd.DataFrame, cohort: Cohort, numbers: Integers, start: Integers) -> pd.DataFrame:
    """Return the months with their rows, days and states; no dose is left in a month of death or after it."""
    n, n_months = len(cohort), len(numbers)
    row, month = np.repeat(np.arange(n), n_months), np.tile(numbers, n)
    begin = np.tile(start, n)
    dead = death_days(cohort)[row] <= begin + MONTH_DAYS - 1
    table = table.mask(pd.Series(dead))
    using = table["is_using"].to_numpy()
    state = np.select([dead, np.isnan(using), using == 1], ["dead", "unobserved", "using"], "not_using")
    return pd.DataFrame(
        {
            "row": row,
            "month": month,
            "start_day": begin,
            "stop_day": begin + MONTH_DAYS,
            "state": state.astype(object),
            "mme_per_day": table["mme_per_day"].to_numpy(),
            "mme_per_day_if_using": np.where(using == 1, table["mme_per_day"], np.nan),
            "is_using": using,
            "share_unknown": table["share_unknown"].to_numpy(),
        }
    )
