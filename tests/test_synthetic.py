"""The simulated cohort: random numbers by address, the same patient in any cohort, rules every cohort obeys."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections import Counter
from importlib.resources import files

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from synthetic_rules import (
    assert_conforms,
    assert_devices,
    assert_in_time,
    assert_operation_rows,
    assert_plausible,
    assert_pumps,
    assert_supplies,
    frame,
)

from fbss_analytics.errors import InputError
from fbss_analytics.sources import schema
from fbss_analytics.sources.checking import RawTable, check_tables
from fbss_analytics.sources.files import read_tables
from fbss_analytics.sources.synthetic import assemble, simulate
from fbss_analytics.sources.synthetic.draws import (
    NEVER,
    Draws,
    choose,
    to_counts,
    to_gompertz,
    to_normal,
    to_truncated_normal,
    to_weibull,
)
from fbss_analytics.sources.synthetic.explants import log_hazard_ratio
from fbss_analytics.sources.synthetic.fills import _Catalogue, _dispensed
from fbss_analytics.sources.synthetic.parameters import (
    SCENARIOS,
    load_parameters,
    parse_parameters,
    scenario_content,
)
from fbss_analytics.sources.synthetic.people import make_people
from fbss_analytics.sources.synthetic.philox import _loop, philox4x32, purpose_words, uniform
from fbss_analytics.sources.synthetic.pump_trials import make_pump_trials
from fbss_analytics.sources.synthetic.reoperations import early_log_ratio, late_log_ratio, make_reoperations
from fbss_analytics.sources.synthetic.rows import build, rows_of, word_codes
from fbss_analytics.sources.synthetic.surgical_people import make_candidates


@pytest.fixture(scope="module")
def cohort():
    return simulate("neuromodulation", n_patients=1500, seed=20261120)


@pytest.fixture(scope="module")
def content():
    text = files("fbss_analytics").joinpath("data/scenarios/neuromodulation.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


# Random numbers


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        # Known answers published with the Random123 library (kat_vectors, philox 4x32, 10 rounds).
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_philox_gives_the_known_answers(counter, key, expected):
    words = tuple(np.array([int(word, 16)], dtype=np.uint64) for word in counter.split())
    key_0, key_1 = (int(word, 16) for word in key.split())
    assert " ".join(f"{int(word[0]):08x}" for word in philox4x32(words, (key_0, key_1))) == expected


def test_a_uniform_depends_on_its_address_alone():
    patients, draws = np.arange(40_000)[:, None], np.array([0, 1, 7])
    all_at_once = uniform(3, "death", patients, draws)
    assert all_at_once.shape == (40_000, 3)
    assert uniform(3, "death", 39_999, 7) == all_at_once[39_999, 2]
    assert uniform(3, "death", np.array([5, 2]), 1).tolist() == all_at_once[[5, 2], 1].tolist()


@pytest.mark.parametrize("seed", [0, 3, 2**32 + 1, 2**64 - 1])
def test_the_compiled_loop_does_the_ten_rounds_of_the_function(seed):
    patients = np.array([0, 1, 7, 2**31, 2**32 - 1], dtype=np.uint64)
    draws, key = patients[::-1].copy(), (seed & 0xFFFFFFFF, seed >> 32)
    third, fourth = (np.full(5, word, dtype=np.uint64) for word in purpose_words("death"))
    high, low, _, _ = philox4x32((draws, patients, third, fourth), key)
    bits = [(int(a) << 20) | (int(b) >> 12) for a, b in zip(high, low, strict=True)]
    expected = [(each + 0.5) / 2**52 for each in bits]
    assert uniform(seed, "death", patients, draws).tolist() == expected
    plain = np.empty(5)
    _loop(draws, patients, third[0], fourth[0], key, plain)
    assert plain.tolist() == expected


@pytest.mark.parametrize(
    "other", [(4, "death", 1, 0), (3 + 2**32, "death", 1, 0), (3, "lost", 1, 0), (3, "death", 2, 0), (3, "death", 1, 1)]
)
def test_every_part_of_the_address_counts(other):
    assert uniform(*other) != uniform(3, "death", 1, 0)


def test_uniforms_fill_the_unit_interval_evenly():
    u = uniform(11, "test", np.arange(200_000))
    assert 0 < u.min() < 1e-4
    assert 1 - 1e-4 < u.max() < 1
    # The mean of n uniforms has a standard error of 1 / sqrt(12 n); four of them are allowed.
    assert abs(u.mean() - 0.5) < 4 / np.sqrt(12 * len(u))
    assert np.histogram(u, 20, (0, 1))[0] == pytest.approx(len(u) / 20, rel=0.05)
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4 / np.sqrt(len(u))


def test_purposes_are_the_same_words_for_ever():
    assert purpose_words("death") == (1_793_042_239, 3_050_516_263)
    assert purpose_words("death") != purpose_words("lost")


def test_inverse_distribution_functions_are_inverse():
    u = (np.arange(100_000) + 0.5) / 100_000
    assert to_normal(u).std() == pytest.approx(1, abs=1e-3)
    cut = to_truncated_normal(u, 54, 13, (20, 88))
    assert (cut.min(), cut.max()) == (pytest.approx(20, abs=0.1), pytest.approx(88, abs=0.1))
    exponential = -np.log(u)
    assert np.mean(to_weibull(exponential, 0.3, 3.0, 0.8) <= 3) == pytest.approx(1 - np.exp(-0.3), abs=1e-4)
    times = to_gompertz(exponential, np.full(len(u), 0.02), 0.1)
    assert np.mean(times <= 5) == pytest.approx(1 - np.exp(-0.02 / 0.1 * np.expm1(0.5)), abs=1e-4)
    counts = to_counts(u, 1.5, 0.9, 50)
    assert counts.mean() == pytest.approx(1.5, abs=0.01)
    assert counts.var() == pytest.approx(1.5 + 1.5**2 / 0.9, rel=0.02)
    assert Counter(choose(u, {"a": 0.2, "b": 0.8}).tolist()) == {0: 20_000, 1: 80_000}


# The cohort as a whole


def test_every_table_is_as_the_schema_says_and_passes_every_row_rule(cohort):
    assert set(cohort.tables) == set(schema.TABLES)
    assert all(count > 0 for count in cohort.counts.values())
    assert_conforms(cohort.tables)
    checked = check_tables({name: RawTable(table, name) for name, table in cohort.tables.items()})
    assert not checked.quarantine
    assert {account.disposition for account in checked.accounts} == {"accepted"}


def test_events_obey_time_devices_and_supplies(cohort):
    assert_plausible(cohort.tables)


def _later(rows, days):
    rows.loc[rows.index[rows.event == "explant"][0], "date"] += days
    return rows


@pytest.mark.parametrize(
    "plant",
    [
        lambda rows: _later(rows, -10_000),
        lambda rows: rows[(rows.event != "implant") | (rows.system_id != 1)],
        lambda rows: pd.concat([rows, rows[(rows.event == "implant") & (rows.component == "generator")].head(1)]),
        lambda rows: rows.assign(date=rows.date.where(rows.event != "trial_end", rows.date + 400)),
        lambda rows: rows.assign(component_id=rows.component_id.where(rows.event != "replace", 9)),
    ],
)
def test_the_device_rules_notice_a_planted_fault(cohort, plant):
    with pytest.raises(AssertionError):
        assert_devices(plant(frame(cohort.tables, "device_events").query("device == 'scs'")))


@pytest.mark.parametrize(
    ("column", "value"), [("days_supply", 0), ("quantity", 7.5), ("route", "transdermal"), ("strength_unit", None)]
)
def test_the_supply_rules_notice_a_planted_fault(cohort, column, value):
    fills = frame(cohort.tables, "dispensings")
    fills.loc[
        fills.index[(fills.form == "tablet") & (fills.days_supply == 30) & fills.strength_value.notna()][0], column
    ] = value
    with pytest.raises(AssertionError):
        assert_supplies(fills)


@pytest.mark.parametrize(
    "name", ["conditions", "measurements", "device_events", "dispensings", "therapies", "surgeries"]
)
def test_the_time_rules_notice_an_event_after_observation(cohort, name):
    late = pa.array(np.full(cohort.counts[name], 30_000, dtype=np.int32)).cast(pa.date32())
    columns = schema.table(name).names
    by_name = {column: cohort.tables[name][column] for column in columns} | {"date": late}
    changed = pa.table([by_name[column] for column in columns], schema=schema.table(name).arrow_schema)
    with pytest.raises(AssertionError):
        assert_in_time(dict(cohort.tables) | {name: changed})


def test_a_patient_is_the_same_whatever_the_size_of_the_cohort(cohort):
    small = simulate("neuromodulation", n_patients=50, seed=20261120)
    for name, table in small.tables.items():
        first = cohort.tables[name].filter(pa.compute.less_equal(cohort.tables[name]["patient_id"], "S0000050"))
        assert table.equals(first.combine_chunks()), name


def test_the_number_simulated_at_a_time_changes_nothing(monkeypatch):
    whole = simulate("neuromodulation", n_patients=60, seed=4)
    monkeypatch.setattr(assemble, "_AT_A_TIME", 7)
    parts = simulate("neuromodulation", n_patients=60, seed=4)
    assert all(parts.tables[name].equals(table) for name, table in whole.tables.items())


def test_patients_without_any_device_or_fill_make_empty_tables():
    alone = simulate("neuromodulation", n_patients=1, seed=1)
    assert alone.counts["patients"] == 1
    assert alone.tables["device_events"].schema.equals(schema.table("device_events").arrow_schema)
    assert_conforms(alone.tables)


def test_another_seed_gives_other_patients(cohort):
    other = simulate("neuromodulation", n_patients=1500, seed=1)
    assert not other.tables["dispensings"].equals(cohort.tables["dispensings"])
    assert other.tables["patients"]["patient_id"].equals(cohort.tables["patients"]["patient_id"])


def test_referral_shares_come_from_one_uniform():
    numbers = np.arange(1, 40_001)
    arms = make_people(Draws(9, numbers), load_parameters("neuromodulation")).arm
    u = uniform(9, "referral", numbers)
    assert (arms == np.select([u < 0.25, u < 0.30], [1, 2], 0)).all()


@pytest.fixture(scope="module")
def with_and_without_pumps(content):
    """The same patients with their pumps and, the reserved share set to 0, without."""
    conventional = copy.deepcopy(content)
    conventional["referral"]["pump_trial"]["value"] = 0.0
    some = np.arange(1, 2001)
    after = assemble.simulate_tables(load_parameters("neuromodulation"), some, seed=9)
    before = assemble.simulate_tables(parse_parameters(conventional), some, seed=9)
    people = make_people(Draws(9, some), load_parameters("neuromodulation"))
    pumps = make_pump_trials(people, load_parameters("neuromodulation"))
    ids = np.array([f"S{number:07d}" for number in some])
    return before, after, pd.Series(pumps.decision, ids)


def test_pumps_change_no_row_of_anyone_else(with_and_without_pumps):
    before, after, decision = with_and_without_pumps
    others = pa.array(decision.index[decision == NEVER])
    for name, table in before.items():
        kept = [each[name].filter(pa.compute.is_in(each[name]["patient_id"], others)) for each in (before, after)]
        assert kept[0].equals(kept[1]), name
        assert table.num_rows > 0 or name == "intrathecal_doses"
    assert "intrathecal_pump" not in set(frame(before, "device_events").device)
    reserved = set(decision.index[decision < NEVER])
    assert set(frame(after, "device_events").query("device == 'intrathecal_pump'").patient_id) == reserved


def test_pumps_change_no_row_before_the_taper_or_trial(with_and_without_pumps):
    before, after, decision = with_and_without_pumps
    for name in before:
        start, end = schema.table(name).start, schema.table(name).end
        if not start or name == "attributes":
            continue
        was, now = (_before_decision(frame(each, name), decision, start) for each in (before, after))
        assert len(was) > 0 or name in ("device_events", "intrathecal_doses"), name
        # Early death after the implant may cut spans short; nothing else about an earlier row may differ.
        cut = [end, "end_reason"] if end else []
        pd.testing.assert_frame_equal(was.drop(columns=cut, errors="ignore"), now.drop(columns=cut, errors="ignore"))
        if end:
            assert ((now[end] == was[end]) | (now[end] > now.patient_id.map(decision))).all(), name
            assert (now[end] <= was[end]).all(), name


def _before_decision(rows, decision, start):
    return rows[rows[start] < rows.patient_id.map(decision.where(decision < NEVER, 0))].reset_index(drop=True)


@pytest.fixture(scope="module")
def surgical():
    return simulate("surgical", n_patients=3000, seed=5)


def test_a_surgical_cohort_conforms_and_obeys_the_rules(surgical):
    assert set(surgical.tables) == set(schema.TABLES)
    assert_conforms(surgical.tables)
    checked = check_tables({name: RawTable(table, name) for name, table in surgical.tables.items()})
    assert not checked.quarantine
    assert {account.disposition for account in checked.accounts} == {"accepted"}
    assert_plausible(surgical.tables, "surgical")


def test_surgical_rows_hold_what_the_reoperation_question_needs(surgical):
    surgeries = frame(surgical.tables, "surgeries")
    assert {"index", "ssi", "haematoma", "csf_leak", "hardware", "pseudarthrosis", "reherniation", "restenosis", "asd",
            "instability", "other"} <= set(surgeries.reason)  # fmt: skip
    assert surgeries.staged.astype(bool).any()
    assert surgeries.levels.isna().any()
    assert (surgeries.date_precision == "month").any()
    assert {"inpatient", "outpatient"} == set(surgeries.setting)
    measures = set(frame(surgical.tables, "measurements").measure)
    assert {"nrs_back", "nrs_leg", "odi", "eq5d", "satisfaction_nass", "bmi"} <= measures
    conditions = set(frame(surgical.tables, "conditions").condition)
    assert {"fbss", "adjacent_segment_disease", "surgical_site_infection", "osteoporosis", "diabetes",
            "rheumatoid_arthritis", "obesity", "depression"} <= conditions  # fmt: skip
    assert {"scs"} <= set(frame(surgical.tables, "device_events").device)


def _at(rows, event, **change):
    rows = rows.copy()
    rows.loc[rows.index[rows.event == event][0], list(change)] = list(change.values())
    return rows


@pytest.mark.parametrize(
    "plant",
    [
        lambda events, doses: (events, doses.assign(date=doses.date - 5000)),
        lambda events, doses: (events, doses.assign(unit="mg")),
        lambda events, doses: (events, doses.iloc[1:]),
        lambda events, doses: (events, pd.concat([doses, doses.head(1)])),
        lambda events, doses: (_at(events, "replace", planned=False, reason="battery_end_of_life"), doses),
        lambda events, doses: (_at(events, "refill", date=30_000), doses),
    ],
)
def test_the_pump_rules_notice_a_planted_fault(with_and_without_pumps, plant):
    _, tables, _ = with_and_without_pumps
    events = frame(tables, "device_events").query("device == 'intrathecal_pump'")
    doses = frame(tables, "intrathecal_doses")
    assert_pumps(events, doses)
    with pytest.raises(AssertionError):
        assert_pumps(*plant(events, doses))


def test_adjacent_segments_are_next_to_everything_operated_on_so_far():
    p = load_parameters("surgical")
    people = make_people(Draws(3, np.arange(1, 8001)), p)
    who = make_candidates(people, p)
    again = make_reoperations(people, p, who)
    top, bottom = who.top, who.bottom
    asd = word_codes("surgery_reason", ["asd"])[0]
    for k in range(len(again.day)):
        happens = again.day[k] < NEVER
        adjacent = happens & (again.reason[k] == asd)
        above, below = again.top[k] == top - 1, again.bottom[k] == bottom + 1
        assert adjacent.sum() > 0 or k > 2
        assert (above | below)[adjacent].all()
        assert (again.top[k] == again.bottom[k])[adjacent].all()
        assert (again.top[k] <= again.bottom[k])[happens].all()
        assert (np.diff(again.day[: k + 1], axis=0)[:, happens] > 0).all()
        top = np.where(happens, np.minimum(top, again.top[k]), top)
        bottom = np.where(happens, np.maximum(bottom, again.bottom[k]), bottom)
    rate = np.exp(late_log_ratio(people, p, who))
    assert np.exp(early_log_ratio(people, p, who)).mean() == pytest.approx(1, abs=0.1)
    assert rate.mean() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(
    ("column", "value"), [("levels_n", 9), ("reason", "index"), ("stay_id", None), ("date", 30_000)]
)
def test_the_operation_rules_notice_a_planted_fault(surgical, column, value):
    rows = frame(surgical.tables, "surgeries")
    chosen = rows.index[(rows.surgery_id > 1) & ~rows.staged.astype(bool) & rows.stay_id.notna() & rows.levels.notna()]
    rows.loc[chosen[0], column] = value
    with pytest.raises(AssertionError):
        assert_operation_rows(rows, frame(surgical.tables, "stays"))


def test_a_scenario_inherits_whole_sections_and_its_own_entries_come_first(content):
    own = load_parameters("surgical")
    assert own.number("people.age_mean") == 58.0
    assert own.pair("people.look_back_years") == tuple(content["people"]["look_back_years"]["value"])
    assert own.products == load_parameters("neuromodulation").products
    assert own.content["device"] == load_parameters("neuromodulation").content["device"]
    assert "surgeries" not in own.content
    assert "inherits" not in own.content


def test_latent_values_stay_out_of_the_tables(cohort):
    assert cohort.is_synthetic
    assert cohort.parameters["explant"]["hazard_ratios"]["frailty"]["source"].startswith("assumed")
    columns = {name for table in cohort.tables.values() for name in table.column_names}
    assert not columns & {"frailty", "log_mme", "lasting_relief", "arm"}


def test_provenance_says_what_made_the_cohort(cohort):
    parameters = load_parameters("neuromodulation")
    assert cohort.provenance == {
        "kind": "simulated",
        "scenario": "neuromodulation",
        "n_patients": 1500,
        "seed": 20261120,
        "parameters_sha256": parameters.sha256(),
    }
    json.dumps(dict(cohort.parameters))


def test_a_cohort_folder_holds_the_same_cohort(tmp_path):
    memory = simulate("neuromodulation", n_patients=120, seed=6)
    written = simulate("neuromodulation", n_patients=120, seed=6, folder=tmp_path / "cohort")
    again = read_tables(tmp_path / "cohort")
    for source in (written, again):
        assert all(source.tables[name].equals(table) for name, table in memory.tables.items())
        assert source.is_synthetic
        assert source.parameters == memory.parameters
        assert source.provenance["seed"] == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scenario": "neuromodulaton"}, "Did you mean 'neuromodulation'"),
        ({"scenario": "x-ray"}, "Known: neuromodulation, surgical"),
        ({"n_patients": 0}, "n_patients is to be a whole number from 1"),
        ({"n_patients": 10**7}, "from 1 to 9,999,999"),
        ({"n_patients": 2.5}, "n_patients"),
        ({"n_patients": True}, "n_patients"),
        ({"seed": None}, "seed is to be a whole number from 0"),
        ({"seed": "1"}, "seed"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
    ],
)
def test_wrong_arguments_say_what_to_type(arguments, message):
    call = {"scenario": "neuromodulation", "n_patients": 5, "seed": 1} | arguments
    with pytest.raises(InputError, match=message):
        simulate(call.pop("scenario"), **call)


def test_the_seed_is_required():
    with pytest.raises(TypeError, match="seed"):
        simulate("neuromodulation", n_patients=5)


# Parts


def test_doses_become_tablets_and_patches_of_real_strengths():
    p = load_parameters("neuromodulation")
    names = [(each.ingredient, each.form, each.wear_days) for each in p.products]
    catalogue = _Catalogue.of(p)
    for product, mme, expected in [
        (("hydrocodone", "tablet", 0), 30.0, (7.5, 4)),
        (("hydrocodone", "tablet", 0), 1.0, (5.0, 1)),
        (("oxycodone", "tablet_er", 0), 120.0, (30.0, 3)),
        (("oxycodone", "tablet_er", 0), 800.0, (80.0, 6)),
        (("fentanyl", "patch", 3), 60.0, (25.0, 1)),
        (("fentanyl", "patch", 3), 500.0, (100.0, 2)),
        (("tramadol", "tablet", 0), 40.0, (50.0, 4)),
    ]:
        strength, units = _dispensed(catalogue, np.array([names.index(product)]), np.array([mme]))
        assert (strength[0], units[0]) == expected, product


def test_the_generator_holds_the_stated_hazard_ratios():
    p = load_parameters("neuromodulation")
    people = make_people(Draws(1, np.arange(1, 200)), p)
    no, yes = np.zeros(people.number, dtype=bool), np.ones(people.number, dtype=bool)
    base = log_hazard_ratio(people, p, np.zeros(people.number), no)
    high = log_hazard_ratio(people, p, np.full(people.number, 90.0), no)
    assert np.exp(high - base) == pytest.approx(1.45, abs=0.005)
    assert np.exp(log_hazard_ratio(people, p, np.zeros(people.number), yes) - base) == pytest.approx(1.15)


def test_rows_are_empty_where_nothing_happens():
    ids = pa.array(["S0000001"])
    table = build("device_events", [rows_of(np.array([], dtype=np.int64), date=np.array([]))], ids)
    assert table.equals(schema.empty("device_events"))


# Parameters


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_parameter_names_a_study_or_says_that_it_is_assumed(scenario):
    content, sources = scenario_content(scenario), []

    def walk(section):
        for entry in section.values():
            if isinstance(entry, dict) and "value" in entry:
                sources.append(entry["source"])
            elif isinstance(entry, dict):
                walk(entry)

    walk(content)
    sources += [product["source"] for product in content["products"]]
    assert len(sources) > 200
    # A study_key is lower case and ends in a year, with or without words after it, or holds an underscore.
    study_key = re.compile(r"[a-z]+(_[a-z]+)*\d{4}(_[a-z0-9]+)?\b|[a-z0-9]+_[a-z_]+\b")
    assert [each for each in sources if not (re.match(r"assumed: \S", each) or study_key.match(each))] == []


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("people.female", {"value": 1.2}, "people.female is not a probability; expected a number from 0 to 1"),
        ("people.lost", {"value": -0.1}, "people.lost is not a hazard"),
        ("people.female", {"source": " "}, "people.female has no source"),
        ("people.female", {"kind": "probabilty"}, "Did you mean 'probability'"),
        ("attributes.smoking", {"value": {"current": 0.5, "former": 0.6}}, "add up to 1"),
        ("people.age_range", {"value": [88.0, 20.0]}, "people.age_range is not a window"),
        ("calendar.data_end", {"value": "2024"}, "expected a date"),
        ("explant.baseline.discomfort", {"value": [0.1, 0.0]}, "explant.baseline.discomfort is not a weibull"),
        ("explant.hazard_ratios.female", {"value": 0}, "is not a hazard_ratio"),
        ("scores.odi", {"value": [50.0, -1.0]}, "scores.odi is not a normal"),
        ("people.age_mean", {"value": float("nan")}, "people.age_mean is not a positive"),
    ],
)
def test_a_wrong_parameter_is_refused(content, name, change, message):
    changed = copy.deepcopy(content)
    entry = changed
    for part in name.split("."):
        entry = entry[part]
    entry |= change
    with pytest.raises(InputError, match=message):
        parse_parameters(changed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": ""}, "Product tramadol has no source"),
        ({"mme_factor": 0.0}, "mme_factor and strengths"),
        ({"strengths": [50.0, 25.0]}, "strengths are to rise"),
        ({"usual_units": 9}, "1 <= usual_units <= most_units"),
        ({"share": {"low": 2.0, "middle": 0.0, "high": 0.0}}, "its shares"),
    ],
)
def test_a_wrong_product_is_refused(content, change, message):
    changed = copy.deepcopy(content)
    changed["products"][0] |= change
    with pytest.raises(InputError, match=message):
        parse_parameters(changed)


def test_an_unknown_parameter_gets_the_nearest_name():
    with pytest.raises(InputError, match=r"Did you mean 'people\.female'"):
        load_parameters("neuromodulation").number("people.femal")
