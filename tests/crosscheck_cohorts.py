"""The notebooks' cohorts twice: by the verbs as the notebooks call them, and by `crosscheck` from the Parquet files."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import crosscheck as plain
import numpy as np
import pandas as pd

import fbss_analytics as fbss
from fbss_analytics.cohort import Cohort

ROOT = Path(__file__).parent.parent
SYNTHETIC = ROOT / "data" / "synthetic"
DOSE = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
EXPLANT: dict[str, Any] = {"within_days": 90, "clock": "therapy", "competing": "death", "until_days": 3650}


@cache
def read(name: str) -> plain.Tables:
    return plain.read(SYNTHETIC / name)


@cache
def source(name: str = "") -> Any:
    study = fbss.open_study(ROOT / "study.toml")
    return study.read(name) if name else study.read()


@cache
def fills() -> pd.DataFrame:
    return plain.fills_of(read("neuromodulation"))


def started(tables: plain.Tables, first: pd.Series) -> pd.DataFrame:
    """Return people at the day of their first event, in order of patient."""
    first = first.sort_index()
    return plain.people_of(tables, first.index, first)


def only(tables: plain.Tables, people: pd.DataFrame, keep: Any) -> pd.DataFrame:
    """Return some of the people, counted anew."""
    people = people[keep]
    return plain.people_of(tables, people["patient_id"], people["day0"])


def narrowed(tables: plain.Tables, people: pd.DataFrame, *steps: Any) -> tuple[pd.DataFrame, list[int]]:
    """Return who remains after all steps, and how many after each."""
    n = []
    for step in steps:
        people = only(tables, people, step(people))
        n.append(len(people))
    return people, n


@cache
def stimulators() -> tuple[Cohort, plain.Tables, pd.DataFrame, list[int]]:
    cohort = fbss.start_cohort(source(), index="scs_implant", occurrence="first")
    cohort = fbss.require_age(cohort, at_least=18)
    cohort = fbss.require_fbss(cohort, definition="surgery_then_pain")
    cohort = fbss.require_observation(cohort, domain="pharmacy", days=(-365, -1))
    cohort = fbss.require_event(cohort, "scs_trial", days=(None, 0))
    cohort = fbss.exclude_condition(cohort, "cancer", days=(-365, -1))
    cohort = fbss.add_time_to(cohort, "explant", definition="without_replacement", **EXPLANT)
    cohort = fbss.add_time_to(
        cohort, "explant", definition="without_replacement", **EXPLANT, by_reason=True, name="explant_by_reason"
    )
    cohort = fbss.add_opioid_dose(cohort, DOSE, name="baseline", days=(-90, -1), per="day_in_window")
    cohort = fbss.add_therapy(cohort, "gabapentinoid", days=(-365, -1))
    cohort = fbss.add_condition(cohort, "depression", days=(None, -1))
    cohort = fbss.add_attribute(fbss.add_attribute(cohort, "smoking"), "disability_pension")
    cohort = fbss.add_device(fbss.add_surgery_history(cohort, days=(None, -1)))

    tables = read("neuromodulation")
    devices = tables["device_events"]
    trials = devices[(devices["device"] == "scs") & (devices["event"] == "trial_start")]
    everyone = started(tables, plain.first_of(plain.of_device(tables, "scs", "generator", ["implant"])))
    people, n = narrowed(
        tables,
        everyone,
        lambda p: plain.certain_age(p) >= 18,
        lambda p: plain.operated_then_pain(tables, p),
        lambda p: plain.observed(p, "pharmacy", -365, -1),
        lambda p: plain.anyone(p, plain.around(p, trials).query("day <= 0")),
        lambda p: ~plain.with_condition(tables, p, "cancer", -365, -1),
    )
    return cohort, tables, people, [len(tables["patients"]), len(everyone), *n]


@cache
def stimulator_columns() -> pd.DataFrame:
    """Return what is known of the stimulators' patients on day 0, and their explants, by plain pandas."""
    _, tables, people, _ = stimulators()
    removals = plain.unreplaced(tables, people, "scs", "generator", 90)
    frame = plain.first_events(people, removals, 3650)
    frame["reason"] = plain.first_events(people, removals, 3650, "device")["status"]
    frame["dose"] = plain.Days(people, fills(), -90, -1).dose(-90, -1)
    frame["age"], frame["male"] = plain.certain_age(people), people["sex"].eq("male")
    therapies = tables["therapies"].query("therapy == 'gabapentinoid'")
    drug = plain.around(people, therapies)
    last = np.fmax(drug["day"], drug["end_date"] - drug["day0"])
    frame["gabapentinoid"] = plain.anyone(people, drug[(drug["day"] <= -1) & (last >= -365)])
    frame["depression"] = plain.with_condition(tables, people, "depression", -np.inf, -1)
    for attribute in ("smoking", "disability_pension"):
        mine = tables["attributes"].query("attribute == @attribute")
        assert mine["start_date"].isna().all()
        assert mine["end_date"].isna().all()
        frame[attribute] = people["patient_id"].map(mine.set_index("patient_id")["value"])
    surgery = plain.around(people, tables["surgeries"][tables["surgeries"]["region"].isin(plain.LUMBAR)])
    prior = surgery[(surgery["day"] <= -1) & ~surgery["staged"]].groupby("row").size()
    frame["operations"] = people["row"].map(prior).fillna(0)
    implants = plain.around(people, plain.of_device(tables, "scs", "generator", ["implant"])).query("day == 0")
    frame["rechargeable"] = people["row"].map(implants.groupby("row")["rechargeable"].first())
    return frame


