"""Residuals and concordance of a Cox model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import InputError, one_of
from ..formats import html_table, interval
from .bands import normal_quantile
from .cox_case import case_of
from .fit import Fit
from .kernels import cox_residuals
from .kernels.concordance import concordance
from .kernels.cox_variance import score_residuals
from .result_table import percent_words

KINDS = ("martingale", "deviance", "score", "dfbeta", "schoenfeld", "scaled_schoenfeld")


@dataclass(frozen=True, eq=False)
class Concordance:
    """Concordance of a model's risk score with survival: ``value`` and ``std_error``."""

    outcome: str
    value: float
    std_error: float
    conf_low: float
    conf_high: float
    conf_level: float
    pairs: float
    method: str

    @property
    def frame(self) -> pd.DataFrame:
        """One row: concordance, std_error, conf_low, conf_high, pairs."""
        names = ("value", "std_error", "conf_low", "conf_high", "pairs")
        return pd.DataFrame({name: [getattr(self, name)] for name in names}).rename(columns={"value": "concordance"})

    def sentence(self) -> str:
        """Say the concordance with its interval."""
        return (
            f"Concordance for {self.outcome} {self.value:.3f} ({percent_words(self.conf_level)} CI "
            f"{interval(self.conf_low, self.conf_high, digits=3)}), in the data the model was fitted to."
        )

    def _repr_html_(self) -> str:
        return html_table(self.frame.round(4), caption=self.sentence(), notes=self.method)


def residuals(fit: Fit, *, kind: str) -> pd.DataFrame:
    """Return a Cox model's residuals.

    **Definition**: ``martingale``, events less expected events of each row; ``deviance``, the same made symmetric;
    ``score``, each row's share of the score; ``dfbeta``, about how much each coefficient would fall without the row,
    times its case weight; ``schoenfeld``, the covariates of each row with an event less their mean over the rows at
    risk; ``scaled_schoenfeld``, those times their covariance and the number of events, plus the coefficient: its trend
    over days is that of the log hazard ratio.

    Parameters
    ----------
    fit : Fit
        From `fit_cox`, without ``periods=`` and ``time_varying=``.
    kind : str
        As above.

    Returns
    -------
    DataFrame
        One row per row of the data used, in their order (``row``, counted from 0 after rows with missing values were
        left out), and ``residual`` or one column per parameter; of Schoenfeld's kinds one row per event, by ``day``.

    Raises
    ------
    InputError
        Not such a fit, or an unknown kind.

    When not to use it
    ------------------
    To drop rows that fit badly. And in what leaves the machine: there is a value per patient.

    References
    ----------
    Therneau, Grambsch and Fleming 1990, doi:10.1093/biomet/77.1.147. Held to R survival 3.5-3 ``residuals.coxph``.

    Examples
    --------
    >>> import pandas as pd
    >>> from fbss_analytics import fit_cox
    >>> frame = pd.DataFrame({"days": [float(day) for day in range(1, 41)], "out": [day % 3 > 0 for day in range(40)]})
    >>> fit = fit_cox(frame.assign(x=frame["days"] % 7), duration="days", status="out", event="explant", formula="x")
    >>> bool(abs(residuals(fit, kind="martingale")["residual"].sum()) < 1e-9)
    True
    """
    one_of(kind, KINDS, name="kind")
    case = case_of(fit, "residuals")
    sets, b = case.sets, case.estimate.coefficients
    names = list(case.rows.design.names)
    if kind in ("martingale", "deviance"):
        values = cox_residuals.martingale_residuals(sets, b)
        values = values if kind == "martingale" else cox_residuals.deviance_residuals(sets, values)
        return pd.DataFrame({"row": np.arange(len(values)), "residual": values})
    if kind in ("score", "dfbeta"):
        score = score_residuals(sets, b).T * sets.scale
        values = score if kind == "score" else (score @ case.estimate.covariance) * sets.weight[:, None]
        return pd.concat([pd.Series(np.arange(len(values)), name="row"), pd.DataFrame(values, columns=names)], axis=1)
    raw = cox_residuals.schoenfeld_residuals(sets, b).T
    if kind == "scaled_schoenfeld":
        raw = raw @ case.estimate.covariance * len(raw) + b
    at = pd.DataFrame({"row": sets.events, "day": sets.time[sets.event_time]})
    return pd.concat([at, pd.DataFrame(raw, columns=names)], axis=1)


def estimate_concordance(fit: Fit) -> Concordance:
    """Estimate how well a Cox model orders the rows it was fitted to.

    **Definition**: of all pairs in which one row has the event on a day and the other is at risk after it, in one
    stratum, the share in which the first has the higher risk score (ties a half); rows censored on the day are at risk
    after it. Case weights count.

    Parameters
    ----------
    fit : Fit
        From `fit_cox`, without ``periods=`` and ``time_varying=``.

    Returns
    -------
    Concordance
        With the standard error of the infinitesimal jackknife, summed within clusters, and a normal interval.

    Raises
    ------
    InputError
        Not such a fit, or no pair can be compared.

    When not to use it
    ------------------
    As the performance to expect in new patients: it is from the data fitted, and says nothing of calibration.

    References
    ----------
    Harrell et al. 1982, doi:10.1001/jama.1982.03320430047030. Held to R survival 3.5-3 ``concordance``.

    Examples
    --------
    >>> import pandas as pd
    >>> from fbss_analytics import fit_cox
    >>> frame = pd.DataFrame({"days": [float(day) for day in range(1, 41)], "out": [day % 3 > 0 for day in range(40)]})
    >>> fit = fit_cox(frame.assign(x=frame["days"] % 7), duration="days", status="out", event="explant", formula="x")
    >>> round(estimate_concordance(fit).value, 2)
    0.52
    """
    rows = case_of(fit, "estimate_concordance").rows
    score = rows.design.matrix @ fit.coefficients["coefficient"].to_numpy()
    score = score if rows.offset is None else score + rows.offset
    value, influence, pairs = concordance(
        score,
        rows.follow.stop,
        rows.happened,
        entry=rows.follow.entry,
        stratum=rows.stratum,
        weight=rows.weight,
    )
    if pairs == 0:
        raise InputError("No two rows can be compared: nobody is at risk after an event in the same stratum.")
    if rows.cluster is not None:
        influence = np.bincount(rows.cluster, influence).astype(np.float64)
    error = float(np.sqrt(influence @ influence))
    z = normal_quantile(fit.conf_level)
    return Concordance(
        outcome=fit.outcome,
        value=value,
        std_error=error,
        conf_low=max(value - z * error, 0.0),
        conf_high=min(value + z * error, 1.0),
        conf_level=fit.conf_level,
        pairs=pairs,
        method=f"Harrell's concordance, infinitesimal jackknife. {fit.method}",
    )
