"""Dispensings to measure with: seeded, with the mix of drugs, overlaps, gaps and unknown doses that claims have.

A patient refills one drug most of the time, often a few days early or late, now and then weeks late, and takes a
second drug beside it; patients differ greatly in how many fills they have. Rows are made once per folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

WINDOWS = {"year": (-365, -91), "quarter": (-90, -1)}
"""The two windows, in days relative to the index date, both ends included."""
ROWS_PER_PATIENT = 50
ROWS_PER_FILE = 5_000_000
ROWS_PER_BATCH = 131_072
FIRST_DAY, HISTORY_DAYS = 15_000, 2_900


@dataclass(frozen=True)
class Product:
    """A product, how often it is dispensed, and the MME of one unit by the table of CDC 2022 (nan: unknown)."""

    share: float
    ingredient: str
    form: str
    route: str
    strength: float
    strength_unit: str
    quantity_unit: str | None
    units_per_day: float
    mme_per_unit: float


PRODUCTS = (
    Product(0.24, "hydrocodone", "tablet", "oral", 5.0, "mg", "unit", 4, 5.0 * 1),
    Product(0.20, "oxycodone", "tablet", "oral", 5.0, "mg", "unit", 4, 5.0 * 1.5),
    Product(0.08, "oxycodone", "tablet_er", "oral", 20.0, "mg", None, 2, 20.0 * 1.5),
    Product(0.14, "tramadol", "tablet", "oral", 50.0, "mg", "unit", 4, 50.0 * 0.2),
    Product(0.08, "morphine", "tablet_er", "oral", 30.0, "mg", "unit", 2, 30.0 * 1),
    Product(0.05, "morphine", "solution", "oral", 2.0, "mg/mL", "mL", 20, 2.0 * 1),
    Product(0.03, "codeine", "capsule", "oral", 30.0, "mg", "unit", 3, 30.0 * 0.15),
    Product(0.04, "hydromorphone", "tablet", "oral", 4.0, "mg", "unit", 3, 4.0 * 5),
    Product(0.03, "methadone", "tablet", "oral", 10.0, "mg", "unit", 2, 10.0 * 4.7),
    Product(0.01, "oxymorphone", "tablet_er", "oral", 10.0, "mg", "unit", 2, 10.0 * 3),
    Product(0.01, "tapentadol", "tablet", "oral", 50.0, "mg", "unit", 3, 50.0 * 0.4),
    # A patch is worn for three days: the MME of a patch are 2.4 per mcg/h and day, on three days.
    Product(0.05, "fentanyl", "patch", "transdermal", 25.0, "mcg/h", "patch", 1 / 3, 25.0 * 2.4 * 3),
    Product(0.02, "oxycodone", "tablet", "oral", np.nan, "mg", "unit", 4, np.nan),
    Product(0.01, "hydromorphone", "injection", "intravenous", 2.0, "mg/mL", "mL", 2, np.nan),
    Product(0.01, "buprenorphine", "film", "sublingual", 8.0, "mg", "unit", 2, np.nan),
)
BUPRENORPHINE = len(PRODUCTS) - 1


@dataclass(frozen=True, eq=False)
class Fills:
    """Dispensings as arrays, sorted by patient and day: one entry per fill; ``index_day`` has one per patient."""

    patient: npt.NDArray[np.int32]
    number: npt.NDArray[np.int32]
    day: npt.NDArray[np.int32]
    product: npt.NDArray[np.int8]
    quantity: npt.NDArray[np.float64]
    days_supply: npt.NDArray[np.int32]
    index_day: npt.NDArray[np.int32]


def make_fills(rows: int, *, seed: int) -> Fills:
    """Return exactly ``rows`` fills of a fiftieth as many patients."""
    rng = np.random.default_rng(seed)
    patients = max(rows // ROWS_PER_PATIENT, 1)
    weight = rng.gamma(1.0, size=patients)
    counts = 1 + rng.multinomial(rows - patients, weight / weight.sum())
    first = np.cumsum(counts) - counts
    patient = np.repeat(np.arange(patients, dtype=np.int32), counts)
    product = _products(rng, patient, patients)
    days = rng.choice(np.array([7, 14, 15, 28, 30, 30, 30, 90], np.int32), size=rows)
    is_patch = product == [each.form for each in PRODUCTS].index("patch")
    days[is_patch] = np.where(days[is_patch] <= 15, 15, 30)
    per_day = np.array([each.units_per_day for each in PRODUCTS])
    times = rng.choice(np.array([0.5, 1.0, 1.0, 1.5, 2.0]), size=rows)
    # A patch and a half at once would be one changed every two days instead of three.
    times[is_patch] = np.maximum(np.rint(times[is_patch] - 0.1), 1)
    quantity = np.maximum(np.rint(per_day[product] * days * times), 1)
    day = _days(rng, days, first, counts)
    last = day[first + counts - 1]
    start = rng.integers(FIRST_DAY, FIRST_DAY + 1_000, size=patients, dtype=np.int32)
    index_day = start + (last * rng.uniform(0.25, 1.0, size=patients)).astype(np.int32) + 30
    number = (np.arange(rows) - np.repeat(first, counts) + 1).astype(np.int32)
    return Fills(patient, number, day + np.repeat(start, counts), product, quantity, days, index_day)


def _products(rng: np.random.Generator, patient: npt.NDArray[np.int32], patients: int) -> npt.NDArray[np.int8]:
    """Return the products: four in five fills are of the patient's usual one."""
    shares = np.array([each.share for each in PRODUCTS])
    usual = rng.choice(len(PRODUCTS), size=patients, p=shares).astype(np.int8)
    other = rng.choice(len(PRODUCTS), size=len(patient), p=shares).astype(np.int8)
    return np.where(rng.random(len(patient)) < 0.8, usual[patient], other)


