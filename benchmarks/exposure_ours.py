"""What is measured of this library: exposure from a cohort folder and from a frame, episodes, sorting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from exposure_data import WINDOWS
from exposure_peers import SUMS, Result
from measuring import Measured, median_of, timed

import fbss_analytics as fbss

QUOTIENTS = ("mme_per_day_supplied", "mme_per_day_covered", "mme_per_day_in_window")
GAP_DAYS = 30
DOSE = fbss.DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")


def index_dates(folder: Path) -> pd.DataFrame:
    """Return the index dates as the verb takes them."""
    frame: pd.DataFrame = pq.read_table(folder / "index.parquet").to_pandas(date_as_object=False)
    return frame


def unsorted_frame(folder: Path) -> pd.DataFrame:
    """Return the unsorted dispensings as a frame: dates as dates, words as categories."""
    words = ["ingredient", "form", "route", "strength_unit", "quantity_unit"]
    files = sorted((folder / "unsorted").iterdir())
    table = pq.ParquetDataset(files, read_dictionary=words).read()
    frame: pd.DataFrame = table.unify_dictionaries().to_pandas(date_as_object=False)
    return frame


def from_folder(folder: Path) -> tuple[Result, Measured]:
    """Return the exposure from the cohort folder, and the time it took, the index dates read."""
    frame, measured = timed(lambda: fbss.opioid_exposure(folder / "cohort", index_dates(folder), DOSE, days=WINDOWS))
    return as_result(frame), measured


def from_frame(folder: Path) -> tuple[Result, Measured]:
    """Return the exposure from an unsorted frame, and the time it took once the frame was there."""
    dispensings, index = unsorted_frame(folder), index_dates(folder)
    frame, measured = timed(lambda: fbss.opioid_exposure(dispensings, index, DOSE, days=WINDOWS))
    return as_result(frame), measured


def as_result(frame: pd.DataFrame) -> Result:
    """Return the columns compared, by window."""
    return {
        window: {name: frame.loc[frame["window"] == window, name].to_numpy(float) for name in (*SUMS, *QUOTIENTS)}
        for window in WINDOWS
    }


def a_thousand(folder: Path) -> tuple[Result, Measured]:
    """Return the exposure from a thousand dispensings in a frame, and the median time of a call once warm."""
    frame = (
        pq.ParquetFile(folder / "cohort" / "dispensings.parquet")
        .read_row_group(0)
        .slice(0, 1_000)
        .to_pandas(date_as_object=False)
    )
    index = index_dates(folder)
    index = index[index["patient_id"].isin(frame["patient_id"])]
    calls = [timed(lambda: fbss.opioid_exposure(frame, index, DOSE, days=WINDOWS)) for _ in range(21)]
    return as_result(calls[0][0]), median_of([measured for _, measured in calls[1:]])


def episodes(folder: Path) -> tuple[Result, Measured]:
    """Return treatment episodes (counts only), and the time they took from the cohort folder."""
    frame, measured = timed(lambda: fbss.treatment_episodes(folder / "cohort", DOSE, gap_days=GAP_DAYS))
    return {"episodes": {"days_covered": np.asarray(frame["days_covered"], dtype=float)}}, measured


def sorting(folder: Path) -> tuple[Result, Measured]:
    """Return nothing, and the time it took to write a sorted cohort folder from the unsorted rows."""
    files = {
        "patients": folder / "patients.parquet",
        "dispensings": sorted((folder / "unsorted").iterdir()),
    }
    _, measured = timed(lambda: fbss.write_sorted_folder(files, folder / "cohort", name="benchmark"))
    return {}, measured


OURS: dict[str, Callable[[Path], tuple[Result, Measured]]] = {
    "fbss_analytics, cohort folder": from_folder,
    "fbss_analytics, unsorted frame": from_frame,
    "1,000 dispensings, warm": a_thousand,
    "treatment episodes": episodes,
    "sorted folder from unsorted rows": sorting,
}
