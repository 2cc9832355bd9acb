"""Systemic opioid dose in morphine milligram equivalents (MME) per day, by a stated definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ..cohort import Cohort, Definition
from ..cohort.linkage import observed_spans, pair_rows
from ..cohort.nouns import add_columns
from ..dates import Window, check_window, window_words
from ..errors import InputError, one_of
from ..formats import count, percent, plural
from .definition import DoseDefinition
from .factors import conversion_factors
from .intervals import holds_day, less, to_lists, within
from .masks import perioperative_spans
from .prepared import prepared
from .recorded import add_recorded_dose, basis_of, check_basis
from .stays import stay_spans, with_stays
from .supply import Supplies
from .sweep import View, bands_of, by_row, sum_by_row, take, window_totals

PER = {
    "day_supplied": "total MME / days' supply, a day counting once per fill (D1)",
    "day_covered": "total MME / calendar days with supply (D2)",
    "day_in_window": "total MME / observed days of the window (D3)",
    "maximum_day": "the largest MME on one calendar day (D4)",
}
CITATION = "Dasgupta N et al. Clin J Pain 2021;37(8):565-574, doi 10.1097/AJP.0000000000000948"


def add_opioid_dose(
    cohort: Cohort,
    dose: DoseDefinition | None,
    *,
    name: str,
    days: Window,
    per: str,
    basis: str | None = None,
    mask_days: Window | None = None,
) -> Cohort:
    """Add the systemic opioid dose of a window.

    **Definition**: every fill is prorated by day: of a supply of n days from day s, the days s .. s+n-1 that lie inside
    the window (both ends included) and inside pharmacy observation count. Without fills the dose is 0; ``day_supplied``
    and ``day_covered`` are then missing (0/0). Without pharmacy observation in the window all is missing. Where every
    fill is of unknown dose the dose is missing; where some are, it is that of the others over the days of all, a lower
    bound, and ``share_unknown`` says how many. ``basis="recorded"`` takes the charted doses of the window instead;
    without one the dose is missing, not 0.

    Parameters
    ----------
    cohort : Cohort
    dose : DoseDefinition or None
        How dispensings become MME; None with ``basis="recorded"``.
    name : str
        Prefix of the columns, for example ``"baseline"``.
    days : (int, int)
        Window relative to day 0, for example ``(-90, -1)``.
    per : {"day_supplied", "day_covered", "day_in_window", "maximum_day"}
        The denominator of ``<name>_mme_per_day``: D1, D2, D3 or D4 of Dasgupta 2021. With ``basis="recorded"`` one of
        ``"mean_recorded"``, ``"last_recorded"`` (of several on the last day their mean) and ``"maximum_day"``.
    basis : {"dispensed", "recorded"}, optional
        Fills, or charted daily doses (measure ``opioid_mme_per_day``): they are never mixed. A dose definition means
        fills; without one it is required where the source has both.
    mask_days : (int, int), optional
        Days relative to any operation (surgeries; implants, revisions, replacements and removals of devices), both ends
        included, that are left out of dose and denominator, for example ``(0, 90)``.

    Returns
    -------
    Cohort
        New columns ``<name>_mme_per_day`` (MME/day), ``<name>_total_mme``, ``<name>_days_supplied``,
        ``<name>_days_covered``, ``<name>_days_in_window`` (observed days), ``<name>_max_daily_mme``,
        ``<name>_dispensings`` (fills dated in the window, day 0 not counted), ``<name>_share_unknown`` (of the fills
        with supply in the window). With ``basis="recorded"`` only ``<name>_mme_per_day`` and ``<name>_records``.

    Raises
    ------
    InputError
        Unknown ``per``, a window that ends before it starts, both kinds of dose present without ``basis``, or a dose
        definition missing or not wanted.
    DataError
        The source has no dispensings (or, recorded, no charted dose).

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
    window = check_window(days)
    mask = None if mask_days is None else check_window(mask_days, name="mask_days")
    if basis is not None or dose is None:
        check_basis(dose, basis_of(cohort, basis))
    if dose is not None and not isinstance(dose, DoseDefinition):
        raise InputError('The second argument is a DoseDefinition; type fbss.DoseDefinition(factors="cdc_2022", ...).')
    if dose is None:
        if mask is not None:
            raise InputError("mask_days= leaves out days of supply; charted doses have none, leave it out.")
        return add_recorded_dose(cohort, name=name, days=window, per=per)
    one_of(per, PER, name="per")
    cohort.source.require("dispensings", what="The opioid dose")
    totals = _totals(cohort, dose, window, mask)
    columns = {f"{name}_{column}": values for column, values in _denominated(totals, per).items()}
    citation = f"{CITATION}; {conversion_factors(dose.factors)[0].source}"
    arguments = dose.arguments | {"days": window, "per": per} | ({"mask_days": mask} if mask else {})
    words = _words(dose, window, per, totals)
    words += f" Left out: {window_words(mask)} after any operation." if mask else ""
    repeats = prepared(cohort.source, dose).fills.n_repeats
    words += f" {plural(repeats, 'repeated row')} of the source left out." if repeats else ""
    return add_columns(cohort, columns, Definition(name, words, tuple(columns), arguments, citation, window[1]))


