"""When a patient uses opioids and at what dose: spells of use and the latent daily dose within them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...dates import DAYS_PER_YEAR
from .dose import secular_log_dose
from .draws import LEAST_HAZARD, NEVER, Flags, Numbers, Whole, expit
from .parameters import Parameters
from .people import SCS, People
from .pump_trials import PumpTrials
from .trials import Trials

SPELLS = 4
PUMP_SPELLS = 3
ALL_SPELLS = SPELLS + PUMP_SPELLS
"""Spells of everyone, and after them those that follow a pump."""
REFERENCE_MME = 45.0
_STOP_HORIZON_DAYS = 730
_HALF_YEAR_DAYS = 182


@dataclass(frozen=True, eq=False)
class Spells:
    """Use of opioids; ``begin`` and ``stop`` (first day without) have shape (spells, patients).

    ``anchor`` is the implant, or 60 days after eligibility where there is none: from then on stopping and change of
    dose depend on how the patient is treated. ``conventional_stop`` is the stop without a pump; before the day of
    decision a taper leads to it. ``pump_change`` is the log ratio of dose reached after a pump.
    """

    begin: Whole
    stop: Whole
    conventional_stop: Whole
    anchor: Whole
    rise: Numbers
    change: Numbers
    is_abrupt: Flags
    pumps: PumpTrials
    pump_change: Numbers


def make_spells(people: People, p: Parameters, trials: Trials, pumps: PumpTrials) -> Spells:
    """Draw when each patient uses opioids, pumps apart."""
    implanted = trials.implant < NEVER
    anchor = np.where(implanted, trials.implant, people.eligible + 60)
    begin = np.full((ALL_SPELLS, people.number), NEVER)
    stop = begin.copy()
    begin[0] = np.where(people.is_user, _first_begin(people, p), NEVER)
    stop[0] = np.where(people.is_user, anchor + _days_to_stop(people, p, trials, anchor), NEVER)
    resting = np.where(people.is_user, stop[0], people.eligible)
    for k in range(1, SPELLS):
        rate = p.number("opioids.spells.relapse") if k > 1 else np.where(
            people.is_user, p.number("opioids.spells.relapse"), p.number("opioids.spells.new_use"))  # fmt: skip
        begin[k] = np.minimum(resting + people.draws.wait("new spell", rate, k), NEVER)
        length = people.draws.wait("spell length", p.number("opioids.spells.later_stop"), k)
        stop[k] = np.minimum(begin[k] + length, NEVER)
        resting = stop[k]
    return Spells(
        begin=begin,
        stop=stop,
        conventional_stop=stop,
        anchor=anchor,
        rise=_rise(people, p),
        change=_change(people, p, trials),
        is_abrupt=people.draws.below("abrupt stop", p.number("opioids.abrupt_stop")),
        pumps=pumps,
        pump_change=np.zeros(people.number),
    )


def log_dose(people: People, p: Parameters, spells: Spells, patient: Whole, spell: Whole, day: Whole) -> Numbers:
    """Return the log daily dose in MME of patients (positions, repeated as needed) in a spell on a day."""
    eligible, anchor = people.eligible[patient], spells.anchor[patient]
    level = people.log_mme[patient] + secular_log_dose(day, p)
    level = level - spells.rise[patient] * np.clip((eligible - day) / 365.0, 0, 1)
    ramp = np.clip((day - anchor) / p.number("opioids.change.ramp_days"), 0, 1)
    later = p.number("opioids.spells.new_log_dose")
    level = level + np.where(spell == 0, spells.change[patient] * ramp, later)
    is_before = day < spells.pumps.decision[patient]
    stop = np.where(is_before, spells.conventional_stop[spell, patient], spells.stop[spell, patient])
    to_stop = (stop - day) / p.number("opioids.taper_days")
    taper = p.number("opioids.taper_log_dose") * np.clip(1 - to_stop, 0, 1)
    level = level + np.where((spell == 0) & ~spells.is_abrupt[patient], taper, 0.0)
    level = level + np.where(spell < SPELLS, _pump_log_dose(p, spells, patient, day), 0.0)
    wobble = people.draws.take(patient).normal("wobble", np.maximum(day, 0) // _HALF_YEAR_DAYS)
    level = level + p.number("opioids.wobble_log_sd") * wobble
    return np.asarray(np.minimum(level, np.log(p.number("opioids.cap_mme"))), dtype=np.float64)


def _pump_log_dose(p: Parameters, spells: Spells, patient: Whole, day: Whole) -> Numbers:
    """Return the log change of dose by a taper before the trial (taken back without a pump) and by the pump."""
    pumps = spells.pumps
    total = np.zeros(len(patient))
    # Few have a pump, or a trial of one: the others' dose is as it was.
    rows = np.flatnonzero(pumps.decision[patient] < NEVER)
    patient, day = patient[rows], day[rows]
    decision, trial, implant = pumps.decision[patient], pumps.start[patient], pumps.implant[patient]
    tapered = np.clip((day - decision) / np.maximum(trial - decision, 1), 0, 1) * pumps.is_tapered[patient]
    given_up = np.clip((day - trial - 14) / 30, 0, 1) * (implant >= NEVER)
    lowered = p.number("pump.taper.log_dose") * np.maximum(tapered - given_up, 0)
    ramp = np.clip((day - implant) / p.number("pump.opioids.ramp_days"), 0, 1)
    total[rows] = lowered + spells.pump_change[patient] * ramp
    return total


def _first_begin(people: People, p: Parameters) -> Whole:
    always = people.draws.below("chronic before", p.number("opioids.chronic_before"))
    since = people.draws.days("use since", (60, 700))
    return np.where(always, people.pharmacy_start - 1, people.eligible - since)


def _log_reference(people: People, p: Parameters) -> Numbers:
    return np.asarray(people.log_mme + secular_log_dose(people.eligible, p) - np.log(REFERENCE_MME), dtype=np.float64)


def _lasting_relief(p: Parameters, trials: Trials) -> Numbers:
    """Return lasting relief against the average of those implanted, 0 without a system."""
    centred = np.clip(trials.lasting_relief, -0.3, 1.0) - p.number("scores.leg_relief_scs")
    return np.asarray(np.where(trials.implant < NEVER, centred, 0.0), dtype=np.float64)


def _days_to_stop(people: People, p: Parameters, trials: Trials, anchor: Whole) -> Whole:
    implanted = trials.implant < NEVER
    odds = np.select(
        [implanted, people.arm == SCS],
        [p.number("opioids.stopping.scs_odds"), p.number("opioids.stopping.trial_only_odds")],
        p.number("opioids.stopping.conventional_odds"),
    )
    odds = odds + p.number("opioids.stopping.log_dose") * _log_reference(people, p)
    odds = odds + p.number("opioids.stopping.relief") * _lasting_relief(p, trials)
    gabapentinoid = people.takes_gabapentinoid - p.number("therapies.drugs.gabapentinoid")
    odds = odds + p.number("opioids.stopping.gabapentinoid") * gabapentinoid
    cumulative = -np.log1p(-expit(odds))
    cumulative = cumulative * np.where(
        anchor >= p.number("opioids.secular_start"), p.number("opioids.secular_stop"), 1.0
    )
    threshold = people.draws.exponential("stop")
    early = _STOP_HORIZON_DAYS * (threshold / cumulative) ** (1 / p.number("opioids.stopping.shape"))
    late = (
        _STOP_HORIZON_DAYS
        + (threshold - cumulative) / max(p.number("opioids.stopping.late"), LEAST_HAZARD) * DAYS_PER_YEAR
    )
    days = np.where(threshold < cumulative, early, late)
    return np.minimum(np.ceil(np.maximum(days, 1)), NEVER).astype(np.int64)


def _rise(people: People, p: Parameters) -> Numbers:
    """Return the log change of dose over the year before eligibility."""
    u, size = people.draws.uniform("change before"), people.draws.exponential("size of change before")
    up, down = p.number("opioids.rise_share"), p.number("opioids.fall_share")
    rise, fall = p.number("opioids.rise_log_scale") * size, -p.number("opioids.fall_log_scale") * size
    return np.asarray(np.clip(np.select([u < up, u < up + down], [rise, fall], 0.0), -1.5, 2.0), dtype=np.float64)


def _change(people: People, p: Parameters, trials: Trials) -> Numbers:
    """Return the log ratio of dose that those who go on reach after the anchor."""
    implanted = trials.implant < NEVER
    mean = np.where(implanted, p.number("opioids.change.scs_mean"), p.number("opioids.change.conventional_mean"))
    mean = mean + p.number("opioids.change.log_dose") * _log_reference(people, p)
    mean = mean + p.number("opioids.change.relief") * _lasting_relief(p, trials)
    spread = np.where(implanted, p.number("opioids.change.scs_sd"), p.number("opioids.change.conventional_sd"))
    change = mean + spread * people.draws.normal("change after")
    stable = people.draws.below("stable", p.number("opioids.change.stable_share"))
    return np.where(stable, 0.0, np.clip(change, -2.5, 1.5))
