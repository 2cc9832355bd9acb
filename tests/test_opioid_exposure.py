"""`opioid_exposure` against a slow day-by-day calculation, from every kind of input, and what it refuses and counts.

Doses agree with the day-by-day sums to 1e-9 relative: the library counts doses in steps of 2**-33 MME (1.2e-10), the
other adds floats; counts of days and fills agree exactly.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from day_by_day import Fill, Rules, exposure

from fbss_analytics.errors import DataError, InputError, StudyWarning
from fbss_analytics.exposure.columns import as_category, with_categories
from fbss_analytics.exposure.definition import DoseDefinition
from fbss_analytics.exposure.exposure import opioid_exposure
from fbss_analytics.exposure.exposure_folder import write_opioid_exposure
from fbss_analytics.sources.checking import RawTable, check_tables
from fbss_analytics.sources.source import Source, in_memory

Refused = Callable[..., None]
DAY_0 = pd.Timestamp("2015-07-01")
DOSE = DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude")
WINDOWS = {"before": (-90, -1), "long": (-365, 30), "one": (0, 0)}
# Ingredient, form, route, strength, unit, and what a unit gives: MME by the tables of CDC, None where unknown.
PRODUCTS = (
    ("oxycodone", "tablet", "oral", 10.0, "mg", 15.0),
    ("oxycodone", "tablet_er", "oral", 20.0, "mg", 30.0),
    ("morphine", "tablet", "oral", 15.0, "mg", 15.0),
    ("hydrocodone", "tablet", "oral", 5.0, "mg", 5.0),
    ("methadone", "tablet", "oral", 10.0, "mg", 47.0),
    ("morphine", "injection", "intravenous", 10.0, "mg", None),
    ("oxycodone", "tablet", "oral", np.nan, "mg", None),
)


@dataclass(frozen=True)
class History:
    """One patient: fills as rows, spans observed, stays."""

    rows: tuple[dict[str, Any], ...]
    spans: tuple[tuple[int, int], ...]
    stays: tuple[tuple[int, int], ...]

    def fills(self, definition: DoseDefinition) -> list[Fill]:
        """Return the fills as the slow calculation takes them."""
        made = []
        for row in self.rows:
            name = row["ingredient"] + (f" {row['form']}" if definition.overlap_within == "ingredient_and_form" else "")
            per_unit = PRODUCTS[row["product"]][5]
            units = row["quantity"] / row["days_supply"]
            banded = definition.factors == "cdc_2016" and row["ingredient"] == "methadone"
            mg = row["strength_value"] * units if banded else 0.0
            mme = None if per_unit is None else 0.0 if banded else per_unit * units
            made.append(Fill(row["day"], row["days_supply"], name, mme, mg))
        return made


def histories(seed: int, n: int) -> list[History]:
    """Return random histories: none, few and many fills, with same-day fills, long overlaps, gaps, spans and stays."""
    chance = random.Random(seed)
    made = []
    for _ in range(n):
        rows = []
        for _ in range(chance.choice((0, 1, 2, 5, 12))):
            product = chance.randrange(len(PRODUCTS))
            name, form, route, strength, unit, _ = PRODUCTS[product]
            days = chance.choice((1, 3, 7, 14, 30, 30, 90))
            rows.append({
                "ingredient": name, "form": form, "route": route, "strength_value": strength, "strength_unit": unit,
                "quantity": float(chance.choice((1, 2, 3, 4, 5)) * days + chance.choice((0, 0, 1))),
                "quantity_unit": chance.choice(("unit", None)), "days_supply": days, "product": product,
                "day": chance.choice((-90, -30, 0, chance.randint(-400, 40), chance.randint(-120, 20))),
            })  # fmt: skip
        made.append(History(tuple(rows), _spans(chance), _spans(chance, (0, 0, 1, 2), 20)))
    return made


def _spans(chance: random.Random, sizes: tuple[int, ...] = (0, 1, 1, 2, 3), longest: int = 400) -> tuple[Any, ...]:
    starts = [chance.randint(-400, 20) for _ in range(chance.choice(sizes))]
    return tuple((start, start + chance.randint(0, longest)) for start in starts)


def frame_of(people: list[History]) -> pd.DataFrame:
    """Return the dispensings of histories as the schema's columns."""
    rows = [{"patient_id": f"p{i:05d}"} | row for i, each in enumerate(people) for row in each.rows]
    frame = pd.DataFrame(rows)
    frame["date"] = DAY_0 + pd.to_timedelta(frame["day"], unit="D")
    frame["dispensing_id"] = frame.groupby("patient_id").cumcount() + 1
    return frame.drop(columns=["day", "product"])


