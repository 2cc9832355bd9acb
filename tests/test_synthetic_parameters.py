"""Scenario files that cannot be meant: unknown and missing names, impossible values, parameters that exclude others."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_rules import assert_conforms, assert_plausible

from fbss_analytics.errors import InputError
from fbss_analytics.sources.synthetic import parameters as module
from fbss_analytics.sources.synthetic.assemble import simulate_tables
from fbss_analytics.sources.synthetic.parameters import (
    SCENARIOS,
    Parameters,
    load_parameters,
    parse_parameters,
    scenario_content,
)

ENTRY = {"kind": "probability", "value": 0.5, "source": "assumed: a test"}


def entries(section):
    """Yield every parameter of a scenario's content."""
    for entry in section.values():
        if isinstance(entry, dict) and "value" in entry:
            yield entry
        elif isinstance(entry, dict):
            yield from entries(entry)


def refused(content, message):
    with pytest.raises(InputError, match=message):
        parse_parameters(content)


@pytest.mark.parametrize(
    ("section", "name", "entry", "message"),
    [
        ("people", "femal", ENTRY, r"no parameter 'people\.femal'\. Did you mean 'people\.female'"),
        ("people", "female", 0.5, r"people\.female is bare; expected \{ kind = \.\.\., value = "),
        ("people", "female", {"kind": "probability", "source": "assumed: x"}, r"people\.female has no value"),
        ("people", "female", ENTRY | {"sorce": "x"}, r"entry of people\.female='sorce' is not known\. Did"),
        ("people", "female", ENTRY | {"kind": "number"}, r"people\.female is a probability, not a number"),
        ("people", "female", ENTRY | {"value": -0.01}, r"people\.female is not a probability"),
        ("people", "female", ENTRY | {"value": "0.5"}, r"people\.female is not a probability"),
        ("people", "female", ENTRY | {"value": True}, r"people\.female is not a probability"),
        ("people", "female", ENTRY | {"value": float("inf")}, r"people\.female is not a probability"),
        ("generator", "fault", {**ENTRY, "kind": "hazard", "value": -1e-9}, r"generator\.fault is not a hazard"),
        ("trial", "wait_days", {**ENTRY, "kind": "window", "value": [-30.0, 5.0]}, r"trial\.wait_days is not a window"),
    ],
)  # fmt: skip
def test_an_entry_that_cannot_be_meant_is_refused(section, name, entry, message):
    content = scenario_content("neuromodulation")
    content[section][name] = entry
    refused(content, message)


def test_an_unknown_entry_of_the_file_gets_the_nearest_name():
    refused(scenario_content("surgical") | {"sampling_rul": "all"}, "Did you mean 'sampling_rule'")
    refused(scenario_content("surgical") | {"scenario": "surgcal"}, "Did you mean 'surgical'")


def test_a_section_of_another_scenario_is_refused():
    content = scenario_content("neuromodulation") | {"pain": scenario_content("surgical")["pain"]}
    refused(content, "The scenario has no parameter 'pain")


def test_what_the_generator_needs_is_to_be_there():
    content = scenario_content("neuromodulation")
    del content["people"]["lost"], content["generator"]["fault"]
    refused(content, r"The scenario lacks 2 parameters, the first of them people\.lost")


@pytest.mark.parametrize(
    ("smoking", "message"),
    [
        ({"curent": 0.3, "former": 0.3, "never": 0.4}, "Did you mean 'current'"),
        ({"former": 0.3, "current": 0.3, "never": 0.4}, "are to be current, former, never, in this order"),
        ({"current": 0.5, "former": 0.5}, "are to be current, former, never"),
        ({"current": 1.5, "former": -0.5, "never": 0.0}, "attributes.smoking is not a shares"),
    ],
)
def test_the_categories_of_shares_are_those_of_the_scenario(smoking, message):
    content = scenario_content("neuromodulation")
    content["attributes"]["smoking"]["value"] = smoking
    refused(content, message)


@pytest.mark.parametrize(
    ("scenario", "section", "names"),
    [
        ("neuromodulation", "referral", ("scs_trial", "pump_trial")),
        ("neuromodulation", "opioids", ("rise_share", "fall_share")),
        ("surgical", "pain", ("stimulator_trial", "pump_trial")),
    ],
)
def test_what_excludes_each_other_adds_up_to_one_at_most(scenario, section, names):
    content = scenario_content(scenario)
    for name, value in zip(names, (0.6, 0.4), strict=True):
        content[section][name]["value"] = value
    parse_parameters(content)
    content[section][names[0]]["value"] = 0.61
    refused(content, f"{section}.{names[0]} and {section}.{names[1]} exclude each other")


def test_the_calendar_goes_forward():
    content = scenario_content("surgical")
    calendar = content["calendar"]
    calendar["eligibility_last"]["value"], calendar["data_end"]["value"] = (
        calendar["data_end"]["value"],
        calendar["eligibility_last"]["value"],
    )
    refused(content, "calendar.eligibility_first, eligibility_last and data_end are to follow one another")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strenghts": [5.0]}, "Did you mean 'strengths'"),
        ({"class": "medium"}, "class of product tramadol='medium' is not known"),
    ],
)
def test_a_product_that_cannot_be_meant_is_refused(change, message):
    content = scenario_content("neuromodulation")
    content["products"][0] |= change
    refused(content, message)


def test_a_product_is_to_be_whole():
    content = scenario_content("neuromodulation")
    del content["products"][0]["mme_factor"], content["products"][0]["share"]
    refused(content, "Product tramadol lacks mme_factor and share")


def test_every_parameter_is_asked_for(monkeypatch):
    asked = set()
    honest = Parameters._get
    monkeypatch.setattr(module.Parameters, "_get", lambda self, name: (asked.add(name), honest(self, name))[1])
    p = load_parameters("neuromodulation")
    simulate_tables(p, np.arange(1, 400), seed=1)
    assert set(module._shape("neuromodulation")) == asked


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize(("kind", "value"), [("hazard", 0.0), ("probability", 0.0), ("probability", 1.0)])
def test_the_rules_hold_at_the_ends_of_what_is_allowed(scenario, kind, value):
    content = scenario_content(scenario)
    for entry in entries(content):
        if entry["kind"] == kind:
            entry["value"] = value
    for section, name in (("referral", "pump_trial"), ("opioids", "fall_share"), ("pain", "pump_trial")):
        if value == 1.0 and section in content:
            content[section][name]["value"] = 0.0
    tables = simulate_tables(parse_parameters(content), np.arange(1, 601), seed=3)
    assert_conforms(tables)
    assert_plausible(tables, scenario)
