"""From coefficients and their covariance to the rows of ``.estimates``: one per level, one per spline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..formats import significant
from .bands import chi2_p, normal_quantile, wald_p
from .formula import Design, Term
from .results import Fit, estimate_table

Floats = npt.NDArray[np.float64]

CONTRASTS = ((75, 25), (90, 10), (95, 5), (100, 0))
"""Percentiles a curved term is compared between: the first pair that differs."""


def make_fit(
    design: Design,
    coefficients: Floats,
    covariance: Floats,
    happened: npt.NDArray[np.bool_],
    *,
    conf_level: float,
    log_likelihood: tuple[float, float],
    robust: bool,
    **about: Any,
) -> Fit:
    """Return a `Fit` from its numbers.

    Parameters
    ----------
    design, coefficients, covariance, happened, conf_level : as in `estimate_frame`.
    log_likelihood : at the maximum and without terms. robust : the covariance is a sandwich, so no likelihood-ratio
    test.
    about : model, measure, outcome, cause, method, excluded, definitions, unit of the `Fit`.
    """
    common = {name: about[name] for name in ("model", "measure", "outcome", "cause")}
    gain = None if robust else 2 * (log_likelihood[0] - log_likelihood[1])
    errors = np.sqrt(np.diag(covariance))
    return Fit(
        formula=design.formula,
        table=estimate_frame(design, coefficients, covariance, happened, conf_level=conf_level, common=common),
        coefficients=pd.DataFrame({"parameter": design.names, "coefficient": coefficients, "std_error": errors}),
        covariance=covariance,
        tests=wald_tests(design, coefficients, covariance, likelihood_ratio=gain),
        levels=level_frame(design, happened),
        n=len(happened),
        events=int(happened.sum()),
        n_parameters=design.n_parameters,
        log_likelihood=log_likelihood[0],
        log_likelihood_null=log_likelihood[1],
        conf_level=conf_level,
        # The design of a result is the recipe; the rows stand in the case of a Cox fit alone.
        design=replace(design, matrix=design.matrix[:0]),
        **about,
    )


def estimate_frame(
    design: Design,
    coefficients: Floats,
    covariance: Floats,
    happened: npt.NDArray[np.bool_],
    *,
    conf_level: float,
    common: Mapping[str, object],
) -> pd.DataFrame:
    """Return the estimates of a fit.

    Parameters
    ----------
    design : the matrix and its terms. coefficients (p,), covariance (p, p) : in the order of ``design.names``.
    happened (n,) : rows with the event. conf_level : of the Wald intervals. common : values of every row (model,
    outcome ...).

    Notes
    -----
    A curved term has one row: the contrast of two percentiles, with the p-value (and ``df``) of all its columns
    together.
    """
    rows: list[dict[str, object]] = []
    for term in design.terms:
        if term.kind == "curve" and len(term.variables) == 1:
            rows.append(_curve_row(design, term, coefficients, covariance, conf_level))
            continue
        for j, level in zip(range(term.start, term.stop), term.levels, strict=True):
            row = _row(coefficients[j], np.sqrt(covariance[j, j]), conf_level)
            row |= {
                "term": term.label,
                "level": level,
                "reference": term.reference,
                "contrast": _contrast(design, term, j, level),
            }
            if term.kind in ("category", "yes_no"):
                member = design.matrix[:, j] == 1
                row |= {"n": int(member.sum()), "events": int((member & happened).sum())}
            rows.append(row)
    whole = {"n": len(design.matrix), "events": int(happened.sum())}
    return estimate_table({**whole, **common, **row} for row in rows)


def term_rows(design: Design) -> list[tuple[range, Floats]]:
    """Return, for each row of `estimate_frame`, the columns its p-value tests and the combination it estimates."""
    unit = np.eye(len(design.names))
    rows = []
    for term in design.terms:
        if term.kind == "curve" and len(term.variables) == 1:
            high, low, _ = percentile_contrast(design, term.variables[0])
            both = design.at(term.variables[0], [high, low])
            rows.append((range(term.start, term.stop), both[0] - both[1]))
        else:
            rows += [(range(j, j + 1), unit[j]) for j in range(term.start, term.stop)]
    return rows


def wald_tests(
    design: Design, coefficients: Floats, covariance: Floats, *, likelihood_ratio: float | None = None
) -> pd.DataFrame:
    """Return Wald tests of every term with several columns, of nonlinearity, and of all terms together.

    ``likelihood_ratio`` adds that test of all terms; it has no meaning beside robust standard errors.
    """
    rows = []
    for term in design.terms:
        if term.stop - term.start > 1:
            rows.append((term.label, "association", *wald(coefficients, covariance, range(term.start, term.stop))))
        if term.linear:
            bends = range(term.start + term.linear, term.stop)
            rows.append((term.label, "nonlinearity", *wald(coefficients, covariance, bends)))
    every = range(int(design.intercept), len(coefficients))
    rows.append(("all terms", "association", *wald(coefficients, covariance, every)))
    if likelihood_ratio is not None:
        rows.append(
            ("all terms", "likelihood ratio", likelihood_ratio, len(every), chi2_p(likelihood_ratio, len(every)))
        )
    return pd.DataFrame(rows, columns=["term", "test", "chi2", "df", "p_value"])


def level_frame(design: Design, happened: npt.NDArray[np.bool_]) -> pd.DataFrame:
    """Return n and events of every level of the categories, the reference first."""
    rows: list[tuple[str, str, int, int, bool]] = []
    for term in design.terms:
        if term.kind not in ("category", "yes_no"):
            continue
        members = design.matrix[:, term.columns] == 1
        reference = ~members.any(axis=1)
        rows.append((term.label, term.reference, int(reference.sum()), int((reference & happened).sum()), True))
        for level, member in zip(term.levels, members.T, strict=True):
            rows.append((term.label, level, int(member.sum()), int((member & happened).sum()), False))
    return pd.DataFrame(rows, columns=["term", "level", "n", "events", "is_reference"])


def wald(coefficients: Floats, covariance: Floats, columns: Iterable[int]) -> tuple[float, int, float]:
    """Return chi2, df and p of the Wald test that the coefficients of ``columns`` are all 0."""
    index = list(columns)
    b = coefficients[index]
    chi2 = float(b @ np.linalg.solve(covariance[np.ix_(index, index)], b))
    return chi2, len(index), chi2_p(chi2, len(index))


def percentile_contrast(design: Design, variable: str) -> tuple[float, float, str]:
    """Return the two values of a variable that its curve is compared between, and the words for it."""
    grid = design.percentiles[variable].to_numpy()
    high, low = next(pair for pair in CONTRASTS if grid[pair[0]] > grid[pair[1]])
    name = "largest vs smallest" if high == 100 else f"{high}th vs {low}th percentile"
    return grid[high], grid[low], f"{name} ({_number(grid[high])} vs {_number(grid[low])})"


def partners(design: Design, term: Term) -> str:
    """Return where a term's own row stands when it also occurs in interactions: ", where sex is female"."""
    others: dict[str, str] = {}
    for other in design.terms:
        if other.kind == "interaction" and set(term.variables) < set(other.variables):
            for name in other.variables:
                if name not in term.variables:
                    value = design.typical[name].iloc[0]
                    others[name] = value if isinstance(value, str) else _number(value if term.kind == "curve" else 0.0)
    return "".join(f", where {name} is {value}" for name, value in others.items())


