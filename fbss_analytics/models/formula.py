"""Formulas: from text such as ``rcs(baseline_mme_per_day, 4) + age_years + sex`` to a checked design matrix.

formulaic reads the text; this module adds `rcs`, names what is wrong, and keeps what is needed to make rows again.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, InputError, nearest
from ..formats import count
from .splines import spline_basis, spline_knots

Floats = npt.NDArray[np.float64]

COLLINEAR = 1e-9
"""Share of a column's variance left by the columns before it, below which it counts as worked out from them."""

FUNCTIONS = ("C", "rcs", "log", "log2", "log10", "exp", "I", "poly", "bs", "center", "scale", "np.sqrt")
"""What a formula may call, for messages; formulaic knows a few more."""

_WRAPPED = re.compile(r"^(?:C|rcs|poly|bs|cr)\(\s*(`[^`]+`|[A-Za-z_]\w*)\s*(?:,.*)?\)$", re.DOTALL)
_AS_IT_IS = re.compile(r"^I\((.*)\)$", re.DOTALL)


@dataclass(frozen=True)
class Term:
    """One term of a formula: ``kind`` is number, yes_no, category, curve or interaction.

    ``start .. stop`` are its columns in the matrix; ``levels`` has the level of each ("" for a number); ``linear`` is
    the number of leading columns that are the straight-line part of a restricted cubic spline (0: no such part).
    """

    text: str
    label: str
    kind: str
    variables: tuple[str, ...]
    start: int
    stop: int
    levels: tuple[str, ...]
    reference: str = ""
    linear: int = 0

    @property
    def columns(self) -> slice:
        """The term's columns in the design matrix."""
        return slice(self.start, self.stop)


@dataclass(frozen=True, eq=False)
class Design:
    """A design matrix and the recipe that makes further rows.

    ``matrix`` (n, p); ``names`` (p,); ``percentiles``: 0th to 100th percentile of every numeric variable (index 0 ..
    100); ``typical``: one row with medians and reference levels; ``n_over_time``: how many columns, the last ones, are
    others times a function of time.
    """

    formula: str
    matrix: Floats = field(repr=False)
    names: tuple[str, ...]
    terms: tuple[Term, ...]
    intercept: bool
    percentiles: pd.DataFrame = field(repr=False)
    typical: pd.DataFrame = field(repr=False)
    spec: Any = field(repr=False)
    n_over_time: int = 0

    @property
    def n_parameters(self) -> int:
        """Parameters after categories and splines are expanded, without the intercept."""
        return len(self.names) - int(self.intercept)

    def rows(self, values: pd.DataFrame) -> Floats:
        """Return matrix rows for new values of the variables, with the knots and levels of the fit.

        Columns times a function of time are 0: the rows are those where the function is.
        """
        made = self.spec.get_model_matrix(values, context=_context(), na_action="ignore")
        fixed = list(self.names[: len(self.names) - self.n_over_time])
        rows = np.asarray(made[fixed], dtype=np.float64)
        return np.hstack([rows, np.zeros((len(rows), self.n_over_time))]) if self.n_over_time else rows

    def at(self, variable: str, values: Sequence[float] | Floats) -> Floats:
        """Return matrix rows where ``variable`` takes ``values`` and the others are typical."""
        repeated = self.typical.iloc[np.zeros(len(values), dtype=np.int64)].reset_index(drop=True)
        repeated[variable] = np.asarray(values, dtype=np.float64)
        return self.rows(repeated)


