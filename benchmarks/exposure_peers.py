"""The same quantities by pandas, polars, DuckDB and a numpy day grid, each as one who knows it well would write it.

All work on interval edges: a fill adds its dose on its first day and takes it away after its last; sorted by patient
and day, a running sum is the daily dose. Written out day by day instead, polars and DuckDB were slower (README). The
day grid of numpy is another method altogether, and so checks the others.

Every contender takes the folder that `exposure_data.make_data` filled and returns, by window and measure, one number
per patient in the order of ``index.parquet``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from exposure_data import WINDOWS

Numbers = npt.NDArray[np.float64]
Result = dict[str, dict[str, Numbers]]
SUMS = ("total_mme", "days_supplied", "days_covered", "max_daily_mme")


def with_quotients(sums: dict[str, Numbers], window: tuple[int, int]) -> dict[str, Numbers]:
    """Return totals, days and the maximum with the three quotients; 0 / 0 is missing."""
    quotients = {
        "mme_per_day_supplied": sums["total_mme"] / np.where(sums["days_supplied"] > 0, sums["days_supplied"], np.nan),
        "mme_per_day_covered": sums["total_mme"] / np.where(sums["days_covered"] > 0, sums["days_covered"], np.nan),
        "mme_per_day_in_window": sums["total_mme"] / (window[1] - window[0] + 1),
    }
    return sums | quotients


# --- numpy: a grid of days ------------------------------------------------------------------------------------------


def numpy_grid(folder: Path) -> Result:
    """Add each fill's dose to a grid of patients by days, one block of patients after the other."""
    place, day, days, mme, patients = _arrays(folder)
    return {
        name: with_quotients(_grid_sums(place, day, days, mme, patients, window), window)
        for name, window in WINDOWS.items()
    }


def _arrays(folder: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], Numbers, int]:
    index = pq.read_table(folder / "index.parquet")
    fills = pq.read_table(folder / "ready.parquet", read_dictionary=["patient_id"])
    ids = fills["patient_id"].unify_dictionaries().combine_chunks()
    place = pc.index_in(ids.dictionary, value_set=index["patient_id"].combine_chunks()).take(ids.indices).to_numpy()
    index_day = index["index_date"].combine_chunks().cast(pa.int32()).to_numpy()
    day = fills["date"].combine_chunks().cast(pa.int32()).to_numpy() - index_day[place]
    return place, day, fills["days_supply"].to_numpy(), fills["mme_per_day"].to_numpy(), len(index)


def _grid_sums(
    place: npt.NDArray[Any],
    day: npt.NDArray[Any],
    days: npt.NDArray[Any],
    mme: Numbers,
    patients: int,
    window: tuple[int, int],
) -> dict[str, Numbers]:
    first, last = window
    inside = np.flatnonzero((day <= last) & (day + days > first))
    place, mme = place[inside], mme[inside]
    start = np.maximum(day[inside], first) - first
    stop = np.minimum(day[inside] + days[inside], last + 1) - first
    sums = {name: np.zeros(patients) for name in SUMS}
    sums["total_mme"] = np.bincount(place, mme * (stop - start), patients)
    sums["days_supplied"] = np.bincount(place, stop - start, patients)
    width, block = last - first + 2, 2_000
    cuts = np.searchsorted(place, np.arange(0, patients + block, block))
    for number in range(len(cuts) - 1):
        part, low = slice(cuts[number], cuts[number + 1]), number * block
        rows = min(block, patients - low)
        row = (place[part] - low) * width
        cells = np.concatenate([row + start[part], row + stop[part]])
        signs = np.repeat([1, -1], len(row))
        change = np.bincount(cells, np.concatenate([mme[part], -mme[part]]), rows * width).reshape(rows, width)
        active = np.bincount(cells, signs, rows * width).reshape(rows, width).cumsum(axis=1) > 0.5
        dose = np.where(active, change.cumsum(axis=1), 0.0)
        sums["days_covered"][low : low + rows] = active.sum(axis=1)
        sums["max_daily_mme"][low : low + rows] = dose.max(axis=1)
    return sums


# --- pandas ---------------------------------------------------------------------------------------------------------