@cache
def operated() -> tuple[Cohort, plain.Tables, pd.DataFrame, list[int], pd.DataFrame]:
    cohort = fbss.start_cohort(source("surgical"), index="lumbar_surgery", occurrence="first", look_back_days=365)
    cohort = fbss.require_age(cohort, at_least=18)
    cohort = fbss.require_no_prior(cohort, "lumbar_surgery", days=(-365, -1))
    cohort = fbss.add_surgery_history(fbss.add_operation(cohort), days=(None, -1))
    for condition in ("osteoporosis", "diabetes"):
        cohort = fbss.add_condition(cohort, condition, days=(None, -1))
    time_to = {"scope": "any_lumbar", "competing": "death", "until_days": 3650}
    cohort = fbss.add_time_to(cohort, "reoperation", **time_to)
    cohort = fbss.add_time_to(cohort, "reoperation", **time_to, by_reason=True, name="reoperation_by_reason")

    tables = read("surgical")
    surgeries = tables["surgeries"][tables["surgeries"]["region"].isin(plain.LUMBAR)]
    spans = tables["observation_periods"].query("domain == 'medical'").set_index("patient_id")
    begun, ended = (surgeries["patient_id"].map(spans[f"{edge}_date"]) for edge in ("start", "end"))
    seen = surgeries[(begun <= surgeries["date"] - 365) & (ended >= surgeries["date"])]
    everyone = started(tables, plain.first_of(seen))
    people, n = narrowed(
        tables,
        everyone,
        lambda p: plain.certain_age(p) >= 18,
        lambda p: ~plain.anyone(p, plain.around(p, surgeries).query("-365 <= day <= -1")),
    )
    frame = plain.first_events(people, plain.reoperations(tables, people), 3650)
    return cohort, tables, people, [len(tables["patients"]), len(everyone), *n], frame


@cache
def reoperated_by_reason() -> pd.DataFrame:
    _, tables, people, *_ = operated()
    return plain.first_events(people, plain.reoperations(tables, people), 3650, "surgery")


