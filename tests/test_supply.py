"""From dispensings to supplies: units, patches, liquids, what stays unknown, what is left out, and the compiled pass.

Expected doses are strength x quantity / days' supply x factor, worked out beside each case; exact to 1e-12.
"""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from fbss_analytics import compiled
from fbss_analytics.exposure.definition import DoseDefinition
from fbss_analytics.exposure.factor_file import read_factor_table
from fbss_analytics.exposure.supply import (
    LEFT_OUT,
    MOST_MME_PER_DAY,
    WORDS,
    Supplies,
    _pass,
    is_repeat,
    lookup_of,
    prepare,
    to_supplies,
    word_codes,
)
from fbss_analytics.sources import schema

FILL: dict[str, Any] = {
    "row": 0, "day": -30, "ingredient": "morphine", "form": "tablet", "route": "oral", "strength_value": 10.0,
    "strength_unit": "mg", "quantity": 60.0, "quantity_unit": "unit", "days_supply": 30,
}  # fmt: skip
PATCH = {
    "ingredient": "fentanyl", "form": "patch", "route": "transdermal", "strength_value": 25.0, "strength_unit": "mcg/h",
    "quantity": 10.0, "quantity_unit": "patch",
}  # fmt: skip
FILM = {"ingredient": "buprenorphine", "form": "film", "route": "sublingual", "strength_value": 8.0, "quantity": 30.0}
SOLUTION = {
    "form": "solution",
    "strength_value": 2.0,
    "strength_unit": "mg/mL",
    "quantity": 300.0,
    "quantity_unit": "mL",
}
SPRAY = {"ingredient": "butorphanol", "form": "spray", "route": "nasal", "strength_unit": "mg/mL", "quantity": 2.5}


def choose(factors: Any = "cdc_2016", **choices: Any) -> DoseDefinition:
    given = {"overlap": "concurrent", "buprenorphine": "include"} | choices
    return DoseDefinition(factors=factors, **given)


