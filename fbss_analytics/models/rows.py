"""Which rows an analysis can use: missing values are counted and said, never dropped in silence."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, InputError, StudyWarning, nearest
from ..formats import count

Mask = npt.NDArray[np.bool_]


def check_columns(frame: pd.DataFrame, columns: Iterable[str], *, argument: str) -> None:
    """Raise `InputError` for the first of ``columns`` that the frame does not have."""
    for column in columns:
        if column not in frame.columns:
            known = [str(name) for name in frame.columns]
            raise InputError(f"{argument} names column {column!r}, which is not there.{nearest(column, known)}")


def complete_rows(frame: pd.DataFrame, columns: Iterable[str]) -> tuple[Mask, pd.DataFrame]:
    """Mark the rows without a missing value in ``columns``.

    Returns
    -------
    mask : (n,) bool.
    excluded : columns reason, n: one row per column with missing values (a row may count under several), and, where
    there
        are several, a last row with the number of rows excluded.

    Raises
    ------
    InputError
        No row is complete.
    DataError
        A column holds infinite values.

    Warns
    -----
    StudyWarning
        "n of N rows are left out", with the columns.
    """
    kept = np.ones(len(frame), dtype=bool)
    reasons: list[tuple[str, int]] = []
    for column in dict.fromkeys(columns):
        values = frame[column]
        if values.dtype.kind == "f" and (infinite := int(np.isinf(values.to_numpy()).sum())):
            raise DataError(
                f"{count(infinite)} of {count(len(frame))} rows have an infinite {column!r}; expected a number."
            )
        missing = values.isna().to_numpy(dtype=bool)
        if missing.any():
            reasons.append((f"missing {column}", int(missing.sum())))
            kept &= ~missing
    left_out = int((~kept).sum())
    if left_out == len(frame):
        worst = max(reasons, key=lambda reason: reason[1], default=("no rows", 0))[0]
        raise InputError(f"No row of {count(len(frame))} can be used ({worst}).")
    if left_out:
        named = ", ".join(f"{reason} {count(n)}" for reason, n in reasons)
        warn(f"{count(left_out)} of {count(len(frame))} rows are left out: {named}.")
    if len(reasons) > 1:
        reasons.append(("any of these", left_out))
    return kept, pd.DataFrame(reasons, columns=["reason", "n"]).astype({"n": np.int64})


def warn(message: str) -> None:
    """Issue a `StudyWarning` that points at the line outside this package that asked for the analysis."""
    package = __name__.partition(".")[0]
    level, caller = 2, sys._getframe(1)
    while caller.f_back is not None and str(caller.f_globals.get("__name__", "")).partition(".")[0] == package:
        level, caller = level + 1, caller.f_back
    warnings.warn(message, StudyWarning, stacklevel=level)
