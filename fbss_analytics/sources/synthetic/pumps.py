"""The life of intrathecal pumps: implant, catheter and pump complications, refills, end of life, removal, next pump."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...dates import year_of
from . import explants
from .draws import NEVER, Draws, Flags, Whole, in_days, to_weibull
from .parameters import Parameters
from .people import People
from .pump_trials import PumpTrials
from .rows import Block, where, word_codes

SYSTEMS = 2
_DRAW = 20
"""Draw numbers of pumps begin here, so that a patient with a stimulator and a pump has other numbers for each."""
_CHANGES = 3
_CATHETER_EVENTS = 2
_MAKERS = ("p1", "p2")
_REPLACED, _FAULT, _REMOVED = range(3)


@dataclass(frozen=True, eq=False)
class PumpLives:
    """All pump systems: their rows, the day each is implanted and the last day it is in use, by system and patient.

    ``removed`` is the day a system is removed in observation, else `NEVER`; ``out_for_good`` the removal after which
    no pump follows.
    """

    blocks: list[Block]
    implant: Whole
    removed: Whole
    out_for_good: Whole


def make_pumps(people: People, p: Parameters, pumps: PumpTrials) -> PumpLives:
    """Draw what happens to the pumps."""
    blocks = _trial_rows(pumps)
    implant = pumps.implant
    implants, removals = [], []
    for system in range(1, SYSTEMS + 1):
        rows, removed, reason = _life(people, p, system, implant)
        blocks += rows
        implants.append(implant)
        removals.append(removed)
        again = explants.next_implant(people.draws, p, _DRAW + system, removed, reason, section="pump.explant")
        implant = np.where(again <= people.end, again, NEVER)
    implanted, removed = np.array(implants), np.array(removals)
    last = np.where(implanted[1] < NEVER, removed[1], removed[0])
    return PumpLives(blocks, implanted, removed, last)


def _event(mask: Flags, event: str, day: Whole, **columns: object) -> Block:
    return where(mask, date=day, event=event, device="intrathecal_pump", indication="fbss", **columns)


def _trial_rows(pumps: PumpTrials) -> list[Block]:
    return [
        _event(pumps.start < NEVER, "trial_start", pumps.start, component="system", system_id=1),
        _event(pumps.end < NEVER, "trial_end", pumps.end, component="system", system_id=1,
               trial_success=pumps.is_success.astype(np.int64), percent_relief=pumps.percent_relief),
    ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Life:
    """One system of each patient: when it is in use, why it ends, and which pump it then is."""

    draw: int
    alive: Flags
    implant: Whole
    last: Whole
    number: Whole

    def event(self, mask: Flags, event: str, day: Whole, **columns: object) -> Block:
        """Return the rows of an event of this system where the mask holds and the system is in use."""
        return _event(self.alive & mask, event, day, system_id=self.number, **columns)


def _life(people: People, p: Parameters, system: int, implant: Whole) -> tuple[list[Block], Whole, Whole]:
    draws, alive, draw = people.draws, implant < NEVER, _DRAW + system
    days, reason = explants.removal(draws, p, draw, np.zeros(people.number), section="pump.explant")
    infected, infection_removed = explants.infection(draws, p, draw, section="pump.explant")
    by_infection, at_end_of_life = word_codes("device_reason", [explants.INFECTION, explants.END_OF_LIFE])
    reason = np.where(infection_removed <= days, by_infection, reason)
    removed = implant + np.minimum(days, infection_removed)
    changes = _changes(draws, p, draw, implant)
    for day, kind in changes:
        at_end = (kind == _REMOVED) & (day < removed)
        reason = np.where(at_end, at_end_of_life, reason)
        removed = np.where(at_end, day, removed)
    in_view = alive & (removed <= people.end)
    last = np.where(in_view, removed - 1, people.end)
    life = _Life(draw, alive, implant, last, np.full(people.number, system))
    blocks, pump = _pump_rows(life, draws, p, system, changes)
    blocks += _catheter_rows(life, draws, p) + _pocket_rows(life, draws, p) + _refill_rows(life, draws, p)
    until = np.where(in_view, removed, people.end)
    infection = implant + infected
    blocks.append(
        life.event(infection <= until, "complication", infection, component="system", reason=explants.INFECTION)
    )
    planned = (reason == at_end_of_life).astype(np.int64)
    for component, component_id in (("pump", pump), ("catheter", 1)):
        common = {"component": component, "component_id": component_id, "reason": reason, "planned": planned}
        blocks.append(life.event(in_view, "explant", removed, **common))
    return blocks, np.where(in_view, removed, NEVER), reason


def _changes(draws: Draws, p: Parameters, draw: int, implant: Whole) -> list[tuple[Whole, npt.NDArray[np.int64]]]:
    """Return the days on which a pump ends, and whether it is replaced, faulty, or removed when empty."""
    mean, sd = p.pair("pump.life.years")
    changes, now = [], implant
    for k in range(_CHANGES):
        life = in_days(np.maximum(mean + sd * draws.normal("pump life", 10 * draw + k), 2.5))
        fault = draws.wait("pump fault", p.number("pump.life.fault"), 10 * draw + k)
        removed = draws.below("pump removed at end of life", p.number("pump.life.removed_at_end"), 10 * draw + k)
        kind = np.select([fault < life, removed], [_FAULT, _REMOVED], _REPLACED)
        now = np.minimum(now + np.minimum(life, fault), NEVER)
        changes.append((now, kind))
    return changes


def _pump_rows(
    life: _Life, draws: Draws, p: Parameters, system: int, changes: list[tuple[Whole, npt.NDArray[np.int64]]]
) -> tuple[list[Block], Whole]:
    """Return implant and replacements, and which pump of the system it is at the end."""
    end_of_life, fault = word_codes("device_reason", ["battery_end_of_life", "pump_fault"])
    pump = np.ones(len(life.alive), dtype=np.int64)
    common: dict[str, object] = {
        "component": "pump",
        "manufacturer": (draws.choice("pump manufacturer", p.shares("pump.manufacturer"), system), _MAKERS),
        "model": (np.digitize(year_of(np.where(life.alive, life.implant, 0)), (2014,)), ("pump-a", "pump-b")),
    }
    blocks = [
        life.event(life.alive, "implant", life.implant, component_id=1, **common),
        life.event(life.alive, "implant", life.implant, component="catheter", component_id=1),
    ]
    for day, kind in changes:
        happens = life.alive & (day <= life.last)
        pump = pump + happens
        reason = np.where(kind == _FAULT, fault, end_of_life)
        planned = (kind != _FAULT).astype(np.int64)
        blocks.append(life.event(happens, "replace", day, component_id=pump, reason=reason, planned=planned, **common))
    return blocks, pump


def _catheter_rows(life: _Life, draws: Draws, p: Parameters) -> list[Block]:
    """Return catheter failures; the next one counts from the revision of the one before."""
    cumulative, shape = p.pair("pump.complications.catheter_failure")
    common: dict[str, object] = {"component": "catheter", "component_id": 1, "reason": "catheter_failure"}
    blocks, since, still = [], life.implant, life.alive
    for k in range(_CATHETER_EVENTS):
        draw = 10 * life.draw + k
        day = since + in_days(to_weibull(draws.exponential("catheter failure", draw), cumulative, 3.0, shape))
        revised = day + draws.days("catheter revision", p.pair("complications.revision_wait_days"), draw)
        happens = still & (day <= life.last)
        is_revised = draws.below("catheter revised", p.number("pump.complications.catheter_revised"), draw)
        is_revised &= happens & (revised <= life.last)
        blocks.append(life.event(happens, "complication", day, **common))
        blocks.append(life.event(is_revised, "revise", revised, planned=0, **common))
        since, still = revised, is_revised
    return blocks


def _pocket_rows(life: _Life, draws: Draws, p: Parameters) -> list[Block]:
    cumulative, shape = p.pair("pump.complications.discomfort")
    day = life.implant + in_days(to_weibull(draws.exponential("pump pocket", life.draw), cumulative, 3.0, shape))
    revised = day + draws.days("pump pocket revision", p.pair("complications.revision_wait_days"), life.draw)
    happens = life.alive & (day <= life.last)
    is_revised = happens & (revised <= life.last)
    is_revised &= draws.below("pump pocket revised", p.number("pump.complications.pocket_revised"), life.draw)
    return [
        life.event(happens, "complication", day, component="pump", reason="discomfort"),
        life.event(is_revised, "revise", revised, component="pump", reason="discomfort", planned=0),
    ]


def _refill_rows(life: _Life, draws: Draws, p: Parameters) -> list[Block]:
    every = draws.days("refill interval", p.pair("pump.refill.days"), life.draw)
    blocks, k, still = [], 0, life.alive
    while still.any():
        k += 1
        day = life.implant + k * every + draws.days("refill day", (-5, 5), 1000 * life.draw + k)
        still = still & (day <= life.last)
        blocks.append(life.event(still, "refill", day, component="pump", planned=1))
    return blocks
