"""Cox models with coefficients that follow a function of time: log hazard ratio b + c g(day)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..errors import DataError, InputError, nearest
from ..formats import count
from .adequacy import check_clusters, refuse_flat
from .cox_case import CoxCase, CoxRows, method_words, risk_sets_of
from .fit import Fit
from .formula import Design, Term
from .kernels import cox
from .kernels.cox import RiskSets
from .terms import make_fit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
OfTime = Callable[[Floats], Floats]

FUNCTIONS: dict[str, OfTime] = {"log": np.log, "days": np.asarray, "sqrt": np.sqrt}
"""Functions of time that go by a name."""

MOST_ROWS = 30_000_000
"""Rows at risk, added up over event times, above which the model would not fit in memory."""


def fit_over_time(rows: CoxRows, functions: Mapping[str, str | OfTime]) -> Fit:
    """Return the fit of a model in which some variables' log hazard ratio is b + c g(day).

    Every row is repeated for each event time at which it is at risk, with ``x g(day)`` as further columns: exactly the
    partial likelihood, as R's ``tt()``.

    Raises
    ------
    InputError
        A variable is not in the formula or has a curve or interaction, or a function is not known.
    DataError
        A function is not finite at an event time, or there are too many rows at risk.
    """
    varying = [_varying(rows.design, name, given) for name, given in functions.items()]
    if not varying:
        raise InputError('time_varying= names no variable; expected, for instance, {"age_years": "log"}.')
    sets = risk_sets_of(rows)
    g = [_values(function, sets.time, word) for _, word, function in varying]
    row, time = _at_risk(sets)
    expanded = _expanded(rows.design, [(term, word) for term, word, _ in varying])
    matrix = rows.design.matrix[row]
    own = [matrix[:, term.columns] * values[time, None] for (term, _, _), values in zip(varying, g, strict=True)]
    happened = rows.happened[row] & (sets.last[row] == time + 1) & (rows.follow.stop[row] == sets.time[time])
    pieces = cox.risk_sets(
        np.hstack([matrix, *own]),
        sets.time[time],
        happened,
        stratum=time,
        weight=None if rows.weight is None else rows.weight[row],
        offset=None if rows.offset is None else rows.offset[row],
        ties=rows.settings.ties,
    )
    result = cox.fit_risk_sets(pieces)
    refuse_flat(expanded, result.flat, result.converged, rows.happened)
    covariance = result.covariance
    if rows.is_robust:
        if rows.cluster is not None:
            check_clusters(rows.cluster, expanded.n_parameters, cluster=str(rows.settings.cluster))
        covariance = cox.sandwich(pieces, result, cluster=row if rows.cluster is None else rows.cluster[row])
    said = ", ".join(f"{term.label} by {word}" for term, word, _ in varying)
    fit = make_fit(
        expanded,
        result.coefficients,
        covariance,
        rows.happened,
        conf_level=rows.settings.conf_level,
        log_likelihood=(result.log_likelihood, result.log_likelihood_null),
        robust=rows.is_robust,
        model="cox",
        measure="HR",
        outcome=rows.follow.outcome,
        cause=rows.settings.cause,
        method=f"ratios that change with time ({said}); {method_words(rows)}",
        definitions=rows.follow.definitions,
        excluded=rows.follow.excluded,
        unit=rows.follow.unit,
    )
    table = fit.table.copy()
    for term, word, _ in varying:
        table.loc[table["term"] == term.label, "contrast"] += f", where {word} is 0"
        table.loc[table["term"] == f"{term.label} x {word}", "contrast"] += f", times this per 1 of {word}"
    case = CoxCase(rows, pieces, result, covariance, {term.label: function for term, _, function in varying})
    return replace(fit, table=table, case=case)


def _varying(design: Design, name: str, given: str | OfTime) -> tuple[Term, str, OfTime]:
    """Return the term of a variable, its function of time in words, and the function."""
    mine = [term for term in design.terms if name in term.variables or name == term.label]
    known = sorted({variable for term in design.terms for variable in term.variables})
    if not mine:
        raise InputError(f"time_varying= names {name!r}, which is not in the formula.{nearest(name, known)}")
    if len(mine) > 1 or mine[0].kind in ("curve", "interaction"):
        raise InputError(
            f"time_varying= takes variables with one straight term; {name!r} has a curve or several terms."
        )
    if callable(given):
        called = getattr(given, "__name__", "")
        return mine[0], f"{called}(days)" if called.isidentifier() else "g(days)", given
    if given not in FUNCTIONS:
        raise InputError(f"time_varying={{{name!r}: {given!r}}} is no function of days.{nearest(given, FUNCTIONS)}")
    return mine[0], "days" if given == "days" else f"{given}(days)", FUNCTIONS[given]


def _values(function: OfTime, time: Floats, word: str) -> Floats:
    """Return the function at the event times, checked."""
    with np.errstate(all="ignore"):
        values = np.asarray(function(time.copy()), dtype=np.float64)
    if values.shape != time.shape:
        raise InputError(f"{word} must give one number for each day; give a function of an array of days.")
    if not np.isfinite(values).all():
        raise DataError(f"{word} is not finite at {count((~np.isfinite(values)).sum())} of {count(len(time))} days.")
    return values


def _at_risk(sets: RiskSets) -> tuple[Ints, Ints]:
    """Return every pair of a row and an event time at which it is at risk."""
    first = np.zeros_like(sets.last) if sets.first is None else sets.first
    times = sets.last - first
    if times.sum() > MOST_ROWS:
        raise DataError(
            f"{count(times.sum())} rows are at risk over all event times; more than {count(MOST_ROWS)} do not fit. Use "
            f"periods=, which splits follow-up at a few days."
        )
    row = np.repeat(np.arange(len(times)), times)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(times) - times, times) + np.repeat(first, times)


def _expanded(design: Design, varying: list[tuple[Term, str]]) -> Design:
    """Return the design with the columns times a function of time, which are filled in row by row elsewhere."""
    names, terms, columns = list(design.names), list(design.terms), [design.matrix]
    for term, word in varying:
        start = len(names)
        names += [f"{name} x {word}" for name in design.names[term.columns]]
        terms.append(replace(term, label=f"{term.label} x {word}", start=start, stop=len(names)))
        # Counts of rows and events per level are those of the variable itself.
        columns.append(design.matrix[:, term.columns])
    made = len(names) - len(design.names)
    return replace(design, matrix=np.hstack(columns), names=tuple(names), terms=tuple(terms), n_over_time=made)
