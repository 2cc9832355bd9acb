"""`crosscheck=True`: the same model by a second engine, and a stop where the two disagree; here for Cox models."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError
from .cox_case import CoxRows
from .fit import Fit
from .results import Curve
from .rows import warn

Floats = npt.NDArray[np.float64]
Result = TypeVar("Result", Fit, Curve)

TOLERANCE = 1e-4
"""How far coefficients may lie apart, in standard errors, and standard errors, as a share: second engines stop their
steps earlier than ours, which is far less than this, and a wrong risk set, tie or weight is far more."""

EXACT = 1e-6
"""The same where both engines solve in one step: what rounding leaves when columns are nearly collinear."""


def compare_engines(
    ours: tuple[Floats, Floats],
    theirs: tuple[Floats, Floats],
    names: Sequence[str],
    *,
    engine: str,
    tolerance: float = TOLERANCE,
) -> None:
    """Raise `DataError` where coefficients or standard errors, given as pairs of arrays (p,), disagree."""
    (b, error), (other, other_error) = ours, theirs
    apart = np.maximum(np.abs(other - b) / error, np.abs(other_error / error - 1))
    if not (apart <= tolerance).all():
        worst = int(np.argmax(np.where(np.isfinite(apart), apart, np.inf)))
        raise DataError(
            f"{engine} disagrees with this fit: the coefficient of {names[worst]!r} is {other[worst]:.6g} (standard "
            f"error {other_error[worst]:.6g}) there and {b[worst]:.6g} ({error[worst]:.6g}) here. Do not use either "
            f"before you know why; extreme values and nearly collinear columns are the usual reasons."
        )


def confirmed(result: Result, engine: str, what: str) -> Result:
    """Return the result with the engine that agreed, and on what, in its method."""
    return replace(result, method=f"{result.method} Cross-checked with {engine}: {what}.")


def unchecked(fit: Fit, why: str) -> Fit:
    """Return the fit with a method that says it was not cross-checked, and warn of it."""
    words = fit.measure if fit.cause in ("", "event") else f"{fit.measure} of {fit.cause}"
    warn(f"crosscheck=True: {why}; the model ({words}) was not checked.")
    return replace(fit, method=f"{fit.method} Not cross-checked: {why}.")


def check_cox(fit: Fit) -> Fit:
    """Return a Cox fit that a second engine has confirmed, saying so in its method; warn when none can.

    statsmodels (offset, ties, strata, late entry) where no row enters on a day with an event, which it counts as at
    risk; else lifelines (Efron's ties, weights, strata, late entry). Neither can check robust standard errors of rows
    in pieces, Firth's likelihood, a ridge penalty, or, together, weights or such entries with Breslow's ties or an
    offset.
    """
    assert fit.case is not None
    rows = fit.case.rows
    engine = _engine_for(rows)
    if engine is None:
        return unchecked(fit, "neither lifelines nor statsmodels fits this model rightly")
    run = _statsmodels if engine == "statsmodels" else _lifelines
    b = fit.coefficients["coefficient"].to_numpy()
    compare_engines((b, np.sqrt(np.diag(fit.case.estimate.covariance))), run(rows), rows.design.names, engine=engine)
    what = "coefficients and model-based standard errors" if rows.is_robust else "coefficients and standard errors"
    return confirmed(fit, engine, what)


def _engine_for(rows: CoxRows) -> str | None:
    """Return the engine that fits this model rightly."""
    asked = rows.settings
    if asked.firth or asked.penalty:
        return None
    entry = rows.follow.entry
    meets = entry is not None and bool(np.isin(entry, rows.follow.stop[rows.happened]).any())
    if rows.weight is None and not meets:
        return "statsmodels"
    return "lifelines" if asked.ties == "efron" and rows.offset is None else None


def _statsmodels(rows: CoxRows) -> tuple[Floats, Floats]:
    """Return coefficients and model-based standard errors of statsmodels' PHReg, on the columns' own scale."""
    from statsmodels.duration.hazard_regression import PHReg

    spread = rows.design.matrix.std(axis=0)
    with warnings.catch_warnings():
        # What it says of its own steps is no news to who asked for a comparison.
        warnings.simplefilter("ignore")
        model = PHReg(
            rows.follow.stop,
            (rows.design.matrix - rows.design.matrix.mean(axis=0)) / spread,
            status=rows.happened.astype(np.int64),
            entry=rows.follow.entry,
            strata=rows.stratum,
            offset=rows.offset,
            ties=rows.settings.ties,
        )
        result = model.fit(disp=0)
    return np.asarray(result.params) / spread, np.asarray(result.bse) / spread


def _lifelines(rows: CoxRows) -> tuple[Floats, Floats]:
    """Return coefficients and model-based standard errors of lifelines' CoxPHFitter."""
    more = {"entry": rows.follow.entry, "weights": rows.weight, "strata": rows.stratum}
    return fit_lifelines(rows.design.matrix, rows.follow.stop, rows.happened, more)


def fit_lifelines(
    x: Floats, stop: Floats, happened: npt.NDArray[np.bool_], more: Mapping[str, npt.NDArray[np.generic] | None]
) -> tuple[Floats, Floats]:
    """Return coefficients and model-based standard errors of lifelines' CoxPHFitter.

    ``more`` may hold entry, weights and strata, each (n,) or None.
    """
    from lifelines import CoxPHFitter

    # Columns without a name that could clash; a fresh index, as duplicated labels mislead it.
    frame = pd.DataFrame(x, columns=[f"x{j}" for j in range(x.shape[1])])
    frame["stop"], frame["happened"] = stop, happened.astype(np.int64)
    asked: dict[str, object] = {}
    for name, values in more.items():
        if values is not None:
            frame[name] = values
            asked["strata" if name == "strata" else f"{name}_col"] = [name] if name == "strata" else name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitter = CoxPHFitter().fit(
            frame, duration_col="stop", event_col="happened", fit_options={"precision": 1e-9}, **asked
        )
    return fitter.params_.to_numpy(), fitter.standard_errors_.to_numpy()
