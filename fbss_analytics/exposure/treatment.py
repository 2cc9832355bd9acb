"""Episodes of opioid treatment: spans of supply that gaps of too many days without supply end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..compiled import compiled
from ..dates import to_timestamps, whole_days
from ..engine import in_order
from ..errors import InputError
from ..sources.source import Source
from .definition import DoseDefinition
from .exposure import usable_frame
from .loops import GRAIN
from .overlap import resolve
from .people import Dispensings, Frame, string_column, to_array
from .prepared import table_supplies
from .runs import check_order, checked_days, runs_of
from .supply import WORDS, Supplies, to_supplies
from .sweep import Steps, bands_of, by_row, to_steps

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Spells:
    """Episodes of patients in their order: whose, first and last day, days with supply, total MME, any unknown dose."""

    row: Integers
    start: Integers
    end: Integers
    covered: Integers
    total_mme: npt.NDArray[np.float64]
    has_unknown: npt.NDArray[np.bool_]


def treatment_episodes(
    dispensings: Dispensings, definition: DoseDefinition, *, gap_days: int, threads: int | None = None
) -> pd.DataFrame:
    """Return the episodes of systemic opioid treatment of every patient.

    **Definition**: an episode goes on over gaps of at most ``gap_days`` days without supply, and ends with the last day
    of supply before a longer gap; a gap is counted in days that no fill covers, so ``gap_days=0`` joins only fills that
    overlap or follow each other without a day between. A fill of n days from day s covers s .. s+n-1 after the
    definition's overlap policy. The gap after the last fill is never counted: an episode ends with supply, whether or
    not observation ends with it.

    Parameters
    ----------
    dispensings : DataFrame, Table, Source, or path of a cohort folder
        As in `opioid_exposure`.
    definition : DoseDefinition
        Its rules for stays and straddling have no meaning here: there is no window.
    gap_days : int
        Days without supply over which an episode goes on. `from_adherer_gap` and `from_ohdsi_gap` translate the gaps of
        other programs.
    threads : int, optional
        As many as there are processors when not given; the result does not depend on it.

    Returns
    -------
    DataFrame
        One row per episode, by patient and day: ``patient_id``, ``episode`` (1, 2, ...), ``start_date``, ``end_date``
        (both included), ``days``, ``days_covered`` (with supply), ``total_mme`` (of known fills: a lower bound where
        ``has_unknown``, missing where every fill is of unknown dose), ``mme_per_day`` (per day covered),
        ``has_unknown``.

    Raises
    ------
    InputError
        ``gap_days`` is no whole number of 0 or more; a definition whose rule for stays would matter.
    DataError
        A column is missing.

    Notes
    -----
    When not to use it: to say that treatment was stopped. The last episode ends where supply ends, and only observation
    for longer than the gap tells a stop from the end of the data: use `add_opioid_discontinuation`.

    AdhereR ends an episode where its gap is larger than the permitted one, as here; but it carries the last episode on
    to the end of follow-up when the gap after it is smaller than the permitted one, and ends it with supply when the
    gap is equal or larger (AdhereR issue 146). Here every episode ends with supply. DrugUtilisation compares dates
    instead of counting days between them. OHDSI's drug eras add 30 days to every exposure first.

    References
    ----------
    Dima AL, Dediu D. PLoS ONE 2017;12(4):e0174426, doi 10.1371/journal.pone.0174426 (AdhereR).

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> episodes = fbss.treatment_episodes(source, dose, gap_days=30)
    >>> bool((episodes["days_covered"] <= episodes["days"]).all())
    True
    """
    gap = whole_days(gap_days, name="gap_days", least=0)
    if not isinstance(definition, DoseDefinition):
        raise InputError('The second argument is a DoseDefinition; type fbss.DoseDefinition(factors="cdc_2022", ...).')
    if definition.stays != "ignore":
        raise InputError(f'stays="{definition.stays}" has no meaning for episodes, which take no stays; type "ignore".')
    if isinstance(dispensings, pd.DataFrame | pa.Table):
        found = iter([_of_frame(dispensings, definition, gap)])
    else:
        found = _of_runs(dispensings, definition, gap, threads)
    return _frame(list(found))


def from_adherer_gap(gap_days: float) -> int:
    """Return our gap for AdhereR's ``maximum.permissible.gap`` in days: it counts uncovered days, as we do.

    **Definition**: AdhereR parts two fills when next start - start - duration - carry-over > gap, which is the number
    of days without supply between them; both programs join at a gap of exactly ``gap_days``. Carry-over is a matter of
    the overlap policy (`DoseDefinition`), and the end of the last episode differs: see `treatment_episodes`.

    Raises
    ------
    InputError
        A negative number, or not a whole number of days.

    Notes
    -----
    When not to use it: for AdhereR's gaps in percent of the duration, which have no translation.

    References
    ----------
    Dima AL, Dediu D. PLoS ONE 2017;12(4):e0174426, doi 10.1371/journal.pone.0174426.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> fbss.from_adherer_gap(30)
    30
    """
    return whole_days(gap_days, name="gap_days", least=0)


def from_ohdsi_gap(gap_days: float) -> int:
    """Return our gap for ``gapEra`` of DrugUtilisation and like programs of OHDSI: theirs is ours + 1.

    **Definition**: they join two exposures when next start - previous end <= gap, a difference of dates; the days
    without supply between them are one fewer. A gap of 1 joins exposures that follow each other without a day between.

    Raises
    ------
    InputError
        Less than 1: a gap of 0 parts exposures that follow each other without a day between, which are never parted
        here.

    Notes
    -----
    When not to use it: for drug eras as OHDSI's scripts write them, which also prolong each exposure by 30 days.

    References
    ----------
    DrugUtilisation 1.2.0, tests of ``erafyCohort``: five days without supply part at ``gapEra`` 5, and join at 6.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> fbss.from_ohdsi_gap(30)
    29
    """
    return whole_days(gap_days, name="gap_days", least=1) - 1


def spells(supplies: Supplies, steps: Steps, gap_days: int) -> Spells:
    """Return the episodes of supplies sorted by row, whose steps are given."""
    n = len(steps.start)
    row, start, end, covered, above, below = (np.empty(n, dtype=np.int64) for _ in range(6))
    m = _compiled_spells()(
        steps.first, steps.start, steps.stop, steps.grains, gap_days, row, start, end, covered, above, below
    )
    row, start, end, covered = row[:m], start[:m], end[:m], covered[:m]
    total = np.asarray((above[:m] * 2.0**24 + below[:m]) * GRAIN, dtype=np.float64)
    has_unknown = np.zeros(m, dtype=bool)
    which = np.flatnonzero(supplies.is_unknown)
    # The last episode of the patient that begins on or before the supply does.
    axis = np.int64(2**33)
    place = supplies.row[which] * axis + supplies.start[which]
    has_unknown[np.searchsorted(row * axis + start, place, side="right") - 1] = True
    # A known dose is above 0, so that an episode of none has unknown fills only.
    total[has_unknown & (total == 0)] = np.nan
    return Spells(row, start, end, covered, total, has_unknown)


@cache
def _compiled_spells() -> Any:
    return compiled(_spell_loop)


def _spell_loop(
    first: Any, step_start: Any, step_stop: Any, grains: Any, gap_days: Any,
    row: Any, start: Any, end: Any, covered: Any, above: Any, below: Any,
) -> int:  # fmt: skip
    """Join steps into episodes; the grains are summed in two parts, as in the sweep."""
    m = -1
    for p in range(len(first) - 1):
        for k in range(first[p], first[p + 1]):
            if k == first[p] or step_start[k] - end[m] - 1 > gap_days:
                m += 1
                row[m], start[m], covered[m], above[m], below[m] = p, step_start[k], 0, 0, 0
            days = step_stop[k] - step_start[k]
            end[m] = step_stop[k] - 1
            covered[m] += days
            above[m] += (grains[k] >> 24) * days
            below[m] += (grains[k] & 0xFFFFFF) * days
    return m + 1


def _of_supplies(supplies: Supplies, n: int, definition: DoseDefinition, gap: int) -> Spells:
    supplies = by_row(resolve(supplies, definition))
    first = np.searchsorted(supplies.row, np.arange(n + 1)).astype(np.int64)
    return spells(supplies, to_steps(supplies, first, bands_of(definition.factors)), gap)


def _of_runs(
    dispensings: Source | str | Path, definition: DoseDefinition, gap: int, threads: int | None
) -> Iterator[tuple[pa.Array, Spells]]:
    def work(table: pa.Table) -> tuple[pa.Array, Spells, str, str]:
        checked_days(table)
        patient = table["patient_id"].combine_chunks()
        patient = patient if pa.types.is_dictionary(patient.type) else patient.dictionary_encode()
        codes, ids = np.asarray(patient.indices, dtype=np.int64), string_column(patient.dictionary)
        supplies, _ = table_supplies(table, codes, definition)
        return ids, _of_supplies(supplies, len(ids), definition, gap), str(ids[int(codes[0])]), str(ids[int(codes[-1])])

    before = ""
    for ids, found, first, last in in_order(
        work, runs_of(dispensings, definition), threads=threads, what="treatment episodes"
    ):
        before = check_order(before, first, last)
        yield ids, found


def _of_frame(dispensings: Frame, definition: DoseDefinition, gap: int) -> tuple[pa.Array, Spells]:
    frame, _ = usable_frame(dispensings, definition)
    patient_id = string_column(to_array(frame["patient_id"], "dispensings")).dictionary_encode()
    rank = np.argsort(np.asarray(pc.sort_indices(patient_id.dictionary)))
    codes, ids = rank[np.asarray(patient_id.indices)], patient_id.dictionary.sort()
    columns: dict[str, npt.NDArray[Any]] = {name: frame[name].cat.codes.to_numpy() for name in WORDS}
    columns |= {name: frame[name].to_numpy() for name in ("strength_value", "quantity", "days_supply", "day")}
    supplies = to_supplies(columns | {"row": codes}, replace(definition, repeats="keep"))
    return ids, _of_supplies(supplies, len(ids), definition, gap)


def _frame(found: list[tuple[pa.Array, Spells]]) -> pd.DataFrame:
    joined = {
        name: np.concatenate([getattr(each, name) for _, each in found] or [np.empty(0, dtype=np.int64)])
        for name in ("start", "end", "covered", "total_mme", "has_unknown")
    }
    rows = [each.row for _, each in found]
    number = [np.arange(len(row)) - np.searchsorted(row, row) + 1 for row in rows]
    names = [ids.to_pandas().to_numpy(dtype=object)[row] for (ids, _), row in zip(found, rows, strict=True)]
    return pd.DataFrame(
        {
            "patient_id": np.concatenate(names or [np.empty(0, dtype=object)]),
            "episode": np.concatenate(number or [np.empty(0, dtype=np.int64)]),
            "start_date": to_timestamps(joined["start"]),
            "end_date": to_timestamps(joined["end"]),
            "days": joined["end"] - joined["start"] + 1,
            "days_covered": joined["covered"],
            "total_mme": joined["total_mme"],
            "mme_per_day": joined["total_mme"] / np.maximum(joined["covered"], 1),
            "has_unknown": joined["has_unknown"].astype(bool),
        }
    )
