"""From a long frame of intervals to checked arrays: who is followed from when to when, and in what state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..errors import DataError, InputError
from ..formats import plural
from .followup import MOST_GROUPS, group_name
from .rows import check_columns

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Spells:
    """Intervals in order of row and start. Shapes (m,) but ``group`` and ``cluster`` (n,): codes of each row.

    ``row`` codes the rows from 0; ``label`` holds the state or status as text.
    """

    row: Ints
    start: Floats
    stop: Floats
    label: npt.NDArray[np.object_] = field(repr=False)
    groups: tuple[str, ...]
    group: Ints
    cluster: Ints | None

    def of(self, group: int) -> tuple[Mask, Ints, Ints | None]:
        """Return which intervals are of a group, their rows counted from 0, and the patients of these rows."""
        mine = self.group == group
        mask = mine[self.row]
        cluster = None if self.cluster is None else np.unique(self.cluster[mine], return_inverse=True)[1]
        return mask, (np.cumsum(mine) - 1)[self.row[mask]], cluster


def spells(
    data: Any,
    *,
    row: str,
    start: str,
    stop: str,
    label: str,
    by: str | None = None,
    cluster: str | None = None,
    late_entry: bool = False,
) -> Spells:
    """Return the checked intervals of a frame, or of anything whose ``.frame`` is one.

    Every row is followed without a gap, from day 0 or (``late_entry``) from later on: its next interval begins on the
    day the last one ended. Only its last interval may have no length.

    Raises
    ------
    InputError
        A column is not there, days are no numbers, or a group or patient changes within a row.
    DataError
        Values are missing, days run backwards, or a row starts late or has a gap or an overlap.
    """
    constant = [name for name in (by, cluster) if name is not None]
    frame, codes, begins, ends = _in_order(data, row=row, start=start, stop=stop, also=[label, *constant])
    _check_days(codes, begins, ends, start=start, stop=stop)
    _check_joined(codes, begins, ends, start=start, stop=stop, late_entry=late_entry)
    first = np.append(True, np.diff(codes) != 0)
    groups, group = _constant(frame[by], codes, first, name=by) if by else (("all",), np.zeros(first.sum()))
    patients = _constant(frame[cluster], codes, first, name=cluster)[1] if cluster else None
    if by and len(groups) > MOST_GROUPS:
        raise InputError(f"by={by!r} has {len(groups)} distinct values; expected a category of {MOST_GROUPS} at most.")
    return Spells(
        row=codes,
        start=begins,
        stop=ends,
        label=frame[label].astype(object).to_numpy(),
        groups=groups,
        group=group.astype(np.int64),
        cluster=patients,
    )


def loose_intervals(
    data: Any, *, row: str, start: str, stop: str, label: str
) -> tuple[pd.DataFrame, Ints, Floats, Floats]:
    """Return intervals in order of row and start, for models that allow late entry and gaps between them.

    Returns
    -------
    frame : the intervals, all columns. codes : (m,) rows from 0. begins, ends : (m,) days.

    Raises
    ------
    InputError
        A column is not there, or days are no numbers.
    DataError
        Values are missing, days are negative or run backwards, or intervals of a row overlap.
    """
    frame, codes, begins, ends = _in_order(data, row=row, start=start, stop=stop, also=[label])
    _check_days(codes, begins, ends, start=start, stop=stop)
    before = int((begins < 0).sum())
    if before:
        raise DataError(
            f"{plural(before, 'interval')} of {len(codes):,} with a negative {start!r}; expected 0 or more."
        )
    overlapping = int(((np.diff(codes) == 0) & (begins[1:] < ends[:-1])).sum())
    if overlapping:
        raise DataError(
            f"{plural(overlapping, 'interval')} of {len(codes):,} begin before the one before has ended; nobody is "
            f"followed twice on a day. Correct {start!r} or {stop!r}, or give each row its own {row!r}."
        )
    return frame, codes, begins, ends


def unit_of(data: Any) -> str:
    """Return what a row is called: the cohort's unit, or "row" of a plain frame."""
    return str(getattr(getattr(data, "cohort", None), "unit", "row"))


def _in_order(
    data: Any, *, row: str, start: str, stop: str, also: list[str]
) -> tuple[pd.DataFrame, Ints, Floats, Floats]:
    """Return the intervals sorted by row (in order of appearance), start and stop, with row codes and days."""
    frame = getattr(data, "frame", data)
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Expected episodes or a pandas DataFrame, got {type(data).__name__}.")
    check_columns(frame, [row, start, stop, *also], argument="The call")
    if frame.empty:
        raise InputError("There are no intervals; nothing can be estimated.")
    _require_values(frame, [row, start, stop, *also])
    for name in (start, stop):
        if not pd.api.types.is_numeric_dtype(frame[name]) or pd.api.types.is_bool_dtype(frame[name]):
            raise InputError(f"{name!r} must hold days as numbers; it holds {frame[name].dtype}.")
    codes = np.asarray(pd.factorize(frame[row])[0], dtype=np.int64)
    begins, ends = frame[start].to_numpy(dtype=np.float64), frame[stop].to_numpy(dtype=np.float64)
    order = np.lexsort((ends, begins, codes))
    return frame.iloc[order].reset_index(drop=True), codes[order], begins[order], ends[order]


def _require_values(frame: pd.DataFrame, names: list[str]) -> None:
    for name in names:
        missing = int(frame[name].isna().sum())
        if missing:
            raise DataError(
                f"{plural(missing, 'interval')} of {len(frame):,} without {name!r}; an interval left out would open a "
                f"gap. Give it a state of its own, such as 'unobserved'."
            )


def _check_days(codes: Ints, begins: Floats, ends: Floats, *, start: str, stop: str) -> None:
    first = np.append(True, np.diff(codes) != 0)
    last = np.append(first[1:], True)
    if not (np.isfinite(begins).all() and np.isfinite(ends).all()):
        raise DataError(f"{start!r} or {stop!r} is infinite; an interval ends on the last day followed.")
    backwards = int(((ends < begins) | ((ends == begins) & ~last)).sum())
    if backwards:
        raise DataError(
            f"{plural(backwards, 'interval')} of {len(codes):,} end at or before their start; {stop!r} must lie after "
            f"{start!r} (an event on day 0 stands at 0.5 by convention)."
        )


def _check_joined(codes: Ints, begins: Floats, ends: Floats, *, start: str, stop: str, late_entry: bool) -> None:
    first = np.append(True, np.diff(codes) != 0)
    late = int(((begins[first] < 0) | ((begins[first] > 0) & (not late_entry))).sum())
    if late:
        raise DataError(
            f"{plural(late, 'row')} of {int(first.sum()):,} not followed from day 0; everyone starts there."
        )
    broken = int((~first[1:] & (begins[1:] != ends[:-1])).sum())
    if broken:
        raise DataError(
            f"{plural(broken, 'interval')} of {len(codes):,} not joined to the one before; {start!r} must be the "
            f"{stop!r} of the row's interval before. Time not observed is an interval of the state 'unobserved'."
        )


def _constant(values: pd.Series, codes: Ints, first: Mask, *, name: str | None) -> tuple[tuple[str, ...], Ints]:
    """Return the levels of a column that is the same in all intervals of a row, and the code of each row."""
    labels = pd.Categorical(values)
    found = np.asarray(labels.codes, dtype=np.int64)
    if (found != found[first][codes]).any():
        raise InputError(f"{name!r} changes within a row; it must be known on day 0 and stay the same.")
    return tuple(group_name(level) for level in labels.categories), found[first]
