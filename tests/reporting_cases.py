"""A fabricated cohort for tables and figures: no simulation, the same numbers every time."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd

import fbss_analytics as fbss
from fbss_analytics.cohort.nouns import Attrition, Cohort, Definition, Outcome, Step
from fbss_analytics.models.results import Curve, Fit

REASONS = ("inadequate_relief", "infection", "lead_failure_or_migration", "other")
N = 400


@cache
def cohort() -> Cohort:
    """Return 400 patients with an explant (also split by reason), death competing, and a few covariates."""
    random = np.random.default_rng(20261121)
    dose = np.where(random.random(N) < 0.4, 0.0, np.exp(random.normal(3.6, 1.1, N)).round(1))
    sex = random.choice(["female", "male"], N)
    explant = random.weibull(0.75, N) * 6000 * np.exp(-0.004 * dose)
    death, lost = random.exponential(15000, N), random.uniform(200, 2600, N)
    days = np.minimum.reduce([explant, death, lost, np.full(N, 1825.0)]).round().clip(0.5)
    status = np.where(explant.round() <= days, "event", np.where(death.round() <= days, "death", "censored"))
    reason = random.choice(REASONS, N, p=[0.6, 0.12, 0.18, 0.1])
    frame = pd.DataFrame(
        {
            "patient_id": [f"p{i}" for i in range(N)],
            "baseline_mme_per_day": dose,
            "sex": sex.astype(object),
            "age_years": random.normal(54, 13, N).round(),
            "smoking": random.choice(np.array(["never", "former", "current"], dtype=object), N),
            "takes_gabapentinoid": random.random(N) < 0.4,
            "explant_days": days,
            "explant_status": status.astype(object),
            "explant_reason_days": days,
            "explant_reason_status": np.where(status == "event", reason, status).astype(object),
        }
    )
    steps = (
        Step("patients in a fabricated cohort", 1_000, 1_000),
        Step("with a permanent implant of a spinal cord stimulator generator", 1_000, 450),
        Step("aged 18 or more years at day 0", 450, 450),
        Step("with pharmacy observation throughout days -365 to -1 (365 days, both ends included)", 450, N),
    )
    definitions = (
        Definition("index", "day 0 is the first implant", ("index_date",), {"index": "scs_implant"}, known_at_day=0),
        Definition("explant", "removal", ("explant_days", "explant_status"), {"competing": "death"}),
        Definition("explant_reason", "removal", ("explant_reason_days",), {"competing": ("death",)}),
    )
    outcomes = {
        "explant": Outcome("explant", "explant_days", "explant_status", None, ("event",), ("death",), 1825, ""),
        "explant_reason": Outcome(
            "explant_reason", "explant_reason_days", "explant_reason_status", None, REASONS, ("death",), 1825, ""
        ),
    }
    source = cast(Any, SimpleNamespace(name="a fabricated cohort"))
    return Cohort(source, frame, Attrition(steps), "scs_implant", definitions=definitions, outcomes=outcomes)


@cache
def risk(outcome: str = "explant", by: str | None = None) -> Curve:
    """Return the cumulative incidence of an outcome."""
    return fbss.estimate_cumulative_incidence(cohort(), outcome=outcome, by=by)


@cache
def survival(by: str | None = None) -> Curve:
    """Return the Kaplan-Meier curve of explant, death censored."""
    frame = cohort().frame.assign(is_out=lambda rows: rows["explant_status"] == "event")
    return fbss.estimate_survival(frame, duration="explant_days", status="is_out", event="explant", by=by)


@cache
def hazard() -> Curve:
    """Return the cumulative hazard of explant by sex."""
    return fbss.estimate_cause_specific_hazard(cohort(), outcome="explant", by="sex")


@cache
def fit(formula: str = "rcs(baseline_mme_per_day, 4) + age_years + sex + smoking + takes_gabapentinoid") -> Fit:
    """Return a Cox model of explant."""
    return fbss.fit_cox(cohort(), outcome="explant", formula=formula)


@cache
def dose_later(formula: str = "sex + smoking") -> Fit:
    """Return a linear model of a dose that was halved, less in men."""
    frame = cohort().frame
    later = frame["baseline_mme_per_day"] / 2 + 9.0 * (frame["sex"] == "male") + frame["age_years"] % 7
    rows = frame.assign(later_mme_per_day=later)
    return fbss.fit_linear(rows, outcome="later_mme_per_day", formula=formula, baseline="baseline_mme_per_day")


@cache
def days_free(outcome: str = "explant") -> fbss.RestrictedMean:
    """Return the days free of an outcome in five years, by sex."""
    return fbss.estimate_restricted_mean(cohort(), outcome=outcome, by="sex", until_days=1800)


@cache
def effect() -> Curve:
    """Return the effect curve of the baseline dose."""
    return fbss.estimate_effect_curve(fit(), term="baseline_mme_per_day", reference=0)


@cache
def comparison() -> fbss.Comparison:
    """Return the fabricated cohort beside the published figures."""
    return fbss.compare_with_published(risk(), risk("explant_reason"))
