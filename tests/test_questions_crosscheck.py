"""The notebooks' main numbers on the committed cohorts, recomputed by engines the verbs do not call.

`crosscheck.py` reads the Parquet files by pandas and works day by day, `crosscheck_estimates.py` estimates by plain
loops and fits regressions by statsmodels or by Newton steps written out, and `crosscheck_cohorts.py` has each cohort
twice. Everything agrees to 1e-6, absolute or relative, Cox models included: the library maximises by a kernel of its
own, statsmodels by its `PHReg` (Efron) on standardised columns, and both stop where the gradient is gone.

What is a draw (which comparators are drawn in question 2) is taken from the library and held to the rules of the draw.
"""

from __future__ import annotations

from typing import Any

import crosscheck as plain
import crosscheck_estimates as estimates
import numpy as np
import pandas as pd
import pytest
from crosscheck_cohorts import (
    DOSE,
    EXPLANT,
    SYNTHETIC,
    matched,
    operated,
    pumps,
    read,
    reoperated_by_reason,
    stimulator_columns,
    stimulators,
    trialled,
)

import fbss_analytics as fbss
from fbss_analytics.cohort import Cohort

pytestmark = [
    pytest.mark.skipif(
        not all((SYNTHETIC / name / "patients.parquet").exists() for name in ("neuromodulation", "surgical")),
        reason="the repository's cohorts are not there",
    ),
    # Rows left out for a missing value are the notebooks' business; the numbers of rows are compared here.
    pytest.mark.filterwarnings("ignore::fbss_analytics.errors.StudyWarning"),
]


def near(expected: Any, tolerance: float = 1e-6) -> Any:
    return pytest.approx(np.asarray(expected, dtype=float).tolist(), rel=tolerance, abs=tolerance, nan_ok=True)


def listed(values: Any) -> list[Any]:
    return np.asarray(values, dtype=float).tolist()


def sizes(cohort: Cohort) -> list[int]:
    return [step.n_after for step in cohort.attrition.steps]


def at(curve: fbss.Curve, causes: list[str], horizons: list[int]) -> list[list[float]]:
    """Return the estimates of some causes at some days, a list for each cause."""
    table = curve.at(horizons).pivot(index="cause", columns="horizon_days", values="estimate")
    return listed(table.loc[causes, horizons].to_numpy())


def same_outcome(cohort: Cohort, name: str, expected: pd.DataFrame) -> None:
    """Compare days, status and entry patient by patient."""
    frame = cohort.frame
    assert listed(frame[f"{name}_days"]) == near(expected["days"])
    assert frame[f"{name}_status"].fillna("unobserved").tolist() == expected["status"].tolist()
    assert listed(frame[f"{name}_entry_days"]) == near(expected["entry"].where(expected["days"].notna()))


def same_people(cohort: Cohort, people: pd.DataFrame) -> None:
    assert cohort.frame["patient_id"].tolist() == people["patient_id"].tolist()
    assert listed(cohort.index_days) == near(people["day0"])


# --- 03: explant of a stimulator


def explant_design(frame: pd.DataFrame) -> dict[str, Any]:
    return {
        **estimates.spline(frame["dose"], 4), "age": frame["age"], "male": frame["male"],
        "gabapentinoid": frame["gabapentinoid"], "depression": frame["depression"],
        "current": frame["smoking"].eq("current"), "former": frame["smoking"].eq("former"),
        "pension": frame["disability_pension"].eq("yes"), "operations": frame["operations"],
        "rechargeable": frame["rechargeable"].astype(bool),
    }  # fmt: skip


def test_03_the_cohort_is_the_same_after_every_step() -> None:
    cohort, _, people, n = stimulators()
    assert sizes(cohort) == n
    same_people(cohort, people)


def test_03_baseline_dose_of_every_patient() -> None:
    cohort, *_ = stimulators()
    assert listed(cohort.frame["baseline_mme_per_day"]) == near(stimulator_columns()["dose"])