def formula_variables(formula: str, frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns a formula uses, in order; raise `InputError` naming what cannot be read or is not there."""
    names: list[str] = []
    for expression, is_column in _factors(formula):
        found = [expression] if is_column else _names_in(expression)
        names.extend(name for name in found if name not in names)
    for name in names:
        if name not in frame.columns:
            known = [str(column) for column in frame.columns]
            raise InputError(f"formula={formula!r} names {name!r}, which is no column.{nearest(name, known)}")
    return tuple(names)


def build_design(frame: pd.DataFrame, formula: str, *, intercept: bool) -> Design:
    """Make the design matrix of a formula from rows without missing values.

    Parameters
    ----------
    frame : rows; text columns become categories whose reference is the first in alphabetical order, a categorical
        column's the first of its categories, ``C(x, Treatment("a"))`` names another. ``rcs(x, k)`` is a restricted
        cubic spline.
    formula : right-hand side only. intercept : keep the column of ones.

    Raises
    ------
    InputError
        The formula cannot be read, a variable is constant, or a column can be worked out from others.
    DataError
        A transformation such as ``log`` gives a value that is not finite.
    """
    variables = formula_variables(formula, frame)
    data = prepared_columns(frame, variables)
    for name in variables:
        if data[name].nunique() < 2:
            raise InputError(f"{name!r} is the same in all {count(len(data))} rows used; leave it out of the formula.")
    made = _matrix(formula, data)
    spec = made.model_spec
    names = tuple(str(name) for name in made.columns if intercept or name != "Intercept")
    matrix = np.asarray(made[list(names)], dtype=np.float64)
    bad = ~np.isfinite(matrix).all(axis=0)
    if bad.any():
        column = names[int(np.argmax(bad))]
        wrong = int((~np.isfinite(matrix[:, bad][:, 0])).sum())
        raise DataError(f"{column!r} is not finite in {count(wrong)} of {count(len(data))} rows (a logarithm of 0?).")
    _check_rank(matrix[:, int(intercept) :], names[int(intercept) :])
    yes_no = {name for name in variables if _is_boolean(frame[name])}
    terms = tuple(_terms(spec, names, yes_no))
    numeric = [name for name in variables if data[name].dtype.kind in "if"]
    grid = np.quantile(data[numeric].to_numpy(dtype=np.float64), np.linspace(0, 1, 101), axis=0) if numeric else None
    return Design(
        formula=formula,
        matrix=matrix,
        names=names,
        terms=terms,
        intercept=intercept,
        percentiles=pd.DataFrame(grid, columns=numeric),
        typical=_typical(data, terms, yes_no),
        spec=spec,
    )


def prepared_columns(frame: pd.DataFrame, variables: Iterable[str]) -> pd.DataFrame:
    """Return the variables as the design reads them: numbers, yes and no as 1 and 0, text as categories."""
    return pd.DataFrame({name: _prepared(frame[name], name) for name in variables}).reset_index(drop=True)


@lru_cache(maxsize=1)
def _context() -> dict[str, Any]:
    """Return what formulas may call beyond formulaic's own functions; built once, when a formula is first used."""
    from formulaic.materializers.types import FactorValues
    from formulaic.utils.stateful_transforms import stateful_transform

    def rcs(data: Any, k: int = 4, knots: Iterable[float] | None = None, _state: Any = None) -> Any:
        values = np.asarray(data, dtype=np.float64)
        name = str(getattr(data, "name", None) or "x")
        if "knots" not in _state:
            _state["knots"] = spline_knots(values, k, name=name) if knots is None else _own_knots(knots, name)
        basis = spline_basis(values, _state["knots"])
        columns = {"linear" if j == 0 else f"bend {j}": basis[:, j] for j in range(basis.shape[1])}
        return FactorValues(columns, kind="numerical", spans_intercept=False)

    return {"rcs": stateful_transform(rcs)}


def _own_knots(knots: Iterable[float], name: str) -> Floats:
    """Return the user's knots, checked."""
    placed = np.unique(np.asarray(list(knots), dtype=np.float64))
    if len(placed) < 3 or not np.isfinite(placed).all():
        raise InputError(f"rcs({name}, knots=...): expected three or more different numbers.")
    return placed


def _parse(formula: str) -> Any:
    """Return formulaic's formula, or raise `InputError` in plain words."""
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    if not isinstance(formula, str) or not formula.strip():
        raise InputError('formula= expects text such as "rcs(baseline_mme_per_day, 4) + age_years + sex".')
    if "~" in formula or "|" in formula:
        raise InputError(f"formula={formula!r}: write the right-hand side only, without '~' or '|'.")
    try:
        parsed = Formula(formula)
    except FormulaicError as error:
        raise InputError(f"formula={formula!r} cannot be read; expected terms joined by '+'.") from error
    if "1" not in [str(term) for term in parsed]:
        raise InputError(f"formula={formula!r} takes the intercept away; leave out '0 +' and '- 1'.")
    if len(list(parsed)) == 1:
        raise InputError(f"formula={formula!r} has no term.")
    return parsed


def _factors(formula: str) -> list[tuple[str, bool]]:
    """Return the formula's factors as (expression, whether it is a plain column name)."""
    factors = [factor for term in _parse(formula) for factor in term.factors if factor.expr != "1"]
    return [(factor.expr, factor.eval_method.value == "lookup") for factor in factors]


def _names_in(expression: str) -> list[str]:
    """Return the column names an expression uses: every name that is not called or a known module."""
    from formulaic.transforms import TRANSFORMS

    quoted = re.findall(r"`([^`]+)`", expression)
    tree = ast.parse(re.sub(r"`[^`]+`", "0", expression), mode="eval")
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    unknown = sorted(called - set(TRANSFORMS) - set(_context()))
    if unknown:
        raise InputError(f"The formula calls {unknown[0]}(), which is not known.{nearest(unknown[0], FUNCTIONS)}")
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return quoted + [name for name in names if name not in called and name not in TRANSFORMS]


def _matrix(formula: str, data: pd.DataFrame) -> Any:
    """Return formulaic's model matrix, its errors turned into ours."""
    from formulaic.errors import FormulaicError

    try:
        with np.errstate(all="ignore"):
            return _parse(formula).get_model_matrix(data, context=_context(), na_action="ignore")
    except FormulaicError as error:
        cause = error.__cause__
        if isinstance(cause, InputError):
            raise cause from None
        raise InputError(f"formula={formula!r} cannot be computed: {type(cause or error).__name__}.") from error
    except ValueError as error:
        raise InputError(f"formula={formula!r} cannot be computed: {error}") from error


def _is_boolean(values: pd.Series[Any]) -> bool:
    """Return whether a column holds only true and false."""
    if values.dtype == object:
        return pd.api.types.infer_dtype(values, skipna=True) == "boolean"
    return bool(pd.api.types.is_bool_dtype(values))


def _prepared(values: pd.Series[Any], name: str) -> pd.Series[Any]:
    """Return a column as formulaic needs it: numbers as numbers, true and false as 1 and 0, text as categories."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        used = values.cat.remove_unused_categories().cat.as_unordered()
        return used.cat.rename_categories(lambda level: level if isinstance(level, str) else _level(level))
    if _is_boolean(values):
        return values.astype(np.float64)
    if pd.api.types.is_integer_dtype(values):
        return values.astype(np.int64)
    if pd.api.types.is_float_dtype(values):
        return values.astype(np.float64)
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        return values.astype(np.float64)
    if kind == "string":
        text = values.astype(str)
        return pd.Series(pd.Categorical(text, categories=sorted(text.unique())), index=values.index)
    raise InputError(f"{name!r} holds {kind} values; a formula takes numbers, true/false or text.")


def _level(value: object) -> str:
    """Return a category's name as text, whole numbers without a decimal point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _check_rank(matrix: Floats, names: Sequence[str]) -> None:
    """Raise `InputError` naming a column that is constant or can be worked out from those before it."""
    center = matrix.mean(axis=0)
    gram = matrix.T @ matrix - len(matrix) * np.outer(center, center)
    size = np.sqrt(np.maximum(np.diag(gram), 0.0))
    largest = np.abs(matrix).max(axis=0)
    constant = size <= 1e-8 * largest * np.sqrt(len(matrix))
    if constant.any():
        name = names[int(np.argmax(constant))]
        raise InputError(f"{name!r} is the same in all {count(len(matrix))} rows used; leave it out of the formula.")
    correlation = gram / np.outer(size, size)
    for j in range(1, len(names)):
        own = correlation[:j, j]
        share = np.linalg.solve(correlation[:j, :j], own)
        if 1.0 - own @ share < COLLINEAR:
            listed = ", ".join(repr(names[i]) for i in range(j) if abs(share[i]) > 1e-6)
            raise InputError(f"{names[j]!r} can be worked out from {listed}; leave one of them out of the formula.")


def _label(expression: str) -> str:
    """Return what a reader knows for a factor: the variable inside C() or rcs(), what I() holds, or the expression."""
    wrapped = _WRAPPED.match(expression) or _AS_IT_IS.match(expression)
    return (wrapped.group(1) if wrapped else expression).strip("`")


def _levels_of(spec: Any, factor: str) -> tuple[list[str], str] | None:
    """Return a categorical factor's levels and its reference, or None for a number."""
    raw = _raw_levels(spec, factor)
    if raw is None:
        return None
    base = getattr(spec.encoder_state[factor][1]["contrasts"].contrasts, "base", None)
    return [_level(level) for level in raw], _level(base if base in raw else raw[0])


def _raw_levels(spec: Any, factor: str) -> list[Any] | None:
    """Return a categorical factor's levels as they are, or None for a number."""
    kind, state = spec.encoder_state[factor]
    return list(state["contrasts"].levels) if kind.value == "categorical" else None


def _terms(spec: Any, names: Sequence[str], yes_no: set[str]) -> Iterable[Term]:
    """Yield the terms of a model spec, with the level of each column."""
    place = {name: j for j, name in enumerate(names)}
    for structure in spec.structure:
        if str(structure.term) == "1":
            continue
        factors = [factor.expr for factor in structure.term.factors]
        variables = tuple(dict.fromkeys(name for factor in factors for name in _factor_variables(factor, spec)))
        columns = [str(column) for column in structure.columns]
        start = place[columns[0]]
        label = ":".join(_label(factor) for factor in factors)
        common = Term(
            text=str(structure.term),
            label=label,
            kind="number",
            variables=variables,
            start=start,
            stop=start + len(columns),
            levels=("",) * len(columns),
        )
        yield _kind_of_term(common, columns, factors, spec, yes_no)


def _kind_of_term(term: Term, columns: Sequence[str], factors: Sequence[str], spec: Any, yes_no: set[str]) -> Term:
    """Return the term with its kind, and the level of each of its columns."""
    if len(factors) > 1:
        known = _column_levels(spec, factors)
        return replace(term, kind="interaction", levels=tuple(known.get(column, "") for column in columns))
    categories = _levels_of(spec, factors[0])
    if categories is not None:
        levels, reference = categories
        shown = tuple(level for level in levels if level != reference)
        return replace(term, kind="category", levels=shown, reference=reference)
    if factors[0] in yes_no:
        return replace(term, kind="yes_no", levels=("yes",), reference="no")
    if len(columns) > 1:
        return replace(term, kind="curve", linear=int(factors[0].startswith("rcs(")))
    return term


def _factor_variables(factor: str, spec: Any) -> list[str]:
    """Return the columns behind one factor of a spec."""
    known = {str(variable) for variable in spec.variables_by_source.get("data", ())}
    return [factor] if factor in known else _names_in(factor)


def _column_levels(spec: Any, factors: Sequence[str]) -> dict[str, str]:
    """Return, for every column name an interaction may have, its levels joined by a colon."""
    choices: list[list[tuple[str, str]]] = []
    for factor in factors:
        levels = _raw_levels(spec, factor)
        if levels is None:
            name = _label(factor)
            choices.append([(factor, ""), *((f"{factor}[{part}]", f"{name} {part}") for part in _parts(spec, factor))])
        else:
            choices.append([(f"{factor}[{mark}{level}]", _level(level)) for level in levels for mark in ("T.", "")])
    combined = itertools.product(*choices)
    return {":".join(name for name, _ in parts): ":".join(level for _, level in parts if level) for parts in combined}


def _parts(spec: Any, factor: str) -> list[str]:
    """Return the names of the columns a spline makes, for its interactions."""
    knots = spec.transform_state.get(factor, {}).get("knots", ())
    return ["linear", *(f"bend {j}" for j in range(1, len(knots) - 1))]


def _typical(data: pd.DataFrame, terms: Sequence[Term], yes_no: set[str]) -> pd.DataFrame:
    """Return one row: medians, "no", and reference levels."""
    references = {term.variables[0]: term.reference for term in terms if term.kind == "category"}
    row: dict[str, Any] = {}
    for name in data.columns:
        values = data[name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            categories = values.cat.categories
            row[name] = pd.Categorical([references.get(name, categories[0])], categories=categories)
        elif name in references:
            row[name] = [next(value for value in values.unique() if _level(value) == references[name])]
        else:
            row[name] = [0.0 if name in yes_no else float(np.median(values))]
    return pd.DataFrame(row)
