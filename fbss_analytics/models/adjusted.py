"""`estimate_adjusted_risk`: absolute risks at a day and their difference, standardised over the cohort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort
from ..errors import DataError, InputError, nearest
from ..formats import plural
from .adequacy import refuse_flat, warn_if_few
from .bands import normal_quantile, wald_p
from .bootstrap import Samples, bootstrap
from .followup import Columns, FollowUp, follow_up, pick_cause
from .formula import Design, build_design, formula_variables, prepared_columns
from .kernels import cox
from .kernels.standard_risk import standard_risk
from .results import estimate_table
from .risks import AdjustedRisk

Floats = npt.NDArray[np.float64]


def estimate_adjusted_risk(
    cohort: Cohort | pd.DataFrame,
    *,
    outcome: str | None = None,
    formula: str,
    exposure: str,
    horizon_days: float,
    seed: int,
    levels: Sequence[Any] | None = None,
    cause: str | None = None,
    competing_formula: str | None = None,
    n_samples: int = 200,
    conf_level: float = 0.95,
    duration: str | None = None,
    status: str | None = None,
    event: str | Sequence[str] | None = None,
    competing: str | Sequence[str] | None = None,
    entry: str | None = None,
) -> AdjustedRisk:
    """Estimate the risk at a day had everyone each level of an exposure, and the differences.

    **Definition**: a Cox model for every cause (death competing) gives each row's risk of the cause up to and including
    ``horizon_days`` with the exposure set to each level in turn and all else as it is; risks are averaged over all rows
    used. Intervals are percentiles of a bootstrap of patients, all models being refitted in each sample.

    Parameters
    ----------
    cohort : Cohort or DataFrame
        As in `fit_cox`; a plain frame also takes ``competing=``.
    outcome : str
        Name of a time-to-event outcome of the cohort.
    formula : str
        Right-hand side of the models; ``exposure`` is one of its columns.
    exposure : str
        The column that is set to its levels.
    horizon_days : float
        The day of the risks, within follow-up.
    seed : int
        Of the bootstrap.
    levels : list, optional
        Levels to compare, the reference first; all levels of a category when None. Needed for a number, such as
        ``[0, 90]`` MME per day.
    cause : str, optional
        Which event, where the outcome has several; the others compete.
    competing_formula : str, optional
        Right-hand side for competing causes, where they have too few events for ``formula``.
    n_samples : int
        Bootstrap samples, 200 by default.
    conf_level : float
        0.95 by default.
    duration, status, event, competing, entry : str
        The columns of a plain frame.

    Returns
    -------
    AdjustedRisk

    Raises
    ------
    InputError
        Wrong formula or arguments, an unknown level, or a horizon beyond follow-up.
    DataError
        A model has no finite estimate, or has none in more than 5 % of the bootstrap samples.

    Warns
    -----
    StudyWarning
        Rows with missing values left out; few events.

    When not to use it
    ------------------
    As the effect of a choice, unless the formula holds what confounds it and nothing that follows it. And for levels
    that hardly occur beside the other columns: the model then extrapolates.

    References
    ----------
    Benichou and Gail 1990, doi:10.2307/2532087; Hernan and Robins, Causal Inference: What If, chapter 13. Held to
    the same sums over R survival 3.5-3 ``coxph`` and ``basehaz``.

    Examples
    --------
    >>> import pandas as pd
    >>> ended = [("explant", "death", "censored", "explant")[i % 4] for i in range(80)]
    >>> frame = pd.DataFrame({"days": [float(1 + (7 * i) % 80) for i in range(80)], "ended": ended})
    >>> frame["sex"] = ["female" if (i // 4) % 2 else "male" for i in range(80)]
    >>> risk = estimate_adjusted_risk(
    ...     frame, duration="days", status="ended", event="explant", competing="death", formula="sex", exposure="sex",
    ...     horizon_days=60, n_samples=20, seed=1,
    ... )
    >>> risk.estimates["measure"].tolist()
    ['risk', 'risk', 'risk difference']
    """
    columns = Columns(duration=duration, status=status, event=event, competing=competing, entry=entry)
    frame = cohort.frame if isinstance(cohort, Cohort) else cohort
    formulas = (formula, competing_formula or formula)
    also: list[str] = []
    if isinstance(frame, pd.DataFrame):
        also = [*dict.fromkeys(name for text in formulas for name in formula_variables(text, frame))]
    follow = follow_up(cohort, outcome, columns, also=also)
    which = pick_cause(follow, cause)
    _check(follow, formula, exposure, horizon_days)
    compared = _levels(follow.frame[exposure], exposure, levels)
    models = _models(follow, which, formulas, exposure, compared)
    everyone = np.ones(len(follow.stop))
    risks, starts = _risks(follow, models, everyone, horizon_days)
    samples = _bootstrap(follow, models, starts, horizon_days, n_samples=n_samples, seed=seed)
    happened = models[0].happened
    common = {
        "model": "cox",
        "outcome": follow.outcome,
        "cause": which,
        "term": exposure,
        "horizon_days": horizon_days,
        "n": len(follow.stop),
        "events": int(happened.sum()),
    }
    competes = ", ".join(model.cause for model in models[1:]) or "nothing"
    return AdjustedRisk(
        outcome=follow.outcome,
        cause=which,
        exposure=exposure,
        formula=formula,
        horizon_days=float(horizon_days),
        table=_table(risks, samples.values, [_word(level) for level in compared], conf_level, common),
        n=len(follow.stop),
        events=int(happened.sum()),
        method=(
            f"Standardised over {plural(len(follow.stop), follow.unit)} from cause-specific Cox models (Efron ties), "
            f"{competes} competing; percentile intervals of {samples.words('bootstrap samples of patients')}, "
            f"seed {seed}."
        ),
        conf_level=conf_level,
        definitions=follow.definitions,
        excluded=follow.excluded,
        unit=follow.unit,
    )


@dataclass(frozen=True, eq=False)
class _Model:
    """A cause's design, who has the event, and the matrix (n, p) with the exposure at each level."""

    cause: str
    design: Design
    happened: npt.NDArray[np.bool_]
    set_to: tuple[Floats, ...]


def _check(follow: FollowUp, formula: str, exposure: str, horizon: float) -> None:
    known = formula_variables(formula, follow.frame)
    if exposure not in known:
        raise InputError(f"exposure={exposure!r} is not in formula={formula!r}.{nearest(exposure, known)}")
    if not 0 < horizon <= follow.stop.max():
        raise InputError(f"horizon_days={horizon:g} lies outside follow-up, which ends on day {follow.stop.max():,g}.")


def _levels(values: pd.Series, exposure: str, levels: Sequence[Any] | None) -> list[Any]:
    """Return the levels to compare as they stand in the column."""
    distinct = list(values.cat.remove_unused_categories().cat.categories) if values.dtype == "category" else None
    numeric = distinct is None and pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if distinct is None and not numeric:
        distinct = sorted(values.unique())
    if levels is None:
        if distinct is None:
            raise InputError(f"exposure={exposure!r} is a number; give levels=, the reference first, such as [0, 90].")
        return distinct
    if len(levels) < 2 or len(set(levels)) < len(levels):
        raise InputError("levels= needs two or more different levels, the reference first.")
    for level in levels:
        if distinct is not None and level not in distinct:
            raise InputError(f"levels= names {level!r}, which {exposure!r} does not have.{nearest(level, distinct)}")
        if numeric and not values.min() <= level <= values.max():
            raise InputError(
                f"levels= names {level:g}, outside the {values.min():g} to {values.max():g} of {exposure!r}."
            )
    return list(levels)


def _models(follow: FollowUp, which: str, formulas: tuple[str, str], exposure: str, levels: list[Any]) -> list[_Model]:
    """Return a model for each cause, the one of interest first; a cause that nobody has does not compete."""
    models = []
    for name in (which, *(cause for cause in follow.causes if cause != which)):
        happened = follow.cause == 1 + follow.causes.index(name)
        if not happened.any():
            continue
        design = build_design(follow.frame, formulas[name != which], intercept=False)
        warn_if_few(int(happened.sum()), design.n_parameters, when=f"the model of {follow.name_of(name)}")
        names = formula_variables(formulas[name != which], follow.frame)
        columns = prepared_columns(follow.frame, names)
        models.append(_Model(name, design, happened, tuple(_at(design, columns, exposure, level) for level in levels)))
    return models


def _at(design: Design, columns: pd.DataFrame, exposure: str, level: Any) -> Floats:
    """Return the design matrix with everyone's exposure at a level."""
    if exposure not in columns:
        return design.matrix
    changed = columns.copy()
    if isinstance(columns[exposure].dtype, pd.CategoricalDtype):
        changed[exposure] = pd.Categorical([_word(level)] * len(columns), categories=columns[exposure].cat.categories)
    else:
        changed[exposure] = float(level)
    return design.rows(changed)


def _risks(
    follow: FollowUp, models: list[_Model], weight: Floats, horizon: float, starts: list[Floats] | None = None
) -> tuple[Floats, list[Floats]]:
    """Return the mean risk at each level, and the coefficients of each model, for rows counted ``weight`` times."""
    rows = np.flatnonzero(weight)
    found = []
    for number, model in enumerate(models):
        sets = cox.risk_sets(
            model.design.matrix[rows],
            follow.stop[rows],
            model.happened[rows],
            entry=None if follow.entry is None else follow.entry[rows],
            weight=weight[rows],
        )
        result = cox.fit_risk_sets(sets, start=None if starts is None else starts[number])
        if starts is None:
            refuse_flat(model.design, result.flat, result.converged, model.happened)
        elif result.flat.any() or not result.converged:
            raise DataError("A bootstrap sample has no finite estimate.")
        steps = cox.baseline_hazard(sets, result.coefficients)
        found.append((result, sets.time[sets.time <= horizon], steps[sets.time <= horizon]))
    grid = np.unique(np.concatenate([time for _, time, _ in found]))
    hazards = np.zeros((len(models), len(grid)))
    for own, (_, time, steps) in zip(hazards, found, strict=True):
        own[np.searchsorted(grid, time)] = steps
    risks = []
    for k in range(len(models[0].set_to)):
        relative = [
            np.exp((model.set_to[k][rows] - result.center) @ result.coefficients)
            for model, (result, _, _) in zip(models, found, strict=True)
        ]
        risks.append(standard_risk(hazards, np.stack(relative), weight[rows]))
    return np.array(risks), [result.coefficients for result, _, _ in found]


def _bootstrap(
    follow: FollowUp, models: list[_Model], starts: list[Floats], horizon: float, *, n_samples: int, seed: int
) -> Samples:
    """Return the risks of each level in bootstrap samples of patients, all models being refitted."""
    patient = np.arange(len(follow.stop)) if follow.cluster is None else follow.codes(follow.cluster)
    none = np.full(len(models[0].set_to), np.nan)

    def one(weight: Floats) -> Floats:
        if not all((weight[model.happened] > 0).any() for model in models):
            return none
        try:
            return _risks(follow, models, weight, horizon, starts)[0]
        except DataError:
            return none

    def evaluate(counts: Floats) -> Floats:
        return np.array([one(drawn[patient]) for drawn in counts])

    advice = "some category has hardly any event. Join small categories, or give a smaller competing_formula=."
    return bootstrap(evaluate, int(patient.max()) + 1, n_samples=n_samples, seed=seed, advice=advice)


def _table(
    risks: Floats, samples: Floats, levels: list[str], conf_level: float, common: dict[str, Any]
) -> pd.DataFrame:
    """Return the risks and their differences from the first with `ESTIMATE_COLUMNS`."""
    normal_quantile(conf_level)
    tails = [(1 - conf_level) / 2, (1 + conf_level) / 2]
    rows = []
    for kind, first in (("risk", 0), ("risk difference", 1)):
        values, drawn = (risks, samples) if kind == "risk" else (risks - risks[0], samples - samples[:, :1])
        for k in range(first, len(levels)):
            low, high = np.quantile(drawn[:, k], tails)
            error = float(drawn[:, k].std(ddof=1))
            row = {
                "level": levels[k],
                "reference": levels[0] if first else "",
                "measure": kind,
                "contrast": f"{levels[k]} vs {levels[0]}" if first else f"everyone {levels[k]}",
                "estimate": values[k],
                "coefficient": values[k],
                "std_error": error,
                "conf_low": low,
                "conf_high": high,
            }
            if first and error > 0:
                row["p_value"] = float(wald_p(np.asarray(values[k] / error)))
            rows.append(common | row)
    return estimate_table(rows)


def _word(level: Any) -> str:
    """Return a level as text: yes and no, whole numbers without decimals."""
    if isinstance(level, bool | np.bool_):
        return "yes" if level else "no"
    if isinstance(level, int | float | np.number):
        return f"{float(level):.10g}"
    return str(level)