def test_03_time_to_explant_of_every_patient() -> None:
    cohort, *_ = stimulators()
    found = stimulator_columns()
    same_outcome(cohort, "explant", found)
    same_outcome(cohort, "explant_by_reason", found.assign(status=found["reason"]))


def test_03_cumulative_incidence_of_explant() -> None:
    cohort, *_ = stimulators()
    found, horizons = stimulator_columns(), [365, 730, 1095, 1825, 3650]
    risk = fbss.estimate_cumulative_incidence(cohort, outcome="explant")
    assert at(risk, ["event", "death"], horizons) == [
        near(line) for line in estimates.incidence(found, horizons, ["event", "death"])
    ]
    causes = [*cohort.outcome("explant_by_reason").causes, "death"]
    by_reason = fbss.estimate_cumulative_incidence(cohort, outcome="explant_by_reason")
    expected = estimates.incidence(found.assign(status=found["reason"]), horizons, causes)
    assert at(by_reason, causes, horizons) == [near(line) for line in expected]


def test_03_four_definitions_of_explant() -> None:
    cohort, tables, people, _ = stimulators()
    rest = {"clock": "therapy", "competing": "death", "until_days": 3650}
    removed = plain.around(people, plain.of_device(tables, "scs", "generator", ["explant"])).query("day >= 0")
    devices = tables["device_events"]
    revised = plain.around(people, devices[(devices["device"] == "scs") & (devices["event"] == "revise")])
    failed = pd.concat([removed, revised.query("day >= 0")]).query("reason == 'inadequate_relief'")
    stopped = plain.around(people, devices[(devices["device"] == "scs") & (devices["event"] == "stop_use")])
    counted = plain.unreplaced(tables, people, "scs", "generator", 90)
    for name, event, arguments, found in (
        ("any_removal", "explant", {"definition": "any_removal"}, removed),
        ("failure", "explant", {"definition": "removal_or_revision_for_inadequate_relief"}, failed),
        ("with_reason", "explant", {"definition": "with_reason", "within_days": 90},
         counted[counted["reason"] != "unknown"]),
        ("or_non_use", "explant_or_non_use", {"definition": "without_replacement", "within_days": 90},
         pd.concat([counted, stopped.query("day >= 0")])),
    ):  # fmt: skip
        ours = fbss.add_time_to(cohort, event, **arguments, **rest, name=name)
        same_outcome(ours, name, plain.first_events(people, found, 3650))
    # Removals after which observation, and life, ended before 90 days without a new system, censored at removal.
    ours = fbss.add_time_to(
        cohort, "explant", definition="without_replacement", **EXPLANT, unascertained="censored", name="ascertained"
    )
    found = plain.first_events(people, counted, 3650)
    seen = people["medical_end"] >= np.minimum(found["days"] + 90, people["death"])
    unsure = (found["status"] == "event") & ~seen
    assert unsure.any()
    same_outcome(ours, "ascertained", found.assign(status=found["status"].mask(unsure, "censored")))


def test_03_cox_models_of_explant() -> None:
    cohort, *_ = stimulators()
    frame = stimulator_columns()
    frame = frame[frame.notna().all(axis=1)]
    adjusted = fbss.fit_cox(
        cohort, outcome="explant",
        formula="rcs(baseline_mme_per_day, 4) + age_years + sex + has_gabapentinoid + has_depression"
        " + C(smoking, Treatment('never')) + disability_pension + prior_lumbar_surgeries + is_rechargeable",
    )  # fmt: skip
    coefficients, errors = estimates.cox(frame["days"], frame["status"] == "event", explant_design(frame))
    assert (adjusted.n, adjusted.events) == (len(frame), frame["status"].eq("event").sum())
    assert listed(adjusted.coefficients["coefficient"]) == near(coefficients)
    assert listed(adjusted.coefficients["std_error"]) == near(errors)
    alone = fbss.fit_cox(cohort, outcome="explant", formula="rcs(baseline_mme_per_day, 4)")
    frame = stimulator_columns().dropna(subset=["dose", "days"])
    coefficients, errors = estimates.cox(frame["days"], frame["status"] == "event", estimates.spline(frame["dose"], 4))
    assert alone.n == len(frame)
    assert listed(alone.coefficients["coefficient"]) == near(coefficients)
    assert listed(alone.coefficients["std_error"]) == near(errors)


