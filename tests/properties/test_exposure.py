"""What must hold of every opioid history, and a day-by-day calculation that is slow and obviously right.

The tolerance against the day-by-day calculation is 1e-9 (relative, and absolute in MME): both use double precision, and
the library counts doses in steps of 2**-33 (1.2e-10) MME so that adding and taking away leaves no trace.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from spec.notation import DAY_0, build

from fbss_analytics.cohort import Cohort
from fbss_analytics.cohort.verbs import start_cohort
from fbss_analytics.exposure.definition import DoseDefinition
from fbss_analytics.exposure.opioids import add_opioid_dose

WINDOW = (-90, -1)
FIRST, LAST = WINDOW
PERS = ("day_supplied", "day_covered", "day_in_window", "maximum_day")
SETTINGS = settings(max_examples=30, deadline=None, derandomize=True, database=None)
Row = dict[str, str]


@dataclass(frozen=True)
class Kind:
    """A kind of fill: its columns, and MME per mg (or per mcg/h worn) by table, None where the table has none."""

    columns: tuple[tuple[str, str], ...]
    cdc_2016: float | None
    cdc_2022: float | None
    is_patch: bool = False
    is_methadone: bool = False

    @property
    def row(self) -> Row:
        """The columns as a row."""
        return dict(self.columns)


def kind(factors: tuple[float | None, float | None], *, patch: bool = False, **columns: str) -> Kind:
    """Return a kind of fill."""
    listed = tuple(columns.items())
    return Kind(listed, *factors, is_patch=patch, is_methadone=columns["ingredient"] == "methadone")


PATCH = {"form": "patch", "route": "transdermal", "strength_unit": "mcg/h", "quantity_unit": "patch"}
TABLETS = (
    kind((1.0, 1.0), ingredient="morphine"),
    kind((1.5, 1.5), ingredient="oxycodone", form="tablet_er"),
    kind((0.1, 0.2), ingredient="tramadol", form="capsule"),
    kind((4.0, 5.0), ingredient="hydromorphone"),
)
PATCHES = (kind((2.4, 2.4), patch=True, ingredient="fentanyl", **PATCH),)
BANDED = (kind((None, 4.7), ingredient="methadone"),)
OTHERS = (
    kind((1.8, None), patch=True, ingredient="buprenorphine", **PATCH),
    kind((None, None), ingredient="nalbuphine", form="injection", route="intravenous"),
    kind((None, None), ingredient="morphine", form="injection", route="intrathecal"),
)


@dataclass(frozen=True)
class Fill:
    """One dispensing of one patient."""

    kind: Kind
    start: int
    days: int
    strength: float
    quantity: float

    def row(self, patient: str = "p") -> Row:
        """The dispensing as a row of the table."""
        return self.kind.row | {
            "patient_id": patient,
            "date": str(self.start),
            "days_supply": str(self.days),
            "strength_value": repr(self.strength),
            "quantity": repr(self.quantity),
        }


def fills(*kinds: Kind, contained: bool = True) -> st.SearchStrategy[list[Fill]]:
    """Return histories of up to eight fills; contained ones lie inside the window with all their supply."""

    @st.composite
    def fill(draw: st.DrawFn) -> Fill:
        start = draw(st.integers(FIRST if contained else FIRST - 60, LAST if contained else 30))
        days = draw(st.integers(1, min(60, -start) if contained else 60))
        strength = draw(st.sampled_from((2.5, 5.0, 10.0, 12.5, 30.0, 100.0)))
        return Fill(draw(st.sampled_from(kinds)), start, days, strength, float(draw(st.integers(1, 240))))

    return st.lists(fill(), min_size=1, max_size=8)


def cohort_of(**histories: list[Row]) -> Cohort:
    """Return a cohort of these patients, each with dispensings."""
    rows = [row | {"patient_id": patient} for patient, history in histories.items() for row in history]
    return start_cohort(build({"dispensings": rows}), index="scs_implant", occurrence="first")


def doses(
    cohort: Cohort,
    *,
    factors: str = "cdc_2022",
    days: tuple[int, int] = WINDOW,
    pers: tuple[str, ...] = PERS,
) -> pd.DataFrame:
    """Return a row per patient: D1 to D4 (or some of them), and the columns behind them."""
    dose = DoseDefinition(factors=factors, overlap="concurrent", buprenorphine="exclude")
    behind = []
    for per in pers:
        frame = add_opioid_dose(cohort, dose, name="d", days=days, per=per).frame.set_index("patient_id")
        behind.append(frame["d_mme_per_day"].rename(per))
    return pd.concat([*behind, frame.loc[:, "d_total_mme":]], axis=1)


def rows_of(history: list[Fill]) -> list[Row]:
    """Return a history as rows of the table."""
    return [fill.row() for fill in history]


@SETTINGS
@given(fills(*TABLETS, *PATCHES))
def test_d1_is_at_most_d2_is_at_most_d4(history: list[Fill]) -> None:
    d1, d2, d3, d4 = doses(cohort_of(p=rows_of(history))).loc["p", list(PERS)]
    slack = 1e-9 * max(1.0, d4)
    assert d1 <= d2 + slack
    assert d2 <= d4 + slack
    assert d3 <= d2 + slack


@SETTINGS
@given(fills(*TABLETS))
def test_no_overlap_makes_d1_and_d2_one(history: list[Fill]) -> None:
    rows, start = [], FIRST
    for fill in history:
        days = min(fill.days, LAST + 1 - start)
        if days > 0:
            rows.append(fill.row() | {"date": str(start), "days_supply": str(days)})
        start += fill.days
    got = doses(cohort_of(p=rows)).loc["p"]
    assert got["day_supplied"] == pytest.approx(got["day_covered"], rel=1e-12)


@SETTINGS
@given(fills(*TABLETS))
def test_the_days_add_up_to_what_was_dispensed(history: list[Fill]) -> None:
    dispensed = sum(fill.strength * fill.quantity * (fill.kind.cdc_2022 or 0.0) for fill in history)
    cohort = cohort_of(p=rows_of(history))
    whole = doses(cohort, pers=PERS[:1]).loc["p", "d_total_mme"]
    assert whole == pytest.approx(dispensed, rel=1e-9)
    parts = [doses(cohort, days=days, pers=PERS[:1]).loc["p", "d_total_mme"] for days in ((-90, -31), (-30, -1))]
    assert sum(parts) == pytest.approx(whole, rel=1e-9)


@SETTINGS
@given(
    fills(*TABLETS, *PATCHES, *BANDED),
    st.integers(0, 7),
    st.floats(0.01, 0.99),
    st.sampled_from(["cdc_2016", "cdc_2022"]),
)
def test_a_fill_in_two_parts_is_the_same(history: list[Fill], which: int, where: float, table: str) -> None:
    which %= len(history)
    fill = history[which]
    first = min(max(1, round(fill.days * where)), fill.days - 1)
    assume(fill.days > 1)
    one = replace(fill, days=first, quantity=fill.quantity * first / fill.days)
    rest = fill.days - first
    other = replace(fill, start=fill.start + first, days=rest, quantity=fill.quantity * rest / fill.days)
    split = [*history[:which], *history[which + 1 :], one, other]
    got = doses(cohort_of(whole=rows_of(history), split=rows_of(split)), factors=table)
    assert got.loc["split", list(PERS)].tolist() == pytest.approx(got.loc["whole", list(PERS)].tolist(), rel=1e-9)


@SETTINGS
@given(
    fills(*TABLETS, *PATCHES, *BANDED, *OTHERS, contained=False),
    st.sampled_from(["cdc_2016", "cdc_2022"]),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_never_matters(history: list[Fill], table: str, chance: random.Random) -> None:
    rows = rows_of(history)
    turned = rows.copy()
    chance.shuffle(turned)
    got, other = (doses(cohort_of(p=each), factors=table, pers=PERS[:1]) for each in (rows, turned))
    pd.testing.assert_frame_equal(got, other, check_exact=True)


@SETTINGS
@given(fills(*TABLETS, *PATCHES, contained=False), st.sampled_from([0.25, 0.5, 2.0, 3.0, 10.0]))
def test_the_dose_is_linear_in_the_strength(history: list[Fill], times: float) -> None:
    rows = rows_of(history)
    scaled = [row | {"strength_value": repr(float(row["strength_value"]) * times)} for row in rows]
    got = doses(cohort_of(once=rows, scaled=scaled))[list(PERS)]
    assert got.loc["scaled"].tolist() == pytest.approx((got.loc["once"] * times).tolist(), rel=1e-9, nan_ok=True)


@SETTINGS
@given(fills(*TABLETS, *BANDED, contained=False), st.sampled_from(["cdc_2016", "cdc_2022"]))
def test_other_patients_do_not_matter(history: list[Fill], table: str) -> None:
    rows = rows_of(history)
    alone = doses(cohort_of(m=rows), factors=table, pers=PERS[:1])
    among = doses(cohort_of(a=rows, m=rows, z=rows[::-1]), factors=table, pers=PERS[:1])
    pd.testing.assert_frame_equal(among.loc[["m"]], alone, check_exact=True)
    assert among.nunique(dropna=False).eq(1).all()


# Day by day: slow, and obviously right.


@dataclass(frozen=True)
class Person:
    """One history: fills, spans of pharmacy observation, and the day of death."""

    fills: tuple[Fill, ...]
    spans: tuple[tuple[int, int], ...]
    death: int | None


def methadone_mme(mg: float) -> float:
    """Return the MME of a day's methadone under the bands of 2016."""
    for edge, factor in ((20, 4), (40, 8), (60, 10)):
        if mg <= edge + 1e-6:
            return mg * factor
    return mg * 12


