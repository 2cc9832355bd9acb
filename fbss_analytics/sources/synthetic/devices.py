"""The life of stimulators: trial, implant, complications, revisions, replacements, non-use, removal, next system."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...dates import year_of
from . import explants
from .draws import NEVER, Draws, Flags, Whole, in_days, to_weibull
from .parameters import Parameters
from .people import People
from .rows import Block, either, where, word_codes
from .trials import Trials

SYSTEMS = 3
_CHANGES = 4
_GENERATIONS = ("a", "b", "c")
_ALWAYS = {"device": "scs", "indication": "fbss"}
_REPLACED, _UPGRADED, _FAULT, _REMOVED = range(4)


@dataclass(frozen=True, eq=False)
class Model:
    """What a system is: codes per patient."""

    waveform: npt.NDArray[np.int16]
    lead_type: npt.NDArray[np.int16]
    leads: Whole
    rechargeable: Flags
    manufacturer: Whole
    generation: Whole


def stimulator_rows(
    people: People, p: Parameters, trials: Trials, mme: npt.NDArray[np.float64]
) -> tuple[list[Block], Whole]:
    """Return the stimulator events of everyone trialled, and the day each patient's first system was removed."""
    blocks = _trial_rows(trials)
    implant = trials.implant
    first_removed = np.full(people.number, NEVER)
    for system in range(1, SYSTEMS + 1):
        lives = _lives(people, p, system, implant, mme)
        blocks += lives.blocks
        first_removed = lives.removed if system == 1 else first_removed
        implant = explants.next_implant(people.draws, p, system, lives.removed, lives.reason)
        implant = np.where(implant <= people.end, implant, NEVER)
    return blocks, first_removed


def _event(mask: Flags, event: str, day: Whole, **columns: object) -> Block:
    return where(mask, date=day, event=event, **_ALWAYS, **columns)


