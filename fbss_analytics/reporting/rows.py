"""How estimates are arranged, alike in the table and the forest plot: terms, levels, reference rows, series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import InputError
from .words import MODEL_WORDS, capitalised, in_words, term_in_words

if TYPE_CHECKING:
    from ..models.results import Fit


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


def by_period(fits: Sequence[Fit]) -> tuple[Fit, ...]:
    """Return the fits with every one that is split by time replaced by its periods."""
    return tuple(part for fit in fits for part in (fit.parts or (fit,)))


def series_labels(fits: Sequence[Fit], labels: Sequence[str] | None) -> list[str]:
    """Return the name of each fit's series; fits of one name share a column."""
    if not fits:
        raise InputError("Give at least one fit, for example table_estimates(fit).")
    if labels is None:
        if all(fit.period for fit in fits) and len({fit.period for fit in fits}) == len(fits):
            return [capitalised(fit.period) for fit in fits]
        words = [f"{capitalised(_outcome(fit))}, {MODEL_WORDS.get(fit.model, fit.model)}" for fit in fits]
        if len(set(words)) == len(words):
            return words
        return [f"Model {i}: {word}" for i, word in enumerate(words, start=1)]
    if len(labels) != len(fits):
        raise InputError(f"labels= has {len(labels)} names for {len(fits)} fits; give one for each (they may repeat).")
    return [str(label) for label in labels]


def _outcome(fit: Fit) -> str:
    return in_words(fit.outcome if fit.cause in ("", "event") else f"{fit.outcome} ({in_words(fit.cause)})")


def common_measure(fits: Sequence[Fit]) -> str:
    """Return the measure of all fits; ratios of different kinds do not stand on one axis."""
    measures = sorted({fit.measure for fit in fits})
    if len(measures) > 1:
        raise InputError(f"These fits estimate {' and '.join(measures)}, which do not share a column; show them apart.")
    return measures[0]


def adjusted_words(fits: Sequence[Fit]) -> str:
    """Return how the estimates are to be read: mutually adjusted where a fit has several terms."""
    several = [fit.estimates["term"].nunique() > 1 for fit in fits]
    if all(several):
        return "association, mutually adjusted"
    return "association, unadjusted" if not any(several) else "association, unadjusted or mutually adjusted as headed"


def arrange(fits: Sequence[Fit], series: Sequence[str]) -> list[Row]:
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


def _levels(fit: Fit, term: str) -> pd.DataFrame | None:
    """Return the levels of a category, the reference first; None for numbers, splines and interactions."""
    mine = fit.levels[fit.levels["term"] == term]
    return None if mine.empty else mine


def _level_row(having: Sequence[tuple[Fit, str]], term: str, level: dict[Any, Any]) -> Row:
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


def _plain_rows(having: Sequence[tuple[Fit, str]], term: str) -> list[Row]:
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
