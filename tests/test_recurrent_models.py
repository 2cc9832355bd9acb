"""`fit_recurrent`, `fit_recurrent_models` and `fit_transitions`: what they count, say and refuse.

Their numbers are held to R in test_recurrent_reference.py and test_gold.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import fbss_analytics as fbss
from fbss_analytics.errors import DataError, InputError, StudyWarning
from fbss_analytics.models.recurrent_pieces import read_pieces, stack_pieces
from fbss_analytics.models.transition_data import transition_data

WORDS = {"row": "row", "start": "start_day", "stop": "stop_day", "status": "status", "event": "event"}


def revisions(n: int = 120, seed: int = 5) -> pd.DataFrame:
    """Pieces of ``n`` rows: up to three events each, some followed to death."""
    random = np.random.default_rng(seed)
    rows: list[tuple[Any, ...]] = []
    for k in range(n):
        day, end, arm = 0.0, float(random.integers(200, 400)), int(k % 2)
        for _ in range(3):
            stop = day + float(np.ceil(random.exponential(150 * (1 + arm))))
            if stop >= end:
                break
            rows.append((k, day, stop, "event", arm))
            day = stop
        rows.append((k, day, end, "death" if k % 5 == 0 else "censored", arm))
    return pd.DataFrame(rows, columns=["row", "start_day", "stop_day", "status", "arm"])


FRAME = revisions()
# Two rows: events on days 10 and 25, death on the day of the second; an event on day 5, then followed to day 30.
TWO = pd.DataFrame(
    [(1, 0, 10, "event"), (1, 10, 25, "event"), (1, 25, 25, "death"), (2, 0, 5, "event"), (2, 5, 30, "censored")],
    columns=["row", "start_day", "stop_day", "status"],
)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("andersen_gill", [(0, 10, True, 1), (10, 25, True, 2), (0, 5, True, 1), (5, 30, False, 2)]),
        ("pwp_total", [(0, 10, True, 1), (10, 25, True, 2), (0, 5, True, 1), (5, 30, False, 2)]),
        ("pwp_gap", [(0, 10, True, 1), (0, 15, True, 2), (0, 5, True, 1), (0, 25, False, 2)]),
        (
            "wlw",
            [
                (0, 10, True, 1), (0, 5, True, 1),
                (0, 10, False, 2), (10, 25, True, 2), (0, 5, False, 2), (5, 30, False, 2),
            ],
        ),
    ],
)  # fmt: skip
def test_who_is_at_risk_of_what(model: str, expected: list[tuple[Any, ...]]) -> None:
    pieces, unsure, empty = read_pieces(TWO, **WORDS, terminal=("death",))
    stacked = stack_pieces(pieces, model, 2)
    columns = (stacked.start, stacked.stop, stacked.happened, stacked.number)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected
    assert (unsure, empty) == (0, 1)


def test_a_piece_cut_in_two_keeps_its_event_number_and_its_clock() -> None:
    cut = pd.concat(
        [TWO[TWO.index != 1], pd.DataFrame([(1, 10, 18, "censored"), (1, 18, 25, "event")], columns=TWO.columns)]
    )
    pieces = stack_pieces(read_pieces(cut, **WORDS, terminal=("death",))[0], "pwp_gap", 2)
    mine = pieces.frame["row"] == 1
    assert pieces.number[mine].tolist() == [1, 2, 2]
    assert pieces.start[mine].tolist() == [0, 0, 8]
    assert pieces.stop[mine].tolist() == [10, 8, 15]


def test_a_death_on_the_day_of_the_last_event_is_no_time_at_risk() -> None:
    same_day = pd.DataFrame([(900, 0.0, 60.0, "event", 1), (900, 60.0, 60.0, "death", 1)], columns=FRAME.columns)
    fit = fbss.fit_recurrent(pd.concat([FRAME, same_day]), model="andersen_gill", formula="arm", terminal="death")
    assert fit.excluded.to_dict("records") == [{"reason": "no time at risk", "n": 1}]
    assert (fit.n, fit.events) == (len(FRAME) + 1, int((FRAME["status"] == "event").sum()) + 1)


@pytest.mark.parametrize("model", ["pwp_total", "pwp_gap", "wlw"])
def test_numbers_left_out_are_counted_and_said(model: str) -> None:
    fit = fbss.fit_recurrent(FRAME, model=model, formula="arm", terminal="death", up_to=1)
    later = int(
        (FRAME.groupby("row")["status"].transform(lambda s: (s == "event").cumsum().shift(fill_value=0)) > 0).sum()
    )
    assert fit.excluded.to_dict("records") == [{"reason": "after event number 1", "n": later}]
    assert f"up to event number 1 ({later} intervals after it left out)" in fit.method
    assert fit.n == len(FRAME) - later


def test_the_first_event_alone_is_a_plain_cox_model() -> None:
    first = FRAME.groupby("row").head(1)
    plain = fbss.fit_cox(first, duration="stop_day", status="status", event="event", formula="arm", cluster="row")
    for model in ("pwp_total", "pwp_gap", "wlw"):
        fit = fbss.fit_recurrent(FRAME, model=model, formula="arm", terminal="death", up_to=1)
        assert fit.table["coefficient"].tolist() == pytest.approx(plain.table["coefficient"].tolist(), rel=1e-9)
        assert fit.table["std_error"].tolist() == pytest.approx(plain.table["std_error"].tolist(), rel=1e-9)


def test_true_and_false_and_0_and_1_are_a_status() -> None:
    frame = FRAME.assign(was=FRAME["status"] == "event", number=(FRAME["status"] == "event").astype(int))
    keys = {"model": "andersen_gill", "formula": "arm"}
    one = fbss.fit_recurrent(frame, status="was", **keys)
    two = fbss.fit_recurrent(frame, status="number", event="revision", **keys)
    assert one.table["estimate"].tolist() == two.table["estimate"].tolist()
    assert two.outcome == "revision"


def test_words_of_the_models() -> None:
    keys = {"formula": "arm", "terminal": ("death", "emigration"), "outcome": "revision"}
    fit = fbss.fit_recurrent(FRAME.assign(site=FRAME["row"] % 3), model="andersen_gill", strata="site", **keys)
    assert "death or emigration ends follow-up (cause-specific: ratios of the rate among those alive)" in fit.method
    assert "also stratified by site; robust standard errors, clustered on row (120 clusters)" in fit.method
    assert "up to event number" not in fit.method
    assert fit.sentence().startswith("arm, per 1: HR ")
    assert f"{len(FRAME)} intervals, {(FRAME['status'] == 'event').sum()} events" in fit.sentence()
    assert fbss.table_estimates(fit).title.startswith("Revision")


@pytest.mark.parametrize(
    ("change", "arguments", "error", "words"),
    [
        ({}, {"model": "andersen"}, InputError, "Did you mean 'andersen_gill'"),
        ({}, {"ties": "exact"}, InputError, "ties"),
        ({}, {"up_to": 2, "model": "andersen_gill"}, InputError, "up_to= is for models with a stratum"),
        ({}, {"up_to": 0}, InputError, "up_to=0 must be"),
        ({}, {"up_to": True}, InputError, "up_to=True must be"),
        ({}, {"terminal": "censored"}, InputError, "different words"),
        ({}, {"terminal": None}, InputError, "give terminal='death'"),
        ({}, {"event": "revision"}, InputError, "also holds 'event'"),
        ({}, {"formula": "arm + event_number"}, InputError, "is the stratum of 'pwp_total'"),
        ({}, {"cluster": "patient"}, InputError, "names column 'patient'"),
        ({}, {"row": "person"}, InputError, "names column 'person'"),
        ({"status": lambda f: 1 + (f["status"] == "event")}, {"terminal": None}, InputError, "what is an event"),
        ({"status": "censored"}, {}, InputError, "No interval ends with the event"),
        ({"status": lambda f: f["status"].where(f.index > 3, "death")}, {}, DataError, "followed on after 'death'"),
        ({"start_day": lambda f: f["start_day"] - 1}, {}, DataError, "negative 'start_day'"),
        ({"start_day": lambda f: f["start_day"] - (f["start_day"] > 0)}, {}, DataError, "begin before the one before"),
        ({"stop_day": lambda f: f["stop_day"].where(f.index > 0)}, {}, DataError, "without 'stop_day'"),
        ({"case": 0.0}, {"weights": "case"}, DataError, "have a 'case' of 0 or less"),
    ],
)  # fmt: skip
def test_wrong_use_is_named(
    change: dict[str, Any], arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    keys = {"model": "pwp_total", "formula": "arm", "terminal": "death"} | arguments
    with pytest.raises(error, match=words):
        fbss.fit_recurrent(FRAME.assign(**change), **keys)


def test_an_event_without_time_at_risk_is_refused() -> None:
    frame = pd.concat([FRAME, pd.DataFrame([(999, 0.0, 0.0, "event", 1)], columns=FRAME.columns)])
    with pytest.raises(DataError, match=r"1 interval of .* with the event and no length"):
        fbss.fit_recurrent(frame, model="andersen_gill", formula="arm", terminal="death")


def test_a_group_for_each_row_is_no_group() -> None:
    frame = FRAME.assign(own=FRAME["row"])
    with pytest.raises(InputError, match="by='own' has 120 distinct values"):
        fbss.estimate_mean_cumulative_count(frame, by="own", terminal="death")


def test_missing_values_gaps_and_sparse_numbers_are_said() -> None:
    frame = FRAME.assign(age=np.where(FRAME.index == 7, np.nan, 50.0 + FRAME["row"] % 17))
    with pytest.warns(StudyWarning, match="1 of .* rows are left out: missing age 1"):
        fit = fbss.fit_recurrent(frame, model="andersen_gill", formula="arm + age", terminal="death")
    assert fit.excluded["reason"].tolist() == ["missing age"]
    gaps = FRAME[FRAME.index != 0]
    with pytest.warns(StudyWarning, match="1 row not followed from day 0 without a gap"):
        fbss.fit_recurrent(gaps, model="pwp_total", formula="arm", terminal="death")
    few = FRAME[FRAME["row"] < 40]
    with pytest.warns(StudyWarning, match="Event numbers from 3 on rest on fewer than 10 events"):
        fbss.fit_recurrent(few, model="pwp_total", formula="arm", terminal="death")


def test_three_views_side_by_side() -> None:
    views = fbss.fit_recurrent_models(FRAME, formula="arm", by="arm", terminal="death", outcome="revision")
    assert [fit.model for fit in views.fits] == ["andersen_gill", "pwp_gap"]
    assert views.mean_count.kind == "mean_cumulative_count"
    assert len(views.estimates) == 2
    said = views.sentence("arm")
    assert "Mean cumulative count of revision" in said
    assert "Next event (PWP gap time): arm, per 1" in said
    assert "All events (Andersen-Gill)" in views._repr_html_()
    # Tables and figures take the two models from it.
    assert fbss.table_estimates(views).cells.shape[0] == 1
    with pytest.raises(InputError, match="the mean count takes one"):
        fbss.fit_recurrent_models(FRAME, formula="arm", terminal=("death", "emigrated"))


# Row 1: on until day 10, off until 20, unobserved until 30, on again until 50, then dead. Row 2: on, followed to 40.
MOVES = pd.DataFrame(
    [
        (1, 0, 10, "on"), (1, 10, 20, "off"), (1, 20, 30, "unobserved"), (1, 30, 50, "on"), (1, 50, 50, "dead"),
        (2, 0, 15, "on"), (2, 15, 40, "on"),
    ],
    columns=["row", "start_day", "stop_day", "state"],
)  # fmt: skip


def data_of(clock: str, **more: Any) -> tuple[list[tuple[Any, ...]], dict[str, int]]:
    moves, excluded = transition_data(MOVES, clock=clock, **more)
    columns = (moves.frame["transition"], moves.entry, moves.stop, moves.happened)
    return list(zip(*columns, strict=True)), dict(zip(excluded["reason"], excluded["n"], strict=True))


def test_transition_data_by_days_from_day_0() -> None:
    rows, excluded = data_of("forward")
    dead = [
        ("on -> dead", 0, 10, False),
        ("on -> dead", 30, 50, True),
        ("on -> dead", 0, 15, False),
        ("on -> dead", 15, 40, False),
    ]
    off = [("on -> off", *row[1:3], row[1:3] == (0, 10)) for row in dead]
    assert rows == [*dead, *off]
    assert excluded == {}


def test_transition_data_by_days_in_the_state_leave_out_what_began_unseen() -> None:
    rows, excluded = data_of("reset", transitions=[("on", "off")])
    # The two intervals of row 2 are one stay: the second runs from day 15 of it.
    assert rows == [("on -> off", 0, 10, True), ("on -> off", 0, 15, False), ("on -> off", 15, 40, False)]
    assert excluded == {"entered its state at an unknown time": 1}
    late = MOVES.assign(start_day=MOVES["start_day"] + 3, stop_day=MOVES["stop_day"] + 3)
    assert len(transition_data(late, clock="reset", transitions=[("on", "off")])[0].frame) == 0


def test_a_state_seen_after_a_gap_is_no_move() -> None:
    gap = MOVES.assign(start_day=MOVES["start_day"] + (MOVES["state"] == "off"))
    moves, _ = transition_data(gap, clock="forward", transitions=[("on", "dead")])
    assert moves.happened.sum() == 1
    with pytest.raises(InputError, match="No row moves on -> off; there are off -> unobserved, on -> dead"):
        transition_data(gap, clock="forward", transitions=[("on", "off")])


def stays(n: int = 200, seed: int = 3) -> pd.DataFrame:
    """On and off in turn, with death."""
    random = np.random.default_rng(seed)
    rows: list[tuple[Any, ...]] = []
    for k in range(n):
        day, state, end, old = 0.0, "on", 300.0, float(random.integers(40, 80))
        while day < end:
            stop = min(day + float(np.ceil(random.exponential(60 if state == "on" else 90))), end)
            rows.append((k, day, stop, state, old, k % 2))
            day = stop
            if day < end and random.uniform() < 0.2:
                rows.append((k, day, end, "dead", old, k % 2))
                break
            state = "off" if state == "on" else "on"
    return pd.DataFrame(rows, columns=["row", "start_day", "stop_day", "state", "age", "arm"])


STAYS = stays()


def test_moves_are_counted_and_said() -> None:
    fit = fbss.fit_transitions(STAYS, formula="age + arm", clock="forward", effects="by_transition", outcome="therapy")
    following = STAYS.groupby("row")["state"].shift(-1)
    seen = pd.crosstab(STAYS["state"], following)
    assert [seen.loc[row.from_state, row.to_state] == row.n_events for row in fit.counts.itertuples()] == [True] * 4
    days = (STAYS["stop_day"] - STAYS["start_day"]).groupby(STAYS["state"]).sum()
    assert fit.counts["days_at_risk"].tolist() == days[fit.counts["from_state"]].tolist()
    assert len(fit.estimates) == 8
    assert fit.fit("on", "off").cause == "on -> off"
    said = fit.sentence("arm")
    assert said.startswith("Moves: off to dead ")
    assert said.count("arm, per 1: HR") == 4
    assert "therapy: moves between states" in fit._repr_html_()
    assert len(fbss.table_estimates(fit).cells) == 2
    assert "Cox models of 4 moves between states, a model for each move" in fit.method
    with pytest.raises(InputError, match=r"'on -> of' has no model of its own\. Did you mean 'on -> off'"):
        fit.fit("on", "of")


def test_shared_effects_may_differ_by_move_in_the_formula() -> None:
    alone = fbss.fit_transitions(STAYS, formula="arm", clock="reset", effects="by_transition")
    keys = {"clock": "reset", "effects": "shared"}
    both = fbss.fit_transitions(STAYS, formula="arm + arm:C(transition)", **keys)
    b = both.fits[0].coefficients["coefficient"].to_numpy()
    # The first move is the reference; the others add their difference.
    assert np.append(b[0], b[0] + b[1:]) == pytest.approx(alone.estimates["coefficient"].to_numpy(), abs=1e-8)
    assert "one ratio for all moves" in both.method
    with pytest.raises(InputError, match="'transition' is the stratum"):
        fbss.fit_transitions(STAYS, formula="arm + transition", **keys)


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        ({}, {"clock": "calendar"}, "clock"),
        ({}, {"effects": "same"}, "effects"),
        ({}, {"ties": "exact"}, "ties"),
        ({}, {"transitions": [("on", "of")]}, "names 'of', which is no state. Did you mean 'off'"),
        ({}, {"transitions": [("dead", "on")]}, "No row moves dead -> on; there are"),
        ({}, {"transitions": [("on", "off"), ("on", "off")]}, "one move or more, each once"),
        ({}, {"transitions": []}, "one move or more, each once"),
        ({}, {"cluster": "patient"}, "names column 'patient'"),
        ({"state": 1}, {}, "must hold states as text"),
        ({"state": "on"}, {}, "No row moves from one state to another"),
        ({"age": lambda f: f["age"].where(f["state"] == "off")}, {"transitions": [("on", "off")]}, "No row of"),
    ],
)  # fmt: skip
def test_wrong_moves_are_named(change: dict[str, Any], arguments: dict[str, Any], words: str) -> None:
    keys = {"formula": "age", "clock": "forward", "effects": "by_transition"} | arguments
    with pytest.raises(InputError, match=words):
        fbss.fit_transitions(STAYS.assign(**change), **keys)


@pytest.mark.filterwarnings("ignore:.*rows are left out:fbss_analytics.errors.StudyWarning")
def test_a_move_that_missing_values_leave_without_events_is_named() -> None:
    gone = (STAYS["state"] == "on") & (STAYS.groupby("row")["state"].shift(-1) == "off")
    frame = STAYS.assign(age=STAYS["age"].where(~gone))
    with pytest.raises(InputError, match="No move on -> off is left"):
        fbss.fit_transitions(frame, formula="age", clock="forward", effects="by_transition")


def test_opioid_states_of_a_cohort_are_moves() -> None:
    source = fbss.simulate("neuromodulation", n_patients=400, seed=1)
    cohort = fbss.start_cohort(source, index="scs_implant", occurrence="first")
    dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    cohort = fbss.add_opioid_states(cohort, dose, until_days=730, unobserved="state", device="scs", within_days=90)
    fit = fbss.fit_transitions(
        cohort.episodes("opioid_states"),
        formula="age_years",
        clock="reset",
        effects="by_transition",
        transitions=[("on stimulator and free", "on stimulator and using")],
    )
    assert "clustered on patient_id" in fit.method
    assert fit.outcome == "opioid_states"
    assert fit.definitions == cohort.definitions
