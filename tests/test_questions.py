"""Models of questions 2 to 4: arithmetic, properties, and what is said of wrong input."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fbss_analytics as fbss
from fbss_analytics.errors import DataError, InputError, StudyWarning
from fbss_analytics.models.kernels.counts import Pieces, mean_counts
from fbss_analytics.models.periods import period_names, split_follow_up

SIX = pd.DataFrame(
    [
        (1, 0, 10, "using"), (1, 10, 30, "free"), (2, 0, 10, "using"), (2, 10, 30, "using"),
        (3, 0, 20, "free"), (3, 20, 20, "dead"), (4, 0, 15, "using"),
    ],
    columns=["row", "start_day", "stop_day", "state"],
)  # fmt: skip


def shares(curve: fbss.Curve, day: float) -> dict[str, float]:
    at = curve.at(day)
    return dict(zip(at["cause"], at["estimate"], strict=True))


def test_occupancy_by_hand() -> None:
    curve = fbss.estimate_state_occupancy(SIX, states=["using", "free", "dead"])
    assert shares(curve, 0) == {"using": 0.75, "free": 0.25, "dead": 0.0}
    assert shares(curve, 9) == shares(curve, 0)
    # On day 10 one of three users stops; one is lost on day 15, and on day 20 one of two who are free dies.
    assert shares(curve, 10) == pytest.approx({"using": 0.5, "free": 0.5, "dead": 0.0})
    assert shares(curve, 20) == pytest.approx({"using": 0.5, "free": 0.25, "dead": 0.25})
    steps = curve.frame.set_index(["cause", "time_days"])
    assert steps.loc[("free", 20.0), ["n_at_risk", "n_events", "n_censored"]].tolist() == [2, 0, 0]
    assert steps.loc[("dead", 20.0), "n_events"] == 1
    assert steps.loc[("using", 15.0), "n_censored"] == 1
    assert curve.sentence().startswith("In state using 50.0 %")


def test_occupancy_among_those_in_some_states() -> None:
    curve = fbss.estimate_state_occupancy(SIX, states=["using", "free", "dead"], among=["using", "free"])
    assert shares(curve, 20) == pytest.approx({"using": 2 / 3, "free": 1 / 3})
    assert "among those in using or free" in curve.method


def test_occupancy_without_censoring_is_the_share_with_its_binomial_error() -> None:
    random = np.random.default_rng(5)
    rows = []
    for row in range(40):
        cuts = [0, *sorted(random.choice(np.arange(5, 100, 5), 3, replace=False)), 100]
        rows += [(row, a, b, str(random.choice(["a", "b", "c"]))) for a, b in itertools.pairwise(cuts)]
    frame = pd.DataFrame(rows, columns=["row", "start_day", "stop_day", "state"])
    curve = fbss.estimate_state_occupancy(frame, states=["a", "b", "c"])
    for day in (0, 5, 37, 60, 99):
        there = frame[(frame["start_day"] <= day) & (day < frame["stop_day"])]["state"].value_counts() / 40
        at = curve.at(day).set_index("cause")
        for state, share in there.items():
            assert at.loc[state, "estimate"] == pytest.approx(share)
            assert at.loc[state, "std_error"] == pytest.approx(np.sqrt(share * (1 - share) / 40))


def test_occupancy_of_two_states_is_kaplan_meier_and_of_causes_aalen_johansen() -> None:
    random = np.random.default_rng(2)
    days = random.integers(1, 30, 80).astype(float)
    ended = random.choice(["censored", "explant", "death"], 80)
    rows = [(i, 0.0, day, "in") for i, day in enumerate(days)]
    rows += [(i, day, day, word) for i, (day, word) in enumerate(zip(days, ended, strict=True)) if word != "censored"]
    frame = pd.DataFrame(rows, columns=["row", "start_day", "stop_day", "state"])
    curve = fbss.estimate_state_occupancy(frame, states=["in", "explant", "death"])
    risk = fbss.estimate_cumulative_incidence(
        pd.DataFrame({"days": days, "ended": ended}), duration="days", status="ended", event="explant",
        competing="death",
    )  # fmt: skip
    for cause in ("explant", "death"):
        ours, theirs = curve.at(20).set_index("cause").loc[cause], risk.at(20).set_index("cause").loc[cause]
        for name in ("estimate", "std_error", "conf_low", "conf_high"):
            assert ours[name] == pytest.approx(theirs[name])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_shares_add_up_and_the_order_of_rows_does_not_matter(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = []
    for row in range(int(random.integers(2, 15))):
        day, end = 0.0, float(random.integers(1, 40))
        while day < end:
            stop = min(end, day + float(random.integers(1, 12)))
            rows.append((row, day, stop, str(random.choice(["a", "b", "c", "d"]))))
            day = stop
    frame = pd.DataFrame(rows, columns=["row", "start_day", "stop_day", "state"])
    curve = fbss.estimate_state_occupancy(frame, states=list("abcd"))
    total = curve.frame.groupby("time_days")["estimate"].sum()
    assert np.allclose(total, 1.0)
    shuffled = frame.sample(frac=1, random_state=seed % 1000)
    again = fbss.estimate_state_occupancy(shuffled, states=list("abcd"))
    pd.testing.assert_frame_equal(curve.frame, again.frame)


def test_occupancy_clustered_on_twins_counts_each_pair_once() -> None:
    twins = pd.concat([SIX.assign(patient=SIX["row"]), SIX.assign(row=SIX["row"] + 10, patient=SIX["row"])])
    one = fbss.estimate_state_occupancy(SIX, states=["using", "free", "dead"])
    two = fbss.estimate_state_occupancy(twins, states=["using", "free", "dead"], cluster="patient")
    assert np.allclose(one.frame["std_error"], two.frame["std_error"])
    assert "clustered on patient (4 clusters)" in two.method


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda f: f.assign(state=np.nan), DataError, "without 'state'"),
        (lambda f: f.assign(state=1), InputError, "States must be text"),
        (lambda f: f.drop(index=0), DataError, "not followed from day 0"),
        (lambda f: f.assign(stop_day=f["stop_day"] - (f.index == 0)), DataError, "not joined to the one before"),
        (lambda f: f.assign(stop_day=0), DataError, "end at or before their start"),
        (lambda f: f.assign(stop_day=np.inf), DataError, "infinite"),
        (lambda f: f.assign(start_day="0"), InputError, "must hold days as numbers"),
        (lambda f: f.head(0), InputError, "no intervals"),
        (lambda f: f.drop(columns="state"), InputError, "names column 'state'"),
        (lambda f: 3, InputError, "Expected episodes"),
    ],
)
def test_wrong_intervals_are_named(change: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        fbss.estimate_state_occupancy(change(SIX))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"states": ["using", "free"]}, "does not name 'dead'"),
        ({"states": ["using", "free", "dead", "dead"]}, "twice"),
        ({"among": ["usin"]}, "did you mean|Did you mean 'using'"),
        ({"by": "state"}, "changes within a row"),
        ({"conf_type": "logit"}, "not known"),
    ],
)
def test_wrong_arguments_of_occupancy(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        fbss.estimate_state_occupancy(SIX, **arguments)  # type: ignore[arg-type]


COUNTS = pd.DataFrame(
    [
        (1, 0, 10, "event"), (1, 10, 20, "event"), (1, 20, 40, "censored"), (2, 0, 10, "event"), (2, 10, 10, "death"),
        (3, 0, 30, "death"), (4, 0, 25, "censored"),
    ],
    columns=["row", "start_day", "stop_day", "status"],
)  # fmt: skip


def test_counts_by_hand() -> None:
    curve = fbss.estimate_mean_cumulative_count(COUNTS, terminal="death", outcome="reoperation")
    at = curve.at([9, 10, 20, 30]).set_index(["cause", "horizon_days"])["estimate"]
    # Two of four on day 10, one of whom dies that day; then one of three, three quarters being alive.
    assert at["reoperation"].tolist() == pytest.approx([0, 0.5, 0.75, 0.75])
    assert at["death"].tolist() == pytest.approx([0, 0.25, 0.25, 0.625])
    assert curve.competing == ("death",)
    assert curve.events == 3
    table = curve.risk_table([0, 10, 21, 40])
    mine = table[table["cause"] == "reoperation"]
    assert mine["n_at_risk"].tolist() == [4, 4, 3, 1]
    assert mine["n_events"].tolist() == [0, 0, 3, 3]


def test_counts_without_death_are_higher() -> None:
    lost = COUNTS.replace({"status": {"death": "censored"}})
    plain = fbss.estimate_mean_cumulative_count(lost)
    assert plain.at(20)["estimate"].tolist() == pytest.approx([0.5 + 1 / 3])
    assert plain.method.startswith("Mean cumulative count of Nelson-Aalen type")
    assert fbss.estimate_mean_cumulative_count(lost, conf_type="plain").at(20)["conf_low"].iloc[0] >= 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_standard_errors_of_counts_are_the_jackknife(seed: int) -> None:
    """Adding a little weight to one row moves the estimate as its influence says; here by whole copies of all rows."""
    random = np.random.default_rng(seed)
    n = 12
    pieces = []
    for row in range(n):
        day, end, dies = 0.0, float(random.integers(5, 30)), random.random() < 0.5
        while (step := float(random.integers(1, 12))) + day < end:
            pieces.append((row, day, day + step, True, False))
            day += step
        pieces.append((row, day, end, False, dies))
    row, start, stop, event, ended = (np.array(column) for column in zip(*pieces, strict=True))

    def mean(counts: np.ndarray) -> np.ndarray:
        chosen = np.concatenate([np.flatnonzero(row == i) for i in range(n) for _ in range(counts[i])])
        copies = np.concatenate([np.full((row == i).sum(), k) for i in range(n) for k in range(counts[i])])
        codes = np.unique(row[chosen] * 10_000 + copies, return_inverse=True)[1]
        made = Pieces(codes, start[chosen], stop[chosen], event[chosen], ended[chosen])
        return mean_counts(made, int(codes.max()) + 1).mean

    every = 400
    moved = np.stack([mean(np.full(n, every) + (np.arange(n) == i)) for i in range(n)])
    influence = (moved - mean(np.full(n, every))) * every
    own = mean_counts(Pieces(row, start, stop, event, ended), n)
    assert np.allclose(np.sqrt((influence**2).sum(axis=0)), own.mean_error, atol=2e-2, rtol=2e-2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "also holds 'death'"),
        ({"terminal": "event"}, "different words"),
        ({"event": "operation", "terminal": "death"}, "also holds 'event'"),
        ({"status": "row", "terminal": "death"}, "must be text"),
        ({"terminal": "death", "conf_type": "log-log"}, "not known"),
    ],
)
def test_wrong_arguments_of_counts(arguments: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        fbss.estimate_mean_cumulative_count(COUNTS, **arguments)  # type: ignore[arg-type]


def test_counts_need_an_event_and_an_end_at_death() -> None:
    with pytest.raises(InputError, match="followed on after 'death'"):
        fbss.estimate_mean_cumulative_count(COUNTS.assign(status=["death", *COUNTS["status"][1:]]), terminal="death")
    with pytest.raises(InputError, match="nothing to estimate"):
        fbss.estimate_mean_cumulative_count(COUNTS.assign(status="censored"))


def people(n: int = 600, seed: int = 4) -> pd.DataFrame:
    """Return patients whose early hazard doubles with a factor that does nothing later."""
    random = np.random.default_rng(seed)
    factor = random.random(n) < 0.5
    early = random.exponential(300 / np.where(factor, 3.0, 1.0))
    late = 90 + random.exponential(900, n)
    event = np.where(early <= 90, early, late)
    lost = random.uniform(200, 2500, n)
    death = random.exponential(4000, n)
    days = np.ceil(np.minimum.reduce([event, lost, death]))
    status = np.where(np.ceil(event) == days, "reoperation", np.where(np.ceil(death) == days, "death", "censored"))
    return pd.DataFrame({"days": days, "status": status, "factor": factor, "age": random.normal(60, 9, n).round(1)})


KEYS = {"duration": "days", "status": "status", "event": "reoperation"}


def test_periods_in_words() -> None:
    assert period_names([90.0, 730.0]) == ("days 0-90", "days 91-730", "after day 730")


def test_an_event_on_the_last_day_of_a_period_is_in_it() -> None:
    split = split_follow_up(np.array([90.0, 91.0]), None, np.array([True, True]), [90.0])
    pieces = list(zip(split.row, split.period, split.entry, split.stop, split.happened, strict=True))
    assert pieces == [(0, 0, 0.0, 90.0, True), (1, 0, 0.0, 90.0, False), (1, 1, 90.0, 91.0, True)]


def test_periods_apart_are_models_on_each_periods_rows() -> None:
    frame = people()
    fit = fbss.fit_cox(frame, formula="factor + age", periods=(90, 730), **KEYS)
    for low, high, part in zip((0, 90, 730), (90, 730, np.inf), fit.parts, strict=True):
        rows = frame[frame["days"] > low]
        own = pd.DataFrame({
            "stop": rows["days"].clip(upper=high), "entry": float(low), "factor": rows["factor"], "age": rows["age"],
            "status": rows["status"].where(rows["days"] <= high, "censored"),
        })  # fmt: skip
        alone = fbss.fit_cox(
            own, duration="stop", entry="entry", status="status", event="reoperation", formula="factor + age"
        )
        assert part.n == len(rows)
        assert np.allclose(part.estimates["coefficient"], alone.estimates["coefficient"])
        assert np.allclose(part.estimates["std_error"], alone.estimates["std_error"])
    assert fit.parts[0].estimates["estimate"].iloc[0] > 1.8
    assert fit.tests.set_index(["term", "test"]).loc[("factor", "same in all periods"), "df"] == 2
    assert [part.events for part in fit.parts] == [
        int(((frame["status"] == "reoperation") & frame["days"].between(low, high, inclusive="right")).sum())
        for low, high in ((0, 90), (90, 730), (730, np.inf))
    ]
    assert "days 0-90" in fit.parts[0].sentence()
    assert "one model split at day 90, day 730" in fit.method


def test_a_curve_needs_one_period() -> None:
    fit = fbss.fit_cox(people(), formula="factor + rcs(age, 3)", periods=(90,), varying=["factor"], **KEYS)
    with pytest.raises(InputError, match=r"fit\.parts\[0\]"):
        fbss.estimate_effect_curve(fit, term="age", reference=60)
    curve = fbss.estimate_effect_curve(fit.parts[0], term="age", reference=60, values=[60.0])
    assert curve.frame["estimate"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"periods": (90, 30)}, "increasing days"),
        ({"periods": ()}, "increasing days"),
        ({"periods": ("a",)}, "must hold days"),
        ({"periods": (90, 5000)}, "No row has the event in after day 5000|No row has the event"),
        ({"periods": (90,), "varying": "fact"}, "Did you mean 'factor'"),
        ({"varying": "factor"}, "give periods="),
    ],
)
def test_wrong_periods(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        fbss.fit_cox(people(), formula="factor", **arguments, **KEYS)  # type: ignore[arg-type]


def test_few_events_of_a_period_are_warned_of() -> None:
    with pytest.warns(StudyWarning, match=r"\(days 0-2\)"):
        fbss.fit_cox(people(), formula="factor", periods=(2,), **KEYS)


def visits() -> pd.DataFrame:
    random = np.random.default_rng(8)
    rows = [
        {"patient": i, "group": "scs" if i % 2 else "comparator", "month": m, "level": level}
        for i in range(60)
        for level in [random.normal(0, 20)]
        for m in (0, 6, 12, 24)
    ]
    frame = pd.DataFrame(rows)
    frame["mme"] = 60 + frame["level"] - 0.5 * frame["month"] * (frame["group"] == "scs") + random.normal(0, 5, 240)
    return frame


def test_trajectories_find_the_difference_in_slopes() -> None:
    for fit in (
        fbss.fit_gee(visits(), outcome="mme", formula="group * month", patient="patient"),
        fbss.fit_mixed(visits(), outcome="mme", formula="group * month", patient="patient"),
    ):
        row = fit.estimates.set_index("term").loc["group:month"]
        assert row["conf_low"] < -0.5 < row["conf_high"] < -0.2
        assert row["measure"] == "difference"
    assert "difference" in fit.sentence()
    assert "<table" in fit._repr_html_()


def test_mixed_and_gee_of_balanced_data_agree_with_statsmodels() -> None:
    from statsmodels.genmod.cov_struct import Independence
    from statsmodels.genmod.generalized_estimating_equations import GEE

    frame = visits()
    fit = fbss.fit_gee(frame, outcome="mme", formula="group * month", patient="patient", correlation="independence")
    model = GEE.from_formula("mme ~ group * month", "patient", frame, cov_struct=Independence()).fit()
    assert np.allclose(fit.coefficients["coefficient"], model.params)
    assert np.allclose(fit.coefficients["std_error"], model.bse)
    mixed = fbss.fit_mixed(frame, outcome="mme", formula="group * month", patient="patient")
    assert np.allclose(mixed.coefficients["coefficient"], model.params)


def test_a_slope_that_does_not_vary_is_warned_of() -> None:
    frame = visits()
    with pytest.warns(StudyWarning, match="edge of what is possible"):
        fbss.fit_mixed(
            frame.assign(mme=frame["level"] + 0.1 * frame["month"] + 1e-3 * ((7 * frame.index) % 11)), outcome="mme",
            formula="month", patient="patient", slope="month",
        )  # fmt: skip


def test_repeated_measurements_need_repeats_and_frames() -> None:
    with pytest.raises(InputError, match="one row per patient"):
        fbss.fit_mixed(visits().query("month == 0"), outcome="mme", formula="group", patient="patient")
    with pytest.raises(InputError, match="one row per patient and time"):
        fbss.fit_gee([1, 2], outcome="mme", formula="month", patient="patient")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"outcome": "group"}, "must hold numbers"),
        ({"outcome": "is_scs", "errors": "classical"}, "must hold numbers"),
        ({"outcome": "flag"}, "use fit_logistic"),
        ({"outcome": "one"}, "the same in all"),
        ({"errors": "hc2"}, "not known"),
        ({"outcome": "mm"}, "Did you mean 'mme'"),
    ],
)
def test_wrong_linear_models(change: dict[str, str], words: str) -> None:
    frame = visits().assign(is_scs=lambda f: f["group"] == "scs", flag=lambda f: (f["group"] == "scs") * 1.0, one=1.0)
    arguments = {"outcome": "mme", "formula": "month", "baseline": None} | change
    with pytest.raises(InputError, match=words):
        fbss.fit_linear(frame, **arguments)  # type: ignore[arg-type]


def test_a_yes_or_no_outcome_gives_the_difference_in_risk() -> None:
    frame = visits().assign(is_low=lambda f: f["mme"] < 50)
    fit = fbss.fit_linear(frame, outcome="is_low", formula="group", baseline=None)
    shares = frame.groupby("group")["is_low"].mean()
    assert fit.estimates["estimate"].tolist() == pytest.approx([shares["scs"] - shares["comparator"]])


def test_linear_models_and_few_rows() -> None:
    frame = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0], "x": [0.0, 1.0, 2.0, 3.0], "g": ["a", "a", "a", "b"]})
    with pytest.warns(StudyWarning, match="below 10 rows"), pytest.raises(InputError, match="alone decide"):
        fbss.fit_linear(frame, outcome="y", formula="g", baseline="x")
    with pytest.warns(StudyWarning, match="below 10 rows"):
        fit = fbss.fit_linear(frame, outcome="y", formula="x", baseline=None, errors="classical")
    assert fit.estimates["estimate"].tolist() == pytest.approx([0.8])
    with pytest.raises(InputError, match="effect curve shows ratios"):
        fbss.estimate_effect_curve(fit, term="x", reference=1)
    with pytest.raises(InputError, match="Expected a Cohort"):
        fbss.fit_linear([1], outcome="y", formula="x", baseline=None)  # type: ignore[arg-type]


def test_a_curved_term_of_a_linear_model_is_judged_by_f() -> None:
    frame = visits()
    fit = fbss.fit_linear(frame, outcome="mme", formula="rcs(level, 4)", baseline=None)
    row = fit.estimates.iloc[0]
    chi2 = fit.tests.set_index(["term", "test"]).loc[("level", "association"), "chi2"]
    from scipy.stats import f

    assert row["df"] == 3
    assert row["p_value"] == pytest.approx(float(f.sf(chi2 / 3, 3, 236)))


def risk(**change: object) -> fbss.AdjustedRisk:
    arguments: dict[str, object] = {
        "formula": "factor + age", "exposure": "factor", "horizon_days": 365, "seed": 3, "n_samples": 40,
        "competing": "death", **KEYS,
    }  # fmt: skip
    return fbss.estimate_adjusted_risk(people(), **(arguments | change))  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:.*per parameter:fbss_analytics.errors.StudyWarning")
def test_adjusted_risks_stand_near_the_crude_ones_of_a_random_factor() -> None:
    frame, found = people(), risk()
    crude = fbss.estimate_cumulative_incidence(frame, by="factor", competing="death", **KEYS).at(365)
    crude = crude[crude["cause"] == "reoperation"]["estimate"].tolist()
    assert found.estimates["level"].tolist() == ["no", "yes", "yes"]
    assert found.estimates["estimate"].tolist()[:2] == pytest.approx(crude, abs=0.05)
    low, high = found.estimates.iloc[2][["conf_low", "conf_high"]]
    assert low < found.estimates["estimate"].iloc[2] < high
    assert risk().estimates.equals(found.estimates)
    assert not risk(seed=4).estimates.equals(found.estimates)
    assert "percentage points" in found.sentence()
    assert "<table" in found._repr_html_()


@pytest.mark.filterwarnings("ignore:.*per parameter:fbss_analytics.errors.StudyWarning")
def test_adjusted_risks_of_a_number_and_of_levels() -> None:
    by_age = risk(exposure="age", levels=[50, 70], formula="rcs(age, 3) + factor", competing_formula="age")
    assert by_age.estimates["level"].tolist() == ["50", "70", "70"]
    with pytest.raises(InputError, match="give levels="):
        risk(exposure="age")
    with pytest.raises(InputError, match="outside the"):
        risk(exposure="age", levels=[50, 300])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"exposure": "facto"}, "Did you mean 'factor'"),
        ({"horizon_days": 99999}, "outside follow-up"),
        ({"n_samples": 1}, "gives no interval"),
        ({"levels": [True]}, "two or more"),
        ({"levels": [True, "maybe"]}, "does not have"),
    ],
)
def test_wrong_adjusted_risks(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        risk(**change)