def _days(
    rng: np.random.Generator,
    days: npt.NDArray[np.int32],
    first: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
) -> npt.NDArray[np.int32]:
    """Return each fill's day after the patient's first: refills around the end of supply, some at once, some late."""
    kind = rng.random(len(days))
    step = days + rng.integers(-5, 6, size=len(days), dtype=np.int32)
    step = np.where(kind < 0.2, rng.integers(0, 4, size=len(days), dtype=np.int32), step)
    step = np.where(kind > 0.9, step + rng.exponential(60.0, size=len(days)).astype(np.int32), step)
    step[first + counts - 1] = 0  # The step after a patient's last fill leads nowhere.
    after = np.cumsum(step) - step
    day = after - np.repeat(after[first], counts)
    # Who fills most often takes several drugs at once rather than one for forty years.
    span = np.repeat(day[first + counts - 1], counts)
    return np.where(span > HISTORY_DAYS, day * (HISTORY_DAYS / np.maximum(span, 1)), day).astype(np.int32)


def patient_ids(patients: int) -> pa.Array:
    """Return the ids, which are text and sort as their numbers do."""
    digits = pc.utf8_lpad(pa.array(np.arange(patients)).cast(pa.string()), width=9, padding="0")
    return pc.binary_join_element_wise("patient-", digits, "")


def mme_per_day(fills: Fills) -> npt.NDArray[np.float64]:
    """Return the MME a fill gives on each of its days, 0 where the dose is unknown."""
    per_unit = np.nan_to_num([each.mme_per_unit for each in PRODUCTS])
    return np.asarray(per_unit[fills.product] * fills.quantity / fills.days_supply)


def as_dispensings(fills: Fills, rows: npt.NDArray[np.int64], ids: pa.Array) -> pa.Table:
    """Return fills as rows of the table dispensings."""
    product = pa.array(fills.product[rows])
    columns = {
        "patient_id": ids.take(pa.array(fills.patient[rows])),
        "dispensing_id": pa.array(fills.number[rows]),
        "date": pa.array(fills.day[rows]).cast(pa.date32()),
    }
    for name in ("ingredient", "form", "route", "strength_unit", "quantity_unit"):
        columns[name] = pa.array([getattr(each, name) for each in PRODUCTS], pa.string()).take(product)
    strengths = pa.array([each.strength for each in PRODUCTS], from_pandas=True)
    columns["strength_value"] = strengths.take(product)
    columns["quantity"] = pa.array(fills.quantity[rows])
    columns["days_supply"] = pa.array(fills.days_supply[rows])
    return pa.table(columns)


def as_ready(fills: Fills, rows: npt.NDArray[np.int64], ids: pa.Array) -> pa.Table:
    """Return fills as the four columns a peer starts from: its dose is already converted and multiplied out."""
    return pa.table(
        {
            "patient_id": ids.take(pa.array(fills.patient[rows])),
            "date": pa.array(fills.day[rows]).cast(pa.date32()),
            "days_supply": pa.array(fills.days_supply[rows]),
            "mme_per_day": pa.array(mme_per_day(fills)[rows]),
        }
    )


def factors() -> pa.Table:
    """Return the MME of one unit per unit of strength, for peers that convert the dispensings themselves."""
    rows = {}
    for each in PRODUCTS:
        if np.isfinite(each.mme_per_unit):
            rows[each.ingredient, each.form, each.route, each.strength_unit] = each.mme_per_unit / each.strength
    columns = dict(zip(("ingredient", "form", "route", "strength_unit"), zip(*rows, strict=True), strict=True))
    return pa.table({name: list(values) for name, values in columns.items()} | {"factor": list(rows.values())})


def make_data(folder: Path, *, rows: int, seed: int) -> None:
    """Make everything the contenders read, unless the folder holds it already.

    ``unsorted/`` has the rows in random order, ``ready.parquet`` the peers' four columns sorted by patient and day,
    ``index.parquet`` one index date per patient, and ``patients.parquet`` the patients.
    """
    if (folder / "made").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "unsorted").mkdir(parents=True)
    fills = make_fills(rows, seed=seed)
    ids = patient_ids(len(fills.index_day))
    index = pa.table({"patient_id": ids, "index_date": pa.array(fills.index_day).cast(pa.date32())})
    pq.write_table(index, folder / "index.parquet")
    born = np.random.default_rng(seed + 1).integers(1930, 1990, size=len(ids), dtype=np.int32)
    pq.write_table(pa.table({"patient_id": ids, "birth_year": born}), folder / "patients.parquet")
    pq.write_table(factors(), folder / "factors.parquet")
    # Peers are spared the drugs that this definition leaves out.
    converted = np.flatnonzero(fills.product != BUPRENORPHINE)
    with pq.ParquetWriter(folder / "ready.parquet", as_ready(fills, converted[:0], ids).schema) as writer:
        for part in _parts(converted, ROWS_PER_BATCH):
            writer.write_table(as_ready(fills, part, ids))
    order = np.random.default_rng(seed + 2).permutation(rows)
    for number, part in enumerate(_parts(order, ROWS_PER_FILE)):
        file = folder / "unsorted" / f"dispensings-{number:03d}.parquet"
        pq.write_table(as_dispensings(fills, part, ids), file, row_group_size=ROWS_PER_BATCH)
    (folder / "made").touch()


def _parts(rows: npt.NDArray[np.int64], size: int) -> Iterator[npt.NDArray[np.int64]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