def _row(coefficient: float, std_error: float, conf_level: float) -> dict[str, object]:
    """Return the numbers of one Wald row of a ratio."""
    z = normal_quantile(conf_level)
    return {
        "estimate": np.exp(coefficient),
        "coefficient": coefficient,
        "std_error": std_error,
        "conf_low": np.exp(coefficient - z * std_error),
        "conf_high": np.exp(coefficient + z * std_error),
        "p_value": float(wald_p(np.asarray(coefficient / std_error))),
    }


def _curve_row(design: Design, term: Term, b: Floats, v: Floats, conf_level: float) -> dict[str, object]:
    """Return the row of a spline: a contrast of two percentiles, and the test of the whole term."""
    high, low, words = percentile_contrast(design, term.variables[0])
    both = design.at(term.variables[0], [high, low])
    change = both[0] - both[1]
    row = _row(float(change @ b), float(np.sqrt(change @ v @ change)), conf_level)
    _, df, p = wald(b, v, range(term.start, term.stop))
    return row | {"term": term.label, "contrast": words + partners(design, term), "df": df, "p_value": p}


def _contrast(design: Design, term: Term, j: int, level: str) -> str:
    """Return a row's contrast in words."""
    if term.kind in ("category", "yes_no"):
        return f"{level} vs {term.reference}{partners(design, term)}"
    if term.kind == "number":
        return f"per 1{partners(design, term)}"
    return "interaction" if term.kind == "interaction" else f"column {j - term.start + 1}"


def _number(value: float) -> str:
    """Return a number with at most four significant digits, whole where it is."""
    return f"{significant(float(value), 4):.10g}"
