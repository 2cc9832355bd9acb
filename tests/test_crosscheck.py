"""`crosscheck=True`: second engines confirm what is right, catch a kernel that is not, and say what they cannot check.

Cox models have theirs in test_cox.py. Which engine is right where (ties, late entry, weights) is seen here by its
agreement with kernels that are held to R in test_curves_reference.py and test_competing_reference.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_models import patients, refused

from fbss_analytics.errors import DataError, InputError, StudyWarning
from fbss_analytics.models import crosscheck_fine_gray, crosscheck_regression, curves, linear, regression
from fbss_analytics.models.competing import estimate_cumulative_incidence
from fbss_analytics.models.fine_gray import fit_fine_gray
from fbss_analytics.models.kernels import fine_gray
from fbss_analytics.models.kernels.aalen_johansen import Steps
from fbss_analytics.models.linear import fit_linear
from fbss_analytics.models.regression import fit_logistic
from fbss_analytics.models.survival import estimate_survival

KEYS: dict[str, Any] = {"duration": "months", "status": "ended", "event": "explant"}
COMPETING: dict[str, Any] = {**KEYS, "competing": "death"}
BOTH = "estimates and standard errors at every step"


def censored(n: int = 400) -> pd.DataFrame:
    """Patients in whole months, so that events, censorings and entries share days."""
    frame, random = patients(n), np.random.default_rng(5)
    leaves = np.ceil(random.exponential(1500, n))
    frame["ended"] = np.where(leaves < frame["days"], "censored", frame["ended"])
    frame["months"] = np.ceil(np.minimum(leaves, frame["days"]) / 30)
    third = frame.index % 3
    frame["entered"] = np.where(third == 0, 0.0, np.floor(frame["months"] * (frame.index % 4) / 9))
    return frame.assign(share=np.where(third == 0, 0.5, 2.0), rows=1 + third, fell=random.normal(frame["age_years"], 5))


def alive(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(ended=frame["ended"].replace("death", "censored"))


def survival(frame: pd.DataFrame | None = None, **asked: Any) -> Any:
    return estimate_survival(alive(censored() if frame is None else frame), crosscheck=True, **KEYS, **asked)


def incidence(frame: pd.DataFrame | None = None, **asked: Any) -> Any:
    return estimate_cumulative_incidence(censored() if frame is None else frame, crosscheck=True, **COMPETING, **asked)


def risk_model(frame: pd.DataFrame | None = None, **asked: Any) -> Any:
    data = censored() if frame is None else frame
    return fit_fine_gray(data, formula="age_years + sex", crosscheck=True, **COMPETING, **asked)


def trial(**asked: Any) -> Any:
    return fit_logistic(censored(), outcome="success", formula="age_years + sex", crosscheck=True, **asked)


def dose(**asked: Any) -> Any:
    return fit_linear(censored(), outcome="fell", formula="sex", baseline="age_years", crosscheck=True, **asked)


@pytest.mark.parametrize(
    ("asked", "of_survival", "of_incidence"),
    [
        ({}, BOTH, BOTH),
        ({"by": "sex"}, BOTH, BOTH),
        ({"entry": "entered"}, BOTH, "estimates at every step"),
        ({"weights": "share"}, "estimates at every step", "estimates at every step"),
        ({"weights": "rows", "entry": "entered"}, "estimates at every step", "estimates at every step"),
    ],
)
def test_curves_are_confirmed_step_by_step(asked: dict[str, Any], of_survival: str, of_incidence: str) -> None:
    assert survival(**asked).method.endswith(f". Cross-checked with statsmodels: {of_survival}.")
    assert incidence(**asked).method.endswith(f". Cross-checked with statsmodels: {of_incidence}.")


@pytest.mark.parametrize("entry", [None, "entered"])
def test_groups_without_some_event_are_confirmed(entry: str | None) -> None:
    frame = censored()
    frame.loc[frame["sex"] == "male", "ended"] = "censored"
    frame.loc[(frame["sex"] == "female") & (frame["ended"] == "death"), "ended"] = "explant"
    frame["centre"] = np.where(frame["sex"] == "male", "none", "explants only")
    frame.loc[frame.index[:5], ["centre", "ended"]] = ["a few", "death"]
    assert "Cross-checked" in incidence(frame, by="centre", entry=entry).method
    assert "Cross-checked" in survival(frame, by="sex", entry=entry).method


@pytest.mark.parametrize(
    ("asked", "engine"),
    [
        ({}, "lifelines"),
        ({"entry": "entered"}, "lifelines"),
        ({"weights": "share", "censoring_strata": "sex"}, "lifelines"),
        ({"weights": "share", "censoring_strata": "sex", "entry": "entered"}, "lifelines"),
        ({"cluster": "centre"}, "lifelines"),
    ],
)
def test_fine_gray_models_are_confirmed_with_the_models_beside_them(asked: dict[str, Any], engine: str) -> None:
    fit = risk_model(**asked)
    words = f"Cross-checked with {engine}: coefficients and model-based standard errors."
    assert fit.fine_gray.method.endswith(words)
    assert all("Cross-checked with" in one.method for one in fit.cause_specific)


@pytest.mark.parametrize("ties", ["breslow", "cmprsk"])
def test_other_ties_are_checked_only_where_there_are_none(ties: str) -> None:
    frame = censored()
    with pytest.warns(StudyWarning, match=f"ties '{ties}' with weights; the model .sHR of explant. was not checked"):
        fit = risk_model(frame, ties=ties)
    assert "Not cross-checked: no second engine" in fit.fine_gray.method
    apart = frame.assign(months=frame["months"] + np.arange(len(frame)) / 1000)
    assert "Cross-checked with lifelines" in risk_model(apart, ties=ties).fine_gray.method


def test_nobody_censored_and_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = censored()
    seen = frame[frame["ended"] != "censored"]
    assert "Cross-checked with lifelines" in risk_model(seen).fine_gray.method
    monkeypatch.setattr(crosscheck_fine_gray, "MOST_ROWS", len(frame))
    with pytest.warns(StudyWarning, match="too many for a second engine"):
        assert "Not cross-checked" in risk_model(frame).fine_gray.method


def test_regressions_are_confirmed() -> None:
    said = "coefficients and standard errors."
    assert trial().method.endswith(f"Cross-checked with own reweighted least squares: {said}")
    assert trial(cluster="centre").method.endswith(f"Cross-checked with statsmodels: {said}")
    for asked in ({}, {"errors": "classical"}, {"cluster": "centre"}):
        assert dose(**asked).method.endswith(f"Cross-checked with statsmodels: {said}")


def test_one_minus_kaplan_meier_has_no_second_engine() -> None:
    beside = {"competing": "censor", "acknowledge": "to repeat a figure"}
    refused(
        lambda: estimate_survival(censored(), crosscheck=True, **KEYS, **beside),
        InputError,
        "use it in estimate_cumulative_incidence",
    )


# Kernels broken on purpose: each must be caught.


def enters_a_day_early(good: Callable[..., Steps]) -> Callable[..., Steps]:
    return lambda *rows, entry, **more: good(*rows, entry=np.maximum(entry - 1, 0), **more)


def breaks_ties(good: Callable[..., Steps]) -> Callable[..., Steps]:
    def broken(stop: Any, cause: Any, n: int, **more: Any) -> Steps:
        return good(stop + np.where(cause == 0, 0, 1e-3 * cause), cause, n, **more)

    return broken


def small_errors(good: Callable[..., Steps]) -> Callable[..., Steps]:
    def broken(*rows: Any, **more: Any) -> Steps:
        steps = good(*rows, **more)
        return replace(
            steps, survival_error=steps.survival_error * 0.999, incidence_error=steps.incidence_error * 0.999
        )

    return broken


def no_number(good: Callable[..., Steps]) -> Callable[..., Steps]:
    def broken(*rows: Any, **more: Any) -> Steps:
        steps = good(*rows, **more)
        return replace(steps, survival=steps.survival * np.nan, incidence=steps.incidence * np.nan)

    return broken


@pytest.mark.parametrize(
    ("breaking", "asked", "what"),
    [
        (enters_a_day_early, {"entry": "entered"}, "estimates"),
        (breaks_ties, {}, "estimates"),
        (small_errors, {"by": "sex"}, "standard errors"),
        (no_number, {"weights": "share"}, "estimates"),
    ],
)
@pytest.mark.parametrize("estimate", [survival, incidence])
def test_a_broken_kernel_of_curves_is_caught(
    monkeypatch: pytest.MonkeyPatch, estimate: Callable[..., Any], breaking: Any, asked: dict[str, Any], what: str
) -> None:
    monkeypatch.setattr(curves, "curves", breaking(curves.curves))
    refused(lambda: estimate(**asked), DataError, f"statsmodels disagrees with this curve: {what} of 'explant'")


@pytest.mark.parametrize("asked", [{}, {"entry": "entered"}, {"weights": "share", "censoring_strata": "sex"}])
def test_broken_weights_of_a_fine_gray_model_are_caught(monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]) -> None:
    good = fine_gray.censoring_strata
    monkeypatch.setattr(
        fine_gray,
        "censoring_strata",
        lambda stop, out, entry, stratum, weight, events_first: good(
            stop, out, entry, stratum, weight, events_first=not events_first
        ),
    )
    refused(lambda: risk_model(**asked), DataError, "lifelines disagrees with this fit: the coefficient of")


@pytest.mark.parametrize(
    ("ask", "module", "name", "asked", "engine"),
    [
        (trial, regression, "_maximum", {}, "own reweighted least squares"),
        (trial, regression, "_maximum", {"cluster": "centre"}, "statsmodels"),
        (trial, regression, "_clustered", {"cluster": "centre"}, "statsmodels"),
        (dose, linear, "_least_squares", {}, "statsmodels"),
        (dose, linear, "_least_squares", {"errors": "classical"}, "statsmodels"),
        (dose, linear, "_least_squares", {"cluster": "centre"}, "statsmodels"),
    ],
)
def test_a_broken_regression_is_caught(
    monkeypatch: pytest.MonkeyPatch, ask: Any, module: Any, name: str, asked: dict[str, Any], engine: str
) -> None:
    good = getattr(module, name)

    def broken(*rows: Any) -> Any:
        result = good(*rows)
        return (result[0] * 1.001, *result[1:]) if isinstance(result, tuple) else result * 1.001

    monkeypatch.setattr(module, name, broken)
    refused(lambda: ask(**asked), DataError, f"{engine} disagrees with this fit")


def test_a_second_engine_that_stops_too_early_confirms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crosscheck_regression, "MOST_STEPS", 1)
    refused(trial, DataError, "own reweighted least squares disagrees")


def test_wrong_standard_errors_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    # HC0 in the place of HC3: the leverages are forgotten.
    monkeypatch.setitem(linear.ERRORS, "hc3", lambda x, e, h, df: (x * (e**2)[:, None]).T @ x)
    refused(dose, DataError, "statsmodels disagrees")
