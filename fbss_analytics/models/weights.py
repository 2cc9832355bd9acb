"""Weights of rows: counts of the rows they stand for, or sampling weights."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, InputError
from ..formats import count, plural
from .followup import FollowUp

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Weights:
    """Positive weights (n,); ``repeats`` where all are whole numbers, which count the rows that each row stands for."""

    column: str
    values: Floats = field(repr=False)
    repeats: bool

    @property
    def words(self) -> str:
        """How the weights were used, in words."""
        if self.repeats:
            return f"each row counted {self.column} times"
        return f"rows weighted by {self.column}, robust standard errors, rows and events counted unweighted"


def count_rows(mask: npt.NDArray[np.bool_], weights: Weights | None) -> int:
    """Return how many rows there are; a row counts as often as it stands for."""
    return int(weights.values[mask].sum()) if weights is not None and weights.repeats else int(mask.sum())


def case_weights(follow: FollowUp, column: str | None) -> Weights | None:
    """Return the weights of the rows, None without a column; missing ones have left their rows out.

    Raises
    ------
    InputError
        The column holds no numbers.
    DataError
        Weights of 0 or less.
    """
    if column is None:
        return None
    weights = positive_weights(follow.frame, column)
    return Weights(column, weights, repeats=bool((weights == np.floor(weights)).all()))


def positive_weights(frame: pd.DataFrame, column: str, *, unit: str = "row") -> Floats:
    """Return a column of weights without missing values; raise as `case_weights` does."""
    weights = column_of_numbers(frame, column, argument="weights")
    if (weights <= 0).any():
        raise DataError(
            f"{count((weights <= 0).sum())} of {plural(len(weights), unit)} have a {column!r} of 0 or less; expected "
            f"more than 0. Weight 0 says nothing: leave such {unit}s out of the data."
        )
    return weights


def column_of_numbers(frame: pd.DataFrame, column: str, *, argument: str) -> Floats:
    """Return a column as floats; raise `InputError` naming the argument where it holds no numbers."""
    values = frame[column]
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        raise InputError(f"{argument}={column!r} must hold numbers; it holds {values.dtype}.")
    return values.to_numpy(dtype=np.float64)
