"""Confidence limits and p-values on arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import InputError, one_of

Floats = npt.NDArray[np.float64]

CONF_TYPES = ("log-log", "log", "plain")


def normal_quantile(conf_level: float) -> float:
    """Return the two-sided normal quantile: 1.96 for 0.95."""
    from scipy.special import ndtri

    if not isinstance(conf_level, float) or not 0.0 < conf_level < 1.0:
        raise InputError(f"conf_level={conf_level!r} must lie between 0 and 1, for instance 0.95.")
    return float(ndtri(0.5 + conf_level / 2))


def wald_p(z: Floats) -> Floats:
    """Return two-sided normal p-values."""
    from scipy.special import ndtr

    return np.asarray(2 * ndtr(-np.abs(z)), dtype=np.float64)


def chi2_p(chi2: float, df: int) -> float:
    """Return the upper tail of the chi-squared distribution."""
    from scipy.special import chdtrc

    return float(chdtrc(df, chi2))


def probability_limits(
    estimate: Floats, std_error: Floats, *, conf_type: str, conf_level: float
) -> tuple[Floats, Floats]:
    """Return confidence limits of a probability, as R's ``survfit`` does for its ``conf.type``.

    **Definition**, with P the estimate (survival or incidence), s its standard error and z the normal quantile:
    ``log-log`` P^exp(+-z s / (P log P)); ``log`` P exp(+-z s / P), at most 1; ``plain`` P +- z s, cut at 0 and 1.

    Where the transformation is not defined (P of 0, and for ``log-log`` P of 1 after an event) the limits are
    missing; where nothing has happened yet they equal the estimate.
    """
    one_of(conf_type, CONF_TYPES, name="conf_type")
    z = normal_quantile(conf_level)
    p, s = np.asarray(estimate, dtype=np.float64), np.asarray(std_error, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        if conf_type == "plain":
            low, high = np.maximum(p - z * s, 0.0), np.minimum(p + z * s, 1.0)
        elif conf_type == "log":
            low, high = p * np.exp(-z * s / p), np.minimum(p * np.exp(z * s / p), 1.0)
        else:
            spread = z * s / np.abs(p * np.log(p))
            low, high = np.exp(-np.exp(np.log(-np.log(p)) + spread)), np.exp(-np.exp(np.log(-np.log(p)) - spread))
            low, high = np.where((p <= 0) | (p >= 1), np.nan, low), np.where((p <= 0) | (p >= 1), np.nan, high)
    return np.where(s == 0, _certain(p), low), np.where(s == 0, _certain(p), high)


def hazard_limits(estimate: Floats, std_error: Floats, *, conf_level: float) -> tuple[Floats, Floats]:
    """Return limits of a cumulative hazard H on the log scale, H exp(+-z s / H); missing where H is 0."""
    z = normal_quantile(conf_level)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.exp(z * np.asarray(std_error) / np.asarray(estimate))
        low, high = estimate / spread, estimate * spread
    return np.where(estimate > 0, low, np.nan), np.where(estimate > 0, high, np.nan)


def _certain(p: Floats) -> Floats:
    """Return the limits where the standard error is 0: the estimate at survival 1, missing at 0 (no event seen yet)."""
    return np.where(p >= 1, p, np.nan)