def index_of(people: list[History]) -> pd.DataFrame:
    return pd.DataFrame({"patient_id": [f"p{i:05d}" for i in range(len(people))], "index_date": DAY_0})


def spans_of(people: list[History], what: str, names: tuple[str, str]) -> pd.DataFrame:
    rows = [(f"p{i:05d}", *span) for i, each in enumerate(people) for span in getattr(each, what)]
    frame = pd.DataFrame(rows, columns=["patient_id", *names])
    for name in names:
        frame[name] = DAY_0 + pd.to_timedelta(frame[name], unit="D")
    return frame


def source_of(frame: pd.DataFrame, index: pd.DataFrame) -> Source:
    """Return a source that holds dispensings and patients."""
    rows = frame.assign(date=frame["date"].dt.date)
    raw = {
        "patients": RawTable(pa.table({"patient_id": index["patient_id"].drop_duplicates()}), "patients.csv"),
        "dispensings": RawTable(pa.Table.from_pandas(rows, preserve_index=False), "dispensings.csv"),
    }
    return in_memory("made for a test", check_tables(raw).tables)


DEFINITIONS = [
    {},
    {"factors": "cdc_2016"},
    {"straddle": "whole_fill"},
    {"straddle": "whole_fill", "factors": "cdc_2016", "stays": "assume_supplied"},
    {"overlap": "carry_forward", "overlap_within": "ingredient"},
    {"overlap": "carry_forward", "overlap_within": "ingredient_and_form", "factors": "cdc_2016"},
    {"overlap": "carry_forward", "overlap_within": "ingredient", "carry_at_most_days": 5},
    {"overlap": "carry_forward", "overlap_within": "ingredient", "carry_at_most_days": 20, "straddle": "whole_fill"},
    {"overlap": "truncate", "overlap_within": "ingredient", "stays": "exclude"},
    {"overlap": "truncate", "overlap_within": "ingredient_and_form"},
    {"stays": "exclude"},
    {"stays": "exclude", "straddle": "whole_fill"},
    {"stays": "assume_supplied"},
]


@pytest.mark.parametrize("choices", DEFINITIONS, ids=lambda each: "-".join(map(str, each.values())) or "plain")
@pytest.mark.parametrize("is_observed", [True, False])
def test_it_agrees_with_a_calculation_day_by_day(choices: dict[str, Any], is_observed: bool) -> None:
    # 26 cases of 80 histories and 3 windows: 2,080 histories.
    people = histories(seed=len(str(choices)) * 2 + is_observed, n=80)
    definition = DoseDefinition(
        **({"factors": "cdc_2022", "overlap": "concurrent", "buprenorphine": "exclude"} | choices)
    )
    rules = Rules(definition.overlap, definition.carry_at_most_days, definition.straddle, definition.stays)
    found = opioid_exposure(
        frame_of(people).sample(frac=1, random_state=1), index_of(people), definition, days=WINDOWS,
        observation=spans_of(people, "spans", ("start_date", "end_date")) if is_observed else None,
        stays=spans_of(people, "stays", ("admit_date", "discharge_date")),
    )  # fmt: skip
    expected = [
        exposure(
            each.fills(definition), window=window, rules=rules,
            observed={day for a, b in each.spans for day in range(a, b + 1)} if is_observed else None,
            in_hospital=frozenset(day for a, b in each.stays for day in range(a, b + 1)),
        )
        for each in people for window in WINDOWS.values()
    ]  # fmt: skip
    assert found["window"].tolist() == list(WINDOWS) * len(people)
    for name in found.columns.drop(["window", "patient_id"]):
        wanted = np.array([row[name] for row in expected], dtype=float)
        tolerance = 1e-9 if "mme" in name else 0
        np.testing.assert_allclose(found[name], wanted, rtol=tolerance, atol=tolerance, err_msg=name)