def fills(*changes: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([FILL | change for change in changes])


def supplied(*changes: dict[str, Any], factors: Any = "cdc_2016", **choices: Any) -> Supplies:
    return to_supplies(fills(*changes), choose(factors, **choices))


@pytest.mark.parametrize(
    ("change", "mme_per_day"),
    [
        ({}, 20),  # 10 mg x 2 a day x 1
        ({"quantity_unit": None}, 20),  # where nothing is said the quantity counts units
        ({"strength_value": 10_000.0, "strength_unit": "mcg"}, 20),
        ({"ingredient": "oxycodone", "form": "capsule_er"}, 30),  # x 1.5
        (SOLUTION, 20),  # 2 mg/mL x 10 mL a day x 1
        (PATCH, 60),  # 25 mcg/h x 2.4, one at a time for 72 h
        (PATCH | {"quantity_unit": "unit"}, 60),
        (PATCH | {"quantity": 15.0}, 60),  # 15 patches in 30 days: each worn 48 h
        (PATCH | {"quantity": 20.0}, 120),  # two at a time, 72 h each
        (PATCH | {"quantity": 5.0}, 30),  # worn on 15 of the 30 days
        # Four patches of a week each, 5 mcg/h x 1.8.
        (PATCH | {"ingredient": "buprenorphine", "strength_value": 5.0, "quantity": 4.0, "days_supply": 28}, 9),
        (FILM, 240),  # 8 mg x 1 a day x 30
        # 300 mcg x 2 a day x 0.03.
        (FILM | {"route": "buccal", "strength_value": 300.0, "strength_unit": "mcg", "quantity": 60.0}, 18),
        (SPRAY | {"quantity_unit": "mL"}, 10 * 2.5 / 30 * 7),  # one bottle of 2.5 mL in 30 days
        ({"ingredient": "fentanyl", "form": "spray", "route": "nasal", "strength_value": 0.4, "quantity": 90.0}, 192),
    ],
)  # fmt: skip
def test_a_dose_is_known(change: dict[str, Any], mme_per_day: float) -> None:
    supplies = supplied(change)
    assert supplies.mme_per_day.tolist() == pytest.approx([mme_per_day], rel=1e-12)
    assert supplies.banded_mg_per_day.tolist() == [0]
    assert not supplies.is_unknown.any()


@pytest.mark.parametrize(
    "change",
    [
        {"route": "intravenous"},
        {"route": "intravenous", "form": "injection", "strength_unit": "mg/mL", "quantity_unit": "mL"},
        {"route": None},
        {"form": None},
        {"form": "patch"},
        {"ingredient": None},
        {"ingredient": "nalbuphine"},
        {"ingredient": "morphin"},
        {"strength_unit": None},
        {"strength_value": None},
        {"strength_value": 0.0},
        {"strength_value": -10.0},
        {"quantity": None},
        {"quantity": 0.0},
        {"quantity": -60.0},
        {"days_supply": 0},
        {"days_supply": -30},
        {"quantity_unit": "mL"},
        {"quantity_unit": "bottle"},
        {"quantity_unit": "patch"},
        SOLUTION | {"quantity_unit": "bottle"},
        SOLUTION | {"quantity_unit": None},
        PATCH | {"quantity_unit": "mL"},
        PATCH | {"strength_unit": "mcg"},
        SPRAY | {"quantity": 1.0, "quantity_unit": "bottle"},
    ],
)
def test_a_dose_is_unknown_and_never_0(change: dict[str, Any]) -> None:
    supplies = supplied(change)
    assert supplies.is_unknown.tolist() == [True]
    assert supplies.banded_mg_per_day.tolist() == [0]


def test_buprenorphine_without_a_factor_is_unknown() -> None:
    assert supplied(FILM, factors="cdc_2022").is_unknown.tolist() == [True]
    assert supplied(FILM, factors="cdc_file_2018").is_unknown.tolist() == [True]
    assert supplied(FILM, factors="nih_heal").mme_per_day.tolist() == pytest.approx([8 * 38.8], rel=1e-12)


def test_methadone_by_its_total_daily_dose_waits_for_the_sum() -> None:
    methadone = {"ingredient": "methadone", "quantity": 45.0}
    two = supplied(methadone, methadone | {"strength_value": None})
    assert two.banded_mg_per_day.tolist() == [15, 0]  # 10 mg x 45 / 30
    assert two.mme_per_day.tolist() == pytest.approx([0, np.nan], nan_ok=True)
    assert supplied(methadone, factors="cdc_2022").mme_per_day.tolist() == pytest.approx([15 * 4.7], rel=1e-12)


def test_days_end_with_the_last_tablet() -> None:
    supplies = supplied({}, {"day": 0, "days_supply": 1, "row": 7})
    assert list(zip(supplies.row, supplies.start, supplies.end, strict=True)) == [(0, -30, -1), (7, 0, 0)]


def test_what_is_not_systemic_or_excluded_is_left_out() -> None:
    changes = ({"route": "intrathecal"}, {}, FILM, {"row": 3})
    assert supplied(*changes).row.tolist() == [0, 0, 3]
    assert supplied(*changes, buprenorphine="exclude").row.tolist() == [0, 3]


def test_a_dose_beyond_belief_is_unknown() -> None:
    most = {"strength_value": MOST_MME_PER_DAY, "quantity": 30.0}
    assert supplied(most).mme_per_day.tolist() == [MOST_MME_PER_DAY]
    assert supplied(most | {"strength_value": MOST_MME_PER_DAY * 1.001}).is_unknown.all()
    assert supplied(most | {"strength_value": np.inf}).is_unknown.all()
    assert supplied(most | {"strength_value": 2e6, "ingredient": "methadone"}).is_unknown.all()


@pytest.mark.parametrize(
    ("within", "groups"), [("ingredient", [0, 0, 1, 2]), ("ingredient_and_form", [0, 1, 2, 3])], ids=str
)
def test_groups_say_which_fills_follow_each_other(within: str, groups: list[int]) -> None:
    changes = ({}, {"form": "tablet_er"}, {"ingredient": "oxycodone"}, {"ingredient": None, "form": None})
    found = supplied(*changes, overlap="truncate", overlap_within=within).group
    assert found.dtype == np.int32
    assert np.unique(found, return_inverse=True)[1].tolist() == groups


def test_repeats_count_unless_they_are_dropped() -> None:
    frame = fills({}, {}, {"strength_value": 20.0}, {}).assign(dispensing_id=[1, 2, 3, 4], source_code=list("aaab"))
    assert is_repeat(frame).tolist() == [False, True, False, False]
    assert len(to_supplies(frame, choose()).row) == 4
    dropped = to_supplies(frame, choose(repeats="drop"))
    assert (len(dropped.row), dropped.n_repeats) == (3, 1)
    assert dropped.mme_per_day.tolist() == [20, 40, 20]
    arrays = {name: frame[name].to_numpy() for name in frame}
    assert to_supplies(arrays, choose(repeats="drop")).n_repeats == 1


def test_a_table_of_ones_own_is_used() -> None:
    own = pd.DataFrame(
        {"ingredient": ["morphine"], "forms": ["tablet"], "routes": ["intravenous"], "unit": ["mg"], "factor": [3.0],
         "basis": ["amount"], "source": ["local"]}
    )  # fmt: skip
    table = read_factor_table(own, name="parenteral")
    supplies = supplied({"route": "intravenous"}, {}, factors=table)
    assert supplies.mme_per_day.tolist() == pytest.approx([60, np.nan], nan_ok=True)


# Words as codes, and the compiled pass.

WORDED = [None, "tablet", "patch", "tablets"]


@pytest.mark.parametrize(
    "values",
    [
        np.array(WORDED, dtype=object),
        pd.Series(WORDED, dtype=object),
        pd.Series(WORDED, dtype="category"),
        pd.Series(WORDED, dtype="string[pyarrow]"),
        pd.Series(WORDED, dtype="string[python]"),
        pd.Series(WORDED, dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))),
        np.array([-1, 0, 5, -1], dtype=np.int64),
    ],
    ids=lambda values: str(values.dtype)[:12],
)
def test_words_become_codes_of_the_vocabulary(values: Any) -> None:
    words = schema.vocabulary("form")
    assert word_codes(values, "form").tolist() == [-1, words.index("tablet"), words.index("patch"), -1]
    assert word_codes(values, "form").dtype == np.int16


