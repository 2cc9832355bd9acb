"""`Fit`: what a regression returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Definition
from ..errors import InputError
from ..formats import html_table, p_value, plural, ratio
from .formula import Design
from .result_table import intervals, listed, p_words, percent_words, ratio_words

if TYPE_CHECKING:
    from .cox_case import CoxCase

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted regression.

    Attributes
    ----------
    model : str
        ``cox``, ``fine_gray``, ``andersen_gill``, ``pwp_total``, ``pwp_gap``, ``wlw``, ``logistic``, ``linear``,
        ``gee`` or ``mixed``.
    measure : str
        HR, sHR, OR or difference, the scale of ``estimate``.
    outcome, cause, formula : str
        What was modelled.
    estimates : DataFrame
        `ESTIMATE_COLUMNS`, one row per level that is not the reference, one per spline.
    coefficients : DataFrame
        parameter, coefficient, std_error: every column of the design matrix.
    covariance : ndarray (p, p)
        Of the coefficients; robust where ``method`` says so.
    tests : DataFrame
        term, test, chi2, df, p_value: Wald tests of whole terms and of nonlinearity, and of the whole model.
    levels : DataFrame
        term, level, n, events of every category, the reference included (``is_reference``).
    n, events, n_parameters, events_per_parameter
        Rows used, events among them, parameters after categories and splines are expanded.
    parts, period
        Of a model split by time (``fit_cox(..., periods=)``): the same model seen period by period, each a `Fit` whose
        ``period`` says which; its ``n`` counts rows at risk in it.
    case
        Of a Cox model: the rows behind it, for its diagnostics and predictions. Never printed or written.
    """

    model: str
    measure: str
    outcome: str
    cause: str
    formula: str
    table: pd.DataFrame = field(repr=False)
    coefficients: pd.DataFrame = field(repr=False)
    covariance: Floats = field(repr=False)
    tests: pd.DataFrame = field(repr=False)
    levels: pd.DataFrame = field(repr=False)
    n: int
    events: int
    n_parameters: int
    log_likelihood: float
    log_likelihood_null: float
    method: str
    conf_level: float
    definitions: tuple[Definition, ...] = field(repr=False)
    excluded: pd.DataFrame = field(repr=False)
    design: Design = field(repr=False)
    unit: str = "row"
    parts: tuple[Fit, ...] = field(default=(), repr=False)
    period: str = ""
    case: CoxCase | None = field(default=None, repr=False)

    @property
    def estimates(self) -> pd.DataFrame:
        """A copy of the estimates."""
        return self.table.copy()

    @property
    def events_per_parameter(self) -> float:
        """Events per parameter; below 10 the estimates are unsteady. Of a logistic model: the rarer outcome's."""
        rarer = min(self.events, self.n - self.events) if self.model == "logistic" else self.events
        return rarer / self.n_parameters

    def sentence(self, term: str | None = None) -> str:
        """Say one term's result in one sentence: the first of the formula, or ``term``.

        Raises
        ------
        InputError
            ``term`` is not among the estimates.
        """
        rows = self.table if term is None else self.table[self.table["term"] == term]
        if rows.empty:
            known = ", ".join(dict.fromkeys(self.table["term"]))
            raise InputError(f"term={term!r} is not among the estimates; known: {known}.")
        row = rows.iloc[0]
        level = percent_words(self.conf_level)
        others = [name for name in dict.fromkeys(self.table["term"]) if name != row["term"]]
        adjusted = f"association, mutually adjusted for {listed(others)}" if others else "association, unadjusted"
        curved = row["df"] > 1 and self.measure != "difference"
        whole = f" for the whole curve ({row['df']:.0f} df)" if curved else ""
        name = self.outcome if self.cause in ("", "event") else self.cause
        when = f", {self.period}" if self.period else ""
        return (
            f"{row['term']}, {row['contrast']}{when}: {self.measure} {ratio_words(row, level)} for {name}, "
            f"p {p_words(row['p_value'])}{whole} ({adjusted}; {self._size_words()})."
        )

    def _size_words(self) -> str:
        """Return rows and, where there are any, events in words."""
        rows = plural(self.n, self.unit)
        if self.measure == "difference":
            return f"{rows}, {plural(self.n_parameters, 'parameter')}"
        return f"{rows}, {plural(self.events, 'event')}, {self.events_per_parameter:.1f} events per parameter"

    def _repr_html_(self) -> str:
        table = self.table
        shown = pd.DataFrame({"term": table["term"], "contrast": table["contrast"]})
        shown[self.measure] = table["estimate"].map(ratio)
        shown["interval"] = intervals(table, digits=2, scale=1.0)
        shown["p"] = table["p_value"].map(p_value)
        caption = f"{self.outcome}: association, mutually adjusted. {self._size_words()}"
        return html_table(shown, caption=caption, notes=self.method)
