"""The stimulation trial: when it is, how much it relieves, and whether a permanent system follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .draws import NEVER, Flags, Numbers, Whole
from .parameters import Parameters
from .people import SCS, People


@dataclass(frozen=True, eq=False)
class Trials:
    """One value per patient; `NEVER` where there is no trial, no end of trial or no implant in observation.

    ``lasting_relief`` is latent: the share of leg pain a system takes away in its first year.
    """

    start: Whole
    end: Whole
    percent_relief: Numbers
    is_success: Flags
    implant: Whole
    lasting_relief: Numbers


def make_trials(people: People, p: Parameters) -> Trials:
    """Draw the trials of those referred for one."""
    start = people.eligible + people.draws.days("trial wait", p.pair("trial.wait_days"))
    return trials_from(people, p, np.where(people.arm == SCS, start, NEVER))


def trials_from(people: People, p: Parameters, start: Whole) -> Trials:
    """Draw the trials that begin on given days (`NEVER` for none)."""
    draws = people.draws
    end = start + draws.days("trial length", p.pair("trial.length_days"))
    implant = end + draws.days("implant wait", p.pair("trial.implant_wait_days"))
    is_started = start <= people.end
    is_ended = is_started & (end <= people.end)
    spread = draws.normal("trial relief")
    relief = _percent_relief(people, p, spread)
    above = np.where(
        relief >= p.number("trial.threshold"), p.number("trial.success_above"), p.number("trial.success_below")
    )
    success = draws.below("trial success", above)
    goes_on = draws.below("implant after success", p.number("trial.implant_after_success"))
    return Trials(
        start=np.where(is_started, start, NEVER),
        end=np.where(is_ended, end, NEVER),
        percent_relief=relief,
        is_success=success,
        implant=np.where(is_ended & success & goes_on & (implant <= people.end), implant, NEVER),
        lasting_relief=_lasting_relief(people, p, spread),
    )


def _percent_relief(people: People, p: Parameters, spread: Numbers) -> Numbers:
    relief = p.number("trial.relief_mean") + p.number("trial.relief_sd") * spread
    relief = relief + p.number("trial.relief_frailty") * people.frailty
    pension = p.number("attributes.disability_pension")
    relief = relief + p.number("trial.relief_pension") * (people.has_pension - pension)
    # Patients answer in steps of five.
    return np.clip(5 * np.round(relief / 5), -10, 100)


def _lasting_relief(people: People, p: Parameters, trial: Numbers) -> Numbers:
    own = people.draws.normal("lasting relief")
    relief = p.number("scores.leg_relief_scs") + p.number("scores.relief_sd") * (0.3 * trial + np.sqrt(1 - 0.09) * own)
    return np.asarray(relief + p.number("scores.relief_frailty") * people.frailty, dtype=np.float64)
