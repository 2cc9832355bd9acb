"""The sweep on arrays: order, sums in whole grains, what is too large, and days no one supplies."""

from __future__ import annotations

import numpy as np
import pytest

from fbss_analytics.errors import DataError
from fbss_analytics.exposure import sweep
from fbss_analytics.exposure.factors import bands
from fbss_analytics.exposure.supply import Supplies
from fbss_analytics.exposure.sweep import GRAIN, STAY, Totals, View, banded_mme, bands_of, to_steps, window_totals

NONE = bands_of("cdc_2022")
METHADONE = bands_of("cdc_2016")


def supplies_of(
    spans: list[tuple[int, int, int]], dose: list[float], *, mg: list[float] | None = None, group: int = 1
) -> Supplies:
    """Return supplies of (row, first day, last day) and dose."""
    row, start, end = np.array(spans, dtype=np.int64).reshape(-1, 3).T
    n = len(row)
    banded = np.zeros(n) if mg is None else np.array(mg)
    return Supplies(row, start, end, np.array(dose, dtype=float), banded, np.full(n, group, dtype=np.int32))


def look(n: int, *windows: tuple[int, int]) -> View:
    return View(np.arange(n), np.zeros(n, np.int64), np.array(windows))


def numbers(totals: Totals, row: int = 0, window: int = 0) -> dict[str, float]:
    return {name: float(getattr(totals, name)[row, window]) for name in sweep.COUNTED}


def test_steps_of_two_overlapping_fills() -> None:
    supplies = supplies_of([(0, 1, 10), (0, 6, 15), (1, 3, 3)], [10, 20, 5])
    steps = to_steps(supplies, np.array([0, 2, 3]), NONE)
    assert steps.first.tolist() == [0, 3, 4]
    assert list(zip(steps.start, steps.stop, steps.grains * GRAIN, strict=True)) == [
        (1, 6, 10), (6, 11, 30), (11, 16, 20), (3, 4, 5),
    ]  # fmt: skip


def test_windows_cut_by_day_and_count_each_fill_once() -> None:
    supplies = supplies_of([(0, 1, 10), (0, 6, 15)], [10, np.nan])
    spans = (np.array([0, 2]), np.array([-5, 12]), np.array([8, 100]))
    view = View(np.array([0]), np.array([0]), np.array([[5, 13]]), spans)
    # Observed of 5..13: 5-8 and 12-13. The first fill gives 4 days, the second 3 + 2.
    assert numbers(window_totals(supplies, view, NONE)) == {
        "total_mme": 40, "days_supplied": 9, "days_covered": 6, "days_in_window": 6, "max_daily_mme": 10,
        "max_daily_mme_heal": 10, "supplies": 2, "unknown": 1,
    }  # fmt: skip


def test_a_day_0_of_its_own_moves_the_window() -> None:
    supplies = supplies_of([(0, 101, 110)], [10])
    view = View(np.array([0, 0]), np.array([100, 105]), np.array([[1, 10]]))
    assert window_totals(supplies, view, NONE).total_mme[:, 0].tolist() == [100, 50]


def test_stays_cover_days_without_a_dose_where_there_is_a_fill() -> None:
    stay = supplies_of([(0, 8, 12), (1, 8, 12)], [0, 0], group=STAY)
    fill = supplies_of([(0, 1, 10)], [10])
    both = Supplies(*(np.concatenate([getattr(fill, n), getattr(stay, n)]) for n in
                      ("row", "start", "end", "mme_per_day", "banded_mg_per_day", "group")))  # fmt: skip
    found = window_totals(both, look(2, (1, 30), (11, 30)), NONE)
    assert numbers(found)["days_covered"] == 12
    assert numbers(found)["days_supplied"] == 15
    assert (numbers(found)["supplies"], numbers(found)["total_mme"]) == (1, 100)
    # A window, or a patient, that no fill supplies has no covered day.
    assert numbers(found, window=1)["days_covered"] == numbers(found, row=1)["days_covered"] == 0


@pytest.mark.parametrize("scale", [1, 1000, 100_000])
def test_nearly_sorted_and_shuffled_days_give_the_same_bits(scale: int) -> None:
    rng = np.random.default_rng(3)
    n = scale
    start, days = np.sort(rng.integers(0, 3000, n)), rng.integers(1, 90, n)
    dose = rng.lognormal(3, 2, n)
    given = supplies_of([], [])
    results = []
    for order in (np.arange(n), np.arange(n)[::-1], rng.permutation(n)):
        each = Supplies(
            np.zeros(n, np.int64), start[order], (start + days - 1)[order], dose[order], np.zeros(n),
            np.ones(n, np.int32),
        )  # fmt: skip
        results.append(window_totals(each, look(1, (100, 2500)), NONE))
    assert len(given.row) == 0
    for other in results[1:]:
        assert numbers(other) == numbers(results[0])