# Every kind of input, every cut into runs and every number of threads gives the same bits.


@pytest.fixture(scope="module")
def people() -> list[History]:
    return histories(seed=99, n=150)


@pytest.fixture(scope="module")
def expected(people: list[History]) -> pd.DataFrame:
    return opioid_exposure(frame_of(people), index_of(people), DOSE, days=WINDOWS)


@pytest.fixture(scope="module")
def folder(people: list[History], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return source_of(frame_of(people), index_of(people)).to_folder(tmp_path_factory.mktemp("made") / "cohort")


def cut(folder: Path, target: Path, groups: list[tuple[int, int]]) -> Path:
    """Write the dispensings of a cohort folder again, cut into other row groups."""
    table = pq.read_table(folder / "dispensings.parquet")
    target.mkdir()
    with pq.ParquetWriter(target / "dispensings.parquet", table.schema) as writer:
        for start, stop in groups:
            writer.write_table(table.slice(start, stop - start))
    return target


@pytest.mark.parametrize("kind", ["text", "categories", "table", "source", "folder", "shuffled"])
def test_every_input_gives_the_same(people: list[History], expected: pd.DataFrame, folder: Path, kind: str) -> None:
    frame = frame_of(people)
    given: Any = {
        "text": frame.astype({"patient_id": "string", "form": "string"}),
        "categories": frame.astype(dict.fromkeys(("patient_id", "ingredient", "route", "quantity_unit"), "category")),
        "table": pa.Table.from_pandas(frame, preserve_index=False),
        "source": source_of(frame, index_of(people)),
        "folder": str(folder),
        "shuffled": frame.sample(frac=1, random_state=3),
    }[kind]
    pd.testing.assert_frame_equal(opioid_exposure(given, index_of(people), DOSE, days=WINDOWS), expected)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rows_per_run", [1, 40, 10_000])
def test_neither_runs_nor_threads_matter(
    people: list[History], expected: pd.DataFrame, folder: Path, tmp_path: Path, threads: int, rows_per_run: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("fbss_analytics.engine.file_runs.__kwdefaults__", {"words": (), "rows_per_run": rows_per_run})
    ids = pq.read_table(folder / "dispensings.parquet")["patient_id"].to_pylist()
    starts = [i for i in range(len(ids)) if i == 0 or ids[i] != ids[i - 1]]
    other = cut(folder, tmp_path / "cut", list(zip(starts, [*starts[1:], len(ids)], strict=True)))
    found = opioid_exposure(other, index_of(people), DOSE, days=WINDOWS, threads=threads)
    pd.testing.assert_frame_equal(found, expected)


def test_row_groups_that_share_a_patient_are_taken_together(
    people: list[History], expected: pd.DataFrame, folder: Path, tmp_path: Path
) -> None:
    rows = pq.read_metadata(folder / "dispensings.parquet").num_rows
    groups = [(i, min(i + 7, rows)) for i in range(0, rows, 7)]
    found = opioid_exposure(cut(folder, tmp_path / "cut", groups), index_of(people), DOSE, days=WINDOWS)
    pd.testing.assert_frame_equal(found, expected)


def test_rows_follow_the_index_dates_and_a_patient_may_have_several(
    people: list[History], expected: pd.DataFrame, folder: Path
) -> None:
    index = index_of(people)
    again = pd.concat([index, index.assign(index_date=DAY_0 - pd.Timedelta(days=60))]).sample(frac=1, random_state=5)
    frame = frame_of(people)
    for given in (frame, folder):
        found = opioid_exposure(given, again, DOSE, days=(-90, -1))
        assert found["patient_id"].tolist() == again["patient_id"].tolist()
        assert "window" not in found
        at_day_0 = (again["index_date"] == DAY_0).to_numpy()
        first = found[at_day_0].set_index("patient_id").sort_index()
        same = expected[expected["window"] == "before"].set_index("patient_id").drop(columns="window")
        pd.testing.assert_frame_equal(first, same)
        earlier = opioid_exposure(given, again[~at_day_0], DOSE, days=(-90, -1))
        pd.testing.assert_frame_equal(found[~at_day_0].reset_index(drop=True), earlier)


def test_others_are_ignored_and_counted_and_the_unseen_have_a_row(people: list[History], folder: Path) -> None:
    index = index_of(people).iloc[::2]
    frame = frame_of(people)
    others = int((~frame["patient_id"].isin(index["patient_id"])).sum())
    assert others > 0
    stranger = pd.DataFrame({"patient_id": ["zz"], "index_date": [DAY_0]})
    for given in (frame, folder):
        found = opioid_exposure(given, pd.concat([index, stranger]), DOSE, days=(-90, -1))
        assert found.attrs["n_ignored"] == others
        last = found.iloc[-1]
        assert (last["total_mme"], last["mme_per_day_in_window"], last["max_daily_mme"]) == (0, 0, 0)
        assert (last["max_daily_mme_heal"], last["days_in_window"], last["n_dispensings"]) == (0, 90, 0)
        assert np.isnan(last["mme_per_day_supplied"])
        assert np.isnan(last["mme_per_day_covered"])


def one(**changes: Any) -> pd.DataFrame:
    """Return one fill of a patient: morphine 10 mg, one a day for 30 days from day -30."""
    row = {
        "patient_id": "id-4711", "dispensing_id": 1, "date": DAY_0 - pd.Timedelta(days=30), "ingredient": "morphine",
        "form": "tablet", "route": "oral", "strength_value": 10.0, "strength_unit": "mg", "quantity": 30.0,
        "quantity_unit": "unit", "days_supply": 30,
    }  # fmt: skip
    return pd.DataFrame([row | changes])


ONE = pd.DataFrame({"patient_id": ["id-4711"], "index_date": [DAY_0]})


def test_dasguptas_scenario_from_dates() -> None:
    # Oxycodone ER 30 mg twice a day for 30 days and oxycodone 5 mg twice a day for 7, nothing else in 90 days: the sums
    # are 60 x 30 x 1.5 + 14 x 5 x 1.5 = 2,805 MME over 37, 30 and 90 days (doi 10.1097/AJP.0000000000000948).
    fills = pd.concat([
        one(date=DAY_0, ingredient="oxycodone", form="tablet_er", strength_value=30.0, quantity=60.0),
        one(date=DAY_0, ingredient="oxycodone", strength_value=5.0, quantity=14.0, days_supply=7),
    ])  # fmt: skip
    row = opioid_exposure(fills, ONE, DOSE, days=(0, 89)).iloc[0]
    assert row["total_mme"] == 2805
    assert row["mme_per_day_supplied"] == pytest.approx(2805 / 37, rel=1e-12)
    assert row["mme_per_day_covered"] == 93.5
    assert row["mme_per_day_in_window"] == pytest.approx(2805 / 90, rel=1e-12)
    assert row["max_daily_mme"] == row["max_daily_mme_heal"] == 105


def test_a_straddling_fill_is_prorated_or_counted_whole() -> None:
    fill = one(date=DAY_0 - pd.Timedelta(days=20))
    prorated = opioid_exposure(fill, ONE, DOSE, days=(0, 89)).iloc[0]
    assert prorated[["total_mme", "days_supplied", "days_covered", "days_in_window"]].tolist() == [100, 10, 10, 90]
    whole = DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude", straddle="whole_fill")
    counted = opioid_exposure(fill, ONE, whole, days=(0, 89)).iloc[0]
    assert counted[["total_mme", "days_supplied", "days_covered", "days_in_window"]].tolist() == [300, 30, 30, 90]


def test_two_methadone_fills_share_a_band() -> None:
    # 15 + 15 = 30 mg a day, converted as a whole by the band (20, 40]: 240 MME, not 2 x 15 x 4 = 120.
    banded = DoseDefinition(factors="cdc_2016", overlap="concurrent", buprenorphine="exclude")
    fills = pd.concat([one(ingredient="methadone", quantity=45.0)] * 2)
    assert opioid_exposure(fills, ONE, banded, days=(-30, -1))["max_daily_mme"].iloc[0] == 240


def test_repeats_count_once_when_asked(tmp_path: Path) -> None:
    fills = pd.concat([one(), one(dispensing_id=2), one(dispensing_id=3, quantity=60.0)])
    drop = DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude", repeats="drop")
    source = source_of(fills, ONE)
    for given in (fills, source, source.to_folder(tmp_path / "cohort")):
        assert opioid_exposure(given, ONE, DOSE, days=(-30, -1))["total_mme"].tolist() == [1200]
        assert opioid_exposure(given, ONE, drop, days=(-30, -1))["total_mme"].tolist() == [900]


def test_repeats_that_are_dropped_are_counted_alike(tmp_path: Path) -> None:
    frame = pd.concat([one(), one(dispensing_id=2), one(dispensing_id=3, patient_id="id-4712")] * 2)
    frame["dispensing_id"] = range(1, 7)
    dropped = replace(DOSE, repeats="drop")
    source = source_of(frame, ONE.iloc[[0, 0]].assign(patient_id=["id-4711", "id-4712"]))
    for given in (frame, source, source.to_folder(tmp_path / "cohort")):
        found = opioid_exposure(given, ONE, dropped, days=(-90, -1))
        # Six rows are two fills, one of them of a patient who is not asked for.
        assert found["n_dispensings"].tolist() == [1]
        assert (found.attrs["n_repeats"], found.attrs["n_ignored"]) == (4, 1)
        assert opioid_exposure(given, ONE, DOSE, days=(-90, -1)).attrs["n_repeats"] == 0


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "UTC"])
def test_a_time_with_a_zone_is_of_the_day_it_was_there(zone: str) -> None:
    # Midnight in Berlin is the day before in UTC, an evening in New York the day after.
    at = [day.tz_localize(zone) for day in (DAY_0 - pd.Timedelta(days=30), DAY_0 - pd.Timedelta(hours=1))]
    expected = opioid_exposure(one(), ONE, DOSE, days=(-31, -2)).assign(patient_id="id-4711")
    index = ONE.assign(index_date=at[1] + pd.Timedelta(days=1))
    text = pd.concat([one(date=at[0].isoformat()), one(date="2014-01-01T08:00:00-09:30", dispensing_id=2)])
    for fills in (one(date=at[0]), text):
        for dates in (index, pa.Table.from_pandas(index, preserve_index=False)):
            pd.testing.assert_frame_equal(opioid_exposure(fills, dates, DOSE, days=(-31, -2)), expected)


