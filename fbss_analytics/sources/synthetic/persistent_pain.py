"""Pain that persists after a lumbar operation, when it is coded as FBSS, and the few whom it leads to a device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .draws import NEVER, Draws, Flags, Numbers, Whole, expit
from .parameters import Parameters
from .people import People
from .reoperations import Reoperations
from .surgical_people import Candidates

_BEFORE_REOPERATION_DAYS = 120


@dataclass(frozen=True, eq=False)
class Pain:
    """One value per patient: whether pain persists after the index operation, from when on later, and the FBSS code.

    ``since`` is the day from which pain persists (the index operation, or a reoperation), `NEVER` where it does not;
    ``fbss`` the day of the first code, ``stimulator`` and ``pump`` the day a trial begins.
    """

    since: Whole
    fbss: Whole
    stimulator: Whole
    pump: Whole


def make_pain(people: People, p: Parameters, who: Candidates, again: Reoperations) -> Pain:
    """Draw who has persistent pain and what becomes of it."""
    draws = people.draws
    persists = draws.below("persistent pain", expit(_odds(people, p, who)))
    since = np.where(persists, people.eligible, NEVER)
    fbss = _coded(draws, p, persists, people.eligible, 0)
    for k in range(len(again.day)):
        late = (again.day[k] < NEVER) & ~again.is_early[k]
        new = late & draws.below("persistent pain", p.number("pain.after_reoperation"), k + 1)
        since = np.minimum(since, np.where(new, again.day[k], NEVER))
        fbss = np.minimum(fbss, _coded(draws, p, new, again.day[k], k + 1))
    fbss = np.where(fbss <= people.end, fbss, NEVER)
    return Pain(since, fbss, *_devices(draws, p, fbss))


def _odds(people: People, p: Parameters, who: Candidates) -> Numbers:
    odds = p.number("pain.odds") + p.number("pain.depression") * people.has_depression
    odds = odds + p.number("pain.smoking") * who.is_smoker + p.number("pain.prior") * who.has_prior
    odds = odds + p.number("pain.opioid_user") * people.is_user + p.number("pain.multilevel") * who.is_multilevel
    return np.asarray(odds + p.number("pain.frailty") * people.frailty, dtype=np.float64)


def _coded(draws: Draws, p: Parameters, persists: Flags, operated: Whole, k: int) -> Whole:
    is_coded = persists & draws.below("fbss coded", p.number("pain.coded"), k)
    spread = np.exp(p.number("pain.coded_sigma") * draws.normal("fbss coded day", k))
    wait = np.ceil(p.number("pain.coded_median_days") * spread).astype(np.int64)
    return np.where(is_coded, operated + np.maximum(wait, int(p.number("pain.coded_least_days"))), NEVER)


def _devices(draws: Draws, p: Parameters, fbss: Whole) -> tuple[Whole, Whole]:
    stimulator, pump = p.number("pain.stimulator_trial"), p.number("pain.pump_trial")
    chosen = draws.choice("device", {"scs": stimulator, "pump": pump, "none": 1 - stimulator - pump})
    day = fbss + draws.days("device wait", p.pair("pain.device_wait_days"))
    return tuple(np.where((chosen == place) & (fbss < NEVER), day, NEVER) for place in (0, 1))  # type: ignore[return-value]


def in_pain(pain: Pain, again: Reoperations, day: Whole) -> Flags:
    """Whether a patient is in pain on a day: it persists, or a late reoperation is near."""
    soon = (again.day > day) & (again.day - day <= _BEFORE_REOPERATION_DAYS) & ~again.is_early
    return np.asarray((pain.since <= day) | soon.any(axis=0))
