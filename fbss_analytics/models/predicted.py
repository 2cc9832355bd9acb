"""`predict_survival`: absolute risk of given patients from a Cox model, with intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, InputError, one_of
from ..formats import count, plural
from .bands import CONF_TYPES, probability_limits
from .cox_case import CoxCase, case_of
from .fit import Fit
from .followup import group_name
from .formula import prepared_columns
from .kernels.cox_variance import baseline
from .result_table import STEP_COLUMNS, listed
from .results import Curve

Floats = npt.NDArray[np.float64]


def predict_survival(fit: Fit, rows: pd.DataFrame, *, conf_type: str = "log-log") -> Curve:
    """Predict the share free of the event for patients with given covariates, from a Cox model.

    **Definition**: S(t) = exp(-H(t) exp(x b)) with H the baseline hazard of the stratum: at each event day up to and
    including t, events over the sum of relative risks (Breslow; with Efron's ties his form). The standard error has the
    uncertainty of H and of b. With ``cause=`` among competing events it is no probability of the event.

    Parameters
    ----------
    fit : Fit
        From `fit_cox`, without ``periods=`` and ``time_varying=``.
    rows : DataFrame
        One row per patient to predict for, with the columns of the formula, and those of ``strata=`` and ``offset=``.
        Its index names the groups.
    conf_type : str
        ``log-log``, ``log`` (R's default) or ``plain``.

    Returns
    -------
    Curve
        Of kind ``survival``, one group per row; ``.at(days)`` reads it. Its counts are those of all rows of the
        stratum, at every day with an event.

    Raises
    ------
    InputError
        Not such a fit, columns missing from ``rows``, a level or stratum the model does not know, or a fit with robust
        standard errors, a penalty or Firth's likelihood, whose baseline has no standard error here.
    DataError
        A value is missing or infinite.

    When not to use it
    ------------------
    With competing events, for a risk: 1 - S is too high; use `estimate_adjusted_risk`. And far outside the data.

    References
    ----------
    Tsiatis 1981, doi:10.1214/aos/1176345339. Held to R survival 3.5-3 ``survfit.coxph``.

    Examples
    --------
    >>> from fbss_analytics import fit_cox
    >>> frame = pd.DataFrame({"days": [float(day) for day in range(1, 41)], "out": [day % 3 > 0 for day in range(40)]})
    >>> fit = fit_cox(frame.assign(x=frame["days"] % 7), duration="days", status="out", event="explant", formula="x")
    >>> predict_survival(fit, pd.DataFrame({"x": [0, 6]})).at(20)["estimate"].round(2).tolist()
    [0.6, 0.67]
    """
    one_of(conf_type, CONF_TYPES, name="conf_type")
    case = case_of(fit, "predict_survival")
    asked = case.rows.settings
    if case.rows.is_robust or asked.penalty or asked.firth:
        raise InputError(
            "predict_survival needs model-based standard errors of the likelihood itself; fit without cluster=, "
            "penalty= and firth=, and with weights that count rows."
        )
    needed = [*dict.fromkeys(name for term in case.rows.design.terms for name in term.variables), *asked.strata]
    needed += [asked.offset] if asked.offset else []
    matrix = new_matrix(rows, needed, case, verb="predict_survival")
    strata = _strata(rows, case)
    shift = rows[asked.offset].to_numpy(dtype=np.float64) if asked.offset else np.zeros(len(rows))
    names = [group_name(name) for name in rows.index]
    steps = [
        _steps(case, matrix[i], int(strata[i]), float(shift[i]), name, conf_type=conf_type, level=fit.conf_level)
        for i, name in enumerate(names)
    ]
    return Curve(
        kind="survival",
        outcome=fit.outcome,
        by="patient" if len(names) > 1 else None,
        data=pd.concat(steps, ignore_index=True),
        method=f"Predicted from a Cox model, {conf_type} interval. {fit.method}",
        conf_type=conf_type,
        conf_level=fit.conf_level,
        definitions=fit.definitions,
        excluded=fit.excluded,
        n=fit.n,
        events=fit.events,
        sizes={name: _size(case, int(stratum)) for name, stratum in zip(names, strata, strict=True)},
        unit=fit.unit,
    )


def _steps(
    case: CoxCase, x: Floats, stratum: int, shift: float, name: str, *, conf_type: str, level: float
) -> pd.DataFrame:
    """Return the steps of one patient's curve."""
    sets, b = case.sets, case.estimate.coefficients
    base, mine = baseline(sets, b), sets.stratum == stratum
    standard = (x - sets.center) / sets.scale
    relative = np.exp((x - sets.center) @ b + shift)
    hazard = np.append(0.0, np.cumsum(base.hazard[mine]) * relative)
    # How the cumulative hazard moves with the coefficients, on the standardised scale.
    moved = np.cumsum(standard[:, None] * base.hazard[mine] - base.drift[:, mine], axis=1) * relative
    covariance = case.estimate.covariance * np.outer(sets.scale, sets.scale)
    own = np.cumsum(base.variance[mine]) * relative**2
    error = np.append(0.0, np.sqrt(own + np.einsum("jk,ji,ik->k", moved, covariance, moved)))
    survival = np.exp(-hazard)
    low, high = probability_limits(survival, survival * error, conf_type=conf_type, conf_level=level)
    time = np.append(0.0, sets.time[mine])
    numbers = {
        "time_days": time,
        "estimate": survival,
        "std_error": survival * error,
        "conf_low": low,
        "conf_high": high,
        **_counts(case, stratum, time),
    }
    return pd.DataFrame({"group": name, "cause": "event", **numbers})[list(STEP_COLUMNS)]


def _counts(case: CoxCase, stratum: int, time: Floats) -> dict[str, npt.NDArray[np.int64]]:
    """Return rows of the stratum at risk at each day, with the event at it, and censored since the day before."""
    follow, mine = case.rows.follow, _members(case, stratum)
    stop, happened = follow.stop[mine], case.rows.happened[mine]
    entry = np.zeros(len(stop)) if follow.entry is None else follow.entry[mine]
    before = np.searchsorted(np.sort(stop), time, side="left")
    entered = np.searchsorted(np.sort(entry), time, side="left")
    entered[0] = (entry == 0).sum()
    left = np.searchsorted(np.sort(stop[~happened]), np.append(time[1:], np.inf), side="left")
    return {
        "n_at_risk": (entered - before).astype(np.int64),
        "n_events": np.array([int((happened & (stop == day)).sum()) for day in time], dtype=np.int64),
        "n_censored": np.diff(left, prepend=0).astype(np.int64),
    }


def _members(case: CoxCase, stratum: int) -> npt.NDArray[np.bool_]:
    codes = case.rows.stratum
    return np.ones(len(case.rows.happened), dtype=bool) if codes is None else codes == stratum


def _size(case: CoxCase, stratum: int) -> int:
    return int(_members(case, stratum).sum())


def new_matrix(rows: pd.DataFrame, needed: list[str], case: CoxCase, *, verb: str) -> Floats:
    """Return the design matrix of rows to predict for.

    Raises
    ------
    InputError, DataError
        Rows that cannot be predicted for.
    """
    _check_rows(rows, needed, case, verb)
    matrix = case.rows.design.rows(_prepared(rows, case))
    if not np.isfinite(matrix).all():
        raise DataError("A row to predict for gives a column that is not finite (a logarithm of 0?).")
    return matrix


def _check_rows(rows: pd.DataFrame, needed: list[str], case: CoxCase, verb: str) -> None:
    """Raise `InputError` or `DataError` for rows that cannot be predicted for."""
    if not isinstance(rows, pd.DataFrame) or rows.empty:
        raise InputError(f"{verb} needs a DataFrame with one row per patient to predict for.")
    for name in needed:
        if name not in rows.columns:
            raise InputError(f"rows has no column {name!r}; the model needs {', '.join(needed)}.")
        if missing := int(rows[name].isna().sum()):
            raise DataError(f"{plural(missing, 'row')} of {count(len(rows))} to predict for have no {name!r}.")
    if not rows.index.is_unique:
        raise InputError("The index of rows names the patients predicted for; give each its own name.")
    data = case.rows.design.typical
    for name in needed:
        if name in data and isinstance(data[name].dtype, pd.CategoricalDtype):
            known = sorted(data[name].cat.categories)
            if unknown := sorted(set(rows[name].map(group_name)) - set(known)):
                raise InputError(f"{name!r} is {unknown[0]!r} in rows; the model knows {listed(known)}.")


def _prepared(rows: pd.DataFrame, case: CoxCase) -> pd.DataFrame:
    """Return the rows as the design reads them, categories with all the levels of the fit."""
    typical = case.rows.design.typical
    made = prepared_columns(rows, [name for name in typical.columns if name in rows])
    for name in made:
        if isinstance(typical[name].dtype, pd.CategoricalDtype):
            made[name] = pd.Categorical(made[name].astype(str), categories=typical[name].cat.categories)
    return made


def _strata(rows: pd.DataFrame, case: CoxCase) -> npt.NDArray[np.int64]:
    """Return the code of each row's stratum."""
    names = list(case.rows.settings.strata)
    if case.rows.stratum is None:
        return np.zeros(len(rows), dtype=np.int64)
    known: dict[tuple[Any, ...], int] = {
        tuple(values): int(code)
        for values, code in zip(
            case.rows.follow.frame[names].itertuples(index=False, name=None), case.rows.stratum, strict=True
        )
    }
    codes = [known.get(tuple(values), -1) for values in rows[names].itertuples(index=False, name=None)]
    if -1 in codes:
        raise InputError(f"A combination of {', '.join(names)} in rows is no stratum of the model.")
    return np.array(codes, dtype=np.int64)
