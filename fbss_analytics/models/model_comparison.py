"""Chunk tests: two nested models by their likelihoods, or several terms of one model together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError, nearest
from ..formats import html_table, p_value
from .bands import chi2_p
from .fit import Fit
from .result_table import listed, p_words
from .terms import wald


@dataclass(frozen=True)
class ChunkTest:
    """A test of several terms together: ``test`` is likelihood ratio or Wald."""

    outcome: str
    terms: str
    test: str
    chi2: float
    df: int
    p_value: float
    method: str

    @property
    def frame(self) -> pd.DataFrame:
        """One row: terms, test, chi2, df, p_value."""
        return pd.DataFrame([[getattr(self, name) for name in COLUMNS]], columns=list(COLUMNS))

    def sentence(self) -> str:
        """Say the test in one sentence."""
        return (
            f"{self.terms} together, for {self.outcome}: {self.test} chi-squared {self.chi2:.2f} on {self.df} df, "
            f"p {p_words(self.p_value)}."
        )

    def _repr_html_(self) -> str:
        shown = self.frame.assign(chi2=f"{self.chi2:.2f}", p_value=p_value(self.p_value))
        return html_table(shown, caption=self.sentence(), notes=self.method)


COLUMNS = ("terms", "test", "chi2", "df", "p_value")


def compare_models(small: Fit, large: Fit) -> ChunkTest:
    """Compare two nested models by the likelihood ratio.

    **Definition**: twice the gain in log likelihood of ``large`` over ``small``, against chi-squared with as many
    degrees of freedom as ``large`` has further parameters.

    Parameters
    ----------
    small, large : Fit
        Of the same kind (Cox or logistic) and outcome, fitted to the same rows, the terms of ``small`` among those of
        ``large``.

    Returns
    -------
    ChunkTest

    Raises
    ------
    InputError
        The fits differ in kind, outcome or rows, are not nested, or have no likelihood ratio (robust standard errors,
        a penalty, Firth's likelihood).

    When not to use it
    ------------------
    To choose between models and then report the p-values of the one chosen.

    References
    ----------
    Harrell, Regression Modeling Strategies, chapter 9, doi:10.1007/978-3-319-19425-7.

    Examples
    --------
    >>> from fbss_analytics import fit_cox
    >>> frame = pd.DataFrame({"days": [float(day) for day in range(1, 41)], "out": [day % 3 > 0 for day in range(40)]})
    >>> frame = frame.assign(x=frame["days"] % 7, z=frame["days"] % 5)
    >>> asked = {"duration": "days", "status": "out", "event": "explant"}
    >>> test = compare_models(fit_cox(frame, formula="x", **asked), fit_cox(frame, formula="x + z", **asked))
    >>> test.df
    1
    """
    for fit in (small, large):
        if fit.model not in ("cox", "logistic") or not _has_ratio(fit):
            raise InputError(
                f"compare_models needs Cox or logistic fits with model-based standard errors and no penalty; one is "
                f"{fit.model!r} ({fit.method.rstrip('.')}). Use joint_test on the larger model."
            )
    if (small.model, small.outcome, small.cause) != (large.model, large.outcome, large.cause):
        raise InputError("The two fits are not of the same kind, outcome and cause.")
    if not _same_rows(small, large):
        raise InputError(
            f"The two fits rest on different rows ({small.n:,} and {large.n:,}) or on other strata, ties, weights or "
            f"entry; leave out the rows with missing values first, so that both use the same."
        )
    if small.n_parameters >= large.n_parameters or not _is_nested(small, large):
        raise InputError(f"{small.formula!r} is not nested in {large.formula!r}; give the smaller model first.")
    chi2, df = max(2 * (large.log_likelihood - small.log_likelihood), 0.0), large.n_parameters - small.n_parameters
    return ChunkTest(
        outcome=large.outcome,
        terms=f"What {large.formula!r} has beyond {small.formula!r}",
        test="likelihood ratio",
        chi2=chi2,
        df=df,
        p_value=chi2_p(chi2, df),
        method=f"Likelihood ratio test of nested models. {large.method}",
    )


def joint_test(fit: Fit, terms: Sequence[str]) -> ChunkTest:
    """Test several terms of a model together, by Wald's test.

    **Definition**: b' V^-1 b over all columns of the terms, against chi-squared with as many degrees of freedom. A
    variable's name stands for every term it is in, interactions included; a term's label for that term alone.

    Parameters
    ----------
    fit : Fit
        Any regression; with robust standard errors the test is robust.
    terms : list of str
        Variables, or terms as ``.tests`` and ``.estimates`` label them.

    Returns
    -------
    ChunkTest

    Raises
    ------
    InputError
        A term is not in the model, or the ratios differ between periods.

    When not to use it
    ------------------
    With few events or separated terms: use likelihood ratios (`compare_models`, or ``interval="profile"``).

    References
    ----------
    Harrell, Regression Modeling Strategies, chapter 9, doi:10.1007/978-3-319-19425-7.

    Examples
    --------
    >>> from fbss_analytics import fit_cox
    >>> frame = pd.DataFrame({"days": [float(day) for day in range(1, 41)], "out": [day % 3 > 0 for day in range(40)]})
    >>> frame = frame.assign(x=frame["days"] % 7, z=frame["days"] % 5)
    >>> fit = fit_cox(frame, duration="days", status="out", event="explant", formula="x + z")
    >>> joint_test(fit, ["x", "z"]).df
    2
    """
    if fit.parts:
        raise InputError("The ratios differ between periods; give one of them, such as fit.parts[0].")
    wanted = [terms] if isinstance(terms, str) else list(terms)
    columns: set[int] = set()
    for name in wanted:
        mine = [term for term in fit.design.terms if name == term.label and ":" in term.label]
        mine = mine or [term for term in fit.design.terms if name == term.label or name in term.variables]
        if not mine:
            known = {term.label for term in fit.design.terms} | {v for t in fit.design.terms for v in t.variables}
            raise InputError(f"{name!r} is no term of the model.{nearest(name, known)}")
        columns |= {j for term in mine for j in range(term.start, term.stop)}
    if not columns:
        raise InputError("terms= is empty; name the terms to test together.")
    chi2, df, p = wald(fit.coefficients["coefficient"].to_numpy(), fit.covariance, sorted(columns))
    return ChunkTest(
        outcome=fit.outcome,
        terms=listed(wanted),
        test="Wald",
        chi2=chi2,
        df=df,
        p_value=p,
        method=f"Wald test of several terms. {fit.method}",
    )


def _has_ratio(fit: Fit) -> bool:
    """Return whether twice the gain in log likelihood of the fit is chi-squared."""
    whole = fit.tests[(fit.tests["term"] == "all terms") & (fit.tests["test"] == "likelihood ratio")]
    return len(whole) > 0 and not (fit.case is not None and fit.case.rows.settings.firth)


def _same_rows(small: Fit, large: Fit) -> bool:
    """Return whether two fits rest on the same rows, as far as they carry them."""
    same = (small.n, small.events) == (large.n, large.events)
    same &= bool(np.isclose(small.log_likelihood_null, large.log_likelihood_null, rtol=1e-9))
    if small.case is None or large.case is None:
        return same
    one, other = small.case.rows, large.case.rows
    pairs = [(one.follow.stop, other.follow.stop), (one.happened, other.happened), (one.weight, other.weight)]
    pairs += [(one.follow.entry, other.follow.entry), (one.stratum, other.stratum), (one.offset, other.offset)]
    alike = all(a is b if a is None or b is None else np.array_equal(a, b) for a, b in pairs)
    return same and alike and one.settings.ties == other.settings.ties


def _is_nested(small: Fit, large: Fit) -> bool:
    """Return whether every column of the small model is a combination of those of the large one."""
    if small.case is None or large.case is None or small.case.over_time or large.case.over_time:
        return set(small.design.names) <= set(large.design.names)
    a, b = small.case.sets.x.T, large.case.sets.x.T
    left = a - b @ np.linalg.lstsq(b, a)[0]
    return bool((np.abs(left) < 1e-8).all())
