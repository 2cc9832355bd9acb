"""Systemic opioids around a pump: the taper before the trial, elimination after the implant, relapse, new use."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...dates import DAYS_PER_YEAR
from .dose import mme_at_eligibility
from .draws import NEVER, Flags, Numbers, Whole, expit
from .parameters import Parameters
from .people import People
from .pump_trials import PumpTrials
from .spells import ALL_SPELLS, PUMP_SPELLS, REFERENCE_MME, Spells

_FIRST = ALL_SPELLS - PUMP_SPELLS


def with_pumps(people: People, p: Parameters, spells: Spells, pumps: PumpTrials, out_for_good: Whole) -> Spells:
    """Return the spells of use with what the pump changes; nothing before the day of decision is touched.

    Those who neither taper completely nor get a pump keep the use they would have had.
    """
    implanted = pumps.implant < NEVER
    changed = implanted | pumps.is_free
    begin, stop = spells.begin.copy(), spells.stop.copy()
    later = changed & (begin >= pumps.decision)
    begin[later], stop[later] = NEVER, NEVER
    current = changed & (begin < pumps.decision) & (stop > pumps.decision)
    uses = current.any(axis=0)
    new_stop = _stop(people, p, pumps)
    # A stop that would have come before the pump stays; one that would have come after it gives way to the pump's.
    keeps = stop < np.where(implanted, pumps.implant, NEVER)
    stop = np.where(current, np.where(keeps, np.minimum(stop, new_stop), new_stop), stop)
    resting = np.where(uses, np.where(current, stop, 0).max(axis=0), pumps.implant)
    starts, stops = _resumed(people, p, pumps, out_for_good, uses & changed, changed, resting)
    begin[_FIRST:], stop[_FIRST:] = starts, stops
    return replace(spells, begin=begin, stop=stop, pumps=pumps, pump_change=_change(people, p, pumps))


def _is_older(people: People, p: Parameters, pumps: PumpTrials) -> Flags:
    day = np.where(pumps.implant < NEVER, pumps.implant, people.eligible)
    return np.asarray((day - people.birth) / DAYS_PER_YEAR >= p.number("pump.dose.older_from"))


def _odds(people: People, p: Parameters, pumps: PumpTrials) -> Numbers:
    """Return the log odds of being free of systemic opioids soon after the implant."""
    dose = np.log(np.maximum(mme_at_eligibility(people, p), 1.0) / REFERENCE_MME)
    odds = np.where(pumps.is_free, p.number("pump.opioids.free_odds"), p.number("pump.opioids.stop_odds"))
    odds = odds + p.number("pump.opioids.log_dose") * dose
    odds = odds + p.number("pump.opioids.older") * (_is_older(people, p, pumps) - 0.6)
    return np.asarray(odds + p.number("pump.opioids.partial_taper") * (pumps.is_tapered & ~pumps.is_free))


def _stays_free(people: People, p: Parameters, pumps: PumpTrials) -> Flags:
    return people.draws.below("eliminated after pump", expit(_odds(people, p, pumps)))


def _stop(people: People, p: Parameters, pumps: PumpTrials) -> Whole:
    """Return the first day without systemic opioids of the use that was going on at the decision."""
    draws, implanted = people.draws, pumps.implant < NEVER
    soon = pumps.implant + draws.days("stop after pump", p.pair("pump.opioids.stop_days"))
    late = pumps.implant + draws.wait("late stop after pump", p.number("pump.opioids.late_stop"))
    after = np.where(_stays_free(people, p, pumps), soon, np.minimum(late, NEVER))
    return np.where(pumps.is_free, pumps.free_from, np.where(implanted, after, NEVER))


def _resumed(
    people: People, p: Parameters, pumps: PumpTrials, out_for_good: Whole, uses: Flags, changed: Flags, resting: Whole
) -> tuple[Whole, Whole]:
    """Return the spells of use after the pump: after a taper that did not last, relapse, after removal, new use."""
    draws, implanted = people.draws, pumps.implant < NEVER
    begin = np.full((PUMP_SPELLS, people.number), NEVER)
    stop = begin.copy()
    again = draws.days("resume after taper", p.pair("pump.opioids.resume_days"))
    returns = np.where(uses, p.number("pump.opioids.relapse"), p.number("pump.opioids.new_use"))
    after = np.maximum(resting, np.where(implanted, pumps.implant, 0))
    relapse = after + draws.wait("relapse after pump", returns)
    removed = out_for_good + draws.days("resume after removal", p.pair("pump.opioids.after_removal_days"))
    back = draws.below("resumes after removal", p.number("pump.opioids.after_removal")) & uses & (removed > after)
    relapse = np.where(back, np.minimum(relapse, removed), relapse)
    failed = pumps.is_free & ~_stays_free(people, p, pumps)
    start = np.where(failed, pumps.implant + again, relapse)
    start = np.where(implanted, start, pumps.end + again)
    begin[0] = np.where(changed, np.minimum(start, NEVER), NEVER)
    # Use that never gave way lasts as long as use that went on; a relapse is shorter.
    late, shorter = p.number("pump.opioids.late_stop"), p.number("pump.opioids.again_stop")
    for k in range(PUMP_SPELLS):
        rate = np.where((failed | ~implanted) & (k == 0), late, shorter)
        stop[k] = np.minimum(begin[k] + draws.wait("length after pump", rate, k), NEVER)
        if k + 1 < PUMP_SPELLS:
            wait = draws.wait("relapse after pump", p.number("pump.opioids.relapse"), k + 1)
            begin[k + 1] = np.where(begin[k] < NEVER, np.minimum(stop[k] + wait, NEVER), NEVER)
    return begin, stop


def _change(people: People, p: Parameters, pumps: PumpTrials) -> Numbers:
    """Return the log ratio of dose that those who go on with systemic opioids reach after the implant."""
    older, younger = p.number("pump.opioids.change_older"), p.number("pump.opioids.change_younger")
    mean = np.where(_is_older(people, p, pumps), older, younger)
    change = mean + p.number("pump.opioids.change_sd") * people.draws.normal("change after pump")
    return np.asarray(np.where(pumps.implant < NEVER, np.clip(change, -2.5, 1.0), 0.0), dtype=np.float64)
