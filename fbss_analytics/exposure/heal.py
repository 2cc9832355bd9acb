"""The NIH HEAL calculator's four doses, from prescriptions as its users type them: no dates, days given by hand."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError, StudyWarning, is_positive, nearest
from ..formats import decimal, html_table, plural
from .factors import conversion_factors

TABLE = "nih_heal"
AMOUNTS = ("dose", "doses_per_24_hours", "days_of_medication")
FIELDS = ("medication_name", *AMOUNTS)
ARMS = ("with_buprenorphine", "without_buprenorphine")


@dataclass(frozen=True, eq=False)
class HealMME:
    """What the NIH HEAL calculator returns for one person.

    Attributes
    ----------
    frame : DataFrame
        One row per ``arm`` (``with_buprenorphine``, ``without_buprenorphine``): ``therapy_days``, ``window_days``,
        ``total_mme``, ``total_days``, and MME per day ``mme1`` to ``mme4``.
    prescriptions : DataFrame
        The prescriptions with ``factor``, ``mme`` (of the whole prescription) and ``single_day_mme``.
    """

    frame: pd.DataFrame = field(repr=False)
    prescriptions: pd.DataFrame = field(repr=False)

    def sentence(self) -> str:
        """Say both arms in words."""
        arms = "; ".join(_arm_words(arm) for arm in self.frame.to_dict("records"))
        return f"{plural(len(self.prescriptions), 'prescription')} by the NIH HEAL calculator, {arms}."

    def _repr_html_(self) -> str:
        return html_table(self.frame, caption="MME by the NIH HEAL calculator", notes=self.sentence())


def heal_mme(
    prescriptions: Sequence[Mapping[str, Any]] | pd.DataFrame,
    *,
    therapy_days: float | Sequence[float],
    window_days: float | Sequence[float],
) -> HealMME:
    """Calculate the four doses of one person exactly as the NIH HEAL Online MME Calculator does.

    **Definition**: a prescription's single-day MME is dose x doses in 24 hours x factor, its MME that x its days.
    ``mme1`` is the total MME / the sum of the prescriptions' days, ``mme2`` / ``therapy_days``, ``mme3`` /
    ``window_days``, and ``mme4`` the sum of all single-day MME *whatever their dates*: the largest dose on a calendar
    day (D4 of Dasgupta 2021, ``max_daily_mme`` of `opioid_exposure`) is at most that. Both arms are returned; without
    buprenorphine the prescriptions whose name holds that word are dropped. Where none is left the total, ``mme2``,
    ``mme3`` and ``mme4`` are 0 and ``mme1`` (0/0) is missing.

    Parameters
    ----------
    prescriptions : list of mappings or DataFrame
        ``medication_name`` (as the calculator spells it, case and order of words included; the unit of the dose stands
        in it), ``dose``, ``doses_per_24_hours``, ``days_of_medication``. A patch: mcg/h as dose, and one dose in 24
        hours for each patch worn.
    therapy_days : float or (float, float)
        Calendar days with at least one prescription; two numbers are with and without buprenorphine.
    window_days : float or (float, float)
        Length of the observation window; likewise.

    Returns
    -------
    HealMME

    Raises
    ------
    InputError
        No prescriptions, a field that is missing, a name the calculator does not know, or a number that is not above 0
        and finite.

    Notes
    -----
    When not to use it: where dates are known; `opioid_exposure` then counts the days itself. The calculator takes days
    that cannot be (``mme2`` may then exceed ``mme4``); so does this function, and warns (`StudyWarning`) of a window
    shorter than the therapy, of more days on therapy than were supplied, and of fewer than the longest prescription.

    References
    ----------
    Adams MCB, Sward KA, Perkins ML, Hurley RW. Pain 2025, doi 10.1097/j.pain.0000000000003529. Dasgupta N et al. Clin J
    Pain 2021;37(8):565-574, doi 10.1097/AJP.0000000000000948. Names, factors and answers as recorded in mmequiv
    (KennethATaylor/mmequiv@197002e).

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> film = {"medication_name": "Buprenorphine buccal film (mcg) buccal", "dose": 50, "doses_per_24_hours": 2,
    ...         "days_of_medication": 5}
    >>> tablet = {"medication_name": "Hydrocodone (mg)", "dose": 75, "doses_per_24_hours": 3, "days_of_medication": 10}
    >>> both = fbss.heal_mme([film, tablet], therapy_days=10, window_days=30)
    >>> both.frame[["arm", "total_mme", "total_days", "mme4"]].to_numpy().tolist()
    [['with_buprenorphine', 2269.5, 15.0, 228.9], ['without_buprenorphine', 2250.0, 10.0, 225.0]]
    """
    table = _checked_prescriptions(prescriptions)
    therapy, window = _pair(therapy_days, "therapy_days"), _pair(window_days, "window_days")
    factors = heal_medications()
    table["factor"] = [factors[name] for name in table["medication_name"]]
    # Multiplied in the calculator's order, so that its recorded answers come out to the last digit.
    table["single_day_mme"] = table["dose"] * table["doses_per_24_hours"] * table["factor"]
    table["mme"] = table["single_day_mme"] * table["days_of_medication"]
    other = ~table["medication_name"].str.contains("buprenorphine", case=False).to_numpy(bool)
    chosen = (np.ones(len(table), dtype=bool), other)
    arms = [_arm(table[keep], days, length) for keep, days, length in zip(chosen, therapy, window, strict=True)]
    faults = [words for keep, arm in zip(chosen, arms, strict=True) for words in _impossible(table[keep], arm)]
    if faults:
        warnings.warn(f"These days cannot be: {'; '.join(dict.fromkeys(faults))}.", StudyWarning, stacklevel=2)
    return HealMME(pd.DataFrame(arms).assign(arm=ARMS)[["arm", *arms[0]]], table)


@cache
def heal_medications() -> Mapping[str, float]:
    """Return the calculator's 29 medication names with their factors."""
    return {row.name: row.factor for row in conversion_factors(TABLE)}


