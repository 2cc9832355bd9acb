"""How estimates are arranged, alike in the table and the forest plot: terms, levels, reference rows, series, words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import InputError
from ..formats import decimal, interval, plural, ratio
from .words import MODEL_WORDS, capitalised, in_words, term_in_words

if TYPE_CHECKING:
    from ..cohort import Definition
    from ..models.competing_fit import CompetingFit
    from ..models.restricted_mean import RestrictedMean
    from ..models.results import Fit
    from ..models.transition_cox import TransitionFit

DIFFERENCE, DAYS = "difference", "difference in days"
"""Measures on the outcome's own scale, whose reference is 0."""

SIDE_BY_SIDE = {"HR", "sHR"}
"""Measures that share a column: what goes with the risk of an event, beside what goes with its rate."""


@dataclass(frozen=True)
class Cell:
    """One estimate with its interval."""

    estimate: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Row:
    """One line: ``head`` where a term with levels begins, ``reference`` where the comparison is made from.

    ``cells`` holds an estimate by series; ``n`` and ``events`` those of the level in the last fit that has it,
    ``sizes`` those of every series.
    """

    term: str
    label: str
    head: bool
    reference: bool
    n: int | None
    events: int | None
    cells: dict[str, Cell]
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class DaysContrast:
    """The groups of a restricted mean against the first, in one kind of days; read where a fit is."""

    name: str
    outcome: str
    cause: str
    estimates: pd.DataFrame = field(repr=False)
    levels: pd.DataFrame = field(repr=False)
    n: int
    events: int
    unit: str
    conf_level: float
    method: str
    excluded: pd.DataFrame = field(repr=False)
    definitions: tuple[Definition, ...] = field(repr=False)
    measure: str = DAYS
    model: str = "restricted_mean"
    period: str = ""


def by_period(fits: Sequence[Fit | CompetingFit | TransitionFit | RestrictedMean]) -> tuple[Fit | DaysContrast, ...]:
    """Return single models: of a fit split by time its periods, of several models all of them.

    A restricted mean is a model for the days free and, with competing events, one for the days lost to each cause.

    Raises
    ------
    InputError
        A restricted mean has no groups.
    """
    from ..models.fit import Fit
    from ..models.restricted_mean import RestrictedMean

    shown: list[Fit | DaysContrast] = []
    for fit in fits:
        if isinstance(fit, RestrictedMean):
            shown.extend(_days_contrasts(fit))
        else:
            single = (fit,) if isinstance(fit, Fit) else fit.fits
            shown.extend(part for one in single for part in (one.parts or (one,)))
    return tuple(shown)


def _days_contrasts(mean: RestrictedMean) -> list[DaysContrast]:
    """Return the differences of days free and, where several causes end them, of days lost to each."""
    table, head = mean.estimates, f"{DIFFERENCE} in "
    made = []
    changes = table[table["measure"].str.startswith(head)]
    if changes.empty:
        raise InputError("A restricted mean is drawn as differences between groups; estimate it with by=.")
    several = changes["cause"].nunique() > 2
    for (measure, cause), rows in changes.groupby(["measure", "cause"], sort=False):
        kind = str(measure).removeprefix(head)
        if cause and not several:
            continue
        own = table[(table["measure"] == kind) & (table["cause"] == cause)]
        levels = own[["term", "level", "n", "events"]].assign(is_reference=own["level"] == rows["reference"].iloc[0])
        of = f" to {in_words(mean.outcome if cause == 'event' else str(cause))}" if cause else ""
        made.append(
            DaysContrast(
                name=f"{capitalised(kind)}{of} by day {mean.until_days:,g}",
                outcome=mean.outcome,
                cause=str(cause),
                estimates=rows,
                levels=levels,
                n=mean.n,
                events=int(own["events"].sum()),
                unit=mean.unit,
                conf_level=mean.conf_level,
                method=mean.method,
                excluded=mean.excluded,
                definitions=mean.definitions,
            )
        )
    return made


def series_labels(fits: Sequence[Fit | DaysContrast], labels: Sequence[str] | None) -> list[str]:
    """Return the name of each fit's series; fits of one name share a column."""
    if not fits:
        raise InputError("Give at least one fit, for example table_estimates(fit).")
    if labels is None:
        if all(fit.period for fit in fits) and len({fit.period for fit in fits}) == len(fits):
            return [capitalised(fit.period) for fit in fits]
        words = [_series_name(fit) for fit in fits]
        if len(set(words)) == len(words):
            return words
        return [f"Model {i}: {word}" for i, word in enumerate(words, start=1)]
    if len(labels) != len(fits):
        raise InputError(f"labels= has {len(labels)} names for {len(fits)} fits; give one for each (they may repeat).")
    return [str(label) for label in labels]


def _series_name(fit: Fit | DaysContrast) -> str:
    if isinstance(fit, DaysContrast):
        return fit.name
    return f"{capitalised(_outcome(fit))}, {MODEL_WORDS.get(fit.model, fit.model)}"


def _outcome(fit: Fit) -> str:
    if fit.cause in ("", "event", fit.outcome):
        return in_words(fit.outcome)
    return in_words(f"{fit.outcome} ({in_words(fit.cause)})")