def pandas_edges(folder: Path) -> Result:
    """Sort edges as one integer key of patient and day; ids are read as categories, never as Python objects."""
    import pandas as pd

    index = pd.read_parquet(folder / "index.parquet")
    fills = pq.read_table(folder / "ready.parquet", read_dictionary=["patient_id"]).to_pandas(date_as_object=False)
    places = index["patient_id"].reset_index().set_index("patient_id")["index"]
    fills["place"] = places.reindex(fills["patient_id"].cat.categories).to_numpy()[fills["patient_id"].cat.codes]
    since = fills["date"].to_numpy() - index["index_date"].to_numpy("datetime64[s]")[fills["place"].to_numpy()]
    fills["day"] = since.astype("timedelta64[D]").astype(np.int64)
    result = {}
    for name, (first, last) in WINDOWS.items():
        rows = fills[(fills["day"] <= last) & (fills["day"] + fills["days_supply"] > first)]
        start = rows["day"].clip(lower=first)
        stop = (rows["day"] + rows["days_supply"]).clip(upper=last + 1)
        dose = rows["mme_per_day"]
        totals = pd.DataFrame({"total_mme": dose * (stop - start), "days_supplied": stop - start})
        key = rows["place"] * 1024 - first
        edges = pd.DataFrame(
            {"key": pd.concat([key + start, key + stop]), "dose": pd.concat([dose, -dose]), "active": 1}
        )
        edges.iloc[len(rows) :, 2] = -1
        edges = edges.sort_values("key", ignore_index=True)
        edges[["dose", "active"]] = edges[["dose", "active"]].cumsum()
        edges = edges[edges["key"].ne(edges["key"].shift(-1))]
        edges["days_covered"] = edges["key"].shift(-1) - edges["key"]
        edges = edges[edges["active"] > 0]
        steps = edges.groupby(edges["key"] // 1024).agg(
            days_covered=("days_covered", "sum"), max_daily_mme=("dose", "max")
        )
        sums = totals.groupby(rows["place"]).sum().join(steps).reindex(range(len(index)), fill_value=0)
        result[name] = with_quotients({each: sums[each].to_numpy(float) for each in SUMS}, (first, last))
    return result


# --- polars ---------------------------------------------------------------------------------------------------------


def polars_edges(folder: Path) -> Result:
    """From the four ready-made columns."""
    import polars as pl

    return _polars(folder, pl.scan_parquet(folder / "ready.parquet"))


def polars_schema(folder: Path) -> Result:
    """From the dispensings of the cohort folder, with the conversion as a join."""
    import polars as pl

    factors = pl.scan_parquet(folder / "factors.parquet")
    fills = pl.scan_parquet(folder / "cohort" / "dispensings.parquet").filter(pl.col("ingredient") != "buprenorphine")
    words = ["ingredient", "form", "route", "strength_unit"]
    fills = (
        fills.with_columns(pl.col(words).cast(pl.String))
        .join(factors, on=words, how="left")
        .with_columns(
            mme_per_day=(
                pl.col("strength_value") * pl.col("factor") * pl.col("quantity") / pl.col("days_supply")
            ).fill_null(0.0)
        )
    )
    return _polars(folder, fills)


def _polars(folder: Path, fills: Any) -> Result:
    import polars as pl

    index = pl.scan_parquet(folder / "index.parquet").with_row_index("place")
    since = (pl.col("date") - pl.col("index_date")).dt.total_days().cast(pl.Int32)
    placed = fills.join(index, on="patient_id").select(
        pl.col("place").cast(pl.Int64), day=since, stop=since + pl.col("days_supply"), dose="mme_per_day"
    )
    lowest, highest = min(first for first, _ in WINDOWS.values()), max(last for _, last in WINDOWS.values())
    placed = placed.filter(pl.col("day") <= highest, pl.col("stop") > lowest).collect().lazy()
    patients = index.select("place").cast(pl.Int64)
    plans = [_polars_window(placed, patients, *window) for window in WINDOWS.values()]
    frames = pl.collect_all(plans, engine="streaming")
    return {
        name: with_quotients({each: frame[each].to_numpy().astype(float) for each in SUMS}, WINDOWS[name])
        for name, frame in zip(WINDOWS, frames, strict=True)
    }


