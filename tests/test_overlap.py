"""Overlap policies: what waits, what ends, what is conserved; expected days are worked out in the comments."""

from __future__ import annotations

import numpy as np
import pytest

import fbss_analytics.exposure.overlap as overlap_module
from fbss_analytics.exposure.definition import DoseDefinition
from fbss_analytics.exposure.overlap import resolve
from fbss_analytics.exposure.supply import Supplies

Fill = tuple[int, int, int, int]


def supplies_of(fills: list[Fill]) -> Supplies:
    """Return supplies of (row, group, first day, last day), each of its own dose."""
    row, group, start, end = np.array(fills, dtype=np.int64).reshape(-1, 4).T
    return Supplies(row, start, end, np.arange(1.0, len(row) + 1), np.zeros(len(row)), group.astype(np.int32))


def spans(fills: list[Fill], overlap: str, cap: int | None = None) -> list[tuple[int, int]]:
    within = None if overlap == "concurrent" else "ingredient"
    definition = DoseDefinition(
        factors="cdc_2022", overlap=overlap, buprenorphine="exclude", overlap_within=within, carry_at_most_days=cap
    )
    given = supplies_of(fills)
    before = (given.start.copy(), given.end.copy())
    found = resolve(given, definition)
    assert (given.start == before[0]).all()
    assert (given.end == before[1]).all()
    assert found.mme_per_day is given.mme_per_day
    return list(zip(found.start.tolist(), found.end.tolist(), strict=True))


def test_concurrent_changes_nothing() -> None:
    assert spans([(0, 1, 1, 30), (0, 1, 20, 46)], "concurrent") == [(1, 30), (20, 46)]


def test_carry_forward_of_the_drugutilisation_vignette() -> None:
    # 1-30 January (30 days) and 20 January to 15 February (27 days): 57 days one after the other, to 26 February.
    assert spans([(0, 1, 1, 30), (0, 1, 20, 46)], "carry_forward") == [(1, 30), (31, 57)]


@pytest.mark.parametrize(
    ("fills", "carried", "truncated"),
    [
        # The later begins on the last day of the earlier, and on the day after it.
        ([(0, 1, 1, 10), (0, 1, 10, 19)], [(1, 10), (11, 20)], [(1, 9), (10, 19)]),
        ([(0, 1, 1, 10), (0, 1, 11, 20)], [(1, 10), (11, 20)], [(1, 10), (11, 20)]),
        # Early refills push each other on: 1-10, then 11-20, then 21-30.
        ([(0, 1, 1, 10), (0, 1, 6, 15), (0, 1, 11, 20)], [(1, 10), (11, 20), (21, 30)], [(1, 5), (6, 10), (11, 20)]),
        # A nested fill; the outer one's rest is carried behind which it goes, or lost.
        ([(0, 1, 1, 30), (0, 1, 5, 9)], [(1, 30), (31, 35)], [(1, 4), (5, 9)]),
        # Other groups and other patients do not meet.
        ([(0, 1, 1, 10), (0, 2, 5, 14), (1, 1, 5, 14)], [(1, 10), (5, 14), (5, 14)], [(1, 10), (5, 14), (5, 14)]),
        # Two fills of one day are taken together; a third waits for the longer of them, or ends both.
        ([(0, 1, 1, 10), (0, 1, 1, 20), (0, 1, 15, 24)], [(1, 10), (1, 20), (21, 30)], [(1, 10), (1, 14), (15, 24)]),
        ([(0, 1, 1, 10), (0, 1, 4, 6), (0, 1, 4, 8)], [(1, 10), (11, 13), (11, 15)], [(1, 3), (4, 6), (4, 8)]),
    ],
)  # fmt: skip
def test_the_policies(fills: list[Fill], carried: list[tuple[int, int]], truncated: list[tuple[int, int]]) -> None:
    assert spans(fills, "carry_forward") == carried
    assert spans(fills, "truncate") == truncated
    order = np.random.default_rng(1).permutation(len(fills))
    shuffled = [fills[i] for i in order]
    assert spans(shuffled, "carry_forward") == [carried[i] for i in order]
    assert spans(shuffled, "truncate") == [truncated[i] for i in order]


@pytest.mark.parametrize(
    ("cap", "expected"),
    [
        # Of 1-30 the days 20-30, eleven, are left when the second comes: all, ten or three of them are used first.
        (10**30, [(1, 30), (31, 57)]),
        (11, [(1, 30), (31, 57)]),
        (10, [(1, 29), (30, 56)]),
        (3, [(1, 22), (23, 49)]),
    ],
)
def test_a_cap_bounds_what_is_carried(cap: int, expected: list[tuple[int, int]]) -> None:
    assert spans([(0, 1, 1, 30), (0, 1, 20, 46)], "carry_forward", cap) == expected


@pytest.mark.parametrize("cap", [None, 1, 4, 30])
def test_what_is_conserved(cap: int | None) -> None:
    rng = np.random.default_rng(7)
    start = rng.integers(0, 200, 300)
    length = rng.integers(1, 40, 300)
    fills = list(zip(rng.integers(0, 5, 300), rng.integers(0, 3, 300), start, start + length - 1, strict=True))
    carried = np.array(spans(fills, "carry_forward", cap))
    truncated = np.array(spans(fills, "truncate"))
    days = carried[:, 1] - carried[:, 0] + 1
    assert ((days == length) if cap is None else (days <= length)).all()
    assert (days >= 1).all()
    assert (truncated[:, 0] == start).all()
    assert ((truncated[:, 1] >= start) & (truncated[:, 1] <= start + length - 1)).all()
    assert cap is None or (carried[:, 0] - start <= cap).all()
    assert (carried[:, 0] >= start).all()


def test_supplies_of_nobody() -> None:
    assert spans([], "carry_forward") == []


@pytest.mark.parametrize("overlap", ["carry_forward", "truncate"])
def test_the_loop_means_the_same_uncompiled(overlap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    start = rng.integers(0, 60, 120)
    fills = list(
        zip(rng.integers(0, 4, 120), rng.integers(0, 2, 120), start, start + rng.integers(0, 40, 120), strict=True)
    )
    cap = 12 if overlap == "carry_forward" else None
    compiled = spans(fills, overlap, cap)
    monkeypatch.setattr(overlap_module, "_compiled_follow", lambda: overlap_module._follow)
    assert spans(fills, overlap, cap) == compiled
