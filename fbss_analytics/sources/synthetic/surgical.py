"""A surgical cohort: everyone from an index lumbar operation on, unselected, and the few who come to a device."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from .devices import stimulator_rows
from .dose import mme_at_eligibility
from .draws import NEVER, Draws, Whole
from .fills import dispensings_table
from .intrathecal import doses_table
from .parameters import Parameters
from .people import CONVENTIONAL, PUMP, SCS, attributes_table, make_people, observation_table, patients_table
from .persistent_pain import make_pain
from .pump_opioids import with_pumps
from .pump_trials import pump_trials_from
from .pumps import make_pumps
from .reoperations import make_reoperations
from .rows import build
from .spells import make_spells
from .surgical_care import surgical_conditions, surgical_spells, surgical_therapies
from .surgical_people import make_candidates
from .surgical_rows import make_sittings, surgical_tables
from .surgical_scores import Course, surgical_scores
from .trials import trials_from


def surgical_cohort_tables(p: Parameters, numbers: Whole, ids: pa.Array, *, seed: int) -> dict[str, pa.Table]:
    """Return all tables of a surgical cohort; eligibility is the day of the index operation."""
    people = make_people(Draws(seed, numbers), p)
    who = make_candidates(people, p)
    again = make_reoperations(people, p, who)
    pain = make_pain(people, p, who, again)
    arm = np.select([pain.stimulator < NEVER, pain.pump < NEVER], [SCS, PUMP], CONVENTIONAL)
    people = replace(people, arm=arm.astype(np.int64))
    trials, pumps = trials_from(people, p, pain.stimulator), pump_trials_from(people, p, pain.pump)
    sittings = make_sittings(people, p, who, again)
    stimulators, removed = stimulator_rows(people, p, trials, mme_at_eligibility(people, p))
    lives = make_pumps(people, p, pumps)
    spells = surgical_spells(people, p, make_spells(people, p, trials, pumps), pain)
    spells = with_pumps(people, p, spells, pumps, lives.out_for_good)
    surgeries, stays = surgical_tables(people, p, who, sittings, ids)
    return {
        "patients": patients_table(people, ids),
        "observation_periods": observation_table(people, ids),
        "attributes": attributes_table(people, p, ids),
        "conditions": surgical_conditions(people, p, who, again, pain, ids),
        "measurements": surgical_scores(Course(people, who, again, pain, trials, removed), p, ids),
        "stays": stays,
        "surgeries": surgeries,
        "device_events": build("device_events", stimulators + lives.blocks, ids),
        "intrathecal_doses": doses_table(people, p, pumps, lives, ids),
        "dispensings": dispensings_table(people, p, trials, sittings.operations, spells, ids),
        "therapies": surgical_therapies(people, p, pain, ids),
    }
