"""Opioid exposure of patients at index dates, straight from dispensings: a frame in, a frame out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ..dates import FAR, Window, check_window
from ..engine import in_order
from ..errors import InputError, StudyWarning
from ..formats import plural
from ..sources.source import Source
from .columns import column_names, with_categories
from .definition import DoseDefinition
from .people import Dispensings, Frame, People, find, people_of, string_column, to_array, view_of
from .plausibility import checked_dispensings
from .runs import Part, add_up, check_order, near_windows, part_of, runs_of, without_supplies
from .supply import WORDS, is_repeat, to_supplies
from .sweep import COUNTED, Totals

Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Days: TypeAlias = Window | Mapping[str, Window]


@dataclass(frozen=True)
class Counts:
    """Dispensings that count, those of them of patients not asked for, and repeats that were dropped before."""

    usable: int = 0
    ignored: int = 0
    repeats: int = 0


DOSES = (
    "total_mme", "mme_per_day_supplied", "mme_per_day_covered", "mme_per_day_in_window", "max_daily_mme",
    "max_daily_mme_heal",
)  # fmt: skip


def opioid_exposure(
    dispensings: Dispensings,
    index_dates: Frame,
    definition: DoseDefinition,
    *,
    days: Days,
    observation: Frame | None = None,
    stays: Frame | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """Add up the systemic opioids of patients in windows around an index date.

    **Definition**: a fill of n days from day s covers s .. s+n-1; of these the days count that lie in the window (both
    ends included) and are observed, and each gives the same dose. ``straddle="whole_fill"`` in the definition counts
    all days of a fill that has one such day. Doses of fills on the same day add, after the definition's overlap policy.
    The index date is day 0, and counts where the window holds it.

    A fill of unknown dose covers its days and is in no sum: wherever ``n_unknown`` is not 0 every dose is a **lower
    bound**, and no upper bound can be told without assuming a dose. Where all fills of a window are of unknown dose the
    doses are missing. Without fills ``total_mme``, the dose per day in the window and both maxima are 0, and doses per
    day supplied or covered (0/0) are missing. Without an observed day all but ``days_in_window`` (0) is missing.

    Parameters
    ----------
    dispensings : DataFrame, Table, Source, or path of a cohort folder
        The columns of the schema's table ``dispensings``, in any order of rows. In a frame, rows that cannot be used
        are set aside, counted, and said in a `StudyWarning`; a source and a cohort folder were checked when made.
        Dispensings of patients who are not in ``index_dates`` are ignored; ``attrs["n_ignored"]`` counts them, and
        ``attrs["n_repeats"]`` the rows that ``repeats="drop"`` left out.
    index_dates : DataFrame or Table
        ``patient_id`` and ``index_date``. A patient may have several rows.
    definition : DoseDefinition
    days : (int, int) or mapping of str to (int, int)
        Window relative to day 0, or several by name, which cost one sweep together.
    observation : DataFrame or Table, optional
        ``patient_id``, ``start_date``, ``end_date`` (both days included): days on which a fill would have been seen; of
        a column ``domain``, ``pharmacy`` counts. Patients without a span are not observed. Every day of every window
        counts as observed when not given.
    stays : DataFrame or Table, optional
        ``patient_id``, ``admit_date``, ``discharge_date`` (both days included), used as the definition says:
        ``exclude`` takes them out of the observed days; ``assume_supplied`` covers them without a dose, once as supply,
        in windows that hold supply of a fill.
    threads : int, optional
        As many as there are processors when not given; the result does not depend on it.

    Returns
    -------
    DataFrame
        One row per row of ``index_dates``, in its order (per window under it, in a first column ``window``, where
        ``days`` is a mapping): ``patient_id``, ``total_mme``, ``days_supplied`` (a day counts once per fill),
        ``days_covered``, ``days_in_window`` (observed), ``mme_per_day_supplied`` (D1), ``mme_per_day_covered`` (D2),
        ``mme_per_day_in_window`` (D3), ``max_daily_mme`` (D4 by calendar), ``max_daily_mme_heal`` (all fills as if they
        shared a day), ``n_dispensings`` (fills that supply a day counted here), ``n_unknown`` (those of unknown dose),
        ``share_unknown``. Under a banded table ``max_daily_mme_heal`` takes the band of the sum.

    Raises
    ------
    InputError
        A window that ends before it starts; stays the definition needs and does not get.
    DataError
        A column is missing, or a patient, date or span is.

    Notes
    -----
    When not to use it: D1 and D2 describe dose while treated, not exposure; the HEAL maximum adds fills that never met.
    For a cohort of this library use `add_opioid_dose`, which takes observation and death from the source.

    References
    ----------
    Dasgupta N et al. Clin J Pain 2021;37(8):565-574, doi 10.1097/AJP.0000000000000948.

    Examples
    --------
    >>> import pandas as pd
    >>> import fbss_analytics as fbss
    >>> fills = pd.DataFrame({
    ...     "patient_id": "a", "date": pd.to_datetime(["2020-01-01", "2020-01-01"]), "ingredient": "oxycodone",
    ...     "form": ["tablet_er", "tablet"], "route": "oral", "strength_value": [30.0, 5.0], "strength_unit": "mg",
    ...     "quantity": [60, 14], "quantity_unit": "unit", "days_supply": [30, 7]})
    >>> index = pd.DataFrame({"patient_id": ["a"], "index_date": pd.to_datetime(["2020-01-01"])})
    >>> dose = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
    >>> fbss.opioid_exposure(fills, index, dose, days=(0, 89))[["total_mme", "max_daily_mme"]].to_numpy().tolist()
    [[2805.0, 105.0]]
    """
    names, windows = windows_of(days)
    check_definition(definition)
    people = people_of(index_dates, definition, observation, stays)
    given = index_dates["patient_id"]
    ids = given.to_numpy() if isinstance(given, pd.Series) else given.to_pandas().to_numpy()
    if isinstance(dispensings, pd.DataFrame | pa.Table):
        sums, counts = _of_frame(dispensings, people, definition, windows)
    else:
        sums, counts = _of_runs(dispensings, people, definition, windows, threads)
    if counts.usable == counts.ignored > 0 and len(ids):
        warnings.warn(
            f"None of {plural(counts.usable, 'dispensing')} is of a patient in index_dates; compare how patient_id is "
            "written in both.",
            StudyWarning,
            stacklevel=2,
        )
    frame = exposure_frame(ids, names, sums)
    frame.attrs = {"definition": definition.sentence(), "n_ignored": counts.ignored, "n_repeats": counts.repeats}
    return frame


def windows_of(days: Days) -> tuple[tuple[str, ...] | None, Integers]:
    """Return the names of windows, None where there is one without a name, and their first and last days."""
    if not isinstance(days, Mapping):
        return None, np.array([_within_reach(days, "days")], dtype=np.int64)
    if not days:
        raise InputError('days={} names no window; type days={"baseline": (-90, -1)}.')
    checked = [_within_reach(window, f"days[{name!r}]") for name, window in days.items()]
    return tuple(days), np.array(checked, dtype=np.int64)


def _within_reach(window: Window, name: str) -> Window:
    first, last = check_window(window, name=name)
    if first < -FAR or last > FAR:
        raise InputError(f"{name} reaches further than any history; expected days from {-FAR:,} to {FAR:,}.")
    return first, last


def check_definition(definition: object) -> None:
    """Raise `InputError` where something else stands in the place of a dose definition."""
    if not isinstance(definition, DoseDefinition):
        raise InputError('The third argument is a DoseDefinition; type fbss.DoseDefinition(factors="cdc_2022", ...).')


def exposure_frame(
    ids: npt.NDArray[np.object_], names: tuple[str, ...] | None, sums: Mapping[str, Numbers]
) -> pd.DataFrame:
    """Return the columns of `opioid_exposure` from sums by row and window."""
    n_windows = 1 if names is None else len(names)
    found = {name: values.ravel() for name, values in sums.items()}
    fills, unknown, observed = found["supplies"], found["unknown"], found["days_in_window"]
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = {
            "total_mme": found["total_mme"],
            "days_supplied": found["days_supplied"],
            "days_covered": found["days_covered"],
            "days_in_window": observed,
            "mme_per_day_supplied": found["total_mme"] / found["days_supplied"],
            "mme_per_day_covered": found["total_mme"] / found["days_covered"],
            "mme_per_day_in_window": found["total_mme"] / observed,
            "max_daily_mme": found["max_daily_mme"],
            "max_daily_mme_heal": found["max_daily_mme_heal"],
            "n_dispensings": fills,
            "n_unknown": unknown,
            "share_unknown": unknown / np.maximum(fills, 1),
        }
    unseen, only_unknown = observed == 0, (fills > 0) & (unknown == fills)
    for name, values in columns.items():
        if name != "days_in_window":
            values[unseen | only_unknown if name in DOSES else unseen] = np.nan
    first: dict[str, npt.NDArray[np.object_]] = {}
    if names is not None:
        first["window"] = np.tile(np.array(names, dtype=object), len(ids))
    first["patient_id"] = np.repeat(ids, n_windows)
    return pd.DataFrame(first | columns, copy=False)


def parts_of(
    dispensings: Source | str | Path, people: People, definition: DoseDefinition, windows: Integers, threads: int | None
) -> Iterator[Part]:
    """Yield what each run of patients adds up to, in the order of patients."""

    def work(table: pa.Table) -> Part:
        return part_of(table, people, definition, windows)

    last = ""
    for part in in_order(work, runs_of(dispensings, definition), threads=threads, what="opioid exposure"):
        last = check_order(last, part.first_id, part.last_id)
        yield part


def _of_runs(
    dispensings: Source | str | Path, people: People, definition: DoseDefinition, windows: Integers, threads: int | None
) -> tuple[dict[str, Numbers], Counts]:
    sums = {name: np.empty((len(people.rows), len(windows))) for name in COUNTED}
    seen = np.zeros(len(people.ids), dtype=bool)
    counts = Counts()
    for part in parts_of(dispensings, people, definition, windows, threads):
        _place(sums, part.totals, part.rows)
        seen[part.persons] = True
        counts = Counts(
            counts.usable + part.n_dispensings, counts.ignored + part.n_ignored, counts.repeats + part.n_repeats
        )
    _place(sums, *without_supplies(people, seen, windows))
    return sums, counts


def _place(sums: dict[str, Numbers], totals: Totals, rows: Integers) -> None:
    for name, values in sums.items():
        values[rows] = getattr(totals, name)


def _of_frame(
    dispensings: Frame, people: People, definition: DoseDefinition, windows: Integers
) -> tuple[dict[str, Numbers], Counts]:
    frame, n_repeats = usable_frame(dispensings, definition)
    person = _persons(frame["patient_id"], people)
    n_ignored = int((person < 0).sum())
    everyone = np.arange(len(people.ids))
    view, rows = view_of(people, everyone, windows)
    start, days = frame["day"].to_numpy(np.int64), frame["days_supply"].to_numpy(np.int64)
    keep = near_windows(start, days, person, view, len(people.ids), definition)
    columns: dict[str, npt.NDArray[np.generic]] = {name: frame[name].cat.codes.to_numpy()[keep] for name in WORDS}
    columns |= {name: frame[name].to_numpy()[keep] for name in ("strength_value", "quantity")}
    columns |= {"row": person[keep], "day": start[keep], "days_supply": days[keep]}
    supplies = to_supplies(columns, replace(definition, repeats="keep"))
    sums = {name: np.empty((len(people.rows), len(windows))) for name in COUNTED}
    _place(sums, add_up(supplies, everyone, people, definition, view), rows)
    return sums, Counts(len(frame), n_ignored, n_repeats)


def usable_frame(dispensings: Frame, definition: DoseDefinition) -> tuple[pd.DataFrame, int]:
    """Return the dispensings of a frame that count, and how many repeats were dropped.

    Those that cannot be used are set aside, which a `StudyWarning` says.
    """
    column_names(dispensings, "dispensings")
    given = dispensings if isinstance(dispensings, pd.DataFrame) else dispensings.to_pandas(strings_to_categorical=True)
    frame, account = checked_dispensings(with_categories(given, ("patient_id", *WORDS)))
    if account.n_usable < account.n_given:
        warnings.warn(account.sentence(), StudyWarning, stacklevel=4)
    if definition.repeats == "keep":
        return frame, 0
    repeated = is_repeat(frame)
    return frame[~repeated], int(repeated.sum())


def _persons(patient_id: pd.Series, people: People) -> Integers:
    """Return the person of each dispensing, -1 for patients not asked for."""
    coded = to_array(patient_id, "dispensings")
    coded = coded if pa.types.is_dictionary(coded.type) else coded.dictionary_encode()
    of_code = find(people, string_column(coded.dictionary))
    return of_code[np.asarray(coded.indices, dtype=np.int64)]
