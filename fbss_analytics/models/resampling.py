"""`resample` and `bootstrap_cox`: bootstrap intervals from patients drawn with replacement, as counts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort, Definition
from ..errors import DataError, InputError, StudyWarning
from ..formats import decimal, html_table, interval, plural
from .bands import wald_p
from .bootstrap import Evaluate, Samples, bootstrap, limits
from .contrasts import contrast_rows
from .cox_case import CoxCase, case_of
from .fit import Fit
from .kernels.cox_bootstrap import refit
from .result_table import estimate_table, percent_words
from .rows import check_columns

Floats = npt.NDArray[np.float64]

TIMES = "times_drawn"
"""Column that says how often a row's patient has been drawn."""


@dataclass(frozen=True, eq=False)
class Resampled:
    """Estimates with bootstrap intervals.

    Attributes
    ----------
    estimates : DataFrame
        `ESTIMATE_COLUMNS`; ``std_error`` is the standard deviation of the samples, on the scale of ``coefficient``.
    samples : ndarray (n_samples, q)
        Values of the samples that gave one, a column for each row of the estimates, on the scale of ``coefficient``.
    lost : int
        Samples that gave no finite value.
    method : str
        How it was done, with the seed.
    """

    table: pd.DataFrame = field(repr=False)
    samples: Floats = field(repr=False)
    lost: int
    method: str
    conf_level: float
    n: int
    definitions: tuple[Definition, ...] = field(default=(), repr=False)
    unit: str = "row"

    @property
    def estimates(self) -> pd.DataFrame:
        """A copy of the estimates."""
        return self.table.copy()

    def sentence(self) -> str:
        """Say the first estimate with its interval, and how it was come by."""
        row = self.table.iloc[0]
        name = f"{row['term']}, {row['contrast']}: {row['measure']}" if row["contrast"] else row["term"]
        limits_said = interval(row["conf_low"], row["conf_high"], digits=3)
        return (
            f"{name} {decimal(row['estimate'], 3)} ({percent_words(self.conf_level)} CI {limits_said}; "
            f"{plural(self.n, self.unit)}). {self.method}"
        )

    def _repr_html_(self) -> str:
        table = self.table
        shown = pd.DataFrame({"term": table["term"], "contrast": table["contrast"], "measure": table["measure"]})
        shown["estimate"] = table["estimate"].map(lambda value: decimal(value, 3))
        pairs = zip(table["conf_low"], table["conf_high"], strict=True)
        shown["interval"] = [interval(low, high, digits=3) for low, high in pairs]
        return html_table(shown, caption=self.sentence())


def resample(
    cohort: Cohort | pd.DataFrame,
    statistic: Callable[[Any], float | Mapping[str, float]],
    *,
    n_samples: int,
    seed: int,
    unit: str | None = "patient_id",
    interval: str = "percentile",
    conf_level: float = 0.95,
) -> Resampled:
    """Give any number computed from a cohort or frame a bootstrap interval.

    **Definition**: patients are drawn with replacement, as many as there are, with all their rows. A sample holds each
    row once, with the column ``times_drawn`` saying how often its patient was drawn (1 or more); the statistic must use
    it as weights. Rows are never repeated, so that no index or patient is doubled.

    Parameters
    ----------
    cohort : Cohort or DataFrame
        What the statistic is computed from; it is given the same kind.
    statistic : callable
        Takes a sample and returns a number, or a mapping of names to numbers; for instance
        ``lambda c: fit_cox(c, outcome="explant", formula="sex", weights="times_drawn").estimates["coefficient"][0]``.
    n_samples : int
        Samples: 200 for a standard error, 1,000 or more for limits.
    seed : int
        Of ``numpy.random.default_rng``.
    unit : str or None
        Column of what is drawn, ``patient_id`` by default; None draws rows.
    interval : str
        ``percentile`` (the default), ``normal`` or ``bca`` (bias-corrected and accelerated; computes the statistic once
        more without each unit).
    conf_level : float
        0.95 by default.

    Returns
    -------
    Resampled
        ``term`` is the name of each number ("statistic" where there is one alone).

    Raises
    ------
    InputError
        The statistic returns no finite number, other names in a sample, or arguments are wrong.
    DataError
        More than 5 % of the samples give no finite number (an `InputError` or `DataError` in a sample counts so).

    When not to use it
    ------------------
    For what changes by steps or stands at an edge (a maximum, a selected model), and with fewer than about 20 units.
    For a Cox model `bootstrap_cox` is a hundred times faster.

    References
    ----------
    Efron and Tibshirani 1993, An Introduction to the Bootstrap, doi:10.1007/978-1-4899-4541-9.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> frame = pd.DataFrame({"patient_id": [f"P{i}" for i in range(40)], "score": [float(i % 8) for i in range(40)]})
    >>> mean = resample(
    ...     frame, lambda sample: np.average(sample["score"], weights=sample["times_drawn"]), n_samples=50, seed=1
    ... )
    >>> mean.estimates[["term", "estimate"]].values.tolist()
    [['statistic', 3.5]]
    """
    if not isinstance(cohort, Cohort | pd.DataFrame):
        raise InputError(f"Expected a Cohort or a pandas DataFrame, got {type(cohort).__name__}.")
    frame = cohort.data if isinstance(cohort, Cohort) else cohort
    if TIMES in frame.columns:
        raise InputError(f"The data have a column {TIMES!r} already, which is what a sample's counts are called.")
    patient = _units(frame, unit)
    units = int(patient.max()) + 1
    estimate = _values(statistic(_sample(cohort, np.ones(len(frame)))))
    if not np.isfinite(list(estimate.values())).all():
        raise InputError("The statistic of the whole data is not finite; there is nothing to resample.")
    evaluate = _evaluator(cohort, statistic, patient, tuple(estimate))
    advice = "it cannot be computed in many samples. Simplify it, or check that it uses times_drawn as weights."
    samples = bootstrap(evaluate, units, n_samples=n_samples, seed=seed, advice=advice)
    values = np.array(list(estimate.values()))
    low, high = limits(samples, values, conf_level=conf_level, interval=interval, evaluate=evaluate, units=units)
    rows = [
        {"model": "bootstrap", "term": name, "measure": "value", "n": len(frame), "events": 0, **numbers}
        for name, numbers in zip(estimate, _numbers(values, samples, low, high), strict=True)
    ]
    return Resampled(
        table=estimate_table(rows),
        samples=samples.values,
        lost=samples.lost,
        method=_method(interval, samples, seed, unit),
        conf_level=conf_level,
        n=len(frame),
        definitions=tuple(cohort.definitions) if isinstance(cohort, Cohort) else (),
        unit=cohort.unit if isinstance(cohort, Cohort) else "row",
    )


