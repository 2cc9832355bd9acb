"""The verbs of the four questions: what is recorded, what is refused and with which way out; see `spec/` too."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from spec.notation import build, parse

from fbss_analytics.cohort import Cohort
from fbss_analytics.cohort.matching import start_matched_cohort
from fbss_analytics.cohort.nouns import keep_rows
from fbss_analytics.cohort.prior import require_no_prior
from fbss_analytics.cohort.verbs import start_cohort
from fbss_analytics.endpoints import add_time_to
from fbss_analytics.endpoints.change import add_change, add_responder
from fbss_analytics.endpoints.elimination import add_opioid_elimination, add_opioid_relapse
from fbss_analytics.endpoints.onset import add_fbss_onset
from fbss_analytics.endpoints.opioid_change import add_joint_response, add_opioid_change
from fbss_analytics.endpoints.recurrent import add_recurrent
from fbss_analytics.endpoints.states import add_opioid_states
from fbss_analytics.errors import DataError, InputError
from fbss_analytics.exposure.category import add_dose_category
from fbss_analytics.exposure.covariates import add_measurement
from fbss_analytics.exposure.definition import DoseDefinition
from fbss_analytics.exposure.intrathecal import add_intrathecal_dose
from fbss_analytics.exposure.opioids import add_opioid_dose
from fbss_analytics.exposure.trajectory import add_opioid_trajectory
from fbss_analytics.sources.source import Source

Refused = Callable[..., None]
DOSE = DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
OTHER = DoseDefinition(factors="cdc_2016", overlap="concurrent", buprenorphine="exclude")
CHARTED = """
measurements
patient_id | date | measure            | value
a          | -20  | opioid_mme_per_day | 40
a          | -10  | opioid_mme_per_day | 20
a          | 20   | opioid_mme_per_day | 0
b          | 350  | opioid_mme_per_day | 10
"""
FILLS = """
dispensings
patient_id | date | days_supply
a          | -30  | 30
b          | -30  | 30
"""


def cohort_of(text: str, *, index: str = "scs_implant", implanted: bool = True) -> Cohort:
    """Return the cohort of tables of text."""
    return start_cohort(build(parse(text), implanted=implanted), index=index, occurrence="first")


def doses(cohort: Cohort, *, later: DoseDefinition = DOSE, per: str = "day_in_window") -> Cohort:
    """Return the cohort with a baseline and a later window of dose."""
    cohort = add_opioid_dose(cohort, DOSE, name="before", days=(-30, -1), per="day_in_window")
    return add_opioid_dose(cohort, later, name="after", days=(331, 360), per=per)


# Episodes


def pieces() -> Cohort:
    """Return three patients with recurrent events."""
    return add_recurrent(
        cohort_of("""
        device_events
        patient_id | date | component | event  | reason
        a          | 0    | lead      | revise | infection
        a          | 30   | lead      | revise |
        b          | 50   | lead      | revise | other
        c          | 10   | generator | reprogram |
        patients
        patient_id | birth_year | death_date
        b          | 1960       | 50
        observation_periods
        patient_id | start_date | end_date
        c          | 5          | 90
        """),
        "device_revision", competing="death", until_days=30, name="revisions",
    )  # fmt: skip


def test_pieces_of_follow_up_join_and_end_as_they_ended() -> None:
    frame = pieces().episodes("revisions").frame
    columns = ["patient_id", "start_day", "stop_day", "status", "events_before", "reason"]
    assert frame[columns].to_numpy(dtype=object).tolist() == [
        ["a", 0.0, 0.5, "event", 0, "infection"],
        ["a", 0.5, 30.0, "event", 1, None],
        ["b", 0.0, 30.0, "censored", 0, None],
        ["c", 4.5, 30.0, "censored", 0, None],
    ]
    assert {"age_years", "sex", "index_date"} <= set(frame)


def test_an_event_on_the_day_of_death_comes_before_it() -> None:
    cohort = add_recurrent(pieces(), "device_revision", competing="death", until_days=90, name="longer")
    frame = cohort.episodes("longer").frame
    mine = frame[frame["patient_id"] == "b"]
    assert mine[["start_day", "stop_day", "status"]].to_numpy().tolist() == [
        [0.0, 50.0, "event"],
        [50.0, 50.0, "death"],
    ]


def test_episodes_follow_the_rows_of_the_cohort() -> None:
    cohort = pieces()
    smaller = keep_rows(cohort, np.array([False, True, True]), "of two")
    frame = smaller.episodes("revisions").frame
    assert frame[["row", "patient_id"]].drop_duplicates().to_numpy().tolist() == [[0, "b"], [1, "c"]]
    assert smaller.episodes("revisions").cohort is smaller
    assert len(cohort.episodes("revisions")) == 4


def test_episodes_say_what_they_are(refused: Refused) -> None:
    cohort = pieces()
    episodes = cohort.episodes("revisions")
    assert episodes.sentence().startswith("4 intervals of 3 patients: pieces of follow-up")
    assert "death competes" in repr(episodes)
    assert "<table" in episodes._repr_html_()
    assert cohort.definitions == episodes.definitions
    refused(InputError, lambda: cohort.episodes("revision"), "Did you mean 'revisions'?")
    refused(InputError, lambda: cohort_of(FILLS).episodes("x"), "has none yet")


def test_a_name_is_given_once(refused: Refused) -> None:
    cohort = add_opioid_trajectory(cohort_of(FILLS), DOSE, months=(-1, 1))
    data = cohort.data.drop(columns=["opioids_months_observed", "opioids_months_using"])
    call = partial(add_opioid_trajectory, replace(cohort, data=data), DOSE, months=(-1, 1))
    refused(InputError, call, "already has episodes 'opioids'", "name=")


# Both kinds of dose, and none


def test_recorded_and_dispensed_doses_are_never_mixed(refused: Refused) -> None:
    cohort = cohort_of(FILLS + CHARTED)
    call = partial(add_opioid_trajectory, cohort, DOSE)
    refused(InputError, call, "2 dispensings and 4 charted doses", 'basis="dispensed" or basis="recorded"')
    cohort = add_opioid_dose(cohort, DOSE, name="filled", days=(-30, -1), per="day_in_window")
    cohort = add_measurement(cohort, "opioid_mme_per_day", days=(331, 360), take="mean", name="charted")
    change = partial(add_opioid_change, cohort, baseline="filled", later="charted", unit="mme_per_day")
    refused(InputError, change, "never mixed")


def test_charted_doses_by_month() -> None:
    cohort = add_opioid_trajectory(cohort_of(FILLS + CHARTED), None, months=(-1, 1), basis="recorded")
    frame = cohort.episodes("opioids").frame
    assert frame["state"].tolist() == ["using", "not_using", "unobserved", "unobserved"]
    assert frame["mme_per_day"].tolist()[:2] == [30.0, 0.0]
    assert frame["mme_per_day"].isna().tolist()[2:] == [True, True]
    assert cohort.frame["opioids_months_observed"].tolist() == [2, 0]


def test_charted_doses_have_a_change() -> None:
    cohort = cohort_of(CHARTED)
    cohort = add_measurement(cohort, "opioid_mme_per_day", days=(-30, -1), take="mean", name="then")
    cohort = add_measurement(cohort, "opioid_mme_per_day", days=(1, 30), take="mean", name="now")
    frame = add_opioid_change(cohort, baseline="then", later="now", unit="percent", floor=5, at_least=50).frame
    assert frame["opioid_change"].tolist()[0] == -100
    assert frame["opioid_change_outcome"].tolist() == ["reduced", None]


def test_a_basis_needs_its_data_and_its_definition(refused: Refused) -> None:
    fills = cohort_of(FILLS)
    refused(DataError, partial(add_opioid_trajectory, fills, None, basis="recorded"), "2 dispensings", "dispensed")
    refused(InputError, partial(add_opioid_trajectory, fills, None), "takes a DoseDefinition")
    charts = cohort_of(CHARTED)
    refused(InputError, partial(add_opioid_trajectory, charts, DOSE), "takes no dose definition")
    refused(InputError, partial(add_opioid_trajectory, fills, DOSE, months=(0, 0)), "no month")


@pytest.mark.parametrize(
    "call",
    [
        partial(add_opioid_trajectory, dose=DOSE),
        partial(add_opioid_elimination, dose=DOSE, until_days=365, competing=None, baseline_days=None),
        partial(add_opioid_states, dose=DOSE, until_days=365, unobserved="state", device=None),
    ],
)
def test_without_pharmacy_observation_nothing_is_zero(call: Any, refused: Refused) -> None:
    periods = "observation_periods\npatient_id | start_date | end_date | domain\n"
    cohort = cohort_of(FILLS + periods + "a | -900 | 900 | medical\nb | -900 | 900 | medical")
    refused(DataError, lambda: call(cohort), "needs pharmacy observation", 'basis="recorded"')
    refused(DataError, lambda: call(cohort_of(CHARTED + "conditions\npatient_id | date | condition\na | 1 | fbss"),
                                    **({"basis": "dispensed"} if call.func is add_opioid_trajectory else {})),
            "needs dispensings")  # fmt: skip


def test_unknown_doses_are_use_without_a_dose() -> None:
    cohort = cohort_of("""
    dispensings
    patient_id | date | ingredient | form      | route       | strength_unit | days_supply
    a          | -30  | nalbuphine | injection | intravenous | mg            | 30
    """)
    frame = add_opioid_trajectory(cohort, DOSE, months=(-1, -1)).episodes("opioids").frame
    assert frame["state"].tolist() == ["using"]
    assert frame["mme_per_day"].isna().all()
    assert frame["share_unknown"].tolist() == [1.0]


def test_nobody_with_a_fill_is_free_and_not_unknown() -> None:
    source = build(
        parse("""
        device_events
        patient_id | date | event
        a          | 0    | implant
        dispensings
        patient_id | date | days_supply
        b          | -30  | 30
        """),
        implanted=False,
    )
    cohort = start_cohort(source, index="scs_implant", occurrence="first")
    cohort = add_opioid_elimination(cohort, DOSE, until_days=365, competing=None, baseline_days=None, at_days=(30,))
    assert cohort.frame["opioid_elimination_state_at_30"].tolist() == ["eliminated"]
    assert cohort.frame["opioid_elimination_days"].tolist() == [1.0]


# Wrong use


def test_percent_needs_a_floor(refused: Refused) -> None:
    cohort = doses(cohort_of(FILLS))
    percent = partial(add_opioid_change, cohort, baseline="before", later="after", unit="percent")
    refused(InputError, percent, "needs floor=", "floor=5")
    refused(InputError, partial(percent, floor=0), "needs floor=")
    points = partial(add_opioid_change, cohort, baseline="before", later="after", unit="mme_per_day")
    refused(InputError, partial(points, floor=5), "floor= belongs to")
    refused(InputError, partial(points, at_least=0), "no improvement")
    assert add_opioid_change(cohort, baseline="before", later="after", unit="mme_per_day").frame[
        "opioid_change"
    ].tolist() == [-10.0, -10.0]


def test_windows_must_be_there_and_alike(refused: Refused) -> None:
    cohort = doses(cohort_of(FILLS), later=OTHER)
    change = partial(add_opioid_change, unit="mme_per_day")
    refused(InputError, partial(change, cohort, baseline="befor", later="after"), "Did you mean 'before'?")
    refused(InputError, partial(change, cohort, baseline="before", later="after"), "differ in factors")
    turned = doses(cohort_of(FILLS))
    refused(InputError, partial(change, turned, baseline="after", later="before"), "must begin after")
    other = doses(cohort_of(FILLS), per="maximum_day")
    refused(InputError, partial(change, other, baseline="before", later="after"), "differ in per")


def test_a_change_is_between_windows_with_both_ends(refused: Refused) -> None:
    cohort = cohort_of(CHARTED)
    cohort = add_measurement(cohort, "opioid_mme_per_day", days=(None, -1), take="mean", name="ever")
    cohort = add_measurement(cohort, "opioid_mme_per_day", days=(1, 30), take="mean", name="now")
    change = partial(add_opioid_change, cohort, baseline="ever", later="now", unit="mme_per_day")
    refused(InputError, change, "both ends")


def test_changes_of_scores(refused: Refused) -> None:
    cohort = cohort_of("measurements\npatient_id | date | measure | value\na | -1 | nrs_leg | 5\na | 9 | bmi | 30")
    scores = partial(add_change, cohort, baseline_days=(-9, -1), take="last")
    refused(InputError, partial(scores, "nrs_leg", days=(-1, 9)), "must begin after")
    cohort = scores("bmi", days=(1, 9))
    refused(InputError, partial(add_responder, cohort, "bmi_chang", at_least=1, unit="points"), "'bmi_change'?")
    refused(InputError, partial(add_responder, cohort, "bmi_change", at_least=1, unit="points"), "neither higher nor")
    with_doses = add_opioid_change(doses(cohort_of(FILLS)), baseline="before", later="after", unit="mme_per_day")
    responder = partial(add_responder, with_doses, "opioid_change", at_least=1, unit="points")
    refused(InputError, responder, "no change of a measure", "add_opioid_change")
    joint = partial(add_joint_response, with_doses, reduction="opioid_change", pain="opioid_change")
    refused(InputError, joint, "does not say who is reduced")
    reduced = add_opioid_change(with_doses, baseline="before", later="after", unit="mme_per_day", at_least=1, name="r")
    refused(InputError, partial(add_joint_response, reduced, reduction="r", pain="r"), "no change of nrs_back")


def test_a_higher_score_may_be_better() -> None:
    cohort = cohort_of("measurements\npatient_id | date | measure | value\na | -1 | eq5d | 0.5\na | 9 | eq5d | 0.7")
    cohort = add_change(cohort, "eq5d", baseline_days=(-9, -1), days=(1, 9), take="last")
    assert add_responder(cohort, "eq5d_change", at_least=0.2, unit="points").frame[
        "eq5d_change_responder"
    ].tolist() == [True]


def test_elimination_and_relapse_refuse(refused: Refused) -> None:
    cohort = cohort_of(FILLS)
    made = partial(add_opioid_elimination, until_days=365, competing=None, baseline_days=None)
    refused(InputError, partial(made, cohort, DOSE, at_days=(0,)), "at_days=0")
    refused(InputError, partial(made, cohort, DOSE, free_days=0), "free_days=0")
    refused(InputError, partial(made, cohort, "cdc"), "is a DoseDefinition")
    refused(InputError, partial(made, cohort, DOSE, until_days=0), "until_days=0")
    refused(InputError, partial(made, cohort, DOSE, competing="deth"), "Did you mean 'death'?")
    cohort = made(cohort, DOSE)
    relapse = partial(add_opioid_relapse, cohort, until_days=9, competing=None)
    refused(InputError, partial(relapse, OTHER, least_days=1), "another DoseDefinition")
    refused(InputError, partial(relapse, DOSE, least_days=0), "least_days=0")
    refused(InputError, partial(relapse, DOSE, least_days=1, elimination="x"), "no outcome 'x'")


@pytest.mark.parametrize("bands", [(50, 20), (0, 50), ()])
def test_edges_must_rise_from_above_0(bands: tuple[float, ...], refused: Refused) -> None:
    cohort = doses(cohort_of(FILLS))
    refused(InputError, partial(add_dose_category, cohort, "before", bands=bands), "above 0 in rising order")


def test_bands_by_name_or_by_edges(refused: Refused) -> None:
    cohort = doses(cohort_of(FILLS + "patients\npatient_id | birth_year | death_date\nb | 1960 | 340"))
    refused(InputError, partial(add_dose_category, cohort, "befor", bands="cdc"), "Did you mean 'before'?")
    refused(InputError, partial(add_dose_category, cohort, "before", bands="adil"), "Did you mean 'adil2020'?")
    cohort = add_dose_category(cohort, "before", bands=(10,))
    cohort = add_dose_category(cohort, "after", bands="cdc")
    assert cohort.frame["before_category"].tolist() == ["[10, inf)"] * 2
    assert cohort.frame["after_category"].tolist() == ["0", "dead"]
    assert cohort.definitions[-2].arguments["labels"] == ("0", "(0, 10)", "[10, inf)", "dead")


def test_clocks_refuse(refused: Refused) -> None:
    cohort = cohort_of(FILLS)
    explant = partial(add_time_to, cohort, "explant", competing=None, until_days=9)
    refused(InputError, partial(explant, clock="component"), "needs component=", "'generator' or 'lead'")
    refused(InputError, partial(explant, clock="component", component="pump"), "component='pump'")
    refused(InputError, partial(explant, clock="system", component="lead"), "component= belongs to")
    refused(InputError, partial(explant, clock="system", definition="any_removal"), "takes no definition")
    refused(InputError, partial(explant, clock="system", scope="any_lumbar"), "takes no scope")
    refused(InputError, partial(explant, clock="system", device="intrathecal_pump"), 'index="pump_implant"')
    refused(DataError, partial(explant, clock="component", component="lead"), "No lead", 'clock="therapy"')
    fills = start_cohort(cohort.source, index="opioid_dispensing", occurrence="first")
    therapy = partial(add_time_to, fills, "explant", competing=None, until_days=9, clock="therapy")
    refused(InputError, partial(therapy, definition="any_removal"), 'device="scs"')
    assert therapy(definition="any_removal", device="scs").outcome("explant").until_days == 9


def test_a_lead_that_came_later_is_not_the_one_of_day_0() -> None:
    cohort = cohort_of("""
    device_events
    patient_id | date | component | event   | component_id
    a          | 0    | lead      | implant | 1
    a          | 40   | lead      | implant | 2
    a          | 60   | lead      | explant | 2
    b          | 0    | lead      | implant |
    b          | 60   | lead      | explant | 2
    """)
    frame = add_time_to(cohort, "explant", clock="component", component="lead", competing=None, until_days=90).frame
    assert frame["explant_status"].tolist() == ["censored", "event"]


SURGERY = "surgeries\npatient_id | date | levels_n\na | 0 | 2\na | 90 | 1\n"


def test_reoperation_refuses(refused: Refused) -> None:
    counts = cohort_of(SURGERY, index="lumbar_surgery", implanted=False)
    again = partial(add_time_to, counts, "reoperation", competing="death", until_days=365)
    refused(InputError, again, "needs scope=", "any_lumbar")
    refused(InputError, partial(again, scope="any_lumber"), "Did you mean 'any_lumbar'?")
    refused(InputError, partial(again, scope="any_lumbar", clock="therapy"), "takes no clock")
    refused(DataError, partial(again, scope="index_level"), "not ascertainable", 'scope="any_lumbar"')
    implanted = cohort_of(SURGERY)
    level = partial(add_time_to, implanted, "reoperation", competing="death", until_days=365, scope="index_level")
    refused(InputError, level, "day 0 is 'scs_implant'", 'index="lumbar_surgery"')
    without = cohort_of(FILLS)
    call = partial(add_time_to, without, "reoperation", competing="death", until_days=365, scope="any_lumbar")
    refused(DataError, call, "Reoperation needs surgeries")
    refused(InputError, partial(add_recurrent, counts, "reoperation", competing=None, until_days=9), "needs scope=")
    scoped = partial(add_recurrent, counts, "lumbar_surgery", competing=None, until_days=9, scope="any_lumbar")
    refused(InputError, scoped, "takes no scope")
    refused(InputError, partial(add_recurrent, counts, "death", competing="death", until_days=9), "with itself")


@pytest.mark.parametrize(
    ("levels", "other", "adjacent"),
    [("L4/5", "L3-4", True), ("l4-l5", "L5-S1", True), ("T12-L1", "L1-L2", True), ("L3-S1", "L2-L3", True),
     ("L3-L5", "L5-S1", True), ("L4-L5", "L1-L2", False)],
)  # fmt: skip
def test_ways_to_write_levels(levels: str, other: str, adjacent: bool) -> None:
    text = f"surgeries\npatient_id | date | levels\na | 0 | {levels}\na | 9 | {other}"
    cohort = cohort_of(text, index="lumbar_surgery", implanted=False)
    cohort = add_time_to(cohort, "reoperation", scope="adjacent_level", competing=None, until_days=90)
    assert cohort.frame["reoperation_status"].tolist() == ["event" if adjacent else "censored"]


@pytest.mark.parametrize("unclear", ["L4", "L5-L4", "two levels", "L4-L9", "L4-L5;?"])
def test_levels_that_are_not_clear_are_not_guessed(unclear: str) -> None:
    text = f"surgeries\npatient_id | date | levels\na | 0 | L4-L5\na | 9 | {unclear}"
    cohort = cohort_of(text, index="lumbar_surgery", implanted=False)
    frame = add_time_to(cohort, "reoperation", scope="index_level", competing=None, until_days=90).frame
    assert (frame["reoperation_status"][0], frame["reoperation_days"][0]) == ("censored", 9.0)
    assert not frame["reoperation_is_ascertained"][0]
    counted = add_recurrent(cohort, "reoperation", scope="index_level", competing=None, until_days=90).frame
    assert (counted["reoperation_count"][0], counted["reoperation_followed_days"][0]) == (0.0, 9.0)


def test_onset_refuses(refused: Refused) -> None:
    operated = cohort_of(SURGERY + "conditions\npatient_id | date | condition\na | 9 | fbss", index="lumbar_surgery",
                         implanted=False)  # fmt: skip
    onset = partial(add_fbss_onset, operated, competing="death")
    refused(InputError, partial(onset, definition="code"), "needs at_days=", "(183, 365, 730)")
    refused(InputError, partial(onset, definition="code", at_days=(0,)), "from 1 on")
    refused(InputError, partial(onset, definition="weir2017", at_days=(365,)), "leave at_days= out")
    frame = onset(definition="code", at_days=(8, 9)).frame
    assert frame[["fbss_onset_by_8", "fbss_onset_by_9"]].to_numpy().tolist() == [[False, True]]
    refused(
        InputError, partial(add_fbss_onset, cohort_of(FILLS), definition="weir2017", competing=None), "'scs_implant'"
    )


def test_a_cohort_without_pumps(refused: Refused) -> None:
    cohort = cohort_of(FILLS)
    refused(DataError, partial(start_cohort, cohort.source, index="pump_implant", occurrence="first"), "pump_implant")
    dose = partial(add_intrathecal_dose, cohort, "morphine", unit="mg", at_days=(30,))
    refused(DataError, dose, "needs intrathecal_doses", "dispensings (2)")
    pumps = cohort_of("intrathecal_doses\npatient_id | date | ingredient | dose_per_day | unit | system_id\n"
                      "a | 1 | ziconotide | 2 | mcg | 1")  # fmt: skip
    refused(DataError, partial(add_intrathecal_dose, pumps, "morphine", unit="mg", at_days=(30,)), "ziconotide (1)")
    refused(InputError, partial(add_intrathecal_dose, pumps, "morphine", unit="g", at_days=(30,)), "unit='g'")
    refused(InputError, partial(add_intrathecal_dose, pumps, "morphine", unit="mg", at_days=()), "names no day")
    long = add_intrathecal_dose(pumps, "ziconotide", unit="mcg", at_days=(0, 1)).episodes("intrathecal_ziconotide")
    assert long.frame[["day", "state"]].to_numpy().tolist() == [[0, "no_pump"], [1, "in_force"]]


def test_doses_of_a_source_without_device_events() -> None:
    text = SURGERY + "intrathecal_doses\npatient_id | date | ingredient | dose_per_day | unit | system_id\n"
    cohort = cohort_of(text + "a | 1 | morphine | 2 | mg | 1", index="lumbar_surgery", implanted=False)
    assert "device_events" not in cohort.source.tables
    frame = add_intrathecal_dose(cohort, "morphine", unit="mcg", at_days=(9,)).frame
    assert frame["intrathecal_morphine_mcg_per_day_at_9"].tolist() == [2000.0]
    again = add_time_to(cohort, "reoperation", scope="any_lumbar", competing=None, until_days=365).frame
    assert again["reoperation_days"].tolist() == [90.0]


def test_what_is_prior(refused: Refused) -> None:
    cohort = cohort_of(FILLS)
    refused(InputError, partial(require_no_prior, cohort, "scs_trial", days=(-9, 0)), "before day 0")
    refused(DataError, partial(require_no_prior, cohort, "lumbar_surgery", days=(-9, -1)), "needs surgeries")
    refused(DataError, partial(require_no_prior, cohort, "opioid_dispensing", days=(-90, -1)), "Nobody is left")


def test_a_look_back_must_be_there(refused: Refused) -> None:
    source = build(parse(SURGERY), implanted=False)
    start = partial(start_cohort, source, index="lumbar_surgery", occurrence="first")
    refused(InputError, partial(start, look_back_days=-1), "look_back_days=-1")
    refused(DataError, partial(start, look_back_days=9000), "No lumbar operation has 9,000 observed days", "shorten")
    words = start(look_back_days=0).attrition.frame["words"].tolist()
    assert words[1] == "with a lumbar operation after at least 0 observed days"


def test_states_of_a_device() -> None:
    cohort = cohort_of("""
    device_events
    patient_id | date | event   | system_id
    a          | 100  | explant | 1
    a          | 300  | implant | 2
    b          | 100  | explant | 1
    b          | 190  | implant | 2
    dispensings
    patient_id | date | days_supply
    a          | -30  | 60
    b          | -30  | 10
    patients
    patient_id | birth_year | death_date
    b          | 1960       | 250
    observation_periods
    patient_id | start_date | end_date
    a          | -900       | 364
    """)
    states = partial(add_opioid_states, cohort, DOSE, until_days=400, device="scs", within_days=90)
    frame = states(unobserved="state").episodes("opioid_states").frame
    assert frame[["patient_id", "start_day", "stop_day", "state"]].to_numpy().tolist() == [
        ["a", 0, 44, "on stimulator and using"],
        ["a", 44, 100, "on stimulator and free"],
        ["a", 100, 300, "stimulator out"],
        ["a", 300, 351, "on stimulator and free"],
        ["a", 351, 400, "unobserved"],
        ["b", 0, 250, "on stimulator and free"],
        ["b", 250, 400, "dead"],
    ]
    cut = states(unobserved="censored").episodes("opioid_states").frame
    assert cut[["patient_id", "stop_day"]].drop_duplicates("patient_id", keep="last").to_numpy().tolist() == [
        ["a", 350], ["b", 400],
    ]  # fmt: skip


def test_a_failed_implant_is_out_from_day_0() -> None:
    cohort = cohort_of(FILLS + "device_events\npatient_id | date | event | system_id\na | 0 | explant | 1")
    cohort = add_opioid_states(cohort, DOSE, until_days=30, unobserved="state", device="scs", within_days=90)
    frame = cohort.episodes("opioid_states").frame
    assert frame.loc[frame["patient_id"] == "a", "state"].tolist() == ["stimulator out"]


def test_states_need_device_and_days_together(refused: Refused) -> None:
    call = partial(add_opioid_states, cohort_of(FILLS), DOSE, until_days=9, unobserved="state")
    refused(InputError, partial(call, device="scs"), "go together")
    refused(InputError, partial(call, device=None, within_days=9), "go together")
    refused(InputError, partial(call, device="pump", within_days=9), "device='pump'")


# Comparators

ELIGIBLE = """
conditions
patient_id | date | condition
case 1     | 0    | fbss
case 2     | 100  | fbss
later      | 0    | fbss
never      | 50   | fbss
dies       | 0    | fbss
leaves     | 0    | fbss
before     | 0    | fbss
same day   | 0    | fbss
device_events
patient_id | date | component | event
case 1     | 30   | system    | trial_start
case 2     | 130  | system    | trial_start
later      | 40   | system    | trial_start
before     | -9   | system    | trial_start
same day   | 30   | system    | trial_start
patients
patient_id | birth_year | death_date
dies       | 1960       | 29
observation_periods
patient_id | start_date | end_date
leaves     | -900       | 29
"""


def matched(source: Source, **changed: Any) -> pd.DataFrame:
    """Return the rows of a matched cohort."""
    arguments: dict[str, Any] = {
        "index": "scs_trial", "eligibility": "fbss_diagnosis", "ratio": 9, "seed": 3, "within_calendar_days": None,
    }  # fmt: skip
    return start_matched_cohort(source, **arguments | changed).frame


def test_comparators_come_from_the_risk_set() -> None:
    source = build(parse(ELIGIBLE), implanted=False)
    cohort = start_matched_cohort(
        source, index="scs_trial", eligibility="fbss_diagnosis", ratio=9, seed=3, within_calendar_days=None
    )
    frame = cohort.frame
    sets = {
        str(each.loc[each["group"] == "treated", "patient_id"].item()): sorted(
            each.loc[each["group"] == "comparator", "patient_id"]
        )
        for _, each in frame.groupby("matched_set")
    }
    assert sets == {
        "case 1": ["later", "never"], "case 2": ["later", "never"], "same day": ["later", "never"], "later": ["never"],
    }  # fmt: skip
    assert set(frame.loc[frame["group"] == "comparator", "days_since_eligibility"]) == {30.0, 40.0}
    later = frame[(frame["patient_id"] == "later") & (frame["group"] == "comparator")]
    assert set(later["later_treatment_days"]) == {10.0}
    assert cohort.unit == "matched row"
    assert cohort.attrition.frame["n_after"].tolist() == [8, 8, 7, len(frame)]


def test_the_draw_repeats_and_is_bounded_by_ratio_and_calendar() -> None:
    source = build(parse(ELIGIBLE), implanted=False)
    one = matched(source, ratio=1)
    pd.testing.assert_frame_equal(one, matched(source, ratio=1))
    assert one["group"].value_counts().to_dict() == {"treated": 4, "comparator": 4}
    assert set(matched(source, ratio=1, seed=4)["patient_id"]) <= set(matched(source)["patient_id"])
    near = matched(source, within_calendar_days=50)
    pairs = near.assign(first=near.groupby("matched_set")["index_date"].transform("first"))
    assert (pairs["index_date"] - pairs["first"]).abs().dt.days.max() == 50


def test_another_treatment_ends_being_untreated() -> None:
    text = ELIGIBLE.replace("same day   | 30   | system    | trial_start", "never | 70 | generator | implant")
    source = build(parse(text), implanted=False)
    assert "never" in set(matched(source)["patient_id"])
    assert "never" not in set(matched(source, treatments=("scs_implant",))["patient_id"])


def test_matching_refuses(refused: Refused) -> None:
    source = build(parse(ELIGIBLE), implanted=False)
    refused(InputError, partial(matched, source, ratio=0), "ratio=0")
    refused(InputError, partial(matched, source, within_calendar_days=-1), "within_calendar_days=-1")
    shifted = replace(source, calendar="shifted")
    refused(InputError, partial(matched, shifted, within_calendar_days=90), "shifted", "within_calendar_days=None")
    assert len(matched(shifted)) > 0
    refused(InputError, partial(matched, source, index="scs_trail"), "Did you mean 'scs_trial'?")
    refused(DataError, partial(matched, source, index="pump_trial"), "treated group is empty")
    lines = ("conditions", "patient_id | date | condition", "a | 0 | fbss", "device_events")
    lines += ("patient_id | date | component | event", "a | 9 | system | trial_start")
    alone = build(parse("\n".join(lines)), implanted=False)
    refused(DataError, partial(matched, alone), "comparator group is empty")
