"""What describes a cohort for tables and pictures: groups, the operation of day 0, rates, the design diagram."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fbss_analytics as fbss
from fbss_analytics.errors import InputError
from fbss_analytics.models.cutoff import _weights, best_cut_off
from fbss_analytics.models.rates import poisson_interval
from fbss_analytics.reporting.theme import alt_text
from fbss_analytics.sources.source import Source


@pytest.fixture(scope="module")
def surgical() -> Source:
    return fbss.simulate("surgical", n_patients=600, seed=2)


@pytest.fixture(scope="module")
def operated(surgical: Source) -> fbss.Cohort:
    cohort = fbss.start_cohort(surgical, index="lumbar_surgery", occurrence="first", look_back_days=365)
    return fbss.add_operation(cohort)


def test_the_operation_of_day_0_is_the_largest_of_that_day(surgical: Source, operated: fbss.Cohort) -> None:
    frame = operated.frame
    rows = surgical.tables["surgeries"].to_pandas().merge(frame[["patient_id", "index_date"]], on="patient_id")
    rows = rows[pd.to_datetime(rows["date"]) == rows["index_date"]]
    fused = set(rows.loc[rows["procedure"].isin(["fusion", "decompression_fusion"]), "patient_id"])
    assert set(frame.loc[frame["procedure_group"] == "fusion", "patient_id"]) == fused
    assert set(frame["procedure_group"]) <= {"discectomy", "decompression", "fusion", "other"}
    several = frame.loc[frame["levels_n"].notna(), "is_multilevel"]
    assert (several == (frame["levels_n"] >= 2)[several.index]).all()


def test_the_operation_needs_day_0_at_one() -> None:
    source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    with pytest.raises(InputError, match="needs day 0 at a lumbar operation, but it is 'scs_implant'"):
        fbss.add_operation(cohort)


def test_groups_are_closed_below_and_keep_missing_values_out(operated: fbss.Cohort) -> None:
    cohort = fbss.add_category(operated, "age_years", edges=(50, 65), name="age")
    frame = cohort.frame
    assert frame.groupby("age")["age_years"].agg(["min", "max"]).loc["[50, 65)"].tolist() == [50, 64]
    assert set(frame.loc[frame["age_years"] == 65, "age"]) == {">= 65"}
    assert cohort.definitions[-1].arguments["labels"] == ("< 50", "[50, 65)", ">= 65")
    missing = fbss.add_category(operated, "levels_n", edges=(2,)).frame
    assert missing.loc[missing["levels_n"].isna(), "levels_n_group"].isna().all()
    for column, edges, message in (
        ("sex", (1,), "'sex' is no numeric column"),
        ("age_years", (), "in rising order"),
        ("age_years", (65, 50), "in rising order"),
    ):
        with pytest.raises(InputError, match=message):
            fbss.add_category(operated, column, edges=edges)


def test_who_is_explanted_or_dead_is_in_no_dose_band() -> None:
    source = fbss.simulate("neuromodulation", n_patients=3000, seed=4)
    dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    cohort = fbss.add_time_to(
        cohort, "explant", definition="any_removal", clock="therapy", competing="death", until_days=3650
    )
    cohort = fbss.add_time_to(cohort, "death", competing=None, until_days=3650)
    cohort = fbss.add_opioid_dose(cohort, dose, name="later", days=(641, 730), per="day_in_window")
    frame = fbss.add_dose_category(cohort, "later", bands="cdc", ended_by={"explanted": "explant"}).frame
    died = (frame["death_status"] == "event") & (frame["death_days"] <= 730)
    removed = (frame["explant_status"] == "event") & (frame["explant_days"] <= 730)
    assert died.sum() > 5
    assert (removed & ~died).sum() > 20
    assert (frame["later_category"] == "dead").equals(died)
    assert (frame["later_category"] == "explanted").equals(removed & ~died)
    with pytest.raises(InputError, match="no outcome 'removal'"):
        fbss.add_dose_category(cohort, "later", bands="cdc", ended_by={"explanted": "removal"})


def test_rates_are_events_over_time_at_risk(operated: fbss.Cohort) -> None:
    cohort = fbss.add_time_to(operated, "reoperation", scope="any_lumbar", competing="death", until_days=3650)
    rates = fbss.estimate_rates(cohort, outcome="reoperation", cuts=(90, 730)).frame
    frame = cohort.frame
    days, event = frame["reoperation_days"], frame["reoperation_status"] == "event"
    window = rates[(rates["cause"] == "event") & (rates["window"] == "days 91-730")].iloc[0]
    assert window["events"] == int((event & (days > 90) & (days <= 730)).sum())
    at_risk = (days.clip(upper=730) - 90).clip(lower=0).sum() / 365.25
    assert window["patient_years"] == pytest.approx(at_risk, rel=1e-12)
    assert window["estimate"] == pytest.approx(window["events"] / at_risk, rel=1e-12)
    assert rates.groupby("cause")["events"].sum()["death"] == int((frame["reoperation_status"] == "death").sum())
    table = fbss.table_rates(fbss.estimate_rates(cohort, outcome="reoperation", cuts=(90, 730)))
    assert list(table.frame.columns) == ["cause", "days 0-90", "days 91-730", "after day 730"]
    assert table.frame["cause"].tolist() == ["reoperation", "death", "patient-years"]
    result = fbss.estimate_rates(cohort, outcome="reoperation", cuts=(90,))
    assert "patient-years" in result.sentence()
    assert "<table" in result._repr_html_()
    for cuts in ((), (0,), (90, 90)):
        with pytest.raises(InputError, match="in rising order"):
            fbss.estimate_rates(cohort, outcome="reoperation", cuts=cuts)


@pytest.mark.parametrize(("events", "low", "high"), [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (10, 4.7954, 18.3904)])
def test_poisson_limits_are_the_tabled_ones(events: int, low: float, high: float) -> None:
    # Garwood 1936, table: 95 % limits of a Poisson mean; four decimals are printed.
    assert poisson_interval(events, 0.95) == pytest.approx((low, high), abs=5e-5)


def test_the_design_diagram_shows_each_window(operated: fbss.Cohort) -> None:
    cohort = fbss.add_condition(operated, "diabetes", days=(None, -1))
    cohort = fbss.add_time_to(cohort, "reoperation", scope="any_lumbar", competing="death", until_days=3650)
    axes = fbss.plot_design(cohort)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Diabetes", "Reoperation"]
    assert "Diabetes: any day before to -1; Reoperation: 0 to 3650" in alt_text(axes)
    with pytest.raises(InputError, match=r"records a window"):
        fbss.plot_design(operated)
    import matplotlib.pyplot as plt

    plt.close("all")


def test_a_yes_or_no_outcome_gives_a_difference_in_risk() -> None:
    people = pd.DataFrame(
        {"arm": ["a"] * 40 + ["b"] * 60, "is_better": [True] * 10 + [False] * 30 + [True] * 30 + [False] * 30}
    )
    fit = fbss.fit_linear(people, outcome="is_better", formula="arm", baseline=None)
    row = fit.estimates.iloc[0]
    assert row["estimate"] == pytest.approx(30 / 60 - 10 / 40, abs=1e-12)
    # HC3 of a two-group mean: each group's squared residuals, each divided by (1 - 1/n)^2, over n^2.
    variance = sum(p * (1 - p) * n / (1 - 1 / n) ** 2 / n**2 for p, n in ((0.25, 40), (0.5, 60)))
    assert row["std_error"] == pytest.approx(np.sqrt(variance), rel=1e-10)
    table = fbss.table_estimates(fit).frame
    assert "events" not in table
    assert table.iloc[1].tolist()[-2:] == ["0", ""]
    with pytest.raises(InputError, match="fit_logistic"):
        fbss.fit_linear(people, outcome="is_better", formula="arm", baseline=None, errors="classical")


def test_rows_without_a_value_are_a_state_where_it_is_named() -> None:
    frame = pd.DataFrame({"before": ["0", "50+", "50+"], "after": ["0", None, "0"]})
    times = {"before": "before", "1 year": "after"}
    moves = fbss.estimate_transitions(frame, states=["0", "50+", "not followed"], columns=times)
    assert moves.frame.set_index(["from_state", "to_state"]).loc[("50+", "not followed"), "n"] == 1
    with pytest.raises(fbss.DataError, match="without a state"):
        fbss.estimate_transitions(frame, states=["0", "50+"], columns=times)


def test_the_best_cut_off_is_found_by_trying_every_value() -> None:
    random = np.random.default_rng(3)
    value, case = np.round(random.exponential(40, 200)), random.random(200) < 0.3
    weight = random.uniform(1, 3, 200)
    cut, area, sensitivity, specificity = best_cut_off(value, case, ~case, weight)

    def youden(c: float) -> float:
        high = value >= c
        return weight[case & high].sum() / weight[case].sum() - weight[~case & high].sum() / weight[~case].sum()

    assert cut == min(c for c in np.unique(value) if youden(c) > max(map(youden, np.unique(value))) - 1e-12)
    assert sensitivity + specificity - 1 == pytest.approx(youden(cut), abs=1e-12)
    pairs = np.outer(weight[case], weight[~case])
    better = (value[case][:, None] > value[~case]) + (value[case][:, None] == value[~case]) / 2
    assert area == pytest.approx((pairs * better).sum() / pairs.sum(), abs=1e-12)


def test_the_censored_are_replaced_by_those_still_followed() -> None:
    # Days 1 to 5, censored on day 2 (of 4 then at risk) : whoever is followed beyond day 2 counts for 4 / 3.
    weight = _weights(np.array([1.0, 2, 3, 4, 5]), np.array([1, 0, 1, 2, 0]), np.ones(5), 4.0)
    np.testing.assert_allclose(weight, [1, 1, 4 / 3, 4 / 3, 4 / 3])


def test_a_cut_off_with_its_interval(operated: fbss.Cohort) -> None:
    cohort = fbss.add_time_to(operated, "reoperation", scope="any_lumbar", competing="death", until_days=3650)
    arguments = {"outcome": "reoperation", "marker": "age_years", "horizon_days": 730, "seed": 1, "n_samples": 50}
    found = fbss.estimate_cut_off(cohort, **arguments)
    frame = found.frame.set_index("quantity")
    assert (frame["conf_low"] <= frame["conf_high"]).all()
    assert 0 < frame.loc["auc", "estimate"] < 1
    assert "cut-off" in found.sentence()
    assert "<table" in found._repr_html_()
    assert fbss.estimate_cut_off(cohort, **arguments).frame.equals(found.frame)
    with pytest.raises(InputError, match="is no numeric column"):
        fbss.estimate_cut_off(cohort, **arguments | {"marker": "sex"})
    with pytest.raises(InputError, match="there are 0 cases"):
        fbss.estimate_cut_off(cohort, **arguments | {"horizon_days": 0.1})


def test_published_figures_of_one_indication(operated: fbss.Cohort) -> None:
    cohort = fbss.add_time_to(operated, "reoperation", scope="any_lumbar", competing="death", until_days=3650)
    risk = fbss.estimate_cumulative_incidence(cohort, outcome="reoperation")
    fusion = fbss.compare_with_published(risk, topic="reoperation", indication="fusion").frame
    assert 0 < len(fusion) < len(fbss.compare_with_published(risk, topic="reoperation").frame)
    assert "irmola2018" in set(fusion["study_key"])
    with pytest.raises(InputError, match=r"indication='fuson'.*Did you mean 'fusion'"):
        fbss.compare_with_published(risk, topic="reoperation", indication="fuson")