def common_measure(fits: Sequence[Fit | DaysContrast]) -> str:
    """Return the measure of all fits; ratios of different kinds do not stand on one axis.

    Subdistribution and cause-specific hazard ratios do: they are read beside each other, each named by its model.
    """
    measures = sorted({fit.measure for fit in fits})
    if set(measures) == SIDE_BY_SIDE:
        return "sHR or HR"
    if len(measures) > 1:
        raise InputError(f"These fits estimate {' and '.join(measures)}, which do not share a column; show them apart.")
    return measures[0]


def is_difference(measure: str) -> bool:
    """Return whether a measure is a difference, whose reference is 0, rather than a ratio."""
    return measure in (DIFFERENCE, DAYS)


def estimate_words(cell: Cell, measure: str) -> str:
    """Return an estimate with its interval: two decimals, one for days."""
    if measure == DAYS:
        return f"{decimal(cell.estimate)} ({interval(cell.low, cell.high, digits=1)})"
    return f"{ratio(cell.estimate)} ({interval(cell.low, cell.high)})"


def size_words(fit: Fit | DaysContrast, *, parameters: bool) -> str:
    """Return what a model rests on: rows and, where there are any, events; with ``parameters`` how many of them."""
    words = [plural(fit.n, fit.unit)]
    if fit.measure != DIFFERENCE:
        words.append(plural(fit.events, "event"))
    if isinstance(fit, DaysContrast):
        return ", ".join(words)
    if parameters or is_difference(fit.measure):
        words.append(plural(fit.n_parameters, "parameter"))
    if not is_difference(fit.measure):
        words.append(f"{decimal(fit.events_per_parameter)} events per parameter")
    return ", ".join(words)


def fewest_events(fits: Sequence[Fit | DaysContrast]) -> str:
    """Return the least events per parameter of several models in words; nothing for differences, which have none."""
    counted = [fit.events_per_parameter for fit in fits if not isinstance(fit, DaysContrast)]
    return "" if is_difference(fits[0].measure) else decimal(min(counted))


def adjusted_words(fits: Sequence[Fit | DaysContrast]) -> str:
    """Return how the estimates are to be read: mutually adjusted where a fit has several terms."""
    several = [fit.estimates["term"].nunique() > 1 for fit in fits]
    if all(several):
        return "association, mutually adjusted"
    return "association, unadjusted" if not any(several) else "association, unadjusted or mutually adjusted as headed"


def arrange(fits: Sequence[Fit | DaysContrast], series: Sequence[str]) -> list[Row]:
    """Return the rows of all fits in the order the terms first occur, with reference rows."""
    rows: list[Row] = []
    for term in dict.fromkeys(term for fit in fits for term in fit.estimates["term"]):
        having = [(fit, name) for fit, name in zip(fits, series, strict=True) if term in set(fit.estimates["term"])]
        levels = _levels(having[-1][0], term)
        if levels is None:
            rows.extend(_plain_rows(having, term))
        else:
            rows.append(Row(term, capitalised(term_in_words(term)), True, False, None, None, {}))
            rows.extend(_level_row(having, term, level) for level in levels.to_dict("records"))
    return rows


def _levels(fit: Fit | DaysContrast, term: str) -> pd.DataFrame | None:
    """Return the levels of a category, the reference first; None for numbers, splines and interactions."""
    mine = fit.levels[fit.levels["term"] == term]
    return None if mine.empty else mine


def _level_row(having: Sequence[tuple[Fit | DaysContrast, str]], term: str, level: dict[Any, Any]) -> Row:
    cells, sizes = {}, {}
    for fit, name in having:
        own = fit.levels[(fit.levels["term"] == term) & (fit.levels["level"] == level["level"])]
        sizes[name] = (int(own["n"].sum()), int(own["events"].sum()))
        found = fit.estimates
        found = found[(found["term"] == term) & (found["level"] == level["level"])]
        if len(found):
            cells[name] = _cell(found.iloc[0])
    reference = bool(level["is_reference"])
    label = in_words(str(level["level"]))
    return Row(term, label, False, reference, int(level["n"]), int(level["events"]), cells, sizes)


def _plain_rows(having: Sequence[tuple[Fit | DaysContrast, str]], term: str) -> list[Row]:
    """Return a row per contrast; several fits share a row where their contrast is the same."""
    rows: dict[str, Row] = {}
    for fit, name in having:
        for record in fit.estimates[fit.estimates["term"] == term].to_dict("records"):
            label = f"{capitalised(term_in_words(term))}: {record['contrast']}".rstrip(": ")
            known = rows.get(label, Row(term, label, False, False, None, None, {}))
            cells = {**known.cells, name: _cell(record)}
            size = (int(record["n"]), int(record["events"]))
            rows[label] = Row(term, label, False, False, *size, cells, {**known.sizes, name: size})
    return list(rows.values())


def _cell(record: Any) -> Cell:
    return Cell(
        float(record["estimate"]), float(record["conf_low"]), float(record["conf_high"]), float(record["p_value"])
    )