def daily(fill: Fill, table: str) -> float | None:
    """Return what one fill gives on each of its days: MME, or mg of methadone under 2016; None where it is unknown."""
    per_day = fill.strength * fill.quantity / fill.days
    if fill.kind.is_methadone and table == "cdc_2016":
        return per_day
    factor = fill.kind.cdc_2016 if table == "cdc_2016" else fill.kind.cdc_2022
    if factor is None:
        return None
    if not fill.kind.is_patch:
        return per_day * factor
    wear = 7.0 if fill.kind.row["ingredient"] == "buprenorphine" else 3.0
    if wear == 3.0 and fill.quantity * 2 == fill.days:
        wear = 2.0
    return fill.strength * factor * fill.quantity * wear / fill.days


def day_by_day(person: Person, table: str, *, include: bool, window: tuple[int, int]) -> dict[str, float]:
    """Return every column of a window by looking at each of its days."""
    counted = [
        fill
        for fill in person.fills
        if fill.kind.row.get("route") != "intrathecal" and (include or fill.kind.row["ingredient"] != "buprenorphine")
    ]
    observed = [
        day
        for day in range(window[0], window[1] + 1)
        if any(first <= day <= last for first, last in person.spans) and (person.death is None or day <= person.death)
    ]
    total = maximum = 0.0
    supplied = covered = 0
    seen: set[int] = set()
    for day in observed:
        active = [n for n, fill in enumerate(counted) if fill.start <= day < fill.start + fill.days]
        seen |= set(active)
        linear = mg = 0.0
        for n in active:
            dose = daily(counted[n], table)
            if counted[n].kind.is_methadone and table == "cdc_2016":
                mg += dose or 0.0
            else:
                linear += dose or 0.0
        mme = linear + methadone_mme(mg)
        total, maximum = total + mme, max(maximum, mme)
        supplied, covered = supplied + len(active), covered + bool(active)
    unknown = [n for n in seen if daily(counted[n], table) is None]
    none_known = bool(seen) and len(unknown) == len(seen)
    columns = {
        "total_mme": math.nan if none_known else total,
        "max_daily_mme": math.nan if none_known else maximum,
        "days_supplied": supplied,
        "days_covered": covered,
        "dispensings": sum(fill.start in observed and fill.start != 0 for fill in counted),
        "share_unknown": len(unknown) / len(seen) if seen else 0.0,
        "day_supplied": math.nan if none_known or not supplied else total / supplied,
        "day_covered": math.nan if none_known or not covered else total / covered,
        "day_in_window": math.nan if none_known or not observed else total / len(observed),
        "maximum_day": math.nan if none_known else maximum,
    }
    return (columns if observed else dict.fromkeys(columns, math.nan)) | {"days_in_window": len(observed)}