# --- 06: reoperation


def test_06_the_cohort_is_the_same_after_every_step() -> None:
    cohort, _, people, n, _ = operated()
    assert sizes(cohort) == n
    same_people(cohort, people)


def test_06_time_to_reoperation_of_every_patient() -> None:
    cohort, _, _, _, found = operated()
    same_outcome(cohort, "reoperation", found)
    same_outcome(cohort, "reoperation_by_reason", reoperated_by_reason())


def test_06_cumulative_incidence_of_reoperation() -> None:
    cohort, _, _, _, found = operated()
    horizons = [30, 90, 365, 730, 1825, 3650]
    risk = fbss.estimate_cumulative_incidence(cohort, outcome="reoperation")
    expected = estimates.incidence(found, horizons, ["event", "death"])
    assert at(risk, ["event", "death"], horizons) == [near(line) for line in expected]


def test_06_rates_by_reason_and_window() -> None:
    cohort, *_ = operated()
    found = reoperated_by_reason()
    rates = fbss.estimate_rates(cohort, outcome="reoperation_by_reason", cuts=(90, 730)).frame
    windows = {"days 0-90": (0, 90), "days 91-730": (90, 730), "after day 730": (730, np.inf)}
    for cause, window, events, years, estimate in rates[
        ["cause", "window", "events", "patient_years", "estimate"]
    ].itertuples(index=False):
        low, high = windows[window]
        at_risk = (found["days"].clip(upper=high) - low).clip(lower=0).sum() / 365.25
        inside = found[(found["status"] == cause) & (found["days"] > low) & (found["days"] <= high)]
        assert (events, years, estimate) == (len(inside), near(at_risk), near(len(inside) / at_risk))
    assert set(rates["cause"]) == set(found["status"]) - {"censored"}


def test_06_hazard_ratios_by_period() -> None:
    cohort, tables, people, _, found = operated()
    surgery = plain.around(people, tables["surgeries"][tables["surgeries"]["region"].isin(plain.LUMBAR)])
    today = surgery[surgery["day"] == 0]
    assert today.groupby("row")["levels_n"].nunique().max() == 1, "several operations on one day need a rule here"
    prior = surgery[(surgery["day"] <= -1) & ~surgery["staged"]].groupby("row").size()
    columns = {
        "osteoporosis": plain.with_condition(tables, people, "osteoporosis", -np.inf, -1),
        "diabetes": plain.with_condition(tables, people, "diabetes", -np.inf, -1),
        "multilevel": people["row"].map(today.groupby("row")["levels_n"].first()) >= 2,
        "prior": people["row"].map(prior).fillna(0),
        "age": plain.certain_age(people),
        "male": people["sex"].eq("male"),
    }
    fit = fbss.fit_cox(
        cohort, outcome="reoperation", periods=(90, 730),
        formula="has_osteoporosis + has_diabetes + is_multilevel + prior_lumbar_surgeries + age_years + sex",
    )  # fmt: skip
    assert found["entry"].eq(0).all()
    days = found["days"]
    for part, (low, high) in zip(fit.parts, [(0, 90), (90, 730), (730, np.inf)], strict=True):
        # The pieces (low, high] of all who are followed into the period; every other period has parameters of its own.
        mine = days > low
        happened = (found["status"] == "event") & (days <= high)
        piece = {name: np.asarray(column)[mine] for name, column in columns.items()}
        coefficients, errors = estimates.cox(days[mine].clip(upper=high), happened[mine], piece)
        assert listed(part.coefficients["coefficient"]) == near(coefficients)
        assert listed(part.coefficients["std_error"]) == near(errors)