def test_numbers_are_neither_dates_nor_words() -> None:
    for change in ({"date": 2015}, {"date": 42_156.0}):
        with pytest.warns(StudyWarning, match="no date"):
            assert opioid_exposure(one(**change), ONE, DOSE, days=(-400, -1))["n_dispensings"].tolist() == [0]
    # A source's own number for a form is no place in our list of forms.
    assert opioid_exposure(one(form=3), ONE, DOSE, days=(-30, -1))["n_unknown"].tolist() == [1]


def test_rows_set_aside_are_counted_and_said() -> None:
    fills = pd.concat([one(), one(days_supply=0), one(quantity=-1.0)])
    with pytest.warns(StudyWarning, match="2 of 3 dispensings are set aside"):
        found = opioid_exposure(fills, ONE, DOSE, days=(-30, -1))
    assert found["total_mme"].tolist() == [300]


def test_index_dates_of_any_kind(people: list[History], expected: pd.DataFrame) -> None:
    frame, index = frame_of(people), index_of(people)
    kinds: list[Any] = [
        pa.Table.from_pandas(index, preserve_index=False),
        index.assign(index_date=index["index_date"].dt.date),
        index.assign(index_date=index["index_date"] + pd.Timedelta(hours=13)),
        index.astype({"patient_id": "category", "index_date": "category"}),
    ]
    for each in kinds:
        pd.testing.assert_frame_equal(
            opioid_exposure(frame, each, DOSE, days=WINDOWS), expected, check_dtype=False, check_categorical=False
        )
    for none in (index.iloc[:0], pd.DataFrame({"patient_id": [], "index_date": []})):
        nobody = opioid_exposure(frame, none, DOSE, days=(-90, -1))
        assert len(nobody) == 0
        assert nobody.attrs["n_ignored"] == len(frame)


