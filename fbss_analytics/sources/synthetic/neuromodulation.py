"""A neuromodulation cohort: who is referred for a stimulator or a pump, or managed conventionally, and what follows."""

from __future__ import annotations

import pyarrow as pa

from .care import conditions_table, therapies_table
from .devices import stimulator_rows
from .dose import mme_at_eligibility
from .draws import Draws, Whole
from .fills import dispensings_table
from .intrathecal import doses_table
from .parameters import Parameters
from .people import attributes_table, make_people, observation_table, patients_table
from .pump_opioids import with_pumps
from .pump_trials import make_pump_trials, with_early_deaths
from .pumps import make_pumps
from .rows import build
from .scores import measurements_table
from .spells import make_spells
from .surgeries import make_operations, surgery_tables
from .trials import make_trials


def neuromodulation_tables(p: Parameters, numbers: Whole, ids: pa.Array, *, seed: int) -> dict[str, pa.Table]:
    """Return all tables of a neuromodulation cohort."""
    people = make_people(Draws(seed, numbers), p)
    pumps = make_pump_trials(people, p)
    people = with_early_deaths(people, p, pumps)
    operations, last_surgery = make_operations(people, p)
    trials = make_trials(people, p)
    stimulators, removed = stimulator_rows(people, p, trials, mme_at_eligibility(people, p))
    lives = make_pumps(people, p, pumps)
    spells = make_spells(people, p, trials, pumps)
    spells = with_pumps(people, p, spells, pumps, lives.out_for_good)
    surgeries, stays = surgery_tables(people, p, operations, ids)
    return {
        "patients": patients_table(people, ids),
        "observation_periods": observation_table(people, ids),
        "attributes": attributes_table(people, p, ids),
        "conditions": conditions_table(people, p, last_surgery, ids),
        "measurements": measurements_table(people, p, trials, removed, pumps, lives.out_for_good, ids),
        "stays": stays,
        "surgeries": surgeries,
        "device_events": build("device_events", stimulators + lives.blocks, ids),
        "intrathecal_doses": doses_table(people, p, pumps, lives, ids),
        "dispensings": dispensings_table(people, p, trials, operations, spells, ids),
        "therapies": therapies_table(people, p, ids),
    }