def test_06_mean_number_of_reoperations() -> None:
    cohort, tables, people, *_ = operated()
    horizons = [30, 90, 365, 730, 1825, 3650]
    ours = fbss.add_recurrent(
        cohort, "reoperation", scope="any_lumbar", until_days=3650, competing="death", name="reoperations"
    )
    count = fbss.estimate_mean_cumulative_count(ours.episodes("reoperations"), terminal="death", outcome="reoperations")
    expected = estimates.mean_count(people, plain.reoperations(tables, people), horizons, 3650)
    assert at(count, ["reoperations"], horizons) == [near(expected)]


def test_06_coded_fbss() -> None:
    cohort, tables, people, *_ = operated()
    horizons = [183, 365, 730]
    ours = fbss.add_fbss_onset(cohort, definition="code", competing="death", at_days=(183, 365, 730))
    diagnosed = plain.around(people, tables["conditions"].query("condition == 'fbss'")).query("day >= 1")
    found = plain.first_events(people, diagnosed.assign(reason=""), 730)
    same_outcome(ours, "fbss_onset", found)
    onset = fbss.estimate_cumulative_incidence(ours, outcome="fbss_onset")
    expected = estimates.incidence(found, horizons, ["event", "death"])
    assert at(onset, ["event", "death"], horizons) == [near(line) for line in expected]


# --- 04: opioids after a stimulator


def had_supply(days: plain.Days, first: int, last: int) -> Any:
    window = days.window(first, last)
    return ((days.fills[:, window] > 0) & days.observed[:, window]).any(axis=1)


def test_04_the_cohort_is_the_same_after_every_step() -> None:
    cohort, _, people, n, _ = trialled()
    assert sizes(cohort) == n
    same_people(cohort, people)


def test_04_dose_at_one_and_two_years_of_every_patient() -> None:
    cohort, _, _, _, days = trialled()
    for name, window in (("baseline", (-90, -1)), ("year_1", (276, 365)), ("year_2", (641, 730))):
        assert listed(cohort.frame[f"{name}_mme_per_day"]) == near(days.dose(*window))


def test_04_who_is_alive_with_half_the_dose() -> None:
    cohort, _, people, _, days = trialled()
    expected = plain.halved(people, days.dose(-90, -1), days.dose(276, 365))
    assert cohort.frame["halved_is_reduced"].tolist() == expected
    assert any(death <= 365 and is_halved is False for death, is_halved in zip(people["death"], expected, strict=True))


def test_04_elimination_at_one_year_and_first_elimination() -> None:
    cohort, _, people, _, days = trialled()
    users, horizons = had_supply(days, -90, -1), [90, 365, 730]
    expected = np.where(users, plain.eliminated_at(people, days, 365), "")
    assert cohort.frame["opioid_elimination_state_at_365"].fillna("").tolist() == expected.tolist()
    found = pd.DataFrame(plain.first_free(people, days, 730), columns=["days", "status"]).assign(entry=0.0)
    found.loc[~users, ["days", "status"]] = np.nan, "unobserved"
    same_outcome(cohort, "opioid_elimination", found)
    risk = fbss.estimate_cumulative_incidence(cohort, outcome="opioid_elimination")
    shares = estimates.incidence(found, horizons, ["event", "death"])
    assert at(risk, ["event", "death"], horizons) == [near(line) for line in shares]