def _polars_window(placed: Any, patients: Any, first: int, last: int) -> Any:
    import polars as pl

    rows = placed.filter(pl.col("day") <= last, pl.col("stop") > first).select(
        "place", "dose", start=pl.max_horizontal("day", pl.lit(first)), stop=pl.min_horizontal("stop", pl.lit(last + 1))
    )
    length = pl.col("stop") - pl.col("start")
    totals = rows.group_by("place").agg(total_mme=(pl.col("dose") * length).sum(), days_supplied=length.sum())
    key = pl.col("place") * 1024 - first
    steps = (
        pl.concat(
            [
                rows.select(key=key + pl.col("start"), dose="dose", active=pl.lit(1, pl.Int32)),
                rows.select(key=key + pl.col("stop"), dose=-pl.col("dose"), active=pl.lit(-1, pl.Int32)),
            ]
        )
        .sort("key")
        .with_columns(pl.col("dose", "active").cum_sum())
        .filter((pl.col("key") != pl.col("key").shift(-1)).fill_null(True))
        .with_columns(length=pl.col("key").shift(-1) - pl.col("key"), place=pl.col("key") // 1024)
        .filter(pl.col("active") > 0)
        .group_by("place")
        .agg(days_covered=pl.col("length").sum(), max_daily_mme=pl.col("dose").max())
    )
    joined = patients.join(totals, on="place", how="left").join(steps, on="place", how="left")
    return joined.sort("place").select(pl.col(SUMS).fill_null(0))


# --- DuckDB ---------------------------------------------------------------------------------------------------------

READY = "SELECT patient_id, date, days_supply, mme_per_day AS dose FROM '{folder}/ready.parquet'"
SCHEMA = """
SELECT patient_id, date, days_supply, coalesce(strength_value * factor * quantity / days_supply, 0) AS dose
FROM '{folder}/cohort/dispensings.parquet'
LEFT JOIN '{folder}/factors.parquet' USING (ingredient, form, route, strength_unit)
WHERE ingredient <> 'buprenorphine'
"""
EDGES = """
WITH people AS (SELECT row_number() OVER () AS place, patient_id, index_date FROM '{folder}/index.parquet'),
windows(number, low, high) AS (VALUES {windows}),
fills AS (
    SELECT place, number, greatest(date - index_date, low) AS start,
        least(date - index_date + days_supply, high + 1) AS stop, dose
    FROM ({source}) JOIN people USING (patient_id)
    JOIN windows ON date - index_date <= high AND date - index_date + days_supply > low
),
totals AS (
    SELECT place, number, sum(dose * (stop - start)) AS total_mme, sum(stop - start) AS days_supplied
    FROM fills GROUP BY ALL
),
{steps}
SELECT number, place, coalesce(total_mme, 0) AS total_mme, coalesce(days_supplied, 0) AS days_supplied,
    coalesce(days_covered, 0) AS days_covered, coalesce(max_daily_mme, 0) AS max_daily_mme
FROM people CROSS JOIN windows LEFT JOIN totals USING (place, number) LEFT JOIN steps USING (place, number)
ORDER BY number, place
"""
BY_EDGE = """
edges AS (
    SELECT place, number, day, sum(dose) AS dose, sum(active) AS active
    FROM (
        SELECT place, number, start AS day, dose, 1 AS active FROM fills
        UNION ALL SELECT place, number, stop, -dose, -1 FROM fills
    ) GROUP BY ALL
),
running AS (
    SELECT place, number, sum(dose) OVER edge AS dose, sum(active) OVER edge AS active,
        lead(day) OVER edge - day AS length
    FROM edges WINDOW edge AS (PARTITION BY place, number ORDER BY day)
),
steps AS (
    SELECT place, number, sum(length) AS days_covered, max(dose) AS max_daily_mme
    FROM running WHERE active > 0 GROUP BY ALL
)
"""
BY_DAY = """
days AS (
    SELECT place, number, day, sum(dose) AS dose
    FROM (SELECT place, number, unnest(range(start, stop)) AS day, dose FROM fills) GROUP BY ALL
),
steps AS (SELECT place, number, count(*) AS days_covered, max(dose) AS max_daily_mme FROM days GROUP BY ALL)
"""


def duckdb_edges(folder: Path) -> Result:
    """From the four ready-made columns."""
    return _duckdb(folder, READY, BY_EDGE)


def duckdb_days(folder: Path) -> Result:
    """From the four ready-made columns, every fill written out day by day."""
    return _duckdb(folder, READY, BY_DAY)


def duckdb_schema(folder: Path) -> Result:
    """From the dispensings of the cohort folder, with the conversion as a join."""
    return _duckdb(folder, SCHEMA, BY_EDGE)


def _duckdb(folder: Path, source: str, steps: str) -> Result:
    import duckdb

    windows = ", ".join(f"({number}, {first}, {last})" for number, (first, last) in enumerate(WINDOWS.values()))
    query = EDGES.format(folder=folder, source=source.format(folder=folder), windows=windows, steps=steps)
    with duckdb.connect() as connection:
        rows = connection.sql(query).fetchnumpy()
    result = {}
    for number, (name, window) in enumerate(WINDOWS.items()):
        chosen = np.asarray(rows["number"]) == number
        sums = {each: np.asarray(rows[each], dtype=float)[chosen] for each in SUMS}
        result[name] = with_quotients(sums, window)
    return result


PEERS: dict[str, Callable[[Path], Result]] = {
    "numpy day grid": numpy_grid,
    "pandas": pandas_edges,
    "polars": polars_edges,
    "polars, converting": polars_schema,
    "DuckDB": duckdb_edges,
    "DuckDB, day by day": duckdb_days,
    "DuckDB, converting": duckdb_schema,
}