def _checked_prescriptions(prescriptions: Sequence[Mapping[str, Any]] | pd.DataFrame) -> pd.DataFrame:
    """Return the four fields as a new frame, or raise `InputError`."""
    records = _records(prescriptions)
    if not records:
        raise InputError("There are no prescriptions; expected at least one with " + ", ".join(FIELDS) + ".")
    for place, record in enumerate(records, start=1):
        missing = [name for name in FIELDS if name not in record]
        if missing:
            raise InputError(f"Prescription {place} has no {' and no '.join(missing)}; expected {', '.join(FIELDS)}.")
        if str(record["medication_name"]) not in heal_medications():
            advice = nearest(record["medication_name"], heal_medications())
            raise InputError(f"Prescription {place}: the NIH HEAL calculator has no medication of that name.{advice}")
        for name in AMOUNTS:
            if not is_positive(record[name]):
                raise InputError(f"Prescription {place}: {name} is not a number above 0.")
    table = pd.DataFrame(records, columns=list(FIELDS))
    return table.astype(dict.fromkeys(AMOUNTS, float))


def _records(prescriptions: object) -> list[Mapping[Any, Any]]:
    """Return prescriptions as mappings, or raise `InputError` where they are something else."""
    if isinstance(prescriptions, pd.DataFrame):
        return list(prescriptions.to_dict("records"))
    given: list[Any] = list(prescriptions) if isinstance(prescriptions, Sequence) else [prescriptions]
    if not all(isinstance(each, Mapping) for each in given) or isinstance(prescriptions, Mapping):
        raise InputError(
            "prescriptions is neither a DataFrame nor a list of mappings; type [{'medication_name': ..., 'dose': ..., "
            "'doses_per_24_hours': ..., 'days_of_medication': ...}]."
        )
    return given


def _pair(days: float | Sequence[float], name: str) -> tuple[float, float]:
    """Return days with and without buprenorphine; one number stands for both."""
    given = np.atleast_1d(np.asarray(days, dtype=object)).tolist()
    if len(given) not in (1, 2) or not all(is_positive(each) for each in given):
        raise InputError(
            f"{name}={days!r}: expected one number above 0, or two (with and without buprenorphine), for example 30."
        )
    return float(given[0]), float(given[-1])


def _arm(table: pd.DataFrame, therapy_days: float, window_days: float) -> dict[str, float]:
    total, days = float(table["mme"].sum()), float(table["days_of_medication"].sum())
    return {
        "therapy_days": therapy_days,
        "window_days": window_days,
        "total_mme": total,
        "total_days": days,
        "mme1": total / days if days else math.nan,
        "mme2": total / therapy_days,
        "mme3": total / window_days,
        "mme4": float(table["single_day_mme"].sum()),
    }


def _arm_words(arm: Mapping[Any, Any]) -> str:
    return (
        f"{arm['arm'].replace('_', ' ')}: {decimal(arm['total_mme'])} MME, per day supplied {decimal(arm['mme1'])}, on "
        f"therapy {decimal(arm['mme2'])}, in the window {decimal(arm['mme3'])}, single-day doses added "
        f"{decimal(arm['mme4'])}"
    )


def _impossible(table: pd.DataFrame, arm: Mapping[str, float]) -> Iterator[str]:
    """Yield what the calculator does not check: days that no calendar could show."""
    if table.empty:
        return
    if arm["window_days"] < arm["therapy_days"]:
        yield "the window is shorter than the days on therapy"
    if arm["therapy_days"] > arm["total_days"]:
        yield "there are more days on therapy than all prescriptions supply"
    if arm["therapy_days"] < table["days_of_medication"].max():
        yield "there are fewer days on therapy than the longest prescription lasts"
