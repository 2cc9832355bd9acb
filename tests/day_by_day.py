"""Opioid exposure the slow way: one patient at a time, one day at a time, from plain tuples.

Shares no code with the package. Every rule is written as it is said: a dict of days, no interval is ever cut or merged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

NAN = float("nan")
METHADONE_2016 = ((20.0, 4.0), (40.0, 8.0), (60.0, 10.0), (float("inf"), 12.0))
"""CDC 2016: upper edge of the band in mg/day, included, and factor."""


@dataclass(frozen=True)
class Fill:
    """A fill: day, days' supply, group for the overlap policy, and dose per day (None where it is unknown).

    ``mg_methadone`` is the dose where it is converted by the day's total.
    """

    day: int
    days: int
    group: str
    mme: float | None
    mg_methadone: float = 0.0


@dataclass(frozen=True)
class Rules:
    """The choices of a dose definition that matter day by day."""

    overlap: str = "concurrent"
    cap: int | None = None
    straddle: str = "prorate"
    stays: str = "ignore"


def methadone(mg: float) -> float:
    """Return the MME of a day's methadone; three fills of 40/3 mg are 40 mg."""
    return mg * next(factor for upper, factor in METHADONE_2016 if round(mg, 6) <= upper)


def supply_days(fills: Iterable[Fill], rules: Rules) -> list[tuple[Fill, list[int]]]:
    """Return each fill with the days it supplies after the overlap policy."""
    supplied = [(fill, list(range(fill.day, fill.day + fill.days))) for fill in fills]
    if rules.overlap == "concurrent":
        return supplied
    for group in {fill.group for fill, _ in supplied}:
        mine = [each for each in supplied if each[0].group == group]
        for today in sorted({fill.day for fill, _ in mine}):
            before = [days for fill, days in mine if fill.day < today]
            new = [days for fill, days in mine if fill.day == today]
            left = max((day - today + 1 for days in before for day in days), default=0)
            wait = max(left, 0) if rules.overlap == "carry_forward" else 0
            wait = wait if rules.cap is None else min(wait, rules.cap)
            for days in before:
                days[:] = [day for day in days if day < today + wait]
            for days in new:
                days[:] = [day + wait for day in days]
    return supplied


def exposure(
    fills: Iterable[Fill],
    *,
    window: tuple[int, int],
    observed: Iterable[int] | None,
    in_hospital: frozenset[int],
    rules: Rules,
) -> dict[str, float]:
    """Return the columns of `opioid_exposure` for one patient and window; days count from day 0."""
    days = set(range(window[0], window[1] + 1))
    if observed is not None:
        days &= set(observed)
    if rules.stays == "exclude":
        days -= in_hospital
    counted = []
    for fill, supplied in supply_days(fills, rules):
        inside = [day for day in supplied if day in days]
        if inside:
            counted.append((fill, supplied if rules.straddle == "whole_fill" else inside))
    stay_days = _stay_days(days, in_hospital, rules) if counted else []
    daily: dict[int, list[Fill]] = {day: [] for day in stay_days}
    for fill, supplied in counted:
        for day in supplied:
            daily.setdefault(day, []).append(fill)
    doses = {day: _dose(active) for day, active in daily.items()}
    result = {
        "total_mme": sum(doses.values()),
        "days_supplied": sum(len(supplied) for _, supplied in counted) + len(stay_days),
        "days_covered": len(daily),
        "days_in_window": len(days),
        "max_daily_mme": max(doses.values(), default=0.0),
        "max_daily_mme_heal": _dose([fill for fill, _ in counted]),
        "n_dispensings": len(counted),
        "n_unknown": sum(fill.mme is None for fill, _ in counted),
    }
    return _finished(result)


def _stay_days(days: set[int], in_hospital: frozenset[int], rules: Rules) -> list[int]:
    if rules.stays != "assume_supplied":
        return []
    if rules.straddle == "prorate":
        return sorted(days & in_hospital)
    # Every day of a stay that has a day in the window: the stay is a run of days in hospital.
    found = {day for day in days if day in in_hospital}
    while more := {day + step for day in found for step in (-1, 1)} & in_hospital - found:
        found |= more
    return sorted(found)


def _dose(active: list[Fill]) -> float:
    return sum(fill.mme or 0.0 for fill in active) + methadone(sum(fill.mg_methadone for fill in active))


def _finished(sums: dict[str, float]) -> dict[str, float]:
    total = sums["total_mme"]
    result = dict(sums)
    result["mme_per_day_supplied"] = total / sums["days_supplied"] if sums["days_supplied"] else NAN
    result["mme_per_day_covered"] = total / sums["days_covered"] if sums["days_covered"] else NAN
    result["mme_per_day_in_window"] = total / sums["days_in_window"] if sums["days_in_window"] else NAN
    result["share_unknown"] = sums["n_unknown"] / sums["n_dispensings"] if sums["n_dispensings"] else 0.0
    doses = [name for name in result if "mme" in name]
    if not sums["days_in_window"]:
        result = dict.fromkeys(result, NAN) | {"days_in_window": 0}
    elif sums["n_unknown"] == sums["n_dispensings"] > 0:
        result |= dict.fromkeys(doses, NAN)
    return result