def test_columns_of_objects_become_categories() -> None:
    words = pd.Series(
        ["".join(["a", "b"]), "".join(["a", "b"]), None, "c", np.nan, "c"], dtype=object, index=range(3, 9)
    )
    assert words.iloc[0] is not words.iloc[1]
    found = as_category(words)
    assert found.cat.categories.tolist() == ["ab", "c"]
    assert found.cat.codes.tolist() == [0, 0, -1, 1, -1, 1]
    assert found.index.tolist() == words.index.tolist()
    assert len(as_category(words.iloc[:0])) == 0
    frame = pd.DataFrame({"x": words, "y": 1, "z": words.to_numpy()})
    assert with_categories(frame, ("x", "y", "w")).dtypes.astype(str).tolist() == ["category", "int64", "object"]
    assert with_categories(frame, ("y",)) is frame


def test_ids_that_never_meet_are_said(folder: Path) -> None:
    index = ONE.assign(patient_id=["p 1"])
    for given in (one(), folder):
        with pytest.warns(StudyWarning, match="compare how patient_id is written"):
            assert opioid_exposure(given, index, DOSE, days=(-90, -1))["total_mme"].tolist() == [0]


def test_observation_by_domain_and_none_at_all() -> None:
    spans = pd.DataFrame({
        "patient_id": "id-4711", "domain": ["pharmacy", "medical"], "start_date": DAY_0 - pd.Timedelta(days=10),
        "end_date": [DAY_0, DAY_0 + pd.Timedelta(days=900)],
    })  # fmt: skip
    row = opioid_exposure(one(), ONE, DOSE, days=(-30, 60), observation=spans).iloc[0]
    assert (row["days_in_window"], row["total_mme"]) == (11, 100)
    with pytest.warns(StudyWarning, match="look for the domain pharmacy"):
        row = opioid_exposure(one(), ONE, DOSE, days=(-30, 60), observation=spans.iloc[1:]).iloc[0]
    assert row["days_in_window"] == 0
    assert row.drop(["patient_id", "days_in_window"]).isna().all()


