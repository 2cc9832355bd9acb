"""Figures of questions 2 to 4: what is drawn, numbers under it, text that does not collide, colours, stable bytes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import question_cases as cases
from matplotlib import colors, pyplot
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle, StepPatch
from test_figures import texts

import fbss_analytics as fbss
from fbss_analytics.errors import DataError, InputError
from fbss_analytics.reporting import alt_text, figure_svg
from fbss_analytics.reporting.theme import DOUBLE_MM, MM_PER_INCH, PALETTE, SMALLEST_SIZE

pyplot.switch_backend("agg")

PLOTS: dict[str, Callable[[], Axes]] = {
    "occupancy": lambda: fbss.plot_state_occupancy(cases.occupancy()),
    "counts": lambda: fbss.plot_mean_cumulative_count(cases.reoperations()),
    "counts by group": lambda: fbss.plot_mean_cumulative_count(cases.reoperations("prior_surgery")),
    "trajectory": lambda: fbss.plot_trajectory(cases.trajectory(), marks={"implant": 60}),
    "trajectory of one": lambda: fbss.plot_trajectory(cases.trajectory(None)),
    "alluvial": lambda: fbss.plot_alluvial(cases.transitions()),
    "daily dose": lambda: fbss.plot_daily_dose(cases.daily()),
    "conversion": lambda: fbss.plot_conversion("methadone", tables=["cdc_2016", "cdc_2022"]),
    "specifications": lambda: fbss.plot_specification_curve(cases.specifications(of_term=False)),
    "specifications of a term": lambda: fbss.plot_specification_curve(cases.specifications(of_term=True)),
    "forest by period": lambda: fbss.plot_forest(cases.early_and_late()),
}
each_plot = pytest.mark.parametrize("name", PLOTS)


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    pyplot.close("all")


def counts_of(axes: Axes) -> list[list[str]]:
    """Return the rows of numbers under a figure, from above."""
    figure: Any = axes.get_figure(root=True)
    below = next(each for each in figure.axes if each.get_label() == "counts")
    rows: dict[float, list[str]] = {}
    for text in below.texts:
        rows.setdefault(round(text.get_position()[1], 3), []).append(text.get_text())
    return [rows[y] for y in sorted(rows)]


@each_plot
def test_a_plot_says_what_it_shows_in_a_journals_size(name: str) -> None:
    axes = PLOTS[name]()
    assert isinstance(axes, Axes)
    assert any(character.isdigit() for character in alt_text(axes))
    assert min(text.get_fontsize() for text in texts(axes)) >= SMALLEST_SIZE
    wide, high = axes.get_figure(root=True).get_size_inches() * MM_PER_INCH  # type: ignore[union-attr]
    assert wide <= DOUBLE_MM + 1e-9
    assert high <= 230


@each_plot
def test_no_texts_collide_or_leave_the_figure(name: str) -> None:
    axes = PLOTS[name]()
    figure: Any = axes.get_figure(root=True)
    boxes = [(text, text.get_window_extent(figure.canvas.get_renderer())) for text in texts(axes)]
    for text, box in boxes:
        assert figure.bbox.padded(1.5).containsx(box.x0), text.get_text()
        assert figure.bbox.padded(1.5).containsx(box.x1), text.get_text()
        assert figure.bbox.padded(1.5).containsy(box.y0), text.get_text()
        assert figure.bbox.padded(1.5).containsy(box.y1), text.get_text()
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        assert not a.padded(-1).overlaps(b.padded(-1)), (one.get_text(), other.get_text())


@each_plot
def test_colours_come_from_the_palette(name: str) -> None:
    allowed = {tuple(np.round(colors.to_rgb(colour), 3)) for colour in PALETTE}
    figure: Any = PLOTS[name]().get_figure(root=True)
    for artist in figure.findobj():
        for getter in ("get_color", "get_facecolor", "get_edgecolor", "get_markerfacecolor"):
            value = getattr(artist, getter, None)
            if value is None or not artist.get_visible():
                continue
            for colour in np.atleast_2d(colors.to_rgba_array(value())):
                assert colour[3] == 0 or tuple(np.round(colour[:3], 3)) in allowed


@each_plot
def test_the_same_figure_has_the_same_bytes(name: str) -> None:
    first, second = (figure_svg(PLOTS[name]().get_figure(root=True)) for _ in range(2))  # type: ignore[arg-type]
    assert first == second


def test_areas_are_the_shares_and_add_up() -> None:
    curve = cases.occupancy()
    axes = fbss.plot_state_occupancy(curve, until_days=1000)
    areas = [patch for patch in axes.patches if isinstance(patch, StepPatch)]
    assert len(areas) == len(cases.STATES)
    tops = np.array([area.get_data().values for area in areas])
    assert np.allclose(tops[-1], 1.0)
    assert axes.get_xlim() == (0, 1000)
    day = areas[0].get_data().edges[40]
    at = curve.at(day).set_index("cause")["estimate"]
    assert np.allclose(np.diff(np.append(0, tops[:, 40])), at[cases.STATES])


def test_numbers_under_areas_are_those_seen_in_each_state() -> None:
    axes = fbss.plot_state_occupancy(cases.occupancy(), risk_days=[0, 365, 730])
    rows = {row[0]: [int(n) for n in row[1:]] for row in counts_of(axes)}
    frame = cases.courses()
    for day, place in ((365, 1), (730, 2)):
        there = frame[(frame["start_day"] < day) & (day <= frame["stop_day"])]["state"].value_counts()
        for state in ("on pump, free", "pump out", "unobserved"):
            assert rows[state.capitalize()][place] == there.get(state, 0)
        assert rows["Dead"][place] == int(((frame["state"] == "dead") & (frame["start_day"] < day)).sum())


def test_the_figure_of_states_ends_with_those_observed() -> None:
    frame = pd.DataFrame({"row": range(100), "start_day": 0, "stop_day": np.arange(1, 101), "state": "using"})
    dead = pd.DataFrame(
        {"row": range(50), "start_day": np.arange(1, 51), "stop_day": np.arange(1, 51), "state": "dead"}
    )
    curve = fbss.estimate_state_occupancy(pd.concat([frame, dead]), states=["using", "dead"])
    assert fbss.plot_state_occupancy(curve).get_xlim() == (0, 91)


def test_groups_of_occupancy_are_drawn_one_by_one() -> None:
    frame = cases.courses().assign(arm=lambda rows: np.where(rows["row"] % 2, "odd", "even"))
    curve = fbss.estimate_state_occupancy(frame, states=cases.STATES, by="arm")
    assert fbss.plot_state_occupancy(curve, group="odd").get_ylim() == (0, 1)
    with pytest.raises(InputError, match="give group= one of even, odd"):
        fbss.plot_state_occupancy(curve)
    among = fbss.estimate_state_occupancy(frame, states=cases.STATES, among=cases.STATES[:2])
    note = fbss.plot_state_occupancy(among).get_figure(root=True).texts[-1].get_text()  # type: ignore[union-attr]
    assert "of those in one of these states" in note.replace("\n", " ")


def test_counts_under_the_mean_count_add_up() -> None:
    curve = cases.reoperations()
    axes = fbss.plot_mean_cumulative_count(curve)
    rows = {row[0]: [int(n) for n in row[1:]] for row in counts_of(axes)}
    total = np.array(rows["At risk"]) + rows["Death (cum.)"] + rows["Censored (cum.)"]
    assert (total == cases.N).all()
    assert rows["Reoperations (cum.)"][-1] <= curve.events
    assert axes.get_ylim()[0] == 0
    with pytest.raises(InputError, match="plot_mean_cumulative_count"):
        fbss.plot_survival(curve)
    with pytest.raises(InputError, match="plot_state_occupancy"):
        fbss.plot_cumulative_incidence(cases.occupancy())


def test_panels_hold_the_trajectory_and_do_not_join_across_day_0() -> None:
    trajectory = cases.trajectory()
    axes = fbss.plot_trajectory(trajectory)
    panels = axes.get_figure(root=True).axes  # type: ignore[union-attr]
    drawn = [line for line in axes.get_lines() if len(np.asarray(line.get_xdata())) > 2]
    assert len(drawn) == 4
    assert all((np.asarray(line.get_xdata()) < 0).all() or (np.asarray(line.get_xdata()) > 0).all() for line in drawn)
    assert [panel.get_ylim()[0] for panel in panels if panel.get_title(loc="left")] == [0, 0, 0]
    frame = trajectory.frame
    one = frame[(frame["group"] == "conventional management") & (frame["measure"] == "share_using")]
    assert np.allclose(drawn[0].get_ydata(), one.loc[one["month"] < 0, "estimate"])


def test_the_mean_of_everyone_is_share_times_dose_of_users() -> None:
    wide = cases.trajectory().frame.pivot(index=["group", "month"], columns="measure", values="estimate")
    assert np.allclose(wide["mean_dose"], wide["share_using"] * wide["dose_if_using"])
    assert "month -24" in cases.trajectory().sentence()
    assert "<table" in cases.trajectory()._repr_html_()
    with pytest.raises(InputError, match="Nobody is observed"):
        fbss.estimate_trajectory(
            pd.DataFrame({"row": [0], "month": [1], "start_day": [1], "stop_day": [31], "is_using": [np.nan],
                          "mme_per_day": [np.nan]})
        )  # fmt: skip
    with pytest.raises(InputError, match="Expected episodes of months"):
        fbss.estimate_trajectory([1])


def test_blocks_and_bands_hold_everyone_at_every_time() -> None:
    moves = cases.transitions()
    axes = fbss.plot_alluvial(moves)
    blocks = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    for x in axes.get_xticks():
        heights = [block.get_height() for block in blocks if abs(block.get_x() + block.get_width() / 2 - x) < 1e-9]
        assert sum(heights) == cases.N
    bands = [patch for patch in axes.patches if isinstance(patch, PathPatch)]
    assert len(bands) == len(moves.frame)
    rows = counts_of(axes)
    assert [row[0] for row in rows][:3] == ["Not followed", "Dead", "Explanted"]
    assert sum(int(row[1].split(" ")[0]) for row in rows) == cases.N


def test_moves_add_up_to_the_counts() -> None:
    moves, counts = cases.transitions().frame, cases.transitions().counts
    for side in ("from", "to"):
        summed = moves.groupby([f"{side}_time", f"{side}_state"])["n"].sum()
        for (time, state), n in summed.items():  # type: ignore[misc]
            assert counts.set_index(["time", "state"]).loc[(time, state), "n"] == n
    assert moves.groupby(["from_time", "from_state"])["share"].sum().round(9).eq(1).all()
    assert "<table" in cases.transitions()._repr_html_()


def test_transitions_from_intervals() -> None:
    moves = fbss.estimate_transitions(
        cases.courses(), states=[*cases.STATES, "not followed"], days={"implant": 0, "1 year": 365, "4 years": 1460}
    )
    counts = moves.counts.set_index(["time", "state"])["n"]
    assert counts["implant", "on pump, using"] == cases.N
    frame = cases.courses()
    last = frame.groupby("row").tail(1)
    assert counts["4 years", "dead"] == int(((last["state"] == "dead") & (last["start_day"] <= 1460)).sum())
    assert counts["4 years", "not followed"] == int(((last["state"] != "dead") & (last["stop_day"] <= 1460)).sum())


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, InputError, "one of the two"),
        ({"columns": {"a": "a"}}, InputError, "two times"),
        ({"columns": {"a": "a", "b": "c"}}, InputError, "Did you mean|names column 'c'"),
        ({"columns": {"a": "a", "b": "b"}, "states": ["0"]}, InputError, "does not name '1'"),
        ({"columns": {"a": "a", "b": "gap"}}, DataError, "without a state at 'b'"),
    ],
)
def test_wrong_transitions(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    frame = pd.DataFrame({"a": ["0", "1"], "b": ["0", "0"], "gap": ["0", None]})
    with pytest.raises(error, match=words):
        fbss.estimate_transitions(frame, **({"states": ["0", "1"]} | arguments))


def test_a_forest_by_period_has_the_numbers_of_each() -> None:
    fit = cases.early_and_late()
    axes = fbss.plot_forest(fit)
    assert axes.get_legend().get_texts()[0].get_text() == "Days 0-90"  # type: ignore[union-attr]
    shown = {text.get_text() for each in axes.get_figure(root=True).axes for text in each.texts}  # type: ignore[union-attr]
    yes = [part.levels.query("term == 'osteoporosis' and level == 'yes'")["events"].item() for part in fit.parts]
    assert "\n".join(str(n) for n in yes) in shown
    table = fbss.table_estimates(fit).frame
    assert [name for name in table.columns if name.startswith("Days 91-730")]


def test_a_clock_that_starts_after_day_0_says_so() -> None:
    source = fbss.simulate("neuromodulation", n_patients=400, seed=1)
    dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    cohort = fbss.start_cohort(source, index="scs_trial", occurrence="first")
    cohort = fbss.add_opioid_elimination(cohort, dose, until_days=1825, competing="death", baseline_days=None)
    cohort = fbss.add_opioid_relapse(cohort, dose, until_days=1825, competing="death", least_days=1)
    with pytest.warns(fbss.StudyWarning, match="left out"):
        relapse = fbss.estimate_cumulative_incidence(cohort, outcome="opioid_relapse")
    assert "since first elimination of systemic opioids" in fbss.plot_cumulative_incidence(relapse).get_xlabel()
    first = fbss.estimate_cumulative_incidence(cohort, outcome="opioid_elimination")
    assert "since start of a spinal cord stimulation trial" in fbss.plot_cumulative_incidence(first).get_xlabel()


def test_specification_curve_marks_what_each_estimate_rests_on() -> None:
    above = fbss.plot_specification_curve(cases.specifications(of_term=True))
    figure: Any = above.get_figure(root=True)
    below = figure.axes[1]
    assert [label.get_text() for label in below.get_yticklabels()] == [
        "fall of 20 %", "fall of 50 %", "stopped", "30", "180", "CDC 2016", "CDC 2022"
    ]  # fmt: skip
    marks = [(int(x), float(y)) for line in below.lines for x, y in line.get_xydata()]
    marked = [sorted(x for x, y in marks if y == row) for row in below.get_yticks()]
    assert marked == [[4], [2, 3], [0, 1], [0], [1], [2, 4], [3]]
    assert "above 1 in 1 and below in 3" in alt_text(above)
    assert "1 definition gave no estimate" in alt_text(above)


def test_specification_curve_needs_something_to_draw() -> None:
    nothing = replace(cases.specifications(of_term=False), dimensions=())
    with pytest.raises(InputError, match="nothing was varied"):
        fbss.plot_specification_curve(nothing)


def test_conversion_jumps_after_the_edge_that_belongs_to_the_band_below() -> None:
    axes = fbss.plot_conversion("methadone", tables=["cdc_2016"], up_to_mg_per_day=50)
    points = {
        tuple(line.get_xydata()[0]): line.get_markerfacecolor() for line in axes.lines if line.get_marker() == "o"
    }
    colour = axes.lines[0].get_color()
    # CDC 2016: 4 MME per mg up to 20 mg, the edge included, 8 up to 40, 10 up to 60.
    assert points == {(20, 80): colour, (20, 160): "#FFFFFF", (40, 320): colour, (40, 400): "#FFFFFF"}
    assert axes.lines[0].get_xydata().tolist() == [[0, 0], [20, 80]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"ingredient": "methadon", "tables": ["cdc_2022"]}, "'methadone'"),
        ({"ingredient": "methadone", "tables": ["cdc_2021"]}, "'cdc_2022'"),
        ({"ingredient": "methadone", "tables": []}, "1 to 6"),
    ],
)
def test_conversion_needs_a_factor_by_mouth(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        fbss.plot_conversion(**arguments)


def test_daily_dose_draws_the_steps_and_the_four_lines() -> None:
    axes = fbss.plot_daily_dose(cases.daily())
    areas = [collection.get_paths()[0].get_extents().bounds for collection in axes.collections]
    assert [(x, width, height) for x, _, width, height in areas] == [(0, 7, 105), (7, 23, 90), (40, 10, 0)]
    lines = sorted(
        line.get_ydata()[0] for line in axes.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] == 0
    )
    assert lines == pytest.approx([2805 / 90, 2805 / 47, 2805 / 40, 105])
