"""The pump trial: a taper before it in some, when it is, whether a pump follows, and early death after the implant."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...dates import DAYS_PER_YEAR
from .draws import NEVER, Flags, Numbers, Whole
from .parameters import Parameters
from .people import PUMP, People
from .rows import word_codes


@dataclass(frozen=True, eq=False)
class PumpTrials:
    """One value per patient; `NEVER` where there is no trial, no end of trial or no implant in observation.

    ``decision`` is the first day on which anything differs from conventional management: the first day of the taper,
    or the first of the trial. ``free_from`` is the first day without systemic opioids of those whose taper is complete.
    ``lasting_relief`` is latent: the share of back pain that the pump takes away in its first year.
    """

    decision: Whole
    start: Whole
    end: Whole
    implant: Whole
    free_from: Whole
    is_tapered: Flags
    percent_relief: Numbers
    is_success: Flags
    lasting_relief: Numbers

    @property
    def is_free(self) -> Flags:
        """Who was free of systemic opioids before the trial because of a complete taper."""
        return np.asarray(self.free_from < NEVER)


def make_pump_trials(people: People, p: Parameters) -> PumpTrials:
    """Draw the trials of the patients reserved for one."""
    start = people.eligible + people.draws.days("pump trial wait", p.pair("pump.trial.wait_days"))
    return pump_trials_from(people, p, np.where(people.arm == PUMP, start, NEVER))


def pump_trials_from(people: People, p: Parameters, start: Whole) -> PumpTrials:
    """Draw the trials that begin on given days (`NEVER` for none)."""
    draws = people.draws
    is_started = start <= people.end
    end = start + draws.days("pump trial length", p.pair("pump.trial.length_days"))
    implant = end + draws.days("pump implant wait", p.pair("pump.trial.implant_wait_days"))
    spread = draws.normal("pump trial relief")
    relief = p.number("pump.trial.relief_mean") + p.number("pump.trial.relief_sd") * spread
    # Patients answer in steps of five.
    relief = np.clip(5 * np.round(relief / 5), -10, 100)
    above = relief >= p.number("pump.trial.threshold")
    share = np.where(above, p.number("pump.trial.success_above"), p.number("pump.trial.success_below"))
    is_success = draws.below("pump trial success", share)
    goes_on = draws.below("pump after success", p.number("pump.trial.implant_after_success"))
    is_ended = is_started & (end <= people.end)
    is_tapered = is_started & people.is_user & draws.below("pump taper", p.number("pump.taper.share"))
    taper = start - draws.days("pump taper length", p.pair("pump.taper.days"))
    is_free = is_tapered & draws.below("pump taper complete", p.number("pump.taper.complete"))
    free_from = start - draws.days("pump opioid free", p.pair("pump.taper.free_days"))
    own = 0.3 * spread + np.sqrt(1 - 0.09) * draws.normal("pump lasting relief")
    return PumpTrials(
        decision=np.where(is_tapered, taper, np.where(is_started, start, NEVER)),
        start=np.where(is_started, start, NEVER),
        end=np.where(is_ended, end, NEVER),
        implant=np.where(is_ended & is_success & goes_on & (implant <= people.end), implant, NEVER),
        free_from=np.where(is_free, free_from, NEVER),
        is_tapered=is_tapered,
        percent_relief=relief,
        is_success=is_success,
        lasting_relief=np.asarray(p.number("pump.relief.back") + p.number("pump.relief.sd") * own, dtype=np.float64),
    )


def with_early_deaths(people: People, p: Parameters, pumps: PumpTrials) -> People:
    """Return the people with the deaths that the first year after a pump implant brings beyond those of their age."""
    wait = people.draws.exponential("death after pump") / p.number("pump.death.first_year")
    days = np.ceil(DAYS_PER_YEAR * np.minimum(wait, 1e6) ** (1 / p.number("pump.death.shape"))).astype(np.int64)
    died = pumps.implant + np.minimum(days, NEVER)
    is_earlier = (pumps.implant < NEVER) & (days <= DAYS_PER_YEAR) & (died < people.end)
    reason = np.where(is_earlier, word_codes("end_reason", ["death"])[0], people.end_reason)
    return replace(people, end=np.where(is_earlier, died, people.end), end_reason=reason)