def people(n: int, seed: int) -> list[Person]:
    """Return random histories with overlaps, gaps in observation, deaths and doses of every kind."""
    chance = random.Random(seed)
    kinds = (*TABLETS, *PATCHES, *BANDED, *OTHERS)

    def one_fill() -> Fill:
        kind, days = chance.choice(kinds), chance.choice((1, 3, 5, 7, 10, 28, 30, 90))
        quantity = float(chance.choice((days, 2 * days, days / 2, 5, 10, 15, 20)))
        return Fill(kind, chance.randint(-160, 100), days, chance.choice((2.5, 5.0, 7.5, 10.0, 25.0, 75.0)), quantity)

    def spans() -> tuple[tuple[int, int], ...]:
        edges = sorted(chance.sample(range(-200, 200), 4))
        whole, two = ((-2000, 2000),), ((edges[0], edges[1]), (edges[2], edges[3]))
        touching = ((edges[0], edges[1]), (edges[1] + 1, edges[3]))
        nested = ((edges[0], edges[3]), (edges[1], edges[2]))
        return chance.choice((whole, whole, two, touching, nested, ((edges[1], edges[1]),)))

    return [
        Person(
            tuple(one_fill() for _ in range(chance.choice((0, 1, 2, 4, 8, 12)))),
            spans(),
            chance.choice((None, None, None, chance.randint(0, 90))),
        )
        for _ in range(n)
    ]


