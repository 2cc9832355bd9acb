"""Whatever the seed, simulated cohorts obey the rules, and a patient's rows depend on no one else."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_rules import assert_conforms, assert_plausible

from fbss_analytics.sources.synthetic.assemble import simulate_tables
from fbss_analytics.sources.synthetic.parameters import SCENARIOS, load_parameters

PARAMETERS = {scenario: load_parameters(scenario) for scenario in SCENARIOS}
SEEDS = st.integers(min_value=0, max_value=2**64 - 1)


@pytest.mark.parametrize("scenario", SCENARIOS)
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, first=st.integers(min_value=1, max_value=9_999_000))
def test_every_cohort_obeys_the_rules(scenario, seed, first):
    tables = simulate_tables(PARAMETERS[scenario], np.arange(first, first + 150), seed=seed)
    assert_conforms(tables)
    assert_plausible(tables, scenario)


@pytest.mark.parametrize("scenario", SCENARIOS)
@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, chosen=st.sets(st.integers(min_value=1, max_value=40), min_size=1, max_size=10))
def test_some_patients_alone_are_the_same_patients(scenario, seed, chosen):
    together = simulate_tables(PARAMETERS[scenario], np.arange(1, 41), seed=seed)
    alone = simulate_tables(PARAMETERS[scenario], np.array(sorted(chosen)), seed=seed)
    ids = {f"S{number:07d}" for number in chosen}
    for name, table in alone.items():
        keep = [patient in ids for patient in together[name]["patient_id"].to_pylist()]
        assert table.equals(together[name].filter(pa.array(keep, pa.bool_())).combine_chunks()), name