@pytest.mark.parametrize("outcome", ["opioid_elimination_at_365", "halved_is_reduced"])
def test_04_logistic_models_of_two_definitions(outcome: str) -> None:
    cohort, _, people, _, days = trialled()
    baseline = days.dose(-90, -1)
    if outcome == "halved_is_reduced":
        answer = pd.Series(plain.halved(people, baseline, days.dose(276, 365)), dtype=object)
    else:
        state = pd.Series(plain.eliminated_at(people, days, 365))
        answer = (state == "eliminated").astype(object)
        answer[(state == "unobserved") | ~had_supply(days, -90, -1)] = None
    known = answer.notna().to_numpy() & ~np.isnan(baseline)
    columns = {
        "one": np.ones(known.sum()), **estimates.spline(pd.Series(baseline[known]), 3),
        "age": plain.certain_age(people)[known], "male": people["sex"].eq("male")[known],
    }  # fmt: skip
    fit = fbss.fit_logistic(cohort, outcome=outcome, formula="rcs(baseline_mme_per_day, 3) + age_years + sex")
    coefficients, errors = estimates.logistic(answer[known].astype(bool), columns)
    assert fit.n == known.sum()
    assert listed(fit.coefficients["coefficient"]) == near(coefficients)
    assert listed(fit.coefficients["std_error"]) == near(errors)


def test_04_comparators_are_eligible_and_untreated() -> None:
    cohort, (drawn,), people, _ = matched()
    tables = read("neuromodulation")
    assert cohort.frame["patient_id"].tolist() == people["patient_id"].tolist()
    conditions, devices = tables["conditions"], tables["device_events"]
    eligible = plain.first_of(conditions[conditions["condition"] == "fbss"])
    begins = {
        device: plain.first_of(devices[(devices["device"] == device) & (devices["event"] == "trial_start")])
        for device in ("scs", "intrathecal_pump")
    }
    frame = drawn.frame.assign(day0=drawn.index_days)
    frame["eligible"] = frame["patient_id"].map(eligible)
    trial, other = (frame["patient_id"].map(begins[each]).fillna(np.inf) for each in ("scs", "intrathecal_pump"))
    everyone = plain.people_of(tables, frame["patient_id"], frame["day0"])
    treated = (frame["group"] == "treated").to_numpy()
    assert (frame["day0"] == frame["eligible"] + frame["days_since_eligibility"]).all()
    assert (frame["day0"] == trial)[treated].all()
    assert (np.minimum(trial, other) > frame["day0"])[~treated].all()
    assert plain.observed(everyone, "medical", 0, 0).all()
    own = frame[treated].set_index("matched_set")
    assert (frame["days_since_eligibility"] == frame["matched_set"].map(own["days_since_eligibility"])).all()
    assert ((frame["eligible"] - frame["matched_set"].map(own["eligible"])).abs() <= 365).all()
    assert not frame.duplicated(["matched_set", "patient_id"]).any()
    assert (frame.groupby("matched_set").size() == 3).all()

    first = plain.people_of(tables, eligible.index, eligible)
    scs, pump = (first["patient_id"].map(begins[each]).fillna(np.inf) for each in ("scs", "intrathecal_pump"))
    seen = plain.observed(first, "medical", 0, 0) & (scs >= first["day0"]) & (pump >= scs)
    cases = first[seen & (scs - first["day0"] <= first["medical_end"])]
    assert sorted(frame["patient_id"][treated]) == sorted(cases["patient_id"])


def test_04_trajectory_by_group() -> None:
    cohort, _, people, days = matched()
    trajectory = fbss.estimate_trajectory(cohort.episodes("opioids"), by="group").frame
    for month, first in ((-12, -360), (-1, -30), (3, 61), (12, 331)):
        window = days.window(first, first + 29)
        seen = days.observed[:, window].all(axis=1) & (people["death"] > first + 29).to_numpy()
        using = (days.fills[:, window] > 0).any(axis=1)
        dose = days.dose(first, first + 29)
        for group in ("treated", "comparator"):
            mine = seen & people["group"].eq(group).to_numpy()
            ours = trajectory[trajectory["month"].eq(month) & trajectory["group"].eq(group)].set_index("measure")
            expected = {"share_using": using[mine].mean(), "dose_if_using": np.nanmean(dose[mine & using]),
                        "mean_dose": np.nanmean(dose[mine])}  # fmt: skip
            assert ours.loc["share_using", "n"] == mine.sum()
            assert ours.loc[list(expected), "estimate"].tolist() == near(list(expected.values()))