def bootstrap_cox(fit: Fit, *, n_samples: int, seed: int, interval: str = "percentile") -> Resampled:
    """Give the hazard ratios of a Cox model bootstrap intervals, refitting it to drawn patients.

    **Definition**: patients (the clusters of the fit, else rows) are drawn with replacement, as many as there are; the
    model is refitted with the counts as weights, from the estimates of the whole as start. Ties, strata, late entry,
    weights and offset are those of the fit. Knots and codings stay those of the whole.

    Parameters
    ----------
    fit : Fit
        From `fit_cox`, without ``periods=``, ``time_varying=``, ``penalty=`` and ``firth=``.
    n_samples : int
        Samples: 200 for a standard error, 1,000 or more for limits.
    seed : int
        Of ``numpy.random.default_rng``.
    interval : str
        ``percentile`` (the default), ``normal`` or ``bca``; at the level of the fit.

    Returns
    -------
    Resampled
        The rows of ``fit.estimates``, with intervals and standard errors of the bootstrap.

    Raises
    ------
    InputError
        Another fit, or fewer than 2 samples.
    DataError
        More than 5 % of the samples have no finite maximum.

    When not to use it
    ------------------
    For an infinite or nearly infinite estimate: samples without it are left out and the interval is too short; use
    ``fit_cox(..., firth=True)``. With large samples and a model that holds, Wald intervals say the same.

    References
    ----------
    Efron 1981, doi:10.1080/01621459.1981.10477650; Davison and Hinkley 1997, doi:10.1017/CBO9780511802843. Held to R
    survival 3.5-3: ``coxph`` with the same counts as weights.

    Examples
    --------
    >>> import pandas as pd, fbss_analytics as fbss
    >>> days = [float(day) for day in range(1, 41)]
    >>> explanted, dose = [day % 3 > 0 for day in range(40)], [(7 * day) % 11 for day in range(40)]
    >>> frame = pd.DataFrame({"days": days, "explanted": explanted, "dose": dose})
    >>> fit = fbss.fit_cox(frame, duration="days", status="explanted", event="explant", formula="dose")
    >>> bootstrap_cox(fit, n_samples=50, seed=1).estimates[["term", "measure", "estimate"]].round(3).values.tolist()
    [['dose', 'HR', 0.967]]
    """
    case = case_of(fit, "bootstrap_cox")
    if case.rows.settings.penalty or case.rows.settings.firth:
        raise InputError("bootstrap_cox refits the partial likelihood itself: fit without penalty= and firth=.")
    cluster = case.rows.cluster
    patient = np.arange(fit.n) if cluster is None else cluster
    units = int(patient.max()) + 1
    contrasts = contrast_rows(fit.design)
    evaluate = _refitter(case, patient, contrasts)
    advice = "some category has hardly any event. Join small categories, or use fewer knots."
    samples = bootstrap(evaluate, units, n_samples=n_samples, seed=seed, advice=advice)
    values = contrasts @ case.estimate.coefficients
    low, high = limits(samples, values, conf_level=fit.conf_level, interval=interval, evaluate=evaluate, units=units)
    table = fit.estimates
    for name, numbers in pd.DataFrame(_numbers(values, samples, low, high)).items():
        table[name] = numbers
    for name in ("estimate", "conf_low", "conf_high"):
        table[name] = np.exp(table[name])
    table["p_value"] = wald_p(table["coefficient"].to_numpy() / table["std_error"].to_numpy())
    drawn = case.rows.settings.cluster
    return Resampled(
        table=table,
        samples=samples.values,
        lost=samples.lost,
        method=f"{_method(interval, samples, seed, drawn)} {fit.method}",
        conf_level=fit.conf_level,
        n=fit.n,
        definitions=fit.definitions,
        unit=fit.unit,
    )