def test_many_tiny_doses_leave_nothing_behind() -> None:
    # 0.1 has no binary end: adding and taking away 1,000 of them in another order would leave a remainder in floats.
    spans = [(0, i, 2000 - i) for i in range(1000)]
    steps = to_steps(supplies_of(spans, [0.1] * 1000), np.array([0, 1000]), NONE)
    assert steps.grains[0] == steps.grains[-1] == round(0.1 / GRAIN)
    assert steps.grains.max() == 1000 * round(0.1 / GRAIN)


def test_totals_beyond_63_bits_of_grains_are_right() -> None:
    # 1e6 MME on each of 100,000 days are 8.6e20 grains, more than an integer of 64 bits holds.
    supplies = supplies_of([(0, 1, 100_000)], [1e6])
    assert numbers(window_totals(supplies, look(1, (1, 100_000)), NONE))["total_mme"] == 1e11


@pytest.mark.parametrize("mg", [None, [1e6] * 700])
def test_more_than_can_be_summed_exactly_is_refused(mg: list[float] | None) -> None:
    spans = [(0, 1, 1)] * 700
    supplies = supplies_of(spans, [1e6 if mg is None else 0.0] * 700, mg=mg)
    with pytest.raises(DataError, match="add up to more than 5e\\+08 MME on one day"):
        window_totals(supplies, look(1, (1, 1)), METHADONE)


def test_the_heal_sum_is_refused_where_days_never_meet() -> None:
    supplies = supplies_of([(0, i, i) for i in range(700)], [1e6] * 700)
    with pytest.raises(DataError, match="add up to more than"):
        window_totals(supplies, look(1, (0, 700)), NONE)


@pytest.mark.parametrize(
    ("mg", "mme"),
    [(20, 80), (20.5, 164), (21, 168), (40, 320), (40.5, 405), (60, 600), (61, 732), (0, 0), (3 * (40 / 3), 320)],
)
def test_bands_of_methadone(mg: float, mme: float) -> None:
    # CDC 2016: (0, 20] x 4, (20, 40] x 8, (40, 60] x 10, above x 12; the published 21 mg are 168 MME and 61 mg 732.
    assert banded_mme(np.array([mg]), METHADONE).tolist() == pytest.approx([mme])


def test_bands_are_of_the_day() -> None:
    # 15 mg for 10 days and 15 mg for the last 5 of them: 5 x 15 x 4 + 5 x 30 x 8 = 1,500.
    supplies = supplies_of([(0, 1, 10), (0, 6, 10)], [0, 0], mg=[15, 15])
    found = numbers(window_totals(supplies, look(1, (1, 10)), METHADONE))
    assert (found["total_mme"], found["max_daily_mme"], found["max_daily_mme_heal"]) == (1500, 240, 240)


def test_a_table_without_bands_has_none() -> None:
    assert [len(each) for each in NONE] == [0, 0]
    assert banded_mme(np.array([30.0]), NONE).tolist() == [0]
    np.testing.assert_array_equal(METHADONE[0], bands("cdc_2016", "methadone")[0])


@pytest.mark.parametrize("whole", [False, True])
def test_nobody_and_nothing(whole: bool) -> None:
    nobody = window_totals(supplies_of([], []), look(0, (1, 9)), NONE, whole_fills=whole)
    assert nobody.total_mme.shape == (0, 1)
    nothing = window_totals(supplies_of([], []), look(2, (1, 9)), NONE, whole_fills=whole)
    assert nothing.days_in_window[:, 0].tolist() == [9, 9]
    assert nothing.total_mme[:, 0].tolist() == [0, 0]


def test_the_loops_mean_the_same_uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is compiled is checked by what it gives; run as plain Python, the same loops give the same bits.
    rng = np.random.default_rng(11)
    n = 300
    start = rng.integers(-100, 300, n)
    dose = np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(3, 1, n))
    supplies = Supplies(
        np.sort(rng.integers(0, 6, n)), start, start + rng.integers(0, 60, n), dose, np.where(dose > 30, 5.0, 0.0),
        np.where(rng.random(n) < 0.2, STAY, 1).astype(np.int32),
    )  # fmt: skip
    spans = (np.array([0, 1, 1, 3, 4, 5, 6]), np.array([0, -50, 90, 0, 250, 10]), np.array([40, 60, 200, 9, 99, 300]))
    view = View(np.arange(6), np.zeros(6, np.int64), np.array([[-30, 120], [121, 400]]), spans)
    compiled = window_totals(supplies, view, METHADONE)
    monkeypatch.setattr(sweep, "_compiled", lambda loop: loop)
    plain = window_totals(supplies, view, METHADONE)
    everywhere = window_totals(supplies, look(6, (-30, 120)), METHADONE)
    for name in sweep.COUNTED:
        np.testing.assert_array_equal(getattr(plain, name), getattr(compiled, name), err_msg=name)
        assert (getattr(everywhere, name)[:, 0] >= getattr(plain, name)[:, 0]).all()
    assert compiled.days_in_window[1].tolist() == [0, 0]
    assert compiled.unknown.sum() > 0