def test_04_linear_models_of_dose_and_reduction() -> None:
    cohort, _, people, days = matched()
    baseline, earlier, later = days.dose(-90, -1), days.dose(-365, -91), days.dose(276, 365)
    frame = pd.DataFrame({
        "treated": people["group"].eq("treated"), "age": plain.certain_age(people), "male": people["sex"].eq("male"),
        "baseline": baseline, "earlier": earlier, "later": later, "who": people["patient_id"],
        "halved": pd.array(plain.halved(people, baseline, later), dtype="Float64"),
    })  # fmt: skip
    assert listed(cohort.frame["year_1_mme_per_day"]) == near(later)
    assert listed(cohort.frame["earlier_mme_per_day"]) == near(earlier)
    rest = ["treated", "age", "male"]
    for outcome, formula, term, y, order in (
        ("halved_is_reduced", "group + rcs(baseline_mme_per_day, 4) + age_years + sex", None, "halved", "baseline"),
        ("year_1_mme_per_day", "group + age_years + sex", "rcs(baseline_mme_per_day, 4)", "later", "baseline"),
        ("year_1_mme_per_day", "group + age_years + sex", "rcs(earlier_mme_per_day, 4)", "later", "earlier"),
    ):
        fit = fbss.fit_linear(cohort, outcome=outcome, formula=formula, baseline=term)
        rows = frame[frame[[y, order, *rest]].notna().all(axis=1)]
        bends = estimates.spline(rows[order], 4)
        treated, *others = ({name: rows[name]} for name in rest)
        # The columns stand in the order of the formula, a baseline first.
        parts = [treated, bends, *others] if term is None else [bends, treated, *others]
        terms = {name: column for part in parts for name, column in part.items()}
        coefficients, errors = estimates.linear(
            rows[y].astype(float), {"one": np.ones(len(rows)), **terms}, rows["who"]
        )
        assert fit.n == len(rows)
        assert listed(fit.coefficients["coefficient"]) == near(coefficients)
        assert listed(fit.coefficients["std_error"]) == near(errors)


# --- 05: intrathecal pumps

STATES = ["on pump and free", "on pump and using", "pump out", "dead", "unobserved"]


def test_05_the_cohort_and_its_baselines() -> None:
    cohort, _, people, n, days = pumps()
    assert sizes(cohort) == n
    same_people(cohort, people)
    for window in ((-90, -1), (-365, -91)):
        ours = fbss.add_opioid_dose(cohort, DOSE, name="dose", days=window, per="day_in_window")
        assert listed(ours.frame["dose_mme_per_day"]) == near(days.dose(*window))


def test_05_state_occupancy_of_everyone_and_among_those_remaining() -> None:
    cohort, tables, people, _, days = pumps()
    horizons = [30, 365, 730, 1825]
    ours = fbss.add_opioid_states(
        cohort, DOSE, until_days=1825, unobserved="censored", device="intrathecal_pump", within_days=90
    )
    out = plain.unreplaced(tables, people, "intrathecal_pump", "pump", 90)
    daily = plain.states(people, days, out, 1825)
    shares = estimates.occupancy(daily, STATES, horizons)
    episodes = ours.episodes("opioid_states")
    curve = fbss.estimate_state_occupancy(episodes)
    known = [name for name in STATES if name in set(curve.at([30])["cause"])]
    assert set(known) == set(np.unique(daily.astype(str))) - {""}
    assert at(curve, known, horizons) == [near(shares[:, STATES.index(name)]) for name in known]
    remaining = fbss.estimate_state_occupancy(episodes, among=STATES[:2])
    on_pump = shares[:, :2] / shares[:, :2].sum(axis=1, keepdims=True)
    assert at(remaining, STATES[:2], horizons) == [near(line) for line in on_pump.T]


