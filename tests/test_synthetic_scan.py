"""The scan of large cohorts counts what is planted, finds nothing in honest cohorts, and runs from the command line."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fbss_analytics.sources import schema
from fbss_analytics.sources.synthetic import simulate
from fbss_analytics.sources.synthetic.assemble import simulate_tables
from fbss_analytics.sources.synthetic.parameters import SCENARIOS, load_parameters

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
if not BENCHMARKS.exists():
    pytest.skip("the benchmarks stand in the repository only", allow_module_level=True)

LATE, EARLY = "DATE '2090-01-01'", "DATE '1900-01-01'"
OF_TIME = {
    "conditions": "date", "measurements": "date", "stays": "admit_date", "surgeries": "date", "device_events": "date",
    "intrathecal_doses": "date", "dispensings": "date", "therapies": "date",
}  # fmt: skip
IMPLANT = "event = 'implant' AND component = 'generator'"
PLANTED = {
    "a patient twice": "INSERT INTO patients FROM patients LIMIT 1",
    "not one period of observation for each domain": "UPDATE observation_periods SET domain = 'medical'",
    "observation that ends before it starts": f"UPDATE observation_periods SET start_date = {LATE} WHERE rowid = 0",
    "observation before birth": f"UPDATE observation_periods SET start_date = {EARLY} WHERE rowid = 0",
    "observation that does not end at death": "UPDATE patients SET death_date = DATE '1999-01-01' WHERE rowid = 0",
    "a system without a generator or pump, or with two implanted": f"DELETE FROM device_events WHERE {IMPLANT}",
    "a generator or pump removed twice": """
        INSERT INTO device_events FROM device_events WHERE event = 'explant' AND component = 'generator'""",
    "an event of a system before its implant": f"""
        UPDATE device_events SET date = {EARLY} WHERE event = 'explant' AND component = 'generator'""",
    "an event of a system after its removal": f"UPDATE device_events SET date = {LATE} WHERE component = 'lead'",
    "a removal of what was not put in before": """
        DELETE FROM device_events WHERE event = 'implant' AND component = 'lead'""",
    "a second live generator or pump in a system": """
        UPDATE device_events SET component_id = 1 WHERE event = 'replace' AND component = 'generator'""",
    "a system implanted while the one before it is in": "DELETE FROM device_events WHERE event = 'explant'",
    "an implant without a successful trial that ended before": """
        UPDATE device_events SET trial_success = FALSE WHERE event = 'trial_end'""",
    "an intrathecal dose without a pump in place": "UPDATE intrathecal_doses SET system_id = 9 WHERE rowid = 0",
    "an implausible intrathecal dose": "UPDATE intrathecal_doses SET unit = 'mcg' WHERE ingredient = 'morphine'",
    "a supply of no or too many days": "UPDATE dispensings SET days_supply = 101 WHERE rowid = 0",
    "implausible units a day": "UPDATE dispensings SET quantity = quantity + 1 WHERE form = 'tablet'",
    "implausible patches": "UPDATE dispensings SET days_supply = 90 WHERE form = 'patch'",
    "a strength without its unit, or a unit without strength": "UPDATE dispensings SET strength_unit = NULL",
    "fills not numbered 1, 2, ...": "UPDATE dispensings SET dispensing_id = 7000 WHERE rowid = 0",
    "a score out of range or without a value": "UPDATE measurements SET value = 11 WHERE measure = 'nrs_leg'",
    "relief in a trial out of range": "UPDATE device_events SET percent_relief = 101 WHERE event = 'trial_end'",
}


@pytest.fixture(scope="module")
def bench() -> Iterator[dict[str, ModuleType]]:
    """The benchmark's modules, found as `python benchmarks/simulate.py` finds them."""
    names = ("hard_rules", "measuring", "simulate")
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(BENCHMARKS))
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def source():
    return simulate("neuromodulation", n_patients=600, seed=11)


def tables_of(tables) -> duckdb.DuckDBPyConnection:
    """Return a connection to copies of the tables, words as text, that a test may spoil."""
    connection = duckdb.connect()
    for name, table in tables.items():
        plain = [
            column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column for column in table.columns
        ]
        connection.register("given", pa.table(plain, names=table.column_names))
        connection.execute(f"CREATE TABLE {name} AS FROM given")
    return connection