def test_it_refuses(refused: Refused, tmp_path: Path) -> None:
    away = DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude", stays="exclude")
    spans = pd.DataFrame({"patient_id": ["id-4711"], "start_date": [DAY_0], "end_date": [DAY_0 - pd.Timedelta(days=1)]})
    window = (-30, -1)
    mixed = pd.concat([one(), one(patient_id=4711)])
    twice, listed = pd.concat([one(), one()[["route"]]], axis=1), one().assign(form=[["tablet"]])
    noted, dropped = one().assign(note=[["a"]]), replace(DOSE, repeats="drop")
    mixed_index = pd.concat([ONE, ONE.assign(patient_id=4711)])
    cases: list[tuple[type[Exception], Callable[[], Any], tuple[str, ...]]] = [
        (InputError, lambda: opioid_exposure(one(), ONE, DOSE, days=(-1, -30)), ("did you mean (-30, -1)",)),
        (InputError, lambda: opioid_exposure(one(), ONE, DOSE, days={"b": (3, 1)}), ("days['b']",)),
        (InputError, lambda: opioid_exposure(one(), ONE, DOSE, days={}), ("names no window",)),
        (InputError, lambda: opioid_exposure(one(), ONE, "cdc_2022", days=window), ("DoseDefinition",)),  # type: ignore[arg-type]
        (InputError, lambda: opioid_exposure(one(), ONE, DOSE, days=(-(10**9), 0)), ("further than any history",)),
        (InputError, lambda: opioid_exposure([1], ONE, DOSE, days=window), ("dispensings is of type list",)),  # type: ignore[arg-type]
        (InputError, lambda: write_opioid_exposure(tmp_path, ONE, DOSE, 3, days=window), ("folder is of type int",)),  # type: ignore[arg-type]
        (InputError, lambda: opioid_exposure(one(), ONE, DOSE, days=window, observation=[1]), ("observation is no",)),  # type: ignore[arg-type]
        (DataError, lambda: opioid_exposure(twice, ONE, DOSE, days=window), ("several columns of the name route",)),
        (DataError, lambda: opioid_exposure(listed, ONE, DOSE, days=window), ("values of form are lists",)),
        (DataError, lambda: opioid_exposure(noted, ONE, dropped, days=window), ("repeats are told are lists",)),
        (InputError, lambda: opioid_exposure(one(), ONE, away, days=window), ("no stays are given", "admit_date")),
        (InputError, lambda: opioid_exposure(one(), [1], DOSE, days=window), ("index_dates is no table",)),
        (DataError, lambda: opioid_exposure(mixed, ONE, DOSE, days=window), ("dispensings", "of several types")),
        (
            DataError,
            lambda: opioid_exposure(one(), mixed_index, DOSE, days=window),
            ("index_dates", "of several types"),
        ),
        (InputError, lambda: opioid_exposure(tmp_path, ONE, DOSE, days=window), ("holds no dispensings.parquet",)),
        (InputError, lambda: opioid_exposure(source_of(one(), ONE), ONE, DOSE, days=window, threads=0), ("1 or more",)),
        (DataError, lambda: opioid_exposure(one(), ONE.assign(index_date=pd.NaT), DOSE, days=window), ("in 1 row",)),
        (DataError, lambda: opioid_exposure(one(), ONE.assign(index_date=3), DOSE, days=window), ("expected dates",)),
        (DataError, lambda: opioid_exposure(one(), ONE[["patient_id"]], DOSE, days=window), ("no column index_date",)),
        (DataError, lambda: opioid_exposure(one(), ONE, DOSE, days=window, observation=spans), ("before the start",)),
    ]
    for error, call, words in cases:
        refused(error, call, *words)


