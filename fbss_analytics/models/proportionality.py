"""`check_proportional_hazards`: whether a Cox model's hazard ratios stay the same over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError, one_of
from ..formats import html_table, p_value, plural
from .bands import chi2_p, normal_quantile
from .cox_case import CoxCase, CoxRows, case_of
from .fit import Fit
from .kernels import cox_residuals
from .kernels.aalen_johansen import curves
from .result_table import p_words
from .splines import spline_basis

Floats = npt.NDArray[np.float64]

TRANSFORMS = ("km", "identity", "rank", "log")

GRID = 40
"""Points at which the smoother of scaled Schoenfeld residuals is drawn, as in R's ``plot.cox.zph``."""


@dataclass(frozen=True, eq=False)
class ProportionalHazards:
    """Score tests of proportional hazards.

    Attributes
    ----------
    table : DataFrame
        term, statistic (chi-squared), df, p_value; the last row, ``GLOBAL``, tests all terms together.
    transform : str
        The function g of time: a term's log hazard ratio is tested for a trend b + c g(day).
    residuals : DataFrame
        day, transformed (g of it), and per term its scaled Schoenfeld residual: one row per event, no patient's id.
    smooths : DataFrame
        term, transformed, day, estimate, conf_low, conf_high: natural spline through the residuals.
    ratios : mapping
        The log hazard ratio of each term, constant over time; 1 for a term of several columns, whose residuals are
        those of its linear predictor.
    """

    outcome: str
    transform: str
    table: pd.DataFrame
    residuals: pd.DataFrame = field(repr=False)
    smooths: pd.DataFrame = field(repr=False)
    ratios: Mapping[str, float]
    conf_level: float
    events: int
    method: str

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the tests."""
        return self.table.copy()

    def sentence(self) -> str:
        """Say the global test, and the term with the smallest p-value."""
        whole, terms = self.table.iloc[-1], self.table.iloc[:-1]
        worst = terms.iloc[int(np.argmin(terms["p_value"]))]
        return (
            f"Proportional hazards for {self.outcome}: global test p {p_words(float(whole['p_value']))} "
            f"({whole['df']:.0f} df); of single terms {worst['term']} departs most, "
            f"p {p_words(float(worst['p_value']))} "
            f"({plural(self.events, 'event')}, time scale {self.transform}). A large p-value does not show that "
            f"hazards are proportional."
        )

    def _repr_html_(self) -> str:
        shown = self.table.assign(
            statistic=self.table["statistic"].map("{:.2f}".format), p=self.table["p_value"].map(p_value)
        )
        return html_table(shown.drop(columns="p_value"), caption=self.sentence(), notes=self.method)


def check_proportional_hazards(fit: Fit, *, transform: str = "km") -> ProportionalHazards:
    """Test whether a Cox model's hazard ratios stay the same over time.

    **Definition**: score test that c is 0 in the log hazard ratio b + c g(day), for each term (all its columns
    together) and for all terms; g is the chosen function of the day of the event, at all events.

    Parameters
    ----------
    fit : Fit
        From `fit_cox`, without ``periods=``, ``time_varying=``, ``penalty=`` and ``firth=``.
    transform : {"km", "identity", "rank", "log"}
        g: one minus the Kaplan-Meier curve just before the day (few late events do not decide), the day, its rank, its
        logarithm.

    Returns
    -------
    ProportionalHazards
        Drawn by `plot_schoenfeld`.

    Raises
    ------
    InputError
        Not such a fit, or an unknown transform.

    When not to use it
    ------------------
    To choose strata or periods by its p-value and then read the model as if they had been planned.

    References
    ----------
    Grambsch and Therneau 1994, doi:10.1093/biomet/81.3.515. Held to R survival 3.5-3 ``cox.zph``.

    Examples
    --------
    >>> import pandas as pd
    >>> from fbss_analytics import fit_cox
    >>> days = [float(day) for day in range(1, 41)]
    >>> frame = pd.DataFrame({"days": days, "out": [day % 3 > 0 for day in days], "x": [day % 7 for day in days]})
    >>> fit = fit_cox(frame, duration="days", status="out", event="explant", formula="x")
    >>> check_proportional_hazards(fit).frame["term"].tolist()
    ['x', 'GLOBAL']
    """
    one_of(transform, TRANSFORMS, name="transform")
    case = case_of(fit, "check_proportional_hazards")
    if case.rows.settings.firth or case.rows.settings.penalty:
        raise InputError("The test holds at the maximum of the likelihood itself; fit without firth= and penalty=.")
    sets, b, design = case.sets, case.estimate.coefficients, case.rows.design
    g = _of_time(case.rows, transform)[sets.events]
    columns = [list(range(term.start, term.stop)) for term in design.terms]
    labels = [term.label for term in design.terms]
    chi2, df = cox_residuals.proportionality_test(sets, b, g, columns)
    table = pd.DataFrame({"term": [*labels, "GLOBAL"], "statistic": chi2, "df": df})
    table["p_value"] = [chi2_p(value, each) for value, each in zip(chi2, df, strict=True)]
    residuals, spread, ratios = _per_term(case, columns)
    order = np.argsort(case.rows.follow.stop[sets.events], kind="stable")
    day = case.rows.follow.stop[sets.events][order]
    frame = pd.DataFrame({"day": day, "transformed": g[order]})
    frame = pd.concat([frame, pd.DataFrame(residuals[:, order].T, columns=labels)], axis=1)
    return ProportionalHazards(
        outcome=fit.outcome,
        transform=transform,
        table=table,
        residuals=frame,
        smooths=_smooths(frame, labels, spread, fit.conf_level),
        ratios=dict(zip(labels, ratios, strict=True)),
        conf_level=fit.conf_level,
        events=len(sets.events),
        method=f"Score test of proportional hazards (Grambsch and Therneau), time scale {transform}. {fit.method}",
    )


def _of_time(rows: CoxRows, transform: str) -> Floats:
    """Return the function of time at each row's last day."""
    stop = rows.follow.stop
    if transform == "identity":
        return stop
    if transform == "log":
        return np.asarray(np.log(stop))
    if transform == "rank":
        _, place, counts = np.unique(stop, return_inverse=True, return_counts=True)
        return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place], dtype=np.float64)
    steps = curves(stop, rows.happened.astype(np.int64), 1, entry=rows.follow.entry)
    # The curve just before the day: an event does not move its own time.
    return np.asarray(1 - steps.survival[np.searchsorted(steps.time, stop, side="left") - 1], dtype=np.float64)