def test_columns_of_any_kind_give_the_same_supplies() -> None:
    frame = fills({}, PATCH, SOLUTION, FILM | {"strength_value": None})
    expected = to_supplies(frame, choose())
    nullable = frame.convert_dtypes().astype({"days_supply": "Int32"})
    categories = frame.astype(dict.fromkeys(WORDS, "category"))
    for given in (nullable, categories, {name: frame[name].to_numpy() for name in frame}):
        found = to_supplies(given, choose())
        for name in ("row", "start", "end", "mme_per_day", "group"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def arrays(seed: int, n: int) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Return random dispensings: half with any words, half patches of fentanyl or morphine or methadone tablets."""
    rng = np.random.default_rng(seed)
    codes = [rng.integers(-1, len(schema.vocabulary(name)) + 1, n).astype(np.int16) for name in WORDS]
    common = pd.DataFrame([FILL, FILL | PATCH, FILL | {"ingredient": "methadone"}])
    which = rng.integers(0, 3, n // 2)
    for place, name in enumerate(WORDS):
        codes[place][: n // 2] = word_codes(common[name], name)[which]
    strength = rng.choice([np.nan, -1.0, 0.0, 2.0, 25.0, 1e7], n)
    return codes, strength, rng.choice([np.nan, 0.0, 10.0, 15.0], n), rng.integers(-1, 40, n).astype(np.int32)


@pytest.mark.parametrize("table", ["cdc_2016", "nih_heal"])
def test_the_compiled_pass_is_the_loop_that_is_written(table: str) -> None:
    codes, strength, quantity, days = arrays(seed=1, n=5_000)
    lookup = lookup_of(choose(table, buprenorphine="exclude"))
    found = prepare(codes, strength, quantity, days, lookup)
    plain = np.empty(5_000), np.empty(5_000), np.empty(5_000, dtype=np.int32)
    _pass(*codes, strength, quantity, days, lookup.sizes, lookup.kind, lookup.numbers, lookup.group, *plain)
    for compiled_one, plain_one in zip(found, plain, strict=True):
        np.testing.assert_array_equal(compiled_one, plain_one)
    mme, banded, group = found
    assert (mme[np.isfinite(mme)] >= 0).all()
    assert (banded[np.isnan(mme)] == 0).all()
    assert set(np.unique(group)) > {LEFT_OUT}


def test_a_lookup_is_made_once_for_equal_definitions() -> None:
    assert lookup_of(choose()) is lookup_of(choose())


def test_a_loop_is_compiled_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    asked = []

    def njit(loop: Any, **options: Any) -> Any:
        asked.append(options)
        if options.get("cache"):
            raise RuntimeError("no locator available")
        return loop

    monkeypatch.setattr(numba, "njit", njit)
    assert compiled.compiled(_pass) is _pass
    plain = {"nogil": True, "error_model": "python"}
    assert asked == [{"cache": True} | plain, plain]
