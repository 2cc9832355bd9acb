"""Reoperation: which later operations on the lumbar spine count, at which level."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort
from ..cohort.linkage import relative_days, relative_events
from ..errors import DataError, InputError
from ..exposure.covariates import FUSIONS
from ..sources.events import matches

SCOPES = {
    "any_lumbar": "any further lumbar operation",
    "index_level": "a further lumbar operation on a level of the index operation",
    "adjacent_level": "a further lumbar operation on a level next to those of the index operation",
    "fusion_only": "a further lumbar fusion",
}
BY_LEVEL = ("index_level", "adjacent_level")
OF_DEVICES = ("laminectomy", "laminotomy", "other")
"""Operations that on the day of a device operation are its access: the laminectomy of a paddle lead."""
DEVICE_OPERATIONS = ("trial_start", "implant", "replace", "upgrade", "revise", "explant")
VERTEBRAE = (*(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6)), "S1", "S2")
_COLUMNS = ("surgery_id", "procedure", "levels", "staged", "reason")


def reoperations(cohort: Cohort, scope: str) -> tuple[pd.DataFrame, npt.NDArray[np.bool_]]:
    """Return operations after day 0 that count (row, day, reason, is_certain), and the rows that can be judged.

    ``is_certain`` is False for operations whose level is not listed, where the scope is a level. Rows whose index
    operation has no listed level cannot be judged then.
    """
    cohort.source.require("surgeries", what="Reoperation")
    rows = relative_events(cohort, "lumbar_surgery", columns=_COLUMNS)
    rows = rows[rows["day"] >= 0].sort_values(["row", "day", "surgery_id"], kind="stable").reset_index(drop=True)
    staged = rows["staged"].eq(True).to_numpy()
    index = _is_index(cohort, rows)
    later = ~staged & ~index & ~_is_for_device(cohort, rows)
    judged = np.ones(len(cohort), dtype=bool)
    certain = np.ones(len(rows), dtype=bool)
    if scope == "fusion_only":
        later &= rows["procedure"].isin(FUSIONS).to_numpy()
    elif scope in BY_LEVEL:
        mask = _masks(rows["levels"])
        at_index = _index_levels(cohort, rows, mask, index, staged, later)
        judged = at_index > 0
        _require_levels(cohort, scope, index, judged)
        own = at_index[rows["row"].to_numpy()]
        wanted = own if scope == "index_level" else (own << 1 | own >> 1) & ~own
        certain = mask > 0
        later &= ~certain | ((mask & wanted) > 0)
    found = rows[later].assign(is_certain=certain[later])
    return found[["row", "day", "reason", "is_certain"]].reset_index(drop=True), judged


def _is_index(cohort: Cohort, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return the operations of day 0 that are the index operation: all but those with a reason to return to theatre."""
    if cohort.index != "lumbar_surgery":
        return np.zeros(len(rows), dtype=bool)
    first = ~rows["row"].duplicated().to_numpy()
    returned = (rows["reason"].notna() & ~rows["reason"].isin(("index", "unknown"))).to_numpy()
    return (rows["day"] == 0).to_numpy() & (first | ~returned)


def _is_for_device(cohort: Cohort, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return the operations that are the access of a device operation of the same day."""
    tables = cohort.source.tables
    if "device_events" not in tables:
        return np.zeros(len(rows), dtype=bool)
    keep = matches(tables["device_events"]["event"], DEVICE_OPERATIONS)
    device = relative_days(cohort, "device_events", keep=keep)[["row", "day"]].drop_duplicates()
    both = rows[["row", "day"]].merge(device, on=["row", "day"], how="left", indicator=True)["_merge"] == "both"
    return rows["procedure"].isin(OF_DEVICES).to_numpy() & both.to_numpy()


def _index_levels(
    cohort: Cohort,
    rows: pd.DataFrame,
    mask: npt.NDArray[np.int64],
    index: npt.NDArray[np.bool_],
    staged: npt.NDArray[np.bool_],
    later: npt.NDArray[np.bool_],
) -> npt.NDArray[np.int64]:
    """Return the levels of each row's index operation, its staged further sittings included."""
    before_next = (pd.Series(later).groupby(rows["row"].to_numpy()).cumsum() == 0).to_numpy()
    sitting = index | (staged & before_next)
    levels = np.zeros(len(cohort), dtype=np.int64)
    np.bitwise_or.at(levels, rows["row"].to_numpy()[sitting], mask[sitting])
    return levels


def _require_levels(cohort: Cohort, scope: str, index: npt.NDArray[np.bool_], judged: npt.NDArray[np.bool_]) -> None:
    if not index.any():
        raise InputError(
            f'scope="{scope}" compares levels with the index operation, but day 0 is {cohort.index!r}; start the '
            'cohort with index="lumbar_surgery", or type scope="any_lumbar".'
        )
    if not judged.any():
        raise DataError(
            f'scope="{scope}" is not ascertainable: no index operation lists its levels (a number of levels is not '
            'enough). What can be done: scope="any_lumbar" or scope="fusion_only".'
        )


def _masks(levels: pd.Series) -> npt.NDArray[np.int64]:
    """Return levels as bits, one for each pair of neighbouring vertebrae; 0 where none is listed or one is unclear."""
    return np.array([_mask(text) if isinstance(text, str) else 0 for text in _objects(levels)], dtype=np.int64)


def _objects(values: pd.Series) -> npt.NDArray[Any]:
    return values.to_numpy(dtype=object)


@cache
def _mask(text: str) -> int:
    total = 0
    for each in text.upper().replace(" ", "").split(";"):
        found = re.fullmatch(r"([TLS]\d{1,2})[-/]([TLS]?)(\d{1,2})", each)
        if not found:
            return 0
        upper, lower = found[1], (found[2] or found[1][0]) + found[3]
        if upper not in VERTEBRAE or lower not in VERTEBRAE or VERTEBRAE.index(lower) <= VERTEBRAE.index(upper):
            return 0
        for place in range(VERTEBRAE.index(upper), VERTEBRAE.index(lower)):
            total |= 1 << place
    return total
