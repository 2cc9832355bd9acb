"""Tables of what the models and the cohort carry: estimates, risks, attrition, definitions, published figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...errors import InputError
from ...formats import count, decimal, interval, p_value, percent, plural
from ..rows import (
    DIFFERENCE,
    Row,
    adjusted_words,
    arrange,
    by_period,
    common_measure,
    estimate_words,
    fewest_events,
    is_difference,
    series_labels,
    size_words,
)
from ..words import capitalised, days_in_words, group_in_words, in_words, term_in_words
from .noun import Table, text_table

if TYPE_CHECKING:
    from ...cohort import Cohort
    from ...literature import Comparison
    from ...models.competing_fit import CompetingFit
    from ...models.restricted_mean import RestrictedMean
    from ...models.results import Curve, Fit
    from ...models.transition_cox import TransitionFit
    from ..rows import DaysContrast

YEARS = (365, 730, 1095, 1825, 3650)
"""One, two, three, five and ten years of 365 days."""

ESTIMATE_WORDS = {
    "survival": "free of the event",
    "cumulative_incidence": "risk",
    "state_occupancy": "share",
}
"""How `table_risk` heads the estimates of each kind of curve."""

STATISTIC_WORDS = {
    "risk": "risk",
    "survival": "1 - survival",
    "fraction": "share over follow-up",
    "rate": "per 100 patient-years",
    "share": "share on the day",
    "proportion": "share",
}


def table_estimates(
    *fits: Fit | CompetingFit | TransitionFit | RestrictedMean, labels: Sequence[str] | None = None
) -> Table:
    """Print regressions side by side: levels with reference rows, n, events, ratios or differences, p-values.

    **Definition.** One row per level; the reference is 1 (0 for differences) and has its n and events. Numbers are per
    unit, splines a contrast of two percentiles whose p-value is that of all the spline's columns. ``n`` and ``events``
    of a level are those of the last fit that has it; events of different causes stand beside each other, in the order
    of the fits.

    Parameters
    ----------
    *fits : Fit, CompetingFit, TransitionFit or RestrictedMean
        Fits of one measure (HR, OR or difference); a `CompetingFit` or `TransitionFit` is all its models, a
        `RestrictedMean` with groups the differences in days free and, where events compete, in days lost to each.
    labels : sequence of str, optional
        A name for each fit; fits with the same name share a column (one-term models under ``"unadjusted"``).

    Returns
    -------
    Table
        ``characteristic, level, n, events`` and, by fit, the estimate with its interval and p; no ``events`` for
        differences in a mean.

    Raises
    ------
    InputError
        Without fits, with labels that do not match, or with measures that differ.

    When not to use it: to read all rows as effects; each is adjusted for the others, not for its own confounders.

    References
    ----------
    Westreich D, Greenland S. The Table 2 fallacy. Am J Epidemiol 2013;177:292-298. doi:10.1093/aje/kws412

    Examples
    --------
    >>> import pandas as pd, fbss_analytics as fbss
    >>> people = pd.DataFrame({
    ...     "is_out": [True, False, True, True] * 10, "days": list(range(1, 41)), "sex": ["male", "female"] * 20,
    ... })
    >>> fit = fbss.fit_cox(people, duration="days", status="is_out", event="out", formula="sex")
    >>> fbss.table_estimates(fit).frame["level"].tolist()
    ['', 'female (reference)', 'male']
    """
    shown = by_period(fits)
    series = series_labels(shown, labels)
    measure = common_measure(shown)
    names = list(dict.fromkeys(series))
    apart = len({fit.cause for fit in shown}) > 1
    level = f"{shown[0].conf_level:.0%}".replace("%", " %")
    measures = {name: fit.measure for name, fit in zip(series, shown, strict=True)}
    columns = ["characteristic", "level", "n", "events"]
    for name in names:
        columns += [f"{name}: {head}" if len(names) > 1 else head for head in (f"{measures[name]} ({level} CI)", "p")]
    rows = [_estimate_cells(row, names, apart, measure) for row in arrange(shown, series)]
    title = f"{capitalised(in_words(shown[-1].outcome))}: {adjusted_words(shown)}"
    table = text_table(title, rows, columns, _fit_notes(shown, series))
    # A difference in means has no events to count.
    return table if measure != DIFFERENCE else Table(title, table.cells.drop(columns="events"), table.notes)


def _estimate_cells(row: Row, names: Sequence[str], apart: bool, measure: str) -> list[str]:
    level = "" if row.head or row.label.startswith(capitalised(term_in_words(row.term))) else row.label
    characteristic = row.label if not level else ""
    cells = [characteristic, f"{level} (reference)" if row.reference else level]
    cells += ["" if row.n is None else count(row.n), _events(row, names, apart)]
    for name in names:
        cell = row.cells.get(name)
        if row.reference:
            cells += ["0" if is_difference(measure) else "1", ""]
        elif cell is None:
            cells += ["", ""]
        else:
            cells += [estimate_words(cell, measure), p_value(cell.p_value)]
    return cells


def _events(row: Row, names: Sequence[str], apart: bool) -> str:
    """Return the events of a row, one number for each series where they are of different causes."""
    if row.events is None:
        return ""
    if apart:
        return " / ".join(count(row.sizes[name][1]) if name in row.sizes else "-" for name in names)
    return count(row.events)


def _fit_notes(fits: Sequence[Fit | DaysContrast], series: Sequence[str]) -> list[str]:
    notes = []
    for name in dict.fromkeys(series):
        mine = [fit for fit, label in zip(fits, series, strict=True) if label == name]
        if len(mine) == 1:
            notes.append(f"{name}: {size_words(mine[0], parameters=True)}.")
        else:
            least = fewest_events(mine)
            few = f", {least} events per parameter or more" if least else ""
            notes.append(f"{name}: {len(mine)} models{few}.")
    left_out = sorted({_left_out(fit) for fit in fits} - {""})
    return [*notes, *left_out, *dict.fromkeys(capitalised(fit.method) for fit in fits)]


def _left_out(fit: Fit | DaysContrast) -> str:
    rows = [
        f"{plural(int(n), 'row')} ({reason})"
        for reason, n in zip(fit.excluded["reason"], fit.excluded["n"], strict=True)
        if n
    ]
    return f"Left out: {', '.join(rows)}." if rows else ""


def table_risk(*curves: Curve, days: Sequence[float] = YEARS) -> Table:
    """Print curves at chosen days: risk or survival with its interval, numbers at risk and events so far.

    **Definition.** The last step at or before each day; at risk just before the day; events up to and including it. A
    day after the last one followed in a group shows -; a day nobody was followed to is left to a note.

    Parameters
    ----------
    *curves : Curve
        Of one kind, ``survival``, ``cumulative_incidence`` or ``state_occupancy``.
    days : sequence of float
        Days; 1, 2, 3, 5 and 10 years of 365 days when not given.

    Returns
    -------
    Table
        ``outcome`` (with several curves), ``group`` (where there are several), ``cause``, ``time``, ``at risk``,
        ``events`` and the estimate.

    Raises
    ------
    InputError
        Without curves, when one has no risks (kinds ``effect`` and ``cumulative_hazard``), or when kinds differ.

    When not to use it: to compare groups that differ in more than the grouping; these risks are unadjusted.

    Examples
    --------
    >>> import pandas as pd, fbss_analytics as fbss
    >>> people = pd.DataFrame({"days": [30, 400, 700, 900] * 10, "is_out": [True, False, False, True] * 10})
    >>> curve = fbss.estimate_survival(people, duration="days", status="is_out", event="out")
    >>> fbss.table_risk(curve, days=[365, 3650]).frame["at risk"].tolist()
    ['30']
    """
    kinds = {curve.kind for curve in curves}
    if len(kinds) != 1 or not kinds <= set(ESTIMATE_WORDS):
        raise InputError("table_risk needs curves of one kind: survival, cumulative incidence or state occupancy.")
    estimate = ESTIMATE_WORDS[curves[0].kind]
    level = f"{curves[0].conf_level:.0%}".replace("%", " %")
    columns = ["outcome", "group", "cause", "time", "at risk", "events", f"{estimate} ({level} CI)"]
    table = pd.DataFrame([row for curve in curves for row in _risk_rows(curve, days)], columns=columns, dtype=object)
    for name in ("outcome", "group", "cause"):
        if table[name].nunique() == 1:
            table = table.drop(columns=name)
    by = {curve.by for curve in curves if curve.by}
    title = " and ".join(dict.fromkeys(capitalised(in_words(curve.outcome)) for curve in curves))
    what = curves[0].kind.replace("_", " ") + (
        f" by {' and '.join(in_words(each) for each in sorted(by))}" if by else ""
    )
    heading = f"{title}: {what}" if len(curves) == 1 else f"{capitalised(what)}, by outcome"
    return Table(heading, table, tuple(dict.fromkeys(note for curve in curves for note in _risk_notes(curve, days))))


def _risk_rows(curve: Curve, days: Sequence[float]) -> list[list[str]]:
    asked = [float(day) for day in days if day <= float(curve.frame["time_days"].max())]
    at_risk = curve.risk_table(asked).set_index(["group", "cause", "time_days"])["n_at_risk"]
    rows = []
    for row in curve.at(asked).to_dict("records"):
        group = row["level"] or "all"
        known = bool(np.isfinite(row["estimate"]))
        bounds = interval(row["conf_low"], row["conf_high"], digits=1, scale=100)
        rows.append(
            [
                in_words(curve.outcome),
                group_in_words(curve.by, group),
                in_words(curve.outcome if row["cause"] == "event" else row["cause"]),
                days_in_words(row["horizon_days"]),
                count(at_risk[group, row["cause"], row["horizon_days"]]) if known else "-",
                count(row["events"]) if known else "-",
                f"{percent(row['estimate'])} ({bounds})" if known else "-",
            ]
        )
    return rows


def _risk_notes(curve: Curve, days: Sequence[float]) -> list[str]:
    beyond = [days_in_words(float(day)) for day in days if day > float(curve.frame["time_days"].max())]
    return [
        f"{plural(curve.n, curve.unit)}. A year is 365 days. {curve.method}",
        *([f"Nobody was followed to {' or '.join(beyond)}."] if beyond else []),
    ]


def table_tests(fit: Fit) -> Table:
    """Print the Wald tests of a fit: each term as a whole, nonlinearity of splines, and the whole model.

    **Definition.** Chi-squared statistics of the coefficients of a term, jointly 0 under the null hypothesis.

    Parameters
    ----------
    fit : Fit
        From `fit_cox` or `fit_logistic`.

    Returns
    -------
    Table
        ``term``, ``test``, ``chi-squared``, ``df`` and ``p``.

    When not to use it: to choose terms; they are chosen before looking.

    Examples
    --------
    >>> import pandas as pd, fbss_analytics as fbss
    >>> people = pd.DataFrame({"days": [3, 4, 7, 9] * 10, "is_out": [True, True, False, True] * 10})
    >>> people["x"] = [1, 3, 2, 4] * 10
    >>> fit = fbss.fit_cox(people, duration="days", status="is_out", event="out", formula="x")
    >>> fbss.table_tests(fit).frame["df"].tolist()
    ['1', '1']
    """
    rows = [
        (
            capitalised(term_in_words(row["term"])),
            str(row["test"]),
            decimal(row["chi2"], 2),
            count(row["df"]),
            p_value(row["p_value"]),
        )
        for row in fit.tests.to_dict("records")
    ]
    note = f"{plural(fit.n, 'row')}, {plural(fit.events, 'event')}. {capitalised(fit.method)}"
    return text_table(f"Wald tests: {in_words(fit.outcome)}", rows, ("term", "test", "chi-squared", "df", "p"), (note,))


def table_comparison(comparison: Comparison) -> Table:
    """Print published figures beside ours, with what keeps them from being the same.

    Parameters
    ----------
    comparison : Comparison
        From `compare_with_published`.

    Returns
    -------
    Table
        ``study, cause, statistic, time, n, published, ours, z, what differs``; rates are per 100 patient-years.

    When not to use it: as a test of agreement; see `compare_with_published`.
    """
    rows = [
        [
            row["label"],
            "any" if row["cause"] == "any" else in_words(row["cause"]),
            STATISTIC_WORDS[row["statistic"]],
            "-" if np.isnan(row["horizon_days"]) else days_in_words(row["horizon_days"]),
            "-" if np.isnan(row["n"]) else count(row["n"]),
            share_words(row, "published"),
            share_words(row, "ours"),
            decimal(row["z"]),
            row["comparable_note"],
        ]
        for row in comparison.frame.to_dict("records")
    ]
    columns = "study", "cause", "statistic", "time", "n", "published (95 % CI)", "ours", "z", "what differs"
    level = f"{comparison.conf_level:.0%}".replace("%", " %")
    named = [f"ours ({level} CI)" if name == "ours" else name for name in columns]
    notes = (
        "z, difference divided by its standard error; published standard errors as compare_with_published states. "
        "Sources are in the frame of the comparison (citation, address).",
    )
    return text_table(comparison.sentence(), rows, named, notes)


def share_words(row: dict[Any, Any], name: str) -> str:
    """Return an estimate of a comparison with its interval in words; a rate per 100 patient-years."""
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    write = (lambda x: decimal(x * 100)) if row["statistic"] == "rate" else percent
    if np.isnan(value):
        return "-"
    if np.isnan(low):
        return write(value)
    return f"{write(value)} ({interval(low, high, digits=1, scale=100)})"


def table_attrition(cohort: Cohort) -> Table:
    """Print who entered and who left, requirement by requirement.

    Parameters
    ----------
    cohort : Cohort
        Any cohort.

    Returns
    -------
    Table
        ``requirement, excluded, left``.

    When not to use it: to see who was lost from a model; a `Fit` and a `Curve` carry their own ``excluded``.
    """
    steps = cohort.attrition.frame
    rows = [
        [capitalised(str(row["words"])), count(row["n_excluded"]) if row["n_excluded"] else "", count(row["n_after"])]
        for row in steps.to_dict("records")
    ]
    return text_table("Who is in the cohort", rows, ("requirement", "excluded", "left"), (cohort.attrition.sentence(),))


def table_definitions(cohort: Cohort) -> Table:
    """Print what every column of the cohort means, when it is known, and where the definition comes from.

    Parameters
    ----------
    cohort : Cohort
        Any cohort.

    Returns
    -------
    Table
        ``columns, meaning, known at day, source``.

    When not to use it: for the columns of the source tables; ``docs/data_dictionary.md`` has those.
    """
    rows = [
        [
            ", ".join(definition.columns),
            definition.words,
            "" if definition.known_at_day is None else str(definition.known_at_day),
            definition.citation,
        ]
        for definition in cohort.definitions
    ]
    return text_table("What the columns mean", rows, ("columns", "meaning", "known at day", "source"))