def test_a_folder_that_is_not_as_it_was_written_is_refused(folder: Path, tmp_path: Path, refused: Refused) -> None:
    table = pq.read_table(folder / "dispensings.parquet")
    index = index_of(histories(seed=99, n=150))

    def write(rows: pa.Table, **options: Any) -> Path:
        pq.write_table(rows, tmp_path / "dispensings.parquet", **options)
        return tmp_path

    backwards = table.take(pa.array(range(len(table) - 1, -1, -1)))
    write(backwards, row_group_size=100)
    monkey = pytest.MonkeyPatch()
    monkey.setattr("fbss_analytics.engine.file_runs.__kwdefaults__", {"words": (), "rows_per_run": 100})
    with monkey.context():
        refused(DataError, lambda: opioid_exposure(tmp_path, index, DOSE, days=(-1, 1)), "not sorted by patient_id")
    monkey.undo()
    place = table.column_names.index("days_supply")
    write(table.set_column(place, "days_supply", pa.array([0] * len(table), pa.int32())))
    refused(DataError, lambda: opioid_exposure(tmp_path, index, DOSE, days=(-1, 1)), "days_supply outside 1 to 365")
    write(table.drop_columns(["route"]))
    refused(DataError, lambda: opioid_exposure(tmp_path, index, DOSE, days=(-1, 1)), "has no column route")
    (tmp_path / "dispensings.parquet").write_bytes(b"PAR1")
    refused(DataError, lambda: opioid_exposure(tmp_path, index, DOSE, days=(-1, 1)), "cannot be read as Parquet")


# Written to a folder.


