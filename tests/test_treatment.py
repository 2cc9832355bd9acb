"""Treatment episodes: published eras through the converters, a slow day-by-day calculation, and every kind of input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_opioid_exposure import DAY_0, DOSE, frame_of, histories, index_of, one, source_of

import fbss_analytics as fbss
from fbss_analytics.errors import DataError, InputError, StudyWarning
from fbss_analytics.exposure import treatment
from fbss_analytics.exposure.definition import DoseDefinition
from fbss_analytics.exposure.treatment import from_adherer_gap, from_ohdsi_gap, treatment_episodes

Refused = Callable[..., None]


def exposures(*spans: tuple[str, str]) -> pd.DataFrame:
    """Return fills of one patient that cover spans of days, both included."""
    rows = []
    for first, last in spans:
        days = (pd.Timestamp(last) - pd.Timestamp(first)).days + 1
        rows.append(one(date=pd.Timestamp(first), quantity=float(days), days_supply=days))
    return pd.concat(rows)


def eras(fills: pd.DataFrame, gap_days: int, dose: DoseDefinition = DOSE) -> list[tuple[str, str]]:
    found = treatment_episodes(fills, dose, gap_days=gap_days)
    assert found["episode"].tolist() == list(range(1, len(found) + 1))
    return [(f"{row.start_date:%Y-%m-%d}", f"{row.end_date:%Y-%m-%d}") for row in found.itertuples()]


FIVE_FREE = exposures(("2020-01-01", "2020-01-05"), ("2020-01-11", "2020-01-20"))


def test_darwin_erafy() -> None:
    # darwin-eu/DrugUtilisation@13e3147, tests/testthat/test-erafyCohort.R: five days without supply.
    parted = [("2020-01-01", "2020-01-05"), ("2020-01-11", "2020-01-20")]
    assert eras(FIVE_FREE, from_ohdsi_gap(5)) == parted
    assert eras(FIVE_FREE, from_ohdsi_gap(6)) == [("2020-01-01", "2020-01-20")]


def test_adherer_joins_at_the_gap_itself() -> None:
    assert eras(FIVE_FREE, from_adherer_gap(5)) == [("2020-01-01", "2020-01-20")]
    assert len(eras(FIVE_FREE, from_adherer_gap(4))) == 2


def test_ohdsi_eras_overlapping_and_nested() -> None:
    # OHDSI/CommonDataModel#464: the end of an era is the latest end, not that of the last exposure.
    overlapping = exposures(("2020-01-01", "2020-01-31"), ("2020-01-02", "2020-02-01"))
    nested = exposures(("2020-01-01", "2020-02-28"), ("2020-01-02", "2020-02-01"))
    assert eras(overlapping, from_ohdsi_gap(30)) == [("2020-01-01", "2020-02-01")]
    assert eras(nested, from_ohdsi_gap(30)) == [("2020-01-01", "2020-02-28")]


def test_days_of_gaps_within_an_era() -> None:
    # OHDSI/CommonDataModel#761, as its author counts: days 8, 9, 10, 14 and 15 of 1 to 20 are without supply.
    fills = exposures(
        ("2020-01-01", "2020-01-05"), ("2020-01-03", "2020-01-07"), ("2020-01-11", "2020-01-13"),
        ("2020-01-16", "2020-01-20"),
    )  # fmt: skip
    found = treatment_episodes(fills, DOSE, gap_days=30)
    assert (found["days"] - found["days_covered"]).tolist() == [5]
    assert found["days"].tolist() == [20]


def test_darwin_vignette_with_and_without_carry() -> None:
    # vignettes/create_cohorts.Rmd: 30 + 27 days that overlap by 11 end on 15 February, or carried on 26 February.
    fills = exposures(("2020-01-01", "2020-01-30"), ("2020-01-20", "2020-02-15"))
    carry = DoseDefinition(
        factors="cdc_2022", overlap="carry_forward", buprenorphine="exclude", overlap_within="ingredient"
    )
    assert eras(fills, 0) == [("2020-01-01", "2020-02-15")]
    assert eras(fills, 0, carry) == [("2020-01-01", "2020-02-26")]
    assert treatment_episodes(fills, carry, gap_days=0)["days_covered"].tolist() == [57]


def test_the_last_episode_ends_with_supply() -> None:
    found = treatment_episodes(one(), DOSE, gap_days=365)
    assert found["end_date"].tolist() == [DAY_0 - pd.Timedelta(days=1)]
    assert found[["days", "days_covered", "total_mme", "mme_per_day"]].to_numpy().tolist() == [[30, 30, 300, 10]]


def slow(frame: pd.DataFrame, gap: int) -> list[tuple[str, int, int, int]]:
    """Return patient, first and last day and days covered of every episode, day by day."""
    made = []
    for patient, rows in frame.groupby("patient_id"):
        days = sorted({
            (row.date - DAY_0).days + i for row in rows.itertuples() for i in range(row.days_supply)
        })  # fmt: skip
        episode = [days[0]]
        for day in days[1:]:
            if day - episode[-1] - 1 > gap:
                made.append((patient, episode[0], episode[-1], len(episode)))
                episode = []
            episode.append(day)
        made.append((patient, episode[0], episode[-1], len(episode)))
    return made


@pytest.mark.parametrize("gap", [0, 1, 14, 400])
def test_episodes_agree_with_a_calculation_day_by_day(gap: int) -> None:
    people = histories(seed=gap, n=200)
    frame = frame_of(people)
    found = treatment_episodes(frame, DOSE, gap_days=gap)
    first, last = ((found[name] - DAY_0).dt.days for name in ("start_date", "end_date"))
    got = list(zip(found["patient_id"], first, last, found["days_covered"], strict=True))
    assert got == slow(frame, gap)
    assert (found["days"] == last - first + 1).all()
    # Nothing of the known dose is lost or counted twice.
    everything = fbss.opioid_exposure(frame, index_of(people), DOSE, days=(-2000, 2000))
    assert found["total_mme"].sum() == pytest.approx(everything["total_mme"].sum(), rel=1e-12)


def test_unknown_doses_are_said() -> None:
    fills = pd.concat([
        one(), one(strength_value=np.nan), one(date=DAY_0 + pd.Timedelta(days=60), strength_value=np.nan),
    ])  # fmt: skip
    found = treatment_episodes(fills, DOSE, gap_days=30)
    assert found["has_unknown"].tolist() == [True, True]
    assert found["total_mme"].iloc[0] == 300
    assert np.isnan(found["total_mme"].iloc[1])
    assert np.isnan(found["mme_per_day"].iloc[1])


@pytest.mark.parametrize("threads", [1, 2])
def test_every_input_gives_the_same(tmp_path: Path, threads: int) -> None:
    people = histories(seed=5, n=60)
    frame = frame_of(people)
    frame = pd.concat([frame, frame.iloc[:9].assign(dispensing_id=1000 + np.arange(9))])
    source = source_of(frame, index_of(people))
    for repeats in ("keep", "drop"):
        dose = DoseDefinition(factors="cdc_2016", overlap="concurrent", buprenorphine="exclude", repeats=repeats)
        expected = treatment_episodes(frame.sample(frac=1, random_state=2), dose, gap_days=7)
        folder = source.to_folder(tmp_path / "cohort")
        for given in (source, folder):
            found = treatment_episodes(given, dose, gap_days=7, threads=threads)
            pd.testing.assert_frame_equal(found, expected)


def test_nobody_has_an_episode() -> None:
    found = treatment_episodes(one().iloc[:0], DOSE, gap_days=7)
    assert len(found) == 0
    assert "mme_per_day" in found


def test_rows_set_aside_are_said() -> None:
    with pytest.warns(StudyWarning, match="1 of 2 dispensings are set aside"):
        treatment_episodes(pd.concat([one(), one(days_supply=-3)]), DOSE, gap_days=7)


def test_it_refuses(refused: Refused) -> None:
    away = DoseDefinition(factors="cdc_2022", overlap="concurrent", buprenorphine="exclude", stays="exclude")
    gaps: tuple[Any, ...] = (-1, 2.5, "7", True, None)
    for gap in gaps:
        refused(InputError, lambda gap=gap: treatment_episodes(one(), DOSE, gap_days=gap), "0 or more")
    refused(InputError, lambda: treatment_episodes(one(), "cdc_2022", gap_days=7), "DoseDefinition")  # type: ignore[arg-type]
    refused(InputError, lambda: treatment_episodes(one(), away, gap_days=7), "no meaning for episodes")
    refused(InputError, lambda: treatment_episodes([1], DOSE, gap_days=7), "dispensings is of type list")  # type: ignore[arg-type]
    assert len(treatment_episodes(one(), DOSE, gap_days=10**30)) == 1
    refused(DataError, lambda: treatment_episodes(one().drop(columns="route"), DOSE, gap_days=7), "no column route")
    refused(InputError, lambda: from_ohdsi_gap(0), "1 or more")
    refused(InputError, lambda: from_adherer_gap(-1), "0 or more")


def test_the_loop_means_the_same_uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = frame_of(histories(seed=8, n=40))
    compiled = treatment_episodes(frame, DOSE, gap_days=14)
    monkeypatch.setattr(treatment, "_compiled_spells", lambda: treatment._spell_loop)
    pd.testing.assert_frame_equal(treatment_episodes(frame, DOSE, gap_days=14), compiled)
