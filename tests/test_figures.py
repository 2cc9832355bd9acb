"""Figures: what is drawn, the counts under it, text that does not collide, colours, and stable bytes."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import colors, pyplot
from matplotlib.axes import Axes
from matplotlib.patches import StepPatch
from matplotlib.text import Text
from reporting_cases import cohort, comparison, days_free, dose_later, effect, fit, hazard, risk, survival

import fbss_analytics as fbss
from fbss_analytics.cohort.nouns import Attrition, Step
from fbss_analytics.errors import DataError, InputError
from fbss_analytics.reporting import alt_text, figure_svg, use_theme
from fbss_analytics.reporting.figures.layout import text_width_mm, wrapped
from fbss_analytics.reporting.theme import DOUBLE_MM, LINES, MM_PER_INCH, PALETTE, SERIES, SMALLEST_SIZE

pyplot.switch_backend("agg")

LABELS = ["unadjusted", "unadjusted", "adjusted"]
PLOTS: dict[str, Callable[[], Axes]] = {
    "flow": lambda: fbss.plot_flow(cohort()),
    "flow with ends": lambda: fbss.plot_flow(cohort(), outcome="explant_reason"),
    "incidence": lambda: fbss.plot_cumulative_incidence(risk()),
    "incidence by group": lambda: fbss.plot_cumulative_incidence(risk(by="sex")),
    "incidence by cause": lambda: fbss.plot_cumulative_incidence(risk("explant_reason")),
    "incidence stacked": lambda: fbss.plot_cumulative_incidence(risk("explant_reason"), stacked=True),
    "incidence with published": lambda: fbss.plot_cumulative_incidence(risk(), published=comparison()),
    "survival": lambda: fbss.plot_survival(survival(by="sex")),
    "forest": lambda: fbss.plot_forest(fit()),
    "forest of several": lambda: fbss.plot_forest(fit("sex"), fit("age_years"), fit("sex + age_years"), labels=LABELS),
    "forest of differences": lambda: fbss.plot_forest(dose_later()),
    "forest of several differences": lambda: fbss.plot_forest(dose_later("sex"), dose_later(), labels=["one", "two"]),
    "forest of days": lambda: fbss.plot_forest(days_free()),
    "effect": lambda: fbss.plot_effect_curve(effect()),
    "effect with histogram": lambda: fbss.plot_effect_curve(effect(), values=cohort().frame["baseline_mme_per_day"]),
    "log-log": lambda: fbss.plot_log_log(hazard()),
    "dose": lambda: fbss.plot_dose_distribution(cohort(), column="baseline_mme_per_day"),
    "dose by group": lambda: fbss.plot_dose_distribution(cohort(), column="baseline_mme_per_day", by="sex"),
    "comparison": lambda: fbss.plot_comparison(comparison()),
    "schoenfeld": lambda: fbss.plot_schoenfeld(check(), term="age_years"),
    "schoenfeld of a curve": lambda: fbss.plot_schoenfeld(check(), term="baseline_mme_per_day"),
}
each_plot = pytest.mark.parametrize("name", PLOTS)


def check() -> fbss.ProportionalHazards:
    return fbss.check_proportional_hazards(fit())


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    pyplot.close("all")


def texts(axes: Axes) -> list[Text]:
    """Return every visible text of a figure that says something."""
    figure: Any = axes.figure
    figure.canvas.draw()
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    hidden = {label for each in figure.axes for axis in (each.xaxis, each.yaxis) for label in undrawn(axis)}
    axes_off = {text for each in figure.axes if not each.axison for text in each.xaxis.findobj(Text)}
    axes_off |= {text for each in figure.axes if not each.axison for text in each.yaxis.findobj(Text)}
    return [text for text in found if text not in hidden | axes_off]


def undrawn(axis: Any) -> list[Text]:
    """Return the labels of ticks beyond the limits: they exist but are not drawn."""
    low, high = sorted(axis.get_view_interval())
    return [tick.label1 for tick in axis.get_major_ticks() if not low - 1e-9 <= tick.get_loc() <= high + 1e-9]


@each_plot
def test_a_plot_returns_its_axes_and_says_what_it_shows(name: str) -> None:
    axes = PLOTS[name]()
    assert isinstance(axes, Axes)
    assert len(alt_text(axes)) > 30
    assert any(character.isdigit() for character in alt_text(axes))


@each_plot
def test_no_texts_collide_or_leave_the_figure(name: str) -> None:
    axes = PLOTS[name]()
    figure: Any = axes.figure
    boxes = [(text, text.get_window_extent(figure.canvas.get_renderer())) for text in texts(axes)]
    for text, box in boxes:
        # One pixel at 96 dpi (0.26 mm) is what letters rounded to pixels may take.
        assert figure.bbox.padded(1.5).containsx(box.x0), text.get_text()
        assert figure.bbox.padded(1.5).containsx(box.x1), text.get_text()
        assert figure.bbox.padded(1.5).containsy(box.y0), text.get_text()
        assert figure.bbox.padded(1.5).containsy(box.y1), text.get_text()
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        assert not a.padded(-1).overlaps(b.padded(-1)), (one.get_text(), other.get_text())


@each_plot
def test_no_text_is_too_small_and_the_width_is_a_journals(name: str) -> None:
    axes = PLOTS[name]()
    assert min(text.get_fontsize() for text in texts(axes)) >= SMALLEST_SIZE
    wide, high = axes.figure.get_size_inches() * MM_PER_INCH  # type: ignore[union-attr]
    assert wide <= DOUBLE_MM + 1e-9
    assert high <= 230


@each_plot
def test_colours_come_from_the_palette(name: str) -> None:
    allowed = {colors.to_rgb(colour) for colour in PALETTE}
    axes = PLOTS[name]()
    figure: Any = axes.figure
    used = set()
    for artist in figure.findobj():
        for getter in ("get_color", "get_facecolor", "get_edgecolor", "get_markerfacecolor", "get_markeredgecolor"):
            value = getattr(artist, getter, None)
            if value is None or not artist.get_visible():
                continue
            for colour in np.atleast_2d(colors.to_rgba_array(value())):
                if colour[3] > 0:
                    used.add(tuple(colour[:3]))
    assert {tuple(np.round(colour, 3)) for colour in used} <= {tuple(np.round(colour, 3)) for colour in allowed}


@each_plot
def test_the_same_figure_has_the_same_bytes(name: str) -> None:
    first, second = (figure_svg(PLOTS[name]().figure) for _ in range(2))  # type: ignore[arg-type]
    assert first == second
    assert first.startswith('<svg role="img" ')
    assert "<title>" in first
    assert "<text" in first
    assert "<dc:date>" not in first


def test_colours_are_doubled_by_line_style() -> None:
    axes = fbss.plot_cumulative_incidence(risk(by="sex"))
    first, second = axes.get_lines()[:2]
    assert first.get_color() != second.get_color()
    assert first.get_linestyle() != second.get_linestyle()
    assert len(SERIES) == len(LINES)


@pytest.mark.parametrize("name", [name for name in PLOTS if "incidence" in name or name in ("survival", "dose")])
def test_risk_axes_start_at_0(name: str) -> None:
    assert PLOTS[name]().get_ylim()[0] == 0


def test_the_counts_are_the_curves() -> None:
    curve = risk(by="sex")
    axes = fbss.plot_cumulative_incidence(curve)
    below = next(each for each in axes.figure.axes if each.get_label() == "counts")
    drawn = [text.get_text() for text in below.texts]
    days = [float(tick) for tick in axes.get_xticks()]
    table = curve.risk_table(days)
    expected = []
    for group in curve.groups:
        mine = table[table["group"] == group]
        expected += [group, "At risk", *(f"{n:,}" for n in mine.loc[mine["cause"] == "event", "n_at_risk"])]
        for cause, words in (("event", "Explant (cum.)"), ("death", "Death (cum.)")):
            expected += [words, *(f"{n:,}" for n in mine.loc[mine["cause"] == cause, "n_events"])]
        expected += ["Censored (cum.)", *(f"{n:,}" for n in mine.loc[mine["cause"] == "event", "n_censored"])]
    assert drawn == expected


def test_the_counts_stand_under_their_ticks() -> None:
    axes = fbss.plot_cumulative_incidence(risk())
    figure: Any = axes.figure
    below = next(each for each in figure.axes if each.get_label() == "counts")
    first_row = below.texts[1 : 1 + len(axes.get_xticks())]
    for tick, text in zip(axes.get_xticks(), first_row, strict=True):
        at = axes.transData.transform((tick, 0))[0]
        assert below.transData.transform(text.get_position())[0] == pytest.approx(at, abs=0.5)


def test_a_curve_ends_where_too_few_are_at_risk() -> None:
    people = pd.DataFrame({"days": np.arange(1.0, 101.0), "status": ["out", "censored"] * 50})
    curve = fbss.estimate_cumulative_incidence(people, duration="days", status="status", event="out")
    line = fbss.plot_cumulative_incidence(curve).get_lines()[0]
    # 100 people leave one a day: 10 are at risk on day 91, 9 on day 92.
    assert max(line.get_xdata()) == 91  # type: ignore[arg-type]
    assert float(line.get_ydata()[-1]) == pytest.approx(curve.at(91)["estimate"].item())  # type: ignore[index]


def test_until_and_risk_days_set_the_axis() -> None:
    axes = fbss.plot_cumulative_incidence(risk(), until_days=730, risk_days=[0, 180, 365, 730, 3650])
    assert axes.get_xlim() == (0, 730)
    assert axes.get_xticks().tolist() == [0, 180, 365, 730]
    assert axes.get_xlabel().startswith("Days since permanent implant of a spinal cord stimulator")
    short = fbss.plot_cumulative_incidence(risk(), until_days=90)
    assert [text.get_text() for text in short.get_xticklabels()][:3] == ["0", "14", "28"]


def test_competing_events_are_drawn_only_when_asked_for() -> None:
    assert len(fbss.plot_cumulative_incidence(risk()).get_lines()) == 1
    both = fbss.plot_cumulative_incidence(risk(), causes=["event", "death"])
    assert [text.get_text() for text in both.get_legend().get_texts()] == ["explant", "death"]  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"no cause 'deth'. Did you mean 'death'"):
        fbss.plot_cumulative_incidence(risk(), causes=["deth"])


def test_a_stack_adds_up_to_any_event() -> None:
    axes = fbss.plot_cumulative_incidence(risk("explant_reason"), stacked=True)
    values = [patch.get_data().values for patch in axes.patches if isinstance(patch, StepPatch)]
    assert len(values) == 4
    any_reason = risk().frame.query("cause == 'event'").set_index("time_days")["estimate"]
    edges = axes.patches[-1].get_data().edges  # type: ignore[attr-defined]
    assert values[-1] == pytest.approx(any_reason.loc[edges[:-1]].to_numpy())
    with pytest.raises(InputError, match="stacked=True draws one group"):
        fbss.plot_cumulative_incidence(risk(by="sex"), stacked=True)


def many_reasons() -> fbss.Curve:
    """Return a curve with nine reasons, each rarer than the one before."""
    random = np.random.default_rng(5)
    reasons = [f"reason_{letter}" for letter in "abcdefghi"]
    shares = np.array([0.3, 0.12, 0.08, 0.07, 0.06, 0.05, 0.04, 0.03, 0.03, 0.22])
    frame = pd.DataFrame(
        {
            "days": random.integers(1, 1000, 900).astype(float),
            "status": random.choice(np.array([*reasons, "censored"], dtype=object), 900, p=shares),
        }
    )
    return fbss.estimate_cumulative_incidence(frame, duration="days", status="status", event=reasons)


def test_of_many_reasons_the_five_most_frequent_are_drawn() -> None:
    curve = many_reasons()
    axes = fbss.plot_cumulative_incidence(curve)
    assert [line.get_label() for line in axes.get_lines()] == [f"reason {letter}" for letter in "abcde"]
    note = axes.figure.texts[-1].get_text().replace("\n", " ")  # type: ignore[union-attr]
    assert "Not drawn: reason f, reason g, reason h, reason i." in note
    with pytest.raises(InputError, match="At most 6 groups or causes"):
        fbss.plot_cumulative_incidence(curve, causes=[f"reason_{letter}" for letter in "abcdefg"])


def test_a_stack_of_many_reasons_adds_the_others_up() -> None:
    curve = many_reasons()
    axes = fbss.plot_cumulative_incidence(curve, stacked=True)
    assert [text.get_text() for text in axes.get_legend().get_texts()][-1] == "4 further reasons"  # type: ignore[union-attr]
    below = next(each for each in axes.figure.axes if each.get_label() == "counts")
    drawn = [text.get_text() for text in below.texts]
    last = curve.risk_table(axes.get_xticks()[-1])
    rest = last.loc[last["cause"].isin([f"reason_{letter}" for letter in "fghi"]), "n_events"].sum()
    row = drawn.index("4 further reasons (cum.)")
    assert drawn[row + len(axes.get_xticks())] == f"{rest:,}"
    counted = [
        int(drawn[i + len(axes.get_xticks())].replace(",", "")) for i, word in enumerate(drawn) if word[-1] in "k)"
    ]
    assert sum(counted) == 900
    one = fbss.plot_cumulative_incidence(curve, causes=[f"reason_{letter}" for letter in "abcdef"], stacked=True)
    assert "3 further reasons" in alt_text(one)


def test_published_points_stand_at_their_risk() -> None:
    axes = fbss.plot_cumulative_incidence(risk(), published=comparison())
    points = {round(float(line.get_ydata()[0]), 4) for line in axes.get_lines() if line.get_marker() == "s"}  # type: ignore[index]
    frame = comparison().frame
    wanted = frame[(frame["cause"] == "any") & (frame["statistic"] != "rate") & (frame["horizon_days"] <= 1825)]
    assert points == {round(value, 4) for value in wanted["published"]}
    note = axes.figure.texts[-1].get_text().replace("\u00a0", " ")  # type: ignore[union-attr]
    assert "f Gatzinsky 2024" in note
    none = fbss.plot_cumulative_incidence(risk(), published=comparison(), until_days=100)
    assert not [line for line in none.get_lines() if line.get_marker() == "s"]


def test_curves_can_be_drawn_on_given_axes() -> None:
    _, (one, two) = pyplot.subplots(2)
    assert fbss.plot_cumulative_incidence(risk(), ax=one, published=comparison()) is one
    assert fbss.plot_survival(survival(), ax=two) is two
    assert fbss.plot_log_log(hazard(), ax=pyplot.subplots()[1]).get_xscale() == "log"
    assert fbss.plot_effect_curve(effect(), ax=pyplot.subplots()[1]).get_yscale() == "log"


def test_a_plot_of_the_wrong_kind_names_the_right_one() -> None:
    with pytest.raises(InputError, match="use plot_survival"):
        fbss.plot_cumulative_incidence(survival())
    with pytest.raises(InputError, match="use plot_cumulative_incidence"):
        fbss.plot_survival(risk())
    with pytest.raises(InputError, match="use plot_effect_curve"):
        fbss.plot_log_log(effect())
    with pytest.raises(InputError, match="not one of kind 'survival'"):
        fbss.plot_effect_curve(survival())


def test_the_flow_adds_up_or_refuses() -> None:
    axes = fbss.plot_flow(cohort(), outcome="explant_reason")
    words = " ".join(text.get_text() for text in axes.texts)
    assert "n = 550 left out" in words
    assert "n = 400" in words
    status = cohort().frame["explant_status"].value_counts()
    assert f"Death\nn = {status['death']} (" in words
    wrong = replace(cohort(), attrition=Attrition((*cohort().attrition.steps, Step("aged 90", 399, 399))))
    with pytest.raises(DataError, match="does not begin where the step before it ended"):
        fbss.plot_flow(wrong)
    short = replace(cohort(), attrition=Attrition((*cohort().attrition.steps, Step("aged 90", 400, 399))))
    with pytest.raises(DataError, match="ends with 399 rows and the cohort has 400"):
        fbss.plot_flow(short)


def test_the_flow_shows_rows_that_were_not_observed() -> None:
    frame = cohort().frame
    frame.loc[:4, "explant_status"] = None
    words = " ".join(text.get_text() for text in fbss.plot_flow(replace(cohort(), data=frame), outcome="explant").texts)
    assert "Not observed\nn = 5 (1.2 %)" in words
    frame.loc[5, "explant_status"] = "lost"
    with pytest.raises(DataError, match="do not add up to the 400 rows"):
        fbss.plot_flow(replace(cohort(), data=frame), outcome="explant")


def test_a_forest_has_its_reference_rows_and_numbers() -> None:
    axes = fbss.plot_forest(fit())
    words = [text.get_text() for each in axes.figure.axes for text in each.texts]
    assert words.count("1 (reference)") == 3
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "HR (association, mutually adjusted)"
    male = fit().estimates.query("term == 'sex'").iloc[0]
    assert any(word.startswith(f"{male['estimate']:.2f} (") for word in words)


def test_a_forest_of_differences_stands_on_a_plain_axis_around_0() -> None:
    axes = fbss.plot_forest(dose_later())
    words = [text.get_text() for each in axes.figure.axes for text in each.texts]
    assert axes.get_xscale() == "linear"
    assert axes.get_xlabel() == "Difference in later MME per day (association, mutually adjusted)"
    assert words.count("0 (reference)") == 2
    assert "events" not in words
    low, high = axes.get_xlim()
    assert low < 0 < high
    table = dose_later().estimates
    assert low < table["conf_low"].min() < table["conf_high"].max() < high
    drawn = {float(x) for line in axes.get_lines() if line.get_marker() == "o" for x in np.asarray(line.get_xdata())}
    assert drawn == set(table["estimate"])
    assert "400 rows, 4 parameters" in " ".join(text.get_text() for text in axes.figure.texts)
    assert "400 rows. " in alt_text(axes)


def test_differences_in_several_outcomes_share_no_axis() -> None:
    with pytest.raises(InputError, match="Differences in later_mme_per_day and age do not share an axis"):
        fbss.plot_forest(dose_later(), replace(dose_later(), outcome="age"))


def test_models_of_one_name_share_a_note_without_events() -> None:
    axes = fbss.plot_forest(dose_later("sex"), dose_later("smoking"), labels=["alone", "alone"])
    assert "Alone: 2 models, 400 rows." in " ".join(text.get_text() for text in axes.figure.texts)


def test_a_restricted_mean_is_drawn_as_differences_in_days() -> None:
    mean = days_free()
    axes = fbss.plot_forest(mean)
    legend: Any = axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [
        "Days free by day 1,800", "Days lost to explant by day 1,800", "Days lost to death by day 1,800",
    ]  # fmt: skip
    assert axes.get_xlabel() == "Difference in days (association, unadjusted)"
    change = mean.estimates.query("measure == 'difference in days free'").iloc[0]
    assert f"Sex male (Days free by day 1,800): {change['estimate']:.1f} (" in alt_text(axes)
    frame = cohort().frame.assign(is_out=lambda rows: rows["explant_status"] == "event")
    keys = {"duration": "explant_days", "status": "is_out", "event": "explant"}
    one = fbss.estimate_restricted_mean(frame, until_days=1800, by="sex", **keys)
    assert fbss.plot_forest(one).get_legend() is None
    with pytest.raises(InputError, match="estimate it with by="):
        fbss.plot_forest(fbss.estimate_restricted_mean(frame, until_days=1800, **keys))
    with pytest.raises(InputError, match="estimate difference and difference in days"):
        fbss.plot_forest(one, dose_later())


def test_an_interval_that_leaves_the_axis_ends_in_an_arrow() -> None:
    table = fit("sex").estimates.assign(conf_low=0.001, conf_high=900.0)
    axes = fbss.plot_forest(replace(fit("sex"), table=table))
    markers = {line.get_marker() for line in axes.get_lines()}
    assert {"<", ">"} <= markers
    low, high = axes.get_xlim()
    assert low > 0.04
    assert high < 25


def test_the_dose_names_the_share_without_any() -> None:
    axes = fbss.plot_dose_distribution(cohort(), column="baseline_mme_per_day")
    dose = cohort().frame["baseline_mme_per_day"]
    assert f"{(dose == 0).mean() * 100:.1f} % with a dose of 0" in alt_text(axes)
    heights = sum(patch.get_height() for patch in axes.patches)
    assert heights + (dose == 0).mean() == pytest.approx(1)


def test_the_dose_refuses_what_it_cannot_draw() -> None:
    frame = cohort().frame
    with pytest.raises(InputError, match="There is no column 'dose'"):
        fbss.plot_dose_distribution(frame, column="dose")
    with pytest.raises(InputError, match="must hold doses as numbers"):
        fbss.plot_dose_distribution(frame, column="sex")
    with pytest.raises(InputError, match="Nobody has a dose above 0"):
        fbss.plot_dose_distribution(frame.assign(dose=0.0), column="dose")
    with pytest.raises(InputError, match="400 of 400 rows of 'dose' are below 0"):
        fbss.plot_dose_distribution(frame.assign(dose=-1.0), column="dose")
    with pytest.raises(InputError, match="at most 6 can be told apart"):
        fbss.plot_dose_distribution(frame, column="baseline_mme_per_day", by="age_years")
    partly = frame.assign(dose=frame["baseline_mme_per_day"].where(frame.index >= 7))
    assert "7 with an unknown dose left out." in alt_text(fbss.plot_dose_distribution(partly, column="dose"))


def test_a_comparison_without_a_counterpart_is_not_drawn() -> None:
    empty = replace(comparison(), _frame=comparison().frame.assign(ours=np.nan))
    with pytest.raises(InputError, match="Nothing to draw"):
        fbss.plot_comparison(empty)


def test_drawing_leaves_the_sessions_settings_alone() -> None:
    before = dict(pyplot.rcParams)
    fbss.plot_forest(fit("sex"))
    assert dict(pyplot.rcParams) == before


def test_the_theme_is_set_on_request() -> None:
    with pyplot.rc_context():
        use_theme()
        assert pyplot.rcParams["svg.hashsalt"] == "fbss_analytics"
        assert pyplot.rcParams["font.size"] == 8


def test_a_notebook_shows_figures_as_svg(monkeypatch: pytest.MonkeyPatch) -> None:
    from IPython.core.formatters import DisplayFormatter

    called: list[str] = []
    shell = SimpleNamespace(kernel=object(), enable_matplotlib=called.append, display_formatter=DisplayFormatter())
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    with pyplot.rc_context():
        use_theme()
        axes = fbss.plot_forest(fit("sex"))
        shown, _ = shell.display_formatter.format(axes.figure)
    assert called == ["inline"]
    assert shown["image/svg+xml"] == figure_svg(axes.figure)  # type: ignore[arg-type]
    assert "image/png" not in shown


def test_without_a_kernel_nothing_is_shown_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: None)
    with pyplot.rc_context():
        use_theme()
    monkeypatch.delitem(sys.modules, "IPython")
    with pyplot.rc_context():
        use_theme()


def test_lines_are_broken_to_fit() -> None:
    text = wrapped("with pharmacy observation throughout days -365 to -1", 40.0)
    assert all(text_width_mm(line) <= 40 for line in text.split("\n"))
    assert text.replace("\n", " ") == "with pharmacy observation throughout days -365 to -1"
    assert wrapped("pseudarthrosis", 5.0) == "pseudarthrosis"
    assert text_width_mm(" ") == 0