@pytest.mark.parametrize("scenario", SCENARIOS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(min_value=0, max_value=2**64 - 1), first=st.integers(min_value=1, max_value=9_999_000))
def test_nothing_is_found_in_an_honest_cohort(bench, scenario, seed, first):
    tables = simulate_tables(load_parameters(scenario), np.arange(first, first + 150), seed=seed)
    with tables_of(tables) as connection:
        found = bench["hard_rules"].violations(connection)
    assert {rule: count for rule, count in found.items() if count} == {}


def test_every_rule_has_a_planted_fault(bench, source):
    with tables_of(source.tables) as connection:
        rules = set(bench["hard_rules"].violations(connection))
    timed = {rule for rule in rules if rule.split(" ")[0] in OF_TIME}
    assert rules - timed == set(PLANTED)
    assert len(timed) == 5 * len(OF_TIME)


@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_fault_is_counted(bench, source, rule):
    with tables_of(source.tables) as connection:
        connection.execute(PLANTED[rule])
        assert bench["hard_rules"].violations(connection)[rule] > 0


@pytest.mark.parametrize("name", OF_TIME)
def test_rows_at_a_wrong_time_are_counted(bench, source, name):
    with tables_of(source.tables) as connection:
        connection.execute(f"UPDATE {name} SET {OF_TIME[name]} = {EARLY} WHERE rowid IN (0, 1)")
        connection.execute("UPDATE patients SET death_date = DATE '2000-01-01'")
        connection.execute(f"UPDATE {name} SET {OF_TIME[name]} = {LATE} WHERE rowid = 2")
        connection.execute(f"UPDATE {name} SET patient_id = 'S9999999' WHERE rowid = 3")
        found = bench["hard_rules"].violations(connection)
    assert found[f"{name} before birth"] == 2
    assert found[f"{name} before observation"] == (0 if name == "surgeries" else 2)
    assert found[f"{name} after observation"] == 1
    assert found[f"{name} after death"] >= 1
    assert found[f"{name} of a patient who is not listed"] == 1


def test_the_end_of_a_span_counts_as_well(bench, source):
    with tables_of(source.tables) as connection:
        connection.execute(f"UPDATE therapies SET end_date = {LATE} WHERE rowid = 0")
        assert bench["hard_rules"].violations(connection)["therapies after observation"] == 1


def test_rows_out_of_order_and_split_patients_are_counted(bench, source, tmp_path):
    folder = source.to_folder(tmp_path / "cohort")
    assert set(bench["hard_rules"].scan(folder).values()) == {0}
    rows = source.tables["conditions"]
    pq.write_table(rows.slice(0, 40), tmp_path / "split.parquet", row_group_size=1)
    pq.write_table(rows.take(pa.array([3, 0, 1, 2])), tmp_path / "shuffled.parquet")
    split = bench["hard_rules"].disorder(tmp_path / "split.parquet", "conditions")
    people = len(set(rows["patient_id"].slice(0, 40).to_pylist()))
    assert split == {"out of order": 0, "with a patient in two row groups": 40 - people}
    assert bench["hard_rules"].disorder(tmp_path / "shuffled.parquet", "conditions")["out of order"] == 1


def test_the_benchmark_measures_and_scans(bench, tmp_path, capsys):
    asked = ["--patients", "40", "--scenario", "surgical", "--folder", str(tmp_path / "made")]
    bench["simulate"].main([*asked, "--json", str(tmp_path / "figures.json")])
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))["surgical"]
    assert figures["simulated"]["rows"]["patients"] == 40
    assert set(figures["simulated"]["rows"]) == set(schema.TABLES)
    assert figures["broken"] == {}
    assert figures["rules"] == len(PLANTED) + 5 * len(OF_TIME) + 2 * len(schema.TABLES)
    assert "a score out of range" in capsys.readouterr().out
    assert list((tmp_path / "made").iterdir()) == []


def test_the_benchmark_fails_where_a_run_fails(bench, tmp_path):
    with pytest.raises(SystemExit, match="A run failed"):
        bench["simulate"].main(["--patients", "0", "--scenario", "surgical", "--folder", str(tmp_path)])