@pytest.fixture
def in_small_runs(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cohort folder as one row group, and one run, for each patient."""
    monkeypatch.setattr("fbss_analytics.engine.file_runs.__kwdefaults__", {"words": (), "rows_per_run": 1})
    ids = pq.read_table(folder / "dispensings.parquet")["patient_id"].to_pylist()
    starts = [i for i in range(len(ids)) if i == 0 or ids[i] != ids[i - 1]]
    return cut(folder, tmp_path / "cut", list(zip(starts, [*starts[1:], len(ids)], strict=True)))


def in_order(folder: Path, expected: pd.DataFrame) -> pd.DataFrame:
    """Return what was written in the order and with the columns of `opioid_exposure`."""
    frame = pd.read_parquet(folder).sort_values("patient_id", kind="stable", ignore_index=True)
    assert (frame.pop("index_date") == DAY_0).all()
    return frame[list(expected.columns)]


def test_what_is_written_is_what_is_returned(
    people: list[History], expected: pd.DataFrame, in_small_runs: Path, tmp_path: Path
) -> None:
    made = write_opioid_exposure(in_small_runs, index_of(people), DOSE, tmp_path / "out", days=WINDOWS)
    pd.testing.assert_frame_equal(in_order(made, expected), expected, check_dtype=False)
    assert (made / ".gitignore").read_text() == "*\n"


def test_a_stopped_run_goes_on(
    people: list[History], expected: pd.DataFrame, in_small_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fbss_analytics.exposure import exposure_folder

    target, index, real, written = tmp_path / "out", index_of(people), exposure_folder._write, []

    def stop_after_five(table: pa.Table, file: Path) -> None:
        if len(written) == 5:
            file.with_suffix(".draft").write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(file)
        real(table, file)

    monkeypatch.setattr(exposure_folder, "_write", stop_after_five)
    with pytest.raises(KeyboardInterrupt):
        write_opioid_exposure(in_small_runs, index, DOSE, target, days=WINDOWS, threads=2)
    kept = {file.name: file.stat().st_mtime_ns for file in target.glob("*.parquet")}
    assert len(kept) == 5
    monkeypatch.setattr(exposure_folder, "_write", real)
    for _ in range(2):  # The second time nothing is left to do.
        write_opioid_exposure(in_small_runs, index, DOSE, target, days=WINDOWS, threads=2)
    assert {name: (target / name).stat().st_mtime_ns for name in kept} == kept
    pd.testing.assert_frame_equal(in_order(target, expected), expected, check_dtype=False)
    assert not list(target.glob("*.draft"))


def test_another_analysis_does_not_take_over_a_folder(
    people: list[History], in_small_runs: Path, tmp_path: Path, refused: Refused
) -> None:
    target, index = tmp_path / "out", index_of(people)
    write_opioid_exposure(in_small_runs, index, DOSE, target, days=(-90, -1))
    other = DoseDefinition(factors="cdc_2016", overlap="concurrent", buprenorphine="exclude")
    moved = index.assign(index_date=DAY_0 + pd.Timedelta(days=1))
    spans = spans_of(people, "spans", ("start_date", "end_date"))
    for changed in (
        lambda: write_opioid_exposure(in_small_runs, index, DOSE, target, days=(-90, 0)),
        lambda: write_opioid_exposure(in_small_runs, index, other, target, days=(-90, -1)),
        lambda: write_opioid_exposure(in_small_runs, moved, DOSE, target, days=(-90, -1)),
        lambda: write_opioid_exposure(in_small_runs, index, DOSE, target, days=(-90, -1), observation=spans),
    ):
        refused(InputError, changed, "holds an analysis of other dispensings", "name a new folder")
    table = pq.read_table(in_small_runs / "dispensings.parquet")
    pq.write_table(table.slice(0, len(table) - 1), in_small_runs / "dispensings.parquet")
    changed_file = lambda: write_opioid_exposure(in_small_runs, index, DOSE, target, days=(-90, -1))  # noqa: E731
    refused(InputError, changed_file, "holds an analysis of other dispensings")
    refused(
        InputError,
        lambda: write_opioid_exposure(in_small_runs, index, DOSE, in_small_runs, days=(-9, -1)),
        "no folder of",
    )


def test_a_patient_in_two_runs_is_refused(
    people: list[History], folder: Path, tmp_path: Path, refused: Refused
) -> None:
    table = pq.read_table(folder / "dispensings.parquet")
    (tmp_path / "bad").mkdir()
    n = len(table)
    with pq.ParquetWriter(tmp_path / "bad" / "dispensings.parquet", table.schema) as writer:
        for part in (table.slice(0, n // 3), table.slice(n // 2), table.slice(0, n // 3)):
            writer.write_table(part)
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr("fbss_analytics.engine.file_runs.__kwdefaults__", {"words": (), "rows_per_run": 1})
        refused(
            DataError,
            lambda: write_opioid_exposure(tmp_path / "bad", index_of(people), DOSE, tmp_path / "out", days=(-90, -1)),
            "not sorted by patient_id",
        )  # fmt: skip


def test_no_warning_is_given_for_good_rows(people: list[History]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opioid_exposure(frame_of(people), index_of(people), DOSE, days=WINDOWS)
