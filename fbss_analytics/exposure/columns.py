"""Columns of a frame as they are given: their names, and text as categories without looking at each value."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ..errors import DataError, InputError


def column_names(frame: object, what: str) -> list[str]:
    """Return the names of a frame's columns; raise `InputError` where it is no frame, `DataError` for a name twice."""
    if not isinstance(frame, pd.DataFrame | pa.Table):
        raise InputError(f"{what} is no table; expected a pandas DataFrame or a pyarrow Table.")
    names = [str(name) for name in (frame.columns if isinstance(frame, pd.DataFrame) else frame.column_names)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{what} has several columns of the name {' and '.join(twice)}; rename or drop all but one.")
    return names


def not_text(column: object) -> DataError:
    """Return the error for a column of words whose values are lists or the like."""
    return DataError(f"The values of {column} are lists or other containers; expected one word in each row.")


def with_categories(frame: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """Return the frame with its columns of objects among ``names`` as categories; the frame given stays as it is."""
    found = {name: as_category(frame[name]) for name in names if name in frame and frame[name].dtype == object}
    # What `assign` would copy is shared.
    return pd.DataFrame({name: found.get(name, frame[name]) for name in frame.columns}, copy=False) if found else frame


def as_category(column: pd.Series) -> pd.Series:
    """Return a column of objects as a category of its distinct values, in the order they come in.

    Values are told apart by the address of their object first, which is in the array itself, and only the distinct
    objects are looked at. Readers (Arrow, CSV, databases) make one object of equal values, so that ten million ids are
    a few hundred thousand objects, spread over memory.
    """
    values = np.ascontiguousarray(column.to_numpy(dtype=object))
    which, first = _by_address(values)
    try:
        code, categories = pd.factorize(values[first])
    except TypeError:
        raise not_text(column.name) from None
    coded = pd.Categorical.from_codes(code[which], categories=pd.Index(categories))  # type: ignore[arg-type]
    return pd.Series(coded, index=column.index)


def _by_address(values: npt.NDArray[np.object_]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return which distinct object each value is, and the place at which each of them comes first."""
    # An array of objects is an array of addresses. The buffer is only read, while ``values`` keeps it alive.
    buffer = (ctypes.c_byte * values.nbytes).from_address(values.ctypes.data)
    which, distinct = pd.factorize(np.frombuffer(memoryview(buffer).cast("B"), dtype=np.intp))
    first = np.empty(len(distinct), dtype=np.intp)
    first[which[::-1]] = np.arange(len(values) - 1, -1, -1)
    return which, first