def _trial_rows(trials: Trials) -> list[Block]:
    started, ended = trials.start < NEVER, trials.end < NEVER
    return [
        _event(started, "trial_start", trials.start, component="system", system_id=1),
        _event(ended, "trial_end", trials.end, component="system", system_id=1,
               trial_success=trials.is_success.astype(np.int64), percent_relief=trials.percent_relief),
    ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Lives:
    """One system of each patient: its rows, the day it is removed in observation (else `NEVER`) and why."""

    blocks: list[Block]
    removed: Whole
    reason: Whole


def _lives(people: People, p: Parameters, system: int, implant: Whole, mme: npt.NDArray[np.float64]) -> _Lives:
    draws, alive = people.draws, implant < NEVER
    model = _model(draws, p, system, implant)
    log_ratio = explants.log_hazard_ratio(people, p, mme, model.rechargeable)
    days, reason = explants.removal(draws, p, system, log_ratio)
    infected, infection_removed = explants.infection(draws, p, system)
    reason = np.where(infection_removed <= days, word_codes("device_reason", [explants.INFECTION])[0], reason)
    removed = implant + np.minimum(days, infection_removed)
    changes = _generator_changes(draws, p, system, implant, model.rechargeable)
    for day, kind in changes:
        at_end = (kind == _REMOVED) & (day < removed)
        reason = np.where(at_end, word_codes("device_reason", [explants.END_OF_LIFE])[0], reason)
        removed = np.where(at_end, day, removed)
    in_view = alive & (removed <= people.end)
    last = np.where(in_view, removed - 1, people.end)
    blocks = _implant_rows(alive, system, implant, model)
    change_rows, generator = _change_rows(alive, system, changes, last, model)
    blocks += change_rows
    until = np.where(in_view, removed, people.end)
    blocks += _infection_rows(alive & (implant + infected <= until), system, implant + infected)
    blocks += _complication_rows(draws, p, system, alive, implant, last)
    blocks += _non_use_rows(draws, p, system, alive, implant, last)
    blocks += _explant_rows(in_view, system, removed, reason, generator, model)
    return _Lives(blocks, np.where(in_view, removed, NEVER), reason)


def _model(draws: Draws, p: Parameters, system: int, implant: Whole) -> Model:
    year = year_of(np.where(implant < NEVER, implant, 0))
    old, new = p.shares("device.waveform_until_2015"), p.shares("device.waveform_from_2015")
    waveform = np.where(
        year < 2015,
        word_codes("waveform", list(old))[draws.choice("waveform", old, system)],
        word_codes("waveform", list(new))[draws.choice("waveform", new, system)],
    )
    high_frequency = waveform == word_codes("waveform", ["10khz"])[0]
    paddle = draws.below("paddle", p.number("device.paddle"), system)
    makers = p.shares("device.manufacturer")
    return Model(
        waveform=waveform,
        lead_type=either(paddle, "lead_type", "paddle", "percutaneous"),
        leads=np.where(~paddle & draws.below("two leads", p.number("device.two_leads"), system), 2, 1),
        rechargeable=high_frequency | draws.below("rechargeable", p.number("device.rechargeable"), system),
        manufacturer=np.where(high_frequency, len(makers) - 1, draws.choice("manufacturer", makers, system)),
        generation=np.digitize(year, (2014, 2018)),
    )


def _described(model: Model) -> dict[str, object]:
    makers = ("m1", "m2", "m3", "m4")
    models = tuple(f"{maker}-{generation}" for maker in makers for generation in _GENERATIONS)
    return {
        "waveform": model.waveform,
        "lead_type": model.lead_type,
        "rechargeable": model.rechargeable.astype(np.int64),
        "manufacturer": (model.manufacturer, makers),
        "model": (model.manufacturer * len(_GENERATIONS) + model.generation, models),
    }


def _implant_rows(alive: Flags, system: int, implant: Whole, model: Model) -> list[Block]:
    blocks = [
        _event(alive, "implant", implant, component="generator", component_id=1, system_id=system, **_described(model))
    ]
    for lead in (1, 2):
        blocks.append(
            _event(alive & (model.leads >= lead), "implant", implant, component="lead", component_id=lead,
                   system_id=system, lead_type=model.lead_type)
        )  # fmt: skip
    return blocks


def _generator_changes(
    draws: Draws, p: Parameters, system: int, implant: Whole, rechargeable: Flags
) -> list[tuple[Whole, Whole]]:
    """Return the days on which a generator ends, and whether it is replaced, upgraded, faulty or removed when empty."""
    changes = []
    now = implant
    for k in range(_CHANGES):
        draw = 10 * system + k
        mean, sd = (np.where(rechargeable, *pair) for pair in zip(
            p.pair("generator.life_rechargeable_years"), p.pair("generator.life_years"), strict=True))  # fmt: skip
        life = in_days(np.maximum(mean + sd * draws.normal("generator life", draw), 1.5))
        fault = draws.wait("generator fault", p.number("generator.fault"), draw)
        upgrade = draws.wait("generator upgrade", p.number("generator.upgrade"), draw)
        removed = draws.below("removed at end of life", p.number("generator.removed_at_end_of_life"), draw)
        first = np.minimum(np.minimum(life, fault), upgrade)
        kind = np.select([first == upgrade, first == fault, removed], [_UPGRADED, _FAULT, _REMOVED], _REPLACED)
        now = np.minimum(now + first, NEVER)
        changes.append((now, kind))
    return changes


def _change_rows(
    alive: Flags, system: int, changes: list[tuple[Whole, Whole]], last: Whole, model: Model
) -> tuple[list[Block], Whole]:
    end_of_life, fault, upgrade = word_codes("device_reason", ["battery_end_of_life", "generator_fault", "upgrade"])
    generator = np.ones(len(alive), dtype=np.int64)
    blocks = []
    for day, kind in changes:
        happens = alive & (day <= last)
        generator = generator + happens
        common = {"component": "generator", "component_id": generator, "system_id": system, **_described(model)}
        replaced = happens & (kind != _UPGRADED)
        reason = np.where(kind == _FAULT, fault, end_of_life)
        planned = (kind != _FAULT).astype(np.int64)
        blocks.append(_event(replaced, "replace", day, reason=reason, planned=planned, **common))
        upgraded = happens & (kind == _UPGRADED)
        blocks.append(_event(upgraded, "upgrade", day, reason=np.full(len(alive), upgrade), planned=1, **common))
    return blocks, generator


def _infection_rows(happens: Flags, system: int, day: Whole) -> list[Block]:
    return [_event(happens, "complication", day, component="system", system_id=system, reason=explants.INFECTION)]


def _complication_rows(
    draws: Draws, p: Parameters, system: int, alive: Flags, implant: Whole, last: Whole
) -> list[Block]:
    blocks = []
    for reason, component, share in (
        ("lead_failure_or_migration", "lead", "complications.lead_revised"),
        ("discomfort", "generator", "complications.pocket_revised"),
    ):
        cumulative, shape = p.pair(f"complications.{reason}")
        day = implant + in_days(to_weibull(draws.exponential(f"complication {reason}", system), cumulative, 3.0, shape))
        happens = alive & (day <= last)
        revised = day + draws.days(f"revision {reason}", p.pair("complications.revision_wait_days"), system)
        is_revised = happens & draws.below(f"revised {reason}", p.number(share), system) & (revised <= last)
        common: dict[str, object] = {"component": component, "system_id": system, "reason": reason}
        blocks.append(_event(happens, "complication", day, **common))
        blocks.append(_event(is_revised, "revise", revised, planned=0, **common))
    return blocks


def _non_use_rows(draws: Draws, p: Parameters, system: int, alive: Flags, implant: Whole, last: Whole) -> list[Block]:
    shares = {"inadequate_relief": 0.70, "pain_resolved": 0.15, "patient_choice": 0.15}
    reason = word_codes("device_reason", list(shares))[draws.choice("non-use reason", shares, system)]
    stop = implant + draws.wait("non-use", p.number("non_use.stop"), system)
    resume = stop + draws.days("resume", p.pair("non_use.resume_days"), system)
    stops = alive & (stop <= last)
    resumes = stops & draws.below("resumed", p.number("non_use.resumed"), system) & (resume <= last)
    return [
        _event(stops, "stop_use", stop, component="system", system_id=system, reason=reason),
        _event(resumes, "resume_use", resume, component="system", system_id=system),
    ]


def _explant_rows(
    removed_in_view: Flags, system: int, removed: Whole, reason: Whole, generator: Whole, model: Model
) -> list[Block]:
    planned = (reason == word_codes("device_reason", [explants.END_OF_LIFE])[0]).astype(np.int64)
    common = {"system_id": system, "reason": reason, "planned": planned}
    blocks = [_event(removed_in_view, "explant", removed, component="generator", component_id=generator, **common)]
    for lead in (1, 2):
        has_lead = removed_in_view & (model.leads >= lead)
        blocks.append(
            _event(has_lead, "explant", removed, component="lead", component_id=np.full(len(removed), lead), **common)
        )
    return blocks
