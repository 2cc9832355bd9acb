"""One Cox model whose hazard ratios differ between periods of follow-up: rows split in time, columns by period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, nearest
from .adequacy import check_clusters, refuse_flat, warn_if_few
from .bands import chi2_p
from .cox_case import CoxRows, method_words
from .formula import Design, Term
from .kernels import cox
from .results import Fit
from .terms import make_fit, wald_tests

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Number = TypeVar("Number", np.float64, np.int64)


@dataclass(frozen=True, eq=False)
class Split:
    """Follow-up cut at the ends of periods. Shapes (m,): ``row`` of the original, ``period``, and the piece's days."""

    row: Ints
    period: Ints
    entry: Floats
    stop: Floats
    happened: Mask


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the coefficients of each period stand: ``of`` (periods, p) for each column of the plain design."""

    expanded: Design
    of: Ints
    varying: tuple[Term, ...]


def period_names(cuts: Sequence[float]) -> tuple[str, ...]:
    """Return the periods in words: days 0-90, days 91-730, after day 730."""
    lows = [0.0, *[cut + 1 for cut in cuts[:-1]]]
    return (*[f"days {low:g}-{cut:g}" for low, cut in zip(lows, cuts, strict=True)], f"after day {cuts[-1]:g}")


def split_follow_up(stop: Floats, entry: Floats | None, happened: Mask, cuts: Sequence[float]) -> Split:
    """Cut follow-up into pieces (start, end] of periods; an event on the last day of a period is in it."""
    begin = np.zeros(len(stop)) if entry is None else entry
    pieces = []
    for number, (low, high) in enumerate(zip([0.0, *cuts], [*cuts, np.inf], strict=True)):
        row = np.flatnonzero((begin < high) & (stop > low))
        end = np.minimum(stop[row], high)
        pieces.append(
            (row, np.full(len(row), number), np.maximum(begin[row], low), end, happened[row] & (end == stop[row]))
        )
    row, period, start, end, event = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return Split(row, period, start, end, event)


def fit_by_period(rows: CoxRows, *, periods: Sequence[float], varying: str | Sequence[str] | None) -> Fit:
    """Return one fit over all periods, with the periods apart in ``.parts``.

    Raises
    ------
    InputError
        Cuts that are not increasing days, a period without the event, or ``varying`` names no term.
    """
    follow, happened, design, settings = rows.follow, rows.happened, rows.design, rows.settings
    cuts = _cuts(periods)
    names = period_names(cuts)
    split = split_follow_up(follow.stop, follow.entry, happened, cuts)
    counts = np.bincount(split.period[split.happened], minlength=len(names))
    if (counts == 0).any():
        empty = names[int(np.argmin(counts))]
        raise InputError(f"No row has the event in {empty}; move or leave out that cut of periods={tuple(cuts)}.")
    fewest = int(np.argmin(counts))
    warn_if_few(int(counts[fewest]), design.n_parameters, when=names[fewest])
    layout = _layout(design, split, names, varying)

    def cut(values: npt.NDArray[Number] | None) -> npt.NDArray[Number] | None:
        return None if values is None else values[split.row]

    sets = cox.risk_sets(
        layout.expanded.matrix,
        split.stop,
        split.happened,
        entry=split.entry,
        stratum=cut(rows.stratum),
        weight=cut(rows.weight),
        offset=cut(rows.offset),
        ties=settings.ties,
    )
    result = cox.fit_risk_sets(sets)
    refuse_flat(layout.expanded, result.flat, result.converged, split.happened)
    covariance = result.covariance
    if rows.is_robust:
        if rows.cluster is not None:
            check_clusters(rows.cluster, layout.expanded.n_parameters, cluster=str(settings.cluster))
        # Without clusters the pieces of a row still belong together.
        covariance = cox.sandwich(sets, result, cluster=split.row if rows.cluster is None else cut(rows.cluster))
    how = f"one model split at {', '.join(f'day {day:g}' for day in cuts)}; {method_words(rows)}"
    common = {
        "model": "cox",
        "measure": "HR",
        "outcome": follow.outcome,
        "cause": settings.cause,
        "method": how,
        "definitions": follow.definitions,
        "excluded": follow.excluded,
        "unit": follow.unit,
        "conf_level": settings.conf_level,
    }
    parts = tuple(
        replace(_part(design, split, layout, number, result.coefficients, covariance, common), period=name)
        for number, name in enumerate(names)
    )
    likelihood = (result.log_likelihood, result.log_likelihood_null)
    gain = None if rows.is_robust else 2 * (likelihood[0] - likelihood[1])
    errors = np.sqrt(np.diag(covariance))
    return Fit(
        formula=design.formula,
        table=_table(parts, layout, len(follow.stop), int(happened.sum())),
        coefficients=pd.DataFrame(
            {"parameter": layout.expanded.names, "coefficient": result.coefficients, "std_error": errors}
        ),
        covariance=covariance,
        tests=_tests(layout, result.coefficients, covariance, gain),
        levels=parts[-1].levels,
        n=len(follow.stop),
        events=int(happened.sum()),
        n_parameters=layout.expanded.n_parameters,
        log_likelihood=likelihood[0],
        log_likelihood_null=likelihood[1],
        design=replace(design, matrix=design.matrix[:0]),
        parts=parts,
        **common,  # type: ignore[arg-type]
    )


def _cuts(periods: Sequence[float]) -> list[float]:
    """Return the days of the cuts, increasing and after day 0."""
    try:
        cuts = [float(day) for day in periods]
    except (TypeError, ValueError):
        raise InputError(
            f"periods={periods!r} must hold days at which follow-up is split, such as (90, 730)."
        ) from None
    if not cuts or cuts[0] <= 0 or any(b <= a for a, b in pairwise(cuts)):
        raise InputError(f"periods={tuple(periods)} must hold increasing days after day 0, such as (90, 730).")
    return cuts


def _layout(design: Design, split: Split, names: Sequence[str], varying: str | Sequence[str] | None) -> Layout:
    """Return the design with a column for each period where a term varies, zero in the other periods."""
    wanted = None if varying is None else {varying} if isinstance(varying, str) else set(varying)
    known = sorted({name for term in design.terms for name in term.variables})
    for name in sorted((wanted or set()) - set(known)):
        raise InputError(f"varying={name!r} is not in the formula.{nearest(name, known)}")
    matrix = design.matrix[split.row]
    of = np.zeros((len(names), matrix.shape[1]), dtype=np.int64)
    columns: list[Floats] = []
    labels: list[str] = []
    terms: list[Term] = []
    changing: list[Term] = []
    for term in design.terms:
        varies = wanted is None or bool(wanted & set(term.variables))
        changing += [term] if varies else []
        for number, name in enumerate(names if varies else ("",)):
            start = len(columns)
            for j in range(term.start, term.stop):
                own = matrix[:, j] * (split.period == number) if varies else matrix[:, j]
                of[number if varies else slice(None), j] = len(columns)
                columns.append(own)
                labels.append(f"{design.names[j]}, {name}".rstrip(", "))
            label = f"{term.label}, {name}".rstrip(", ")
            terms.append(replace(term, label=label, start=start, stop=len(columns)))
    expanded = replace(design, matrix=np.stack(columns, axis=1), names=tuple(labels), terms=tuple(terms))
    return Layout(expanded, of, tuple(changing))


def _part(
    design: Design,
    split: Split,
    layout: Layout,
    number: int,
    coefficients: Floats,
    covariance: Floats,
    common: dict[str, object],
) -> Fit:
    """Return the model as it stands in one period, on the rows at risk in it."""
    mine = split.period == number
    own = layout.of[number]
    return make_fit(
        replace(design, matrix=design.matrix[split.row[mine]]),
        coefficients[own],
        covariance[np.ix_(own, own)],
        split.happened[mine],
        # The likelihood belongs to all periods together.
        log_likelihood=(np.nan, np.nan),
        robust=True,
        **common,  # type: ignore[arg-type]
    )


def _table(parts: Sequence[Fit], layout: Layout, n: int, events: int) -> pd.DataFrame:
    """Return the estimates term by term, its periods below each other; a term that does not vary has them once."""
    changing = {term.label for term in layout.varying}
    rows = []
    for term in dict.fromkeys(parts[0].table["term"]):
        for part in parts if term in changing else parts[:1]:
            mine = part.table[part.table["term"] == term].copy()
            if term in changing:
                mine["contrast"] += f", {part.period}"
            else:
                mine[["n", "events"]] = n, events
            rows.append(mine)
    table: pd.DataFrame = pd.concat(rows, ignore_index=True)
    return table


def _tests(layout: Layout, coefficients: Floats, covariance: Floats, gain: float | None) -> pd.DataFrame:
    """Return, for each term that varies, the Wald test that it is the same in all periods; then those of all terms."""
    rows = []
    for term in layout.varying:
        columns = layout.of[:, term.start : term.stop]
        contrast = np.zeros(((len(columns) - 1) * columns.shape[1], len(coefficients)))
        for line, (first, other) in enumerate(
            (columns[0, j], row[j]) for row in columns[1:] for j in range(columns.shape[1])
        ):
            contrast[line, other], contrast[line, first] = 1.0, -1.0
        change = contrast @ coefficients
        chi2 = float(change @ np.linalg.solve(contrast @ covariance @ contrast.T, change))
        rows.append((term.label, "same in all periods", chi2, len(contrast), chi2_p(chi2, len(contrast))))
    whole = wald_tests(layout.expanded, coefficients, covariance, likelihood_ratio=gain)
    frame = pd.DataFrame(rows, columns=["term", "test", "chi2", "df", "p_value"])
    return pd.concat([frame, whole], ignore_index=True)
