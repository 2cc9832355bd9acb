"""Quantiles of a risk curve: the day by which a share has had the event, with limits by inverting the band."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import InputError
from .result_table import percent_words

Floats = npt.NDArray[np.float64]

RISING = {"survival": False, "cumulative_incidence": True}
"""Kinds of curve that have quantiles, and whether they rise."""

TOLERANCE = 1e-8
"""Products of shares that should meet exactly, such as 0.5, differ by rounding."""


def quantile_rows(
    pieces: Mapping[tuple[str, str], pd.DataFrame], kind: str, p: float | Iterable[float]
) -> list[dict[str, object]]:
    """Return, for each group, cause and share, the day and its limits; missing where the share is not reached.

    Parameters
    ----------
    pieces : steps of each group and cause. kind : of the curve. p : shares between 0 and 1.
    """
    if kind not in RISING:
        raise InputError(f"A {kind.replace('_', ' ')} has no quantiles; a survival curve or cumulative incidence has.")
    shares = np.atleast_1d(np.asarray(p if isinstance(p, float | int) else list(p), dtype=np.float64))
    if not ((shares > 0) & (shares < 1)).all():
        raise InputError("Quantiles are asked for by shares between 0 and 1, such as 0.5 for the median.")
    rows = []
    for (group, cause), piece in pieces.items():
        time = piece["time_days"].to_numpy()
        # What falls to the share: survival, or those without the event.
        estimate, near, far = (_falling(piece[name], kind) for name in ("estimate", "conf_low", "conf_high"))
        if RISING[kind]:
            near, far = far, near
        for share in shares:
            found = {
                "estimate": crossing(time, estimate, 1 - share),
                "conf_low": crossing(time, near, 1 - share),
                "conf_high": crossing(time, far, 1 - share),
            }
            words = f"{percent_words(float(share))} have had the event"
            rows.append({"group": group, "cause": cause, "measure": "days", "contrast": words, **found})
    return rows


def crossing(time: Floats, value: Floats, level: float) -> float:
    """Return the first time at which a falling step function is at or below a level; missing where it never is.

    Where it stands exactly at the level, the middle between that step and the next, as R's ``survfit`` has it.
    """
    below = np.flatnonzero(value < level + TOLERANCE)
    if len(below) == 0:
        return float("nan")
    first = below[0]
    lower = below[value[below] < value[first] - TOLERANCE]
    if abs(value[first] - level) < TOLERANCE and len(lower):
        return float((time[first] + time[lower[0]]) / 2)
    return float(time[first])


def _falling(values: pd.Series, kind: str) -> Floats:
    """Return what is left without the event."""
    numbers = values.to_numpy(dtype=np.float64)
    return 1 - numbers if RISING[kind] else numbers
