"""Systemic opioid dose in morphine milligram equivalents (MME) per day, by a stated definition."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort, Definition
from ..cohort.linkage import observed_spans, relative_days
from ..cohort.nouns import add_columns
from ..dates import Window, check_window, window_words
from ..errors import InputError, one_of
from ..formats import count, percent
from ..sources.events import matches
from .factors import banded_ingredients, bands, conversion_factors, factor_tables
from .supply import COLUMNS, Supplies, to_supplies
from .sweep import cut, sum_by_row, to_steps, window_totals

PER = {
    "day_supplied": "total MME / days' supply, a day counting once per fill (D1)",
    "day_covered": "total MME / calendar days with supply (D2)",
    "day_in_window": "total MME / observed days of the window (D3)",
    "maximum_day": "the largest MME on one calendar day (D4)",
}
CITATION = "Dasgupta N et al. Clin J Pain 2021;37(8):565-574, doi 10.1097/AJP.0000000000000948"
SYSTEMIC_ROUTES_EXCLUDED = ("intrathecal",)


@dataclass(frozen=True)
class DoseDefinition:
    """How dispensings become MME; no argument has a default, since each is a scientific choice.

    Parameters
    ----------
    factors : str
        Conversion table: ``"cdc_2022"`` or ``"cdc_2016"`` (methadone by its total daily dose).
    overlap : {"concurrent"}
        What happens on days covered by several fills: their doses add.
    buprenorphine : {"exclude", "include"}
        Leave buprenorphine out of the dose, or convert it where the table lists a factor and call it unknown where not.

    Raises
    ------
    InputError
        A value that is not known; the nearest one is given.

    References
    ----------
    CDC 2022: doi 10.15585/mmwr.rr7103a1. CDC 2016: doi 10.15585/mmwr.rr6501e1.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> print(fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude").sentence())
    Oral MME by the table cdc_2022; doses of concurrent fills add; buprenorphine is excluded.
    """

    factors: str
    overlap: str
    buprenorphine: str

    def __post_init__(self) -> None:
        one_of(self.factors, factor_tables(), name="factors")
        one_of(self.overlap, ("concurrent",), name="overlap")
        one_of(self.buprenorphine, ("exclude", "include"), name="buprenorphine")

    def sentence(self) -> str:
        """Say the definition in words."""
        fate = f"buprenorphine is {self.buprenorphine}d"
        return f"Oral MME by the table {self.factors}; doses of concurrent fills add; {fate}."


def add_opioid_dose(cohort: Cohort, dose: DoseDefinition, *, name: str, days: Window, per: str) -> Cohort:
    """Add the systemic opioid dose of a window.

    **Definition**: every fill is prorated by day: of a supply of n days from day s, the days s .. s+n-1 that lie inside
    the window (both ends included) and inside pharmacy observation count. Without fills the dose is 0; ``day_supplied``
    and ``day_covered`` are then missing (0/0). Without pharmacy observation in the window all is missing. Where every
    fill is of unknown dose the dose is missing; where some are, it is that of the others over the days of all, a lower
    bound, and ``share_unknown`` says how many.

    Parameters
    ----------
    cohort : Cohort
    dose : DoseDefinition
    name : str
        Prefix of the columns, for example ``"baseline"``.
    days : (int, int)
        Window relative to day 0, for example ``(-90, -1)``.
    per : {"day_supplied", "day_covered", "day_in_window", "maximum_day"}
        The denominator of ``<name>_mme_per_day``: D1, D2, D3 or D4 of Dasgupta 2021.

    Returns
    -------
    Cohort
        New columns ``<name>_mme_per_day`` (MME/day), ``<name>_total_mme``, ``<name>_days_supplied``,
        ``<name>_days_covered``, ``<name>_days_in_window`` (observed days), ``<name>_max_daily_mme``,
        ``<name>_dispensings`` (fills dated in the window, day 0 not counted), ``<name>_share_unknown`` (of the fills
        with supply in the window).

    Raises
    ------
    InputError
        Unknown ``per``, or a window that ends before it starts.
    DataError
        The source has no dispensings.

    Notes
    -----
    When not to use it: D1 and D2 ignore days without supply, so they describe dose while treated, not exposure.

    References
    ----------
    Dasgupta N et al. Clin J Pain 2021, doi 10.1097/AJP.0000000000000948.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> cohort = fbss.add_opioid_dose(cohort, dose, name="baseline", days=(-90, -1), per="day_in_window")
    >>> bool((cohort.frame["baseline_mme_per_day"].dropna() >= 0).all())
    True
    """
    if not isinstance(dose, DoseDefinition):
        raise InputError('The second argument is a DoseDefinition; type fbss.DoseDefinition(factors="cdc_2022", ...).')
    one_of(per, PER, name="per")
    window = check_window(days)
    cohort.source.require("dispensings", what="The opioid dose")
    spans = _observed_parts(cohort, window)
    totals = _totals(systemic_supplies(cohort, dose), dose, spans, len(cohort))
    columns = {f"{name}_{column}": values for column, values in _denominated(totals, per).items()}
    citation = f"{CITATION}; {conversion_factors(dose.factors)[0].source}"
    arguments = asdict(dose) | {"days": window, "per": per}
    words = _words(dose, window, per, totals)
    return add_columns(cohort, columns, Definition(name, words, tuple(columns), arguments, citation, window[1]))


def _observed_parts(cohort: Cohort, window: Window) -> pd.DataFrame:
    """Return the parts of a window in which a fill would have been seen: row, start, end."""
    spans = observed_spans(cohort, ("pharmacy",))
    spans = spans.assign(start=spans["start"].clip(lower=window[0]), end=spans["end"].clip(upper=window[1]))
    return spans[spans["end"] >= spans["start"]]


def systemic_supplies(cohort: Cohort, dose: DoseDefinition) -> Supplies:
    """Return the systemic opioid supplies of a cohort under a dose definition; intrathecal drugs are not systemic."""
    table = cohort.source.tables["dispensings"]
    keep = ~matches(table["route"], SYSTEMIC_ROUTES_EXCLUDED)
    if dose.buprenorphine == "exclude":
        keep &= ~matches(table["ingredient"], ("buprenorphine",))
    rows: pd.DataFrame = relative_days(cohort, "dispensings", columns=COLUMNS, keep=keep)
    return to_supplies(rows, factors=dose.factors)


def _totals(
    supplies: Supplies, dose: DoseDefinition, spans: pd.DataFrame, n: int
) -> dict[str, npt.NDArray[np.float64]]:
    row, start, end = (spans[name].to_numpy(np.int64) for name in ("row", "start", "end"))
    parts, which = cut(supplies, row=row, start=start, end=end)
    edges, factors = _bands(dose.factors)
    totals = window_totals(to_steps(parts, upper_edges=edges, factors=factors), n)
    totals["days_supplied"] = sum_by_row(parts.row, parts.end - parts.start + 1, n)
    # A fill counts where its date is; one dated on day 0 belongs to neither side (its supply from day 1 on does).
    is_dated = (parts.start == supplies.start[which]) & (parts.start != 0)
    totals["dispensings"] = sum_by_row(parts.row, is_dated, n)
    supplying = np.unique(which)
    totals["supplies"] = sum_by_row(supplies.row[supplying], np.ones(len(supplying)), n)
    totals["unknown"] = sum_by_row(supplies.row[supplying], supplies.is_unknown[supplying], n)
    totals["days_in_window"] = sum_by_row(row, end - start + 1, n)
    return totals


def _bands(factors: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    banded = banded_ingredients(factors)
    return bands(factors, banded[0]) if banded else (np.empty(0), np.empty(0))


def _denominated(totals: dict[str, npt.NDArray[np.float64]], per: str) -> dict[str, npt.NDArray[np.float64]]:
    """Return the columns: the dose by its denominator, the totals it comes from, and what is missing."""
    observed, supplies, unknown = totals["days_in_window"], totals["supplies"], totals["unknown"]
    denominator = {
        "day_supplied": totals["days_supplied"],
        "day_covered": totals["days_covered"],
        "day_in_window": observed,
        "maximum_day": np.ones_like(observed),
    }[per]
    numerator = totals["max_daily_mme"] if per == "maximum_day" else totals["total_mme"]
    columns = {"mme_per_day": _ratio(numerator, denominator, np.nan)}
    columns |= {name: values for name, values in totals.items() if name not in ("supplies", "unknown")}
    columns["share_unknown"] = _ratio(unknown, supplies, 0.0)
    only_unknown = (unknown == supplies) & (supplies > 0)
    for name, values in columns.items():
        is_dose = name in ("mme_per_day", "total_mme", "max_daily_mme")
        missing = (observed == 0) & (name != "days_in_window") | only_unknown & is_dose
        columns[name] = np.where(missing, np.nan, values)
    return columns


def _ratio(above: npt.NDArray[np.float64], below: npt.NDArray[np.float64], otherwise: float) -> npt.NDArray[np.float64]:
    return np.asarray(np.divide(above, below, out=np.full(len(below), otherwise), where=below > 0))


def _words(dose: DoseDefinition, window: Window, per: str, totals: dict[str, npt.NDArray[np.float64]]) -> str:
    supplies, unknown = totals["supplies"].sum(), totals["unknown"].sum()
    share = percent(unknown / supplies if supplies else 0.0)
    return (
        f"systemic opioid dose on {window_words(window)}: {PER[per]}. {dose.sentence()} "
        f"{count(unknown)} of {count(supplies)} fills ({share}) are of unknown dose."
    )