def _per_term(case: CoxCase, columns: Sequence[Sequence[int]]) -> tuple[Floats, Floats, list[float]]:
    """Return scaled Schoenfeld residuals (terms, m), their variance (terms,), and what they scatter about.

    A term of several columns is taken as one covariate, its linear predictor, whose coefficient is 1.
    """
    b = case.estimate.coefficients
    together = np.zeros((len(b), len(columns)))
    for k, chosen in enumerate(columns):
        together[chosen, k] = b[chosen] if len(chosen) > 1 else 1.0
    raw = cox_residuals.schoenfeld_residuals(case.sets, b)
    mean_variance = np.linalg.inv(case.estimate.covariance) / raw.shape[1]
    scale = np.linalg.inv(together.T @ mean_variance @ together)
    about = [1.0 if len(chosen) > 1 else float(b[chosen[0]]) for chosen in columns]
    return scale @ (together.T @ raw) + np.array(about)[:, None], np.diag(scale), about


def _smooths(frame: pd.DataFrame, labels: Sequence[str], variance: Floats, conf_level: float) -> pd.DataFrame:
    """Return the natural spline through each term's residuals, with its band.

    Four degrees of freedom, knots at the thirds of grid and events together, as in R's ``plot.cox.zph``.
    """
    x = frame["transformed"].to_numpy()
    grid = np.linspace(x.min(), x.max(), GRID)
    inner = np.quantile(np.append(grid, x), [1 / 3, 2 / 3])
    knots = np.unique([x.min(), *inner, x.max()])
    if len(knots) < 4 or len(np.unique(x)) < 4:
        return pd.DataFrame(columns=["term", "transformed", "day", "estimate", "conf_low", "conf_high"])
    basis, drawn = (np.column_stack([np.ones(len(at)), spline_basis(at, knots)]) for at in (x, grid))
    spread = np.linalg.inv(basis.T @ basis)
    half = normal_quantile(conf_level) * np.sqrt(np.einsum("ij,jk,ik->i", drawn, spread, drawn))
    day = np.interp(grid, x, frame["day"])
    pieces = []
    for label, one in zip(labels, variance, strict=True):
        line = drawn @ (spread @ (basis.T @ frame[label].to_numpy()))
        low, high = line - half * np.sqrt(one), line + half * np.sqrt(one)
        values = {"transformed": grid, "day": day, "estimate": line, "conf_low": low, "conf_high": high}
        pieces.append(pd.DataFrame({"term": label, **values}))
    return pd.concat(pieces, ignore_index=True)