@pytest.mark.parametrize("window", [(-90, -1), (-365, -91), (1, 90), (-1, 1)], ids=str)
@pytest.mark.parametrize("include", [False, True], ids=["without buprenorphine", "with buprenorphine"])
@pytest.mark.parametrize("table", ["cdc_2016", "cdc_2022"])
def test_300_histories_day_by_day(table: str, include: bool, window: tuple[int, int]) -> None:
    crowd = people(300, seed=20261121)
    names = [f"p{number:03d}" for number in range(len(crowd))]
    died = [(name, each.death) for name, each in zip(names, crowd, strict=True) if each.death is not None]
    source = build(
        {
            "patients": [{"patient_id": name, "birth_year": "1960", "death_date": str(day)} for name, day in died],
            "dispensings": [fill.row(name) for name, each in zip(names, crowd, strict=True) for fill in each.fills],
            "observation_periods": [
                {"patient_id": name, "start_date": str(first), "end_date": str(last)}
                for name, each in zip(names, crowd, strict=True)
                for first, last in each.spans
            ],
        }
    )
    cohort = start_cohort(source, index="scs_implant", occurrence="first")
    assert cohort.frame["index_date"].eq(pd.Timestamp(DAY_0)).all()
    dose = DoseDefinition(factors=table, overlap="concurrent", buprenorphine="include" if include else "exclude")
    for per in PERS:
        cohort = add_opioid_dose(cohort, dose, name=per, days=window, per=per)
    frame = cohort.frame.set_index("patient_id")
    expected = pd.DataFrame([day_by_day(each, table, include=include, window=window) for each in crowd], index=names)
    for column in expected.columns:
        got = frame[f"{column}_mme_per_day" if column in PERS else f"day_covered_{column}"].loc[names]
        np.testing.assert_allclose(got, expected[column], rtol=1e-9, atol=1e-9, err_msg=column)
