"""Published figures as data, and the arithmetic that puts ours beside them."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reporting_cases import cohort, comparison, fit, risk, survival

import fbss_analytics as fbss
from fbss_analytics.errors import InputError
from fbss_analytics.literature import published_interval, wilson_interval

EVIDENCE = Path(__file__).resolve().parents[2] / "shared" / "evidence" / "published_figures.csv"
GOOD_ADDRESS = re.compile(
    r"https://(doi\.org/10\.\d{4,}/\S+|pubmed\.ncbi\.nlm\.nih\.gov/\d+/|pmc\.ncbi\.nlm\.nih\.gov/articles/PMC\d+/"
    r"|rapm\.bmj\.com/\S+|www\.cns\.org/\S+|josr-online\.biomedcentral\.com/\S+|www\.ijssurgery\.com/\S+"
    r"|www\.e-neurospine\.org/\S+|synapse\.koreamed\.org/\S+|www\.e-ajp\.org/\S+|ajpps\.org/\S+)"
)


def curve_of(times: list[float], estimates: list[float], **more: object) -> fbss.Curve:
    """Return a small cumulative incidence curve of 100 patients, typed by hand."""
    size = len(times)
    frame = pd.DataFrame(
        {
            "group": "all",
            "cause": "event",
            "time_days": times,
            "estimate": estimates,
            "std_error": [0.0] + [0.03] * (size - 1),
            "conf_low": np.array(estimates) - 0.05,
            "conf_high": np.array(estimates) + 0.05,
            "n_at_risk": 100,
            "n_events": [0] + [5] * (size - 1),
            "n_censored": 0,
        }
    )
    values: dict[str, object] = {
        "kind": "cumulative_incidence",
        "outcome": "explant",
        "by": None,
        "data": frame.assign(**more.pop("columns", {})),  # type: ignore[arg-type]
        "method": "typed",
        "conf_type": "log-log",
        "conf_level": 0.95,
        "definitions": (),
        "excluded": pd.DataFrame({"reason": [], "n": []}),
        "n": 100,
        "events": 5 * (size - 1),
        "sizes": {"all": 100},
    }
    return fbss.Curve(**(values | more))  # type: ignore[arg-type]


def row_of(frame: pd.DataFrame, study: str, months: float, statistic: str = "risk", cause: str = "any") -> pd.Series:
    found = frame[
        (frame["study_key"] == study)
        & (frame["statistic"] == statistic)
        & (frame["cause"] == cause)
        & (frame["horizon_days"] == round(months / 12 * 365))
    ]
    assert len(found) == 1
    return found.iloc[0]


def test_every_row_has_a_number_and_an_address_of_its_source() -> None:
    figures = fbss.published_figures()
    assert figures["estimate"].notna().all()
    assert figures["address"].map(lambda address: bool(GOOD_ADDRESS.fullmatch(address))).all()
    assert {"scs_explant", "scs_opioid", "itdd_opioid", "itdd_other", "reoperation", "fbss_incidence",
            "satisfaction"} <= set(figures["topic"])  # fmt: skip
    assert not figures.duplicated().any()


def test_compared_rows_say_what_they_are_compared_with() -> None:
    figures = fbss.published_figures()
    compared = figures[figures["outcome"] != ""]
    assert set(compared["cause"]) == {"any", "inadequate_relief", "acute_complication"}
    assert set(compared["statistic"]) == {"risk", "survival", "fraction", "rate", "share", "proportion"}
    assert (compared["confidence"] != "secondary").all()
    assert compared["estimate"].between(0, 1).all()
    rest = figures[figures["outcome"] == ""]
    assert (rest[["cause", "method", "indication"]] == "").all().all()


@pytest.mark.skipif(
    not EVIDENCE.exists(), reason="the evidence table stands beside the repository only at its workplace"
)
def test_numbers_are_those_of_the_evidence_table() -> None:
    evidence = pd.read_csv(EVIDENCE, dtype=str, keep_default_na=False)
    keys = ["study_key", "quantity", "group", "follow_up_months"]
    numbers = ["n", "estimate", "ci_low", "ci_high", "unit", "definition"]
    carried = pd.read_csv(
        Path(fbss.__file__).parent / "data" / "published_figures.csv", dtype=str, keep_default_na=False
    )
    known = {tuple(row) for row in evidence[keys + numbers].itertuples(index=False)}
    assert all(tuple(row) in known for row in carried[keys + numbers].itertuples(index=False))


def test_published_figures_filter_and_refuse_unknown_names() -> None:
    assert (
        fbss.published_figures(topic="scs_explant", quantity="device_survival_km")["study_key"].tolist()
        == ["wang2021_hf"] * 3
    )
    with pytest.raises(InputError, match=r"topic='scs_explnt' is not known. Did you mean 'scs_explant'"):
        fbss.published_figures(topic="scs_explnt")
    changed = fbss.published_figures()
    changed["estimate"] = -1.0
    assert (fbss.published_figures()["estimate"] != -1.0).all()


def test_wilson_interval_is_newcombes_example() -> None:
    # Newcombe 1998 (Stat Med 17:857-872, method 3), 81 of 263: 0.2553 to 0.3662.
    assert wilson_interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_standard_error_comes_from_the_interval_then_the_events_then_n() -> None:
    nothing = float("nan")
    printed = {"statistic": "risk", "estimate": 0.2, "ci_low": 0.1, "ci_high": 0.3, "n": 50.0, "events": nothing}
    assert published_interval(printed)[3:] == (pytest.approx(0.2 / (2 * 1.959964), rel=1e-6), "printed")
    bare = printed | {"ci_low": nothing, "ci_high": nothing}
    assert published_interval(bare)[3:] == (pytest.approx(math.sqrt(0.2 * 0.8 / 50)), "from n")
    assert published_interval(bare | {"n": nothing})[4] == "none"
    rate = bare | {"statistic": "rate", "estimate": 0.08, "events": 64.0}
    estimate, low, high, error, origin = published_interval(rate)
    assert (estimate, error, origin) == (0.08, pytest.approx(0.01), "from events")
    assert low * high == pytest.approx(0.08**2)
    assert published_interval(rate | {"events": nothing})[4] == "none"


def test_survival_is_shown_as_risk_with_its_limits_turned_round() -> None:
    frame = fbss.compare_with_published(curve_of([0, 365], [0.0, 0.1])).frame
    wang = row_of(frame, "wang2021_hf", 12, "survival")
    assert (wang["published"], wang["published_low"], wang["published_high"]) == pytest.approx((0.116, 0.07, 0.187))


def test_difference_and_z_are_hand_arithmetic() -> None:
    frame = fbss.compare_with_published(curve_of([0, 365, 1095], [0.0, 0.1, 0.25])).frame
    row = row_of(frame, "gatzinsky2024", 36)
    assert row["ours"] == 0.25
    assert row["difference"] == pytest.approx(0.08)
    assert row["z"] == pytest.approx(0.08 / math.sqrt(0.17 * 0.83 / 400 + 0.03**2))


@pytest.mark.parametrize(("last", "is_compared"), [(1094.0, False), (1095.0, True), (1096.0, True)])
def test_nothing_beyond_our_follow_up_is_compared(last: float, is_compared: bool) -> None:
    row = row_of(fbss.compare_with_published(curve_of([0, 200, last], [0, 0.1, 0.2])).frame, "gatzinsky2024", 36)
    assert bool(np.isfinite(row["ours"])) is is_compared
    assert ("beyond our follow-up" in row["comparable_note"]) is not is_compared
    assert bool(np.isfinite(row["z"])) is is_compared


def test_five_published_years_lie_within_1825_days() -> None:
    row = row_of(fbss.compare_with_published(curve_of([0, 1825], [0, 0.2])).frame, "gatzinsky2024", 60)
    assert (row["horizon_days"], row["ours"]) == (1825, 0.2)


def test_rate_is_events_per_patient_year_up_to_the_published_follow_up() -> None:
    # 100 at risk for 1,000 days, and 95 days more of 100 to the horizon of 3 years; 10 explants by then, 5 later.
    curve = curve_of([0, 500, 1000, 1500], [0, 0.05, 0.1, 0.15])
    row = row_of(fbss.compare_with_published(curve).frame, "rauck2023", 36, "rate")
    assert row["ours"] == pytest.approx(10 / (100 * 1095 / 365.25))
    assert row["ours_low"] * row["ours_high"] == pytest.approx(row["ours"] ** 2)
    whole = fbss.compare_with_published(curve).frame
    whole = whole[(whole["study_key"] == "vanbuyten2017")].iloc[0]
    assert whole["ours"] == pytest.approx(15 / (100 * 1500 / 365.25))
    assert "length of its follow-up not given" in whole["comparable_note"]


def test_a_curve_without_events_has_a_rate_of_0_and_no_z() -> None:
    curve = curve_of([0, 1500], [0, 0.0], columns={"n_events": 0})
    row = row_of(fbss.compare_with_published(curve).frame, "rauck2023", 36, "rate")
    assert row["ours"] == 0
    assert np.isnan(row["z"])


def test_reasons_stand_beside_the_curve_split_by_reason() -> None:
    frame = comparison().frame
    row = row_of(frame, "gatzinsky2024", 36, cause="inadequate_relief")
    ours = risk("explant_reason").at(1095)
    assert row["ours"] == ours.loc[ours["cause"] == "inadequate_relief", "estimate"].item()
    alone = fbss.compare_with_published(risk()).frame
    assert alone.loc[alone["cause"] == "inadequate_relief", "ours"].isna().all()
    assert (
        "not estimated by the curves given"
        in alone.loc[alone["cause"] == "inadequate_relief"].iloc[0]["comparable_note"]
    )


def test_kaplan_meier_counts_as_one_minus_survival_and_says_so() -> None:
    curve = survival()
    row = row_of(fbss.compare_with_published(curve).frame, "gatzinsky2024", 36)
    ours = curve.at(1095).iloc[0]
    assert row["ours"] == pytest.approx(1 - ours["estimate"])
    assert row["ours_low"] == pytest.approx(1 - ours["conf_high"])
    assert "ours is 1 - Kaplan-Meier" in row["comparable_note"]


def test_a_group_is_chosen_by_name() -> None:
    curve = risk(by="sex")
    row = row_of(fbss.compare_with_published(curve, group="male").frame, "gatzinsky2024", 36)
    at = curve.at(1095)
    assert row["ours"] == at.loc[(at["level"] == "male") & (at["cause"] == "event"), "estimate"].item()
    with pytest.raises(InputError, match="no group 'all'"):
        fbss.compare_with_published(curve)


def test_wrong_arguments_are_told_what_to_do() -> None:
    with pytest.raises(InputError, match="at least one curve"):
        fbss.compare_with_published()
    with pytest.raises(InputError, match="Two results answer 'event'"):
        fbss.compare_with_published(risk(), survival())
    with pytest.raises(InputError, match="kind 'effect' has no published counterpart"):
        fbss.compare_with_published(fbss.estimate_effect_curve(fit(), term="age_years", reference=50))
    with pytest.raises(InputError, match="outcome='explants' is not known"):
        fbss.compare_with_published(risk(), outcome="explants")


def test_the_sentence_counts_what_can_be_compared() -> None:
    result = comparison()
    frame = result.frame
    compared = frame[frame["ours"].notna()]
    near = int((compared["z"].abs() < 2).sum())
    assert result.sentence().startswith(f"{len(compared)} of {len(frame)} published figures on explant")
    assert f"within two standard errors of {near} of the {int(compared['z'].notna().sum())}" in str(result)
    none = fbss.compare_with_published(curve_of([0, 10], [0, 0.1], columns={"cause": "non_use"}))
    assert none.sentence().startswith("None of 25 published figures")


def test_without_standard_errors_the_sentence_says_so() -> None:
    curve = curve_of([0, 1825], [0, 0.1], columns={"std_error": float("nan"), "n_events": 0})
    assert fbss.compare_with_published(curve).sentence().endswith("none of them allows a standard error.")


def test_the_comparison_is_frozen_and_shows_itself() -> None:
    result = comparison()
    copy = result.frame
    copy["ours"] = -1.0
    assert not (result.frame["ours"] == -1.0).any()
    page = result._repr_html_()
    assert "Gatzinsky 2024" in page
    assert "all indications" in page
    assert len(cohort()) == 400


def test_reoperations_stand_beside_the_korean_cohorts() -> None:
    curve = curve_of([0, 365, 1825, 3650], [0, 0.05, 0.12, 0.2], outcome="reoperation")
    frame = fbss.compare_with_published(curve, topic="reoperation").frame
    kim = row_of(frame, "kim_ch2019", 60)
    assert (kim["published"], kim["ours"]) == pytest.approx((0.11, 0.12))
    assert "after disc surgery" in kim["comparable_note"]
    assert "Kaplan-Meier" not in kim["comparable_note"]
    jung = row_of(frame, "jung2020", 120)
    assert jung["published"] == pytest.approx(0.184)
    asd = fbss.compare_with_published(curve, topic="reoperation", outcome="asd_reoperation").frame
    rate = asd[asd["statistic"] == "rate"].iloc[0]
    assert (rate["study_key"], rate["published"]) == ("sears2011", 0.025)


def test_a_state_stands_beside_what_the_papers_call_elimination() -> None:
    intervals = pd.DataFrame(
        {"row": [i // 2 for i in range(100)], "start_day": [0, 20] * 50, "stop_day": [20, 400] * 50,
         "state": ["on pump, using", "on pump, free", "on pump, using", "on pump, using"] * 25}
    )  # fmt: skip
    curve = fbss.estimate_state_occupancy(intervals)
    match = {"any": "on pump, free"}
    frame = fbss.compare_with_published(curve, topic="itdd_opioid", match=match).frame
    caraway = row_of(frame, "caraway2015", 12, "share")
    assert (caraway["published"], caraway["ours"]) == pytest.approx((0.84, 0.5))
    assert "among those remaining" in caraway["comparable_note"]
    assert "ours is of everyone from day 0" in caraway["comparable_note"]
    assert row_of(frame, "hatheway2019", 13, "share")["published"] == pytest.approx(0.433)
    with pytest.raises(InputError, match="Did you mean 'on pump, free'"):
        fbss.compare_with_published(curve, topic="itdd_opioid", match={"any": "on pump free"})
    with pytest.raises(InputError, match="match='all' is not known"):
        fbss.compare_with_published(curve, topic="itdd_opioid", match={"all": "on pump, free"})


def test_shares_in_a_frame_are_compared_at_their_day() -> None:
    shares = pd.DataFrame({"horizon_days": [365.0], "estimate": [0.3], "std_error": [0.02]})
    beside = fbss.compare_with_published(shares, topic="satisfaction")
    mssic = row_of(beside.frame, "mssic2020", 12, "share")
    assert mssic["difference"] == pytest.approx(0.08)
    assert mssic["z"] == pytest.approx(0.08 / math.hypot(math.sqrt(0.22 * 0.78 / 5390), 0.02))
    trial = fbss.compare_with_published(shares.assign(horizon_days=np.nan), topic="scs_trial").frame
    assert trial["ours"].eq(0.3).all()
    late = fbss.compare_with_published(shares.assign(horizon_days=400.0), topic="satisfaction").frame
    assert late["ours"].isna().all()
    assert "not estimated for that day" in late["comparable_note"].iloc[0]
    onset = fbss.compare_with_published(shares, topic="fbss_incidence").frame
    assert "without the length of follow-up" in " ".join(onset["comparable_note"])


def test_wrong_shares_are_told() -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        fbss.compare_with_published(pd.DataFrame({"horizon_days": [365], "estimate": [30]}), topic="satisfaction")
    with pytest.raises(InputError, match="needs the column 'estimate'"):
        fbss.compare_with_published(pd.DataFrame({"horizon_days": [365]}), topic="satisfaction")
    shares = pd.DataFrame({"horizon_days": [365.0, 730.0], "estimate": [0.3, 0.3]})
    rates = fbss.compare_with_published(shares, topic="reoperation", outcome="asd_reoperation").frame
    assert "a rate needs" in rates.loc[rates["statistic"] == "rate", "comparable_note"].item()
    trial = fbss.compare_with_published(shares, topic="scs_trial").frame
    assert "belongs to no day" in trial["comparable_note"].iloc[0]


@pytest.mark.parametrize("topic", ["scs_opioid", "itdd_other", "reoperation", "fbss_incidence"])
def test_tables_and_figures_of_every_question(topic: str) -> None:
    curve = curve_of([0, 365, 730, 1825], [0, 0.1, 0.2, 0.3])
    beside = fbss.compare_with_published(curve, topic=topic)
    table = fbss.table_comparison(beside)
    assert len(table.frame) == len(beside.frame)
    if beside.frame["ours"].notna().any():
        assert fbss.plot_comparison(beside).get_xlim()[0] == 0
