"""The programmed intrathecal dose: drug, start, rise by age over the first three years, then a plateau."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ...dates import DAYS_PER_YEAR
from .draws import NEVER, Flags, Numbers, Whole
from .parameters import Parameters
from .people import People
from .pump_trials import PumpTrials
from .pumps import PumpLives
from .rows import Block, build, where, word_codes

_STEPS = (0, 30, 60, 90, 150, 210, 270, 360, 540, 720, 900, 1080)
_LOCAL_STEPS = (0, 4, 9)
"""Steps at which the local anaesthetic beside the opioid is raised."""
_YEARLY = tuple(1080 + 365 * k for k in range(1, 12))
_UNIT = {"morphine": "mg", "hydromorphone": "mg", "fentanyl": "mcg", "ziconotide": "mcg"}
_DECIMALS = {"morphine": 2, "hydromorphone": 3, "fentanyl": 1, "ziconotide": 1}


def doses_table(people: People, p: Parameters, pumps: PumpTrials, lives: PumpLives, patient_id: pa.Array) -> pa.Table:
    """Return one row for each change of the programmed dose of each drug."""
    blocks: list[Block] = []
    for place, (implant, removed) in enumerate(zip(lives.implant, lives.removed, strict=True)):
        number = np.full(people.number, 1 + place)
        last = np.minimum(people.end, removed - 1)
        blocks += _path(people, p, pumps, implant, last, number, place)
    return build("intrathecal_doses", blocks, patient_id)


def _path(
    people: People, p: Parameters, pumps: PumpTrials, implant: Whole, last: Whole, number: Whole, place: int
) -> list[Block]:
    draws, shares = people.draws, p.shares("pump.dose.drug")
    drug = draws.choice("intrathecal drug", shares)
    start, growth = _start(people, p, pumps), _growth(people, p, pumps)
    mixed = draws.below("admixture", p.number("pump.dose.admixture"))
    local = p.number("pump.dose.bupivacaine") * np.maximum(1 + 0.15 * draws.normal("bupivacaine"), 0.3)
    blocks: list[Block] = []
    before: dict[str, Numbers] = {}
    for step, days in enumerate((*_STEPS, *_YEARLY)):
        shift = (
            draws.days("dose change day", (-9, 9), 100 * place + step) if step else np.zeros(people.number, np.int64)
        )
        day = implant + days + shift
        happens = (implant < NEVER) & (day <= last)
        wobble = 1 + p.number("pump.dose.wobble") * draws.normal("dose wobble", 100 * place + step)
        mg = np.exp(start + growth * _reached(p, days / DAYS_PER_YEAR)) * np.maximum(wobble, 0.5)
        for code, name in enumerate(shares):
            blocks += _rows(p, name, happens & (drug == code), day, mg, number, before, step == 0)
        if step in _LOCAL_STEPS:
            value = np.asarray(np.round(local * (1 + 0.1 * step), 1), dtype=np.float64)
            blocks.append(_row("bupivacaine", happens & mixed, day, value, number, "mg", 20.0))
    return blocks


def _start(people: People, p: Parameters, pumps: PumpTrials) -> Numbers:
    median = np.where(pumps.is_free, p.number("pump.dose.start_free_mg"), p.number("pump.dose.start_mg"))
    return np.asarray(np.log(median) + p.number("pump.dose.start_sigma") * people.draws.normal("intrathecal start"))


def _growth(people: People, p: Parameters, pumps: PumpTrials) -> Numbers:
    """Return the log ratio of the dose at one year to that at implant."""
    at_implant = (np.where(pumps.implant < NEVER, pumps.implant, people.eligible) - people.birth) / DAYS_PER_YEAR
    younger, older = p.pair("pump.dose.younger"), p.pair("pump.dose.older")
    is_younger = at_implant < p.number("pump.dose.older_from")
    mean, sd = (np.where(is_younger, *pair) for pair in zip(younger, older, strict=True))
    growth = mean + sd * people.draws.normal("intrathecal growth")
    return np.asarray(np.where(pumps.is_free, p.number("pump.dose.free_growth"), 1.0) * np.maximum(growth, -0.3))


def _reached(p: Parameters, years: float) -> float:
    """Return the part of the first year's log growth reached; years two and three add less, later ones nothing."""
    third, second = p.pair("pump.dose.later_years")
    if years <= 1:
        return float(years ** p.number("pump.dose.curve"))
    return float(1 + second * min(years - 1, 1) + third * min(max(years - 2, 0), 1))


def _rows(
    p: Parameters,
    name: str,
    mask: Flags,
    day: Whole,
    mg: Numbers,
    number: Whole,
    before: dict[str, Numbers],
    first: bool,
) -> list[Block]:
    value = np.minimum(mg * p.number(f"pump.dose.equal.{name}"), p.number(f"pump.dose.cap.{name}"))
    value = np.maximum(np.round(value, _DECIMALS[name]), 10.0 ** -_DECIMALS[name])
    is_change = mask & (first | (value != before.get(name, value)))
    before[name] = value
    return [_row(name, is_change, day, value, number, _UNIT[name], p.number(f"pump.dose.concentration.{name}"))]


def _row(name: str, mask: Flags, day: Whole, value: Numbers, number: Whole, unit: str, concentration: float) -> Block:
    drug = np.full(len(mask), word_codes("intrathecal_ingredient", [name])[0])
    return where(
        mask, system_id=number, date=day, ingredient=drug, dose_per_day=value, unit=unit, concentration=concentration
    )