def systemic_fills(cohort: Cohort, dose: DoseDefinition) -> Supplies:
    """Return the systemic opioid fills of a cohort relative to day 0, as dispensed; intrathecal drugs are left out."""
    found = prepared(cohort.source, dose)
    return _linked(cohort, found.patient_id, found.fills)


def systemic_supplies(cohort: Cohort, dose: DoseDefinition) -> Supplies:
    """Return the systemic opioid supplies of a cohort relative to day 0, after the definition's overlap policy."""
    found = prepared(cohort.source, dose)
    return _linked(cohort, found.patient_id, found.supplies)


def _linked(cohort: Cohort, patient_id: pa.Array, supplies: Supplies) -> Supplies:
    which, row = pair_rows(cohort, patient_id)
    mine, day_0 = take(supplies, which), cohort.index_days[row].astype(np.int64)
    return by_row(replace(mine, row=row, start=mine.start - day_0, end=mine.end - day_0))


def observed_and_supplied(cohort: Cohort, dose: DoseDefinition) -> tuple[pd.DataFrame, Supplies]:
    """Return the spans in which a fill would have been seen, and the supplies, both after the rule for stays."""
    spans, supplies = observed_spans(cohort, ("pharmacy",)), systemic_supplies(cohort, dose)
    if dose.stays == "ignore":
        return spans, supplies
    stays = stay_spans(cohort, what=f'The opioid dose with stays="{dose.stays}"')
    if dose.stays == "exclude":
        return less(spans, stays, len(cohort)), supplies
    return spans, by_row(with_stays(supplies, stays))


def _totals(
    cohort: Cohort, dose: DoseDefinition, window: Window, mask: Window | None
) -> dict[str, npt.NDArray[np.float64]]:
    n = len(cohort)
    spans, supplies = observed_and_supplied(cohort, dose)
    if mask is not None:
        spans = less(spans, perioperative_spans(cohort, mask), n)
    view = View(np.arange(n), np.zeros(n, np.int64), np.array([window]), to_lists(spans, n))
    found = window_totals(supplies, view, bands_of(dose.factors), whole_fills=dose.straddle == "whole_fill")
    fills = systemic_fills(cohort, dose)
    # A fill counts where its date is; one dated on day 0 belongs to neither side (its supply from day 1 on does).
    is_dated = holds_day(within(spans, *window), fills.row, fills.start) & (fills.start != 0)
    return {
        "total_mme": found.total_mme[:, 0],
        "days_covered": found.days_covered[:, 0],
        "max_daily_mme": found.max_daily_mme[:, 0],
        "days_supplied": found.days_supplied[:, 0],
        "dispensings": sum_by_row(fills.row, is_dated, n),
        "supplies": found.supplies[:, 0],
        "unknown": found.unknown[:, 0],
        "days_in_window": found.days_in_window[:, 0],
    }


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