@cache
def trialled() -> tuple[Cohort, plain.Tables, pd.DataFrame, list[int], plain.Days]:
    cohort = fbss.start_cohort(source(), index="scs_trial", occurrence="first")
    cohort = fbss.require_age(cohort, at_least=18)
    cohort = fbss.require_fbss(cohort, definition="surgery_then_pain")
    cohort = fbss.require_observation(cohort, domain="pharmacy", days=(-365, -1))
    cohort = fbss.exclude_condition(cohort, "cancer", days=(-365, -1))
    for name, days in (("baseline", (-90, -1)), ("year_1", (276, 365)), ("year_2", (641, 730))):
        cohort = fbss.add_opioid_dose(cohort, DOSE, name=name, days=days, per="day_in_window")
    cohort = fbss.add_opioid_elimination(
        cohort, DOSE, until_days=730, competing="death", baseline_days=(-90, -1), at_days=(365,)
    )
    cohort = fbss.add_opioid_change(
        cohort, baseline="baseline", later="year_1", unit="percent", floor=20, at_least=50, name="halved"
    )

    tables = read("neuromodulation")
    devices = tables["device_events"]
    trials = devices[(devices["device"] == "scs") & (devices["event"] == "trial_start")]
    everyone = started(tables, plain.first_of(trials))
    people, n = narrowed(
        tables,
        everyone,
        lambda p: plain.certain_age(p) >= 18,
        lambda p: plain.operated_then_pain(tables, p),
        lambda p: plain.observed(p, "pharmacy", -365, -1),
        lambda p: ~plain.with_condition(tables, p, "cancer", -365, -1),
    )
    n = [len(tables["patients"]), len(everyone), *n]
    return cohort, tables, people, n, plain.Days(people, fills(), -90, int(people["pharmacy_end"].max()))


@cache
def matched() -> tuple[Cohort, list[Cohort], pd.DataFrame, plain.Days]:
    """Return the matched cohort, its steps, and the same rows by plain pandas: the draw itself is a draw."""
    drawn = fbss.start_matched_cohort(
        source(), index="scs_trial", eligibility="fbss_diagnosis", ratio=2, seed=20261120, within_calendar_days=365,
        treatments=("pump_trial",),
    )  # fmt: skip
    cohort = fbss.require_age(drawn, at_least=18)
    cohort = fbss.require_observation(cohort, domain="pharmacy", days=(-365, -1))
    cohort = fbss.add_opioid_trajectory(cohort, DOSE)
    for name, days in (("baseline", (-90, -1)), ("earlier", (-365, -91)), ("year_1", (276, 365))):
        cohort = fbss.add_opioid_dose(cohort, DOSE, name=name, days=days, per="day_in_window")
    cohort = fbss.add_opioid_change(
        cohort, baseline="baseline", later="year_1", unit="percent", floor=20, at_least=50, name="halved"
    )
    tables = read("neuromodulation")
    people = plain.people_of(tables, drawn.frame["patient_id"], drawn.index_days)
    people["group"] = drawn.frame["group"]
    keep = (plain.certain_age(people) >= 18) & plain.observed(people, "pharmacy", -365, -1)
    people = people[keep].reset_index(drop=True).assign(row=np.arange(keep.sum()))
    return cohort, [drawn], people, plain.Days(people, fills(), -365, 365)


@cache
def pumps() -> tuple[Cohort, plain.Tables, pd.DataFrame, list[int], plain.Days]:
    cohort = fbss.start_cohort(source(), index="pump_implant", occurrence="first")
    cohort = fbss.require_age(cohort, at_least=18)
    cohort = fbss.require_observation(cohort, domain="pharmacy", days=(-365, -1))
    tables = read("neuromodulation")
    everyone = started(tables, plain.first_of(plain.of_device(tables, "intrathecal_pump", "pump", ["implant"])))
    people, n = narrowed(
        tables,
        everyone,
        lambda p: plain.certain_age(p) >= 18,
        lambda p: plain.observed(p, "pharmacy", -365, -1),
    )
    n = [len(tables["patients"]), len(everyone), *n]
    return cohort, tables, people, n, plain.Days(people, fills(), -365, int(people["pharmacy_end"].max()) + 1900)