def _units(frame: pd.DataFrame, unit: str | None) -> npt.NDArray[np.int64]:
    """Return the code of what each row belongs to."""
    if unit is None:
        return np.arange(len(frame))
    if unit not in frame.columns and unit == "patient_id":
        raise InputError(
            "The data have no column 'patient_id'; name what is drawn with unit=, or draw rows: unit=None."
        )
    check_columns(frame, [unit], argument="unit=")
    if frame[unit].isna().any():
        raise DataError(f"{plural(int(frame[unit].isna().sum()), 'row')} have no {unit!r}; every row needs one.")
    return np.asarray(pd.factorize(frame[unit])[0], dtype=np.int64)


def _sample(data: Cohort | pd.DataFrame, counts: Floats) -> Cohort | pd.DataFrame:
    """Return the rows drawn, each once, with how often."""
    frame = data.data if isinstance(data, Cohort) else data
    drawn = frame[counts > 0].reset_index(drop=True).assign(**{TIMES: counts[counts > 0].astype(np.int64)})
    return replace(data, data=drawn) if isinstance(data, Cohort) else drawn


def _values(result: float | Mapping[str, float]) -> dict[str, float]:
    """Return what a statistic gave, by name."""
    named = result if isinstance(result, Mapping) else {"statistic": result}
    try:
        return {str(name): float(value) for name, value in named.items()}
    except (TypeError, ValueError):
        raise InputError("The statistic must return a number, or a mapping of names to numbers.") from None


def _evaluator(
    data: Cohort | pd.DataFrame,
    statistic: Callable[[Any], float | Mapping[str, float]],
    patient: npt.NDArray[np.int64],
    names: tuple[str, ...],
) -> Evaluate:
    """Return the function that computes the statistic of each sample."""

    def one(counts: Floats) -> list[float]:
        try:
            result = statistic(_sample(data, counts[patient]))
        except (DataError, InputError):
            return [np.nan] * len(names)
        found = _values(result)
        if tuple(found) != names:
            raise InputError("The statistic returns other names in a sample than in the whole data.")
        return list(found.values())

    def evaluate(block: Floats) -> Floats:
        with warnings.catch_warnings():
            # What they say, the fit to the whole data has said.
            warnings.simplefilter("ignore", StudyWarning)
            return np.array([one(counts) for counts in block])

    return evaluate


def _refitter(case: CoxCase, patient: npt.NDArray[np.int64], contrasts: Floats) -> Evaluate:
    """Return the function that refits a Cox model to each sample."""
    scale = case.sets.scale
    information = np.asarray(np.linalg.inv(case.estimate.covariance * np.outer(scale, scale)), dtype=np.float64)

    def evaluate(block: Floats) -> Floats:
        fits = refit(case.sets, block[:, patient], case.estimate.coefficients, information)
        return np.where(fits.found[:, None], fits.coefficients @ contrasts.T, np.nan)

    return evaluate


def _numbers(values: Floats, samples: Samples, low: Floats, high: Floats) -> list[dict[str, float]]:
    """Return estimate, standard error and limits of each value."""
    errors = samples.values.std(axis=0, ddof=1)
    names = ("estimate", "coefficient", "std_error", "conf_low", "conf_high")
    return [dict(zip(names, row, strict=True)) for row in zip(values, values, errors, low, high, strict=True)]


def _method(interval: str, samples: Samples, seed: int, unit: str | None) -> str:
    """Say in words how the intervals were made."""
    kind = {"percentile": "Percentile", "normal": "Normal", "bca": "BCa"}[interval]
    drawn = "rows" if unit is None else f"units of {unit}"
    return f"{kind} intervals of {samples.words(f'bootstrap samples of {drawn}')}, seed {seed}."