def test_05_first_elimination() -> None:
    cohort, _, people, _, days = pumps()
    horizons = [365, 730, 1825]
    ours = fbss.add_opioid_elimination(
        cohort, DOSE, until_days=1825, competing="death", baseline_days=(-365, -1), at_days=(30, 365, 730, 1825)
    )
    users = had_supply(days, -365, -1)
    found = pd.DataFrame(plain.first_free(people, days, 1825), columns=["days", "status"]).assign(entry=0.0)
    found.loc[~users, ["days", "status"]] = np.nan, "unobserved"
    same_outcome(ours, "opioid_elimination", found)
    curve = fbss.estimate_cumulative_incidence(ours, outcome="opioid_elimination")
    expected = estimates.incidence(found, horizons, ["event", "death"])
    assert at(curve, ["event", "death"], horizons) == [near(line) for line in expected]
    for t in (30, 365, 730, 1825):
        words = np.where(users, plain.eliminated_at(people, days, t), "")
        assert ours.frame[f"opioid_elimination_state_at_{t}"].fillna("").tolist() == words.tolist()


def test_05_relapse() -> None:
    cohort, _, people, _, days = pumps()
    ours = fbss.add_opioid_elimination(cohort, DOSE, until_days=1825, competing="death", baseline_days=(-365, -1))
    ours = fbss.add_opioid_relapse(ours, DOSE, until_days=1825, competing="death", least_days=1)
    users, horizons = had_supply(days, -365, -1), [365, 730, 1825]
    lines = []
    for person, (since, status) in zip(people.itertuples(), plain.first_free(people, days, 1825), strict=True):
        if status != "event" or not users[person.row]:
            lines.append((np.nan, "unobserved", 0.0))
            continue
        later = days.fills[person.row, days.window(int(since) + 1, int(person.pharmacy_end))] > 0
        day = 1 + later.argmax() if later.any() else np.inf
        # An elimination is known on its 90th day: nobody is at risk of relapse before that.
        lines.append((*plain.outcome(day, person.death - since, person.pharmacy_end - since, 1825, 90), 89.5))
    found = pd.DataFrame(lines, columns=["days", "status", "entry"])
    same_outcome(ours, "opioid_relapse", found)
    curve = fbss.estimate_cumulative_incidence(ours, outcome="opioid_relapse")
    expected = estimates.incidence(found, horizons, ["event", "death"])
    assert at(curve, ["event", "death"], horizons) == [near(line) for line in expected]


def test_05_three_clocks() -> None:
    cohort, tables, people, *_ = pumps()
    horizons = [365, 730, 1825, 2555]
    therapy = fbss.add_time_to(cohort, "explant", definition="without_replacement", **EXPLANT)
    removals = plain.unreplaced(tables, people, "intrathecal_pump", "pump", 90)
    same_outcome(therapy, "explant", plain.first_events(people, removals, 3650))
    for part in ("pump", "catheter"):
        ours = fbss.add_time_to(
            cohort, "explant", clock="component", component=part, competing="death", until_days=3650
        )
        ends, has = plain.component_ends(tables, people, "intrathecal_pump", part)
        found = plain.first_events(people, ends, 3650)
        found.loc[~has, ["days", "status"]] = np.nan, "unobserved"
        same_outcome(ours, "explant", found)
        curve = fbss.estimate_cumulative_incidence(ours, outcome="explant")
        expected = estimates.incidence(found, horizons, ["event", "death"])
        assert at(curve, ["event", "death"], horizons) == [near(line) for line in expected]


def test_05_mean_number_of_complications() -> None:
    cohort, tables, people, *_ = pumps()
    horizons = [365, 730, 1825]
    ours = fbss.add_recurrent(cohort, "pump_complication", until_days=1825, competing="death")
    count = fbss.estimate_mean_cumulative_count(
        ours.episodes("pump_complication"), terminal="death", outcome="pump complications"
    )
    devices = tables["device_events"]
    mine = devices[(devices["device"] == "intrathecal_pump") & (devices["event"] == "complication")]
    found = plain.around(people, mine).query("day >= 0")
    expected = estimates.mean_count(people, found, horizons, 1825)
    assert at(count, ["pump complications"], horizons) == [near(expected)]
