"""Simulated rates beside the published figures they were calibrated to.

Tolerance: a published share rests on ``n`` people and a simulated one on the people counted here; the two may differ by
three standard errors of their difference, sqrt(p (1 - p) (1 / n published + 1 / n simulated)) with p as published. With
some thirty comparisons three standard errors (0.3 % by chance each) keep false alarms rare. A mean is held the same way
with the published standard deviation. For cumulative risks the number simulated is that still at risk at the
horizon, as in Peto's standard error. Figures that the sources themselves disagree on are not averaged: the one the
parameter was set to is compared, and where no number of people is printed only the published range is held.

The parameters were tuned on this seed, so these tests guard the calibration and do not validate it. On a seed chosen
beforehand and never used in tuning (20270101), all hold but one: explant in the first year, 8.9 % against 7.1 % of
Sharan 2018. The pump and surgical rates are tested on that unused seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from synthetic_rates import FACTORS, assert_mean, assert_share, kaplan_meier, supplied
from synthetic_rules import frame

from fbss_analytics.dates import DAYS_PER_YEAR, NO_DAY
from fbss_analytics.sources.synthetic import simulate
from fbss_analytics.sources.synthetic.draws import Draws
from fbss_analytics.sources.synthetic.parameters import load_parameters
from fbss_analytics.sources.synthetic.people import make_people

PATIENTS, SEED = 25_000, 20261120


@dataclass(frozen=True)
class Stimulated:
    """The first permanent system of each patient implanted: months to removal (or censoring), and why."""

    years: np.ndarray
    removed: np.ndarray
    reason: np.ndarray
    patient: pd.Index
    implant: np.ndarray


@pytest.fixture(scope="module")
def tables():
    source = simulate("neuromodulation", n_patients=PATIENTS, seed=SEED)
    tables = {name: frame(source.tables, name) for name in source.tables}
    # Pumps have their own comparison.
    tables["device_events"] = tables["device_events"].query("device == 'scs'")
    return tables


@pytest.fixture(scope="module")
def patients(tables):
    """One row per patient; the day of eligibility is latent and comes from the generator."""
    medical = tables["observation_periods"].query("domain == 'medical'").set_index("patient_id")
    pharmacy = tables["observation_periods"].query("domain == 'pharmacy'").set_index("patient_id")
    frame = tables["patients"].set_index("patient_id")
    frame["end"], frame["pharmacy_start"] = medical.end_date, pharmacy.start_date
    frame["eligible"] = make_people(
        Draws(SEED, np.arange(1, PATIENTS + 1)), load_parameters("neuromodulation")
    ).eligible
    events = tables["device_events"]
    frame["is_trialled"] = frame.index.isin(events.patient_id)
    frame["implant"] = _first(events, "implant").reindex(frame.index)
    return frame


@pytest.fixture(scope="module")
def stimulated(tables, patients):
    events = tables["device_events"]
    implant = patients.implant.dropna()
    removal = events.query("component == 'generator' and event == 'explant' and system_id == 1").set_index("patient_id")
    day = removal.date.reindex(implant.index)
    years = (day.fillna(patients.end.loc[implant.index]) - implant) / DAYS_PER_YEAR
    reason = removal.reason.reindex(implant.index).fillna("")
    return Stimulated(years.to_numpy(), day.notna().to_numpy(), reason.to_numpy(), implant.index, implant.to_numpy())


@pytest.fixture(scope="module")
def fills(tables, patients):
    frame = tables["dispensings"]
    place = pd.Series(np.arange(len(patients)), index=patients.index)
    factor = frame.ingredient.map(FACTORS)
    return pd.DataFrame(
        {
            "patient": frame.patient_id.map(place),
            "start": frame.date,
            "days": frame.days_supply,
            "mme": frame.strength_value * frame.quantity / frame.days_supply * factor,
        }
    )


def _first(events: pd.DataFrame, event: str) -> pd.Series:
    return events[(events.event == event) & (events.component != "lead")].groupby("patient_id").date.min()


# Who


def test_age_and_sex(patients):
    assert_share((patients.sex == "female").mean(), PATIENTS, 0.584, 955)  # vanbuyten2017
    age = (
        patients.eligible
        - pd.to_datetime(patients.birth_year.astype(str)).astype("datetime64[s]").astype("int64") // 86400
    )
    assert 51.5 <= (age / DAYS_PER_YEAR).mean() <= 56  # han2016_cns, vanbuyten2017, sharan2018
    assert (age / DAYS_PER_YEAR).std() == pytest.approx(13, abs=1)


def test_traits(tables):
    smoking = tables["attributes"].query("attribute == 'smoking'").value
    assert_share((smoking == "current").mean(), PATIENTS, 0.291, 213)  # mekhail2018_smoking
    assert_share((smoking == "former").mean(), PATIENTS, 0.347, 213)
    bmi = tables["measurements"].query("measure == 'bmi'").value
    assert_mean(bmi, 29.79, 6.15, 97)  # neuromod2018_painmeds


def test_operations_before_eligibility(tables, patients):
    operations = tables["surgeries"]
    before = operations[operations.date < operations.patient_id.map(patients.eligible)]
    assert_mean(before.groupby("patient_id").size(), 2.74, 3.74, 97)  # neuromod2018_painmeds
    last = patients.eligible - before.groupby("patient_id").date.max()
    assert (last >= 180).mean() == pytest.approx(0.97, abs=0.005)


def test_deaths(patients):
    died = (patients.death_date != NO_DAY).sum()
    years = ((patients.end - patients.eligible) / DAYS_PER_YEAR).sum()
    # Assumed, not published: about 1 % a year at 55, 1-3 % over ages 20 to 100.
    assert 0.01 <= died / years <= 0.03


# Trial and device


def test_trial(tables, stimulated):
    trial = tables["device_events"].query("event == 'trial_end'")
    success = trial.trial_success.astype(bool)
    assert_share(success.mean(), len(trial), 164 / 211, 211)  # nissen2021_opioid: 47 of 211 trial only
    assert 0.72 <= success.mean() <= 0.82  # shanthanna2023, randomised and observational
    assert_share(len(stimulated.years) / len(trial), len(trial), 0.726, 1776)  # rauck2023
    assert (trial.percent_relief[success] >= 50).mean() > 0.95


@pytest.mark.parametrize(("years", "published"), [(3, 0.17), (5, 0.23), (10, 0.38)])
def test_explant_for_any_cause(stimulated, years, published):
    at_risk = (stimulated.years >= years).sum()
    simulated = kaplan_meier(stimulated.years, stimulated.removed, years)
    assert_share(simulated, at_risk, published, 400)  # gatzinsky2024


@pytest.mark.parametrize(("published", "n"), [(0.071, 5476), (0.0766, 12079)])
def test_explant_in_the_first_year(stimulated, published, n):
    simulated = kaplan_meier(stimulated.years, stimulated.removed, 1)
    assert_share(simulated, len(stimulated.years), published, n)  # sharan2018, han2016_cns


@pytest.mark.parametrize(("years", "published"), [(3, 0.10), (5, 0.14), (10, 0.23)])
def test_explant_for_inadequate_relief(stimulated, years, published):
    at_risk = (stimulated.years >= years).sum()
    simulated = kaplan_meier(stimulated.years, stimulated.reason == "inadequate_relief", years)
    assert_share(simulated, at_risk, published, 400)  # gatzinsky2024


def test_reasons_and_times_of_explant(stimulated):
    reasons = pd.Series(stimulated.reason[stimulated.removed])
    assert_share((reasons == "inadequate_relief").mean(), len(reasons), 94 / 180, 180)  # vanbuyten2017
    assert 0.035 <= stimulated.removed.sum() / stimulated.years.sum() <= 0.079  # rauck2023, vanbuyten2017, per year
    early = 12 * stimulated.years[stimulated.reason == "infection"]
    # jns2019_explant129: median 2 months of 15; log-normal sigma 0.9 gives the error of a median of 15.
    assert abs(np.log(np.median(early) / 2)) <= 3 * 1.2533 * 0.9 / np.sqrt(15)
    late = 12 * stimulated.years[stimulated.reason == "inadequate_relief"]
    # jns2019_explant129: median 20 months, quartiles 7.5 and 45.5 of 129; followed for a shorter time than here.
    spread = np.log(45.5 / 7.5) / 1.349
    assert abs(np.log(np.median(late[late <= 60]) / 20)) <= 3 * 1.2533 * spread / np.sqrt(129)


def test_infection(tables, stimulated):
    infected = tables["device_events"].query("event == 'complication' and reason == 'infection' and system_id == 1")
    n = len(stimulated.years)
    assert_share(infected.patient_id.nunique() / n, n, 0.0245, 2737)  # hoelzer2017_inf
    assert_share(infected.patient_id.nunique() / n, n, 0.0311, 6615)  # payer_infection
    assert_share((stimulated.reason == "infection").sum() / len(infected), len(infected), 0.776, 67)  # bendel2017_inf


def test_revision_within_two_years(tables, patients, stimulated):
    events = tables["device_events"].query("event in ['revise', 'replace', 'upgrade', 'explant']")
    first = events.groupby("patient_id").date.min().reindex(stimulated.patient)
    years = (first.fillna(patients.end.loc[stimulated.patient]) - stimulated.implant) / DAYS_PER_YEAR
    simulated = kaplan_meier(years.to_numpy(), first.notna().to_numpy(), 2)
    assert_share(simulated, len(first), 13 / 42, 42)  # process2008


def test_a_new_system_after_some_explants(tables, stimulated):
    again = tables["device_events"].query("component == 'generator' and event == 'implant' and system_id == 2")
    # Assumed, not published: 15-20 % of those removed.
    assert 0.13 <= len(again) / stimulated.removed.sum() <= 0.22


def test_high_dose_raises_explant_for_inadequate_relief(patients, fills, stimulated):
    eligible = patients.eligible.to_numpy()
    mme, days = supplied(fills, len(patients), eligible - 90, eligible - 1)
    dose = pd.Series(np.where(days > 0, mme / 90, 0), index=patients.index).loc[stimulated.patient].to_numpy()
    event = stimulated.reason == "inadequate_relief"
    rates, errors = [], []
    for group in (dose < 5, dose >= 90):
        rates.append(event[group].sum() / stimulated.years[group].sum())
        errors.append(1 / event[group].sum())
    # sharan2018: odds ratio 1.57 with P = 0.005, a standard error of the log of ln(1.57) / 2.81.
    error = np.sqrt(sum(errors) + (np.log(1.57) / 2.81) ** 2)
    assert abs(np.log(rates[1] / rates[0]) - np.log(1.57)) <= 3 * error
    assert rates[1] > rates[0]


# Opioids


@pytest.fixture(scope="module")
def baseline(patients, fills):
    eligible = patients.eligible.to_numpy()
    mme, days = supplied(fills, len(patients), eligible - 90, eligible - 1)
    seen = patients.pharmacy_start.to_numpy() <= eligible - 90
    return pd.DataFrame({"mme": mme / 90, "is_user": days > 0, "is_seen": seen}, index=patients.index)


def test_baseline_use_and_dose(baseline):
    seen = baseline[baseline.is_seen]
    assert_share(seen.is_user.mean(), len(seen), 296 / 467, 467)  # poulsen2022
    assert_share(seen.is_user.mean(), len(seen), 53 / 86, 86)  # gee2019
    dose = seen.mme[seen.is_user]
    assert 30 <= dose.median() <= 80  # simopoulos2019, poulsen2022
    assert_mean(dose, 79.19, dose.std(), 69)  # dsouza2021, which prints no standard deviation
    assert 0.18 <= (dose > 90).mean() <= 0.393  # below alkaisy2019_opioid, who were high-dose patients
    assert np.log(dose[dose > 0]).std() == pytest.approx(1.3, abs=0.2)  # notes on neuromod2018_painmeds: 1.2-1.5


def test_dose_rises_before_stimulation(patients, fills):
    eligible = patients.eligible.to_numpy()
    then, _ = supplied(fills, len(patients), eligible - 365, eligible - 276)
    now, _ = supplied(fills, len(patients), eligible - 90, eligible - 1)
    used = (
        (np.maximum(then, now) > 0)
        & (patients.pharmacy_start.to_numpy() <= eligible - 365)
        & patients.is_trialled.to_numpy()
    )
    up = (now > 1.05 * then)[used].mean()
    down = (now < 0.95 * then)[used].mean()
    assert_share(up, int(used.sum()), 0.54, 5476)  # sharan2018
    # sharan2018 prints 25 % down and 21 % stable without saying what stable means; here refills come early and late.
    assert up > down + 0.15


@dataclass(frozen=True)
class After:
    """Users followed for two years after an anchor: dose a day before and at 12 months, and who stopped or cut."""

    before: np.ndarray
    at_year: np.ndarray
    covered_at_year: np.ndarray
    stopped: np.ndarray
    halved: np.ndarray


def _after(patients: pd.DataFrame, fills: pd.DataFrame, anchor: np.ndarray, chosen: np.ndarray) -> After:
    n = len(patients)
    year_before, days_before = supplied(fills, n, anchor - 365, anchor - 1)
    two_years, days_after = supplied(fills, n, anchor + 1, anchor + 730)
    quarter_before, _ = supplied(fills, n, anchor - 90, anchor - 1)
    quarter_after, covered = supplied(fills, n, anchor + 276, anchor + 365)
    inside = fills[(fills.start > anchor[fills.patient]) & (fills.start <= anchor[fills.patient] + 730)]
    inside = inside.sort_values(["patient", "start"])
    previous = inside.groupby("patient").start.shift()
    gap = np.zeros(n)
    np.maximum.at(gap, inside.patient, inside.start - previous.fillna(pd.Series(anchor[inside.patient], inside.index)))
    last = anchor.astype(float)
    np.maximum.at(last, inside.patient, inside.start)
    gap = np.maximum(gap, anchor + 730 - last)
    stopped = (gap >= 365) | (days_after <= 30)
    halved = ~stopped & (two_years / 730 <= 0.5 * year_before / 365)
    seen = (patients.pharmacy_start.to_numpy() <= anchor - 365) & (patients.end.to_numpy() >= anchor + 730)
    use = chosen & seen & (days_before > 0)
    return After(quarter_before[use] / 90, quarter_after[use] / 90, covered[use], stopped[use], halved[use])


@pytest.fixture(scope="module")
def after_stimulation(patients, fills):
    implanted = patients.implant.notna().to_numpy()
    anchor = np.where(implanted, patients.implant.fillna(0), patients.eligible).astype(np.int64)
    return _after(patients, fills, anchor, implanted)


@pytest.fixture(scope="module")
def after_eligibility(patients, fills):
    return _after(patients, fills, patients.eligible.to_numpy() + 60, ~patients.is_trialled.to_numpy())


def test_stopping_and_cutting_after_stimulation(after_stimulation):
    n = len(after_stimulation.stopped)
    assert_share(after_stimulation.stopped.mean(), n, 0.22, 5878)  # fraifeld2021
    assert_share(after_stimulation.halved.mean(), n, 0.20, 5878)  # fraifeld2021
    using = after_stimulation.before > 0
    none = after_stimulation.covered_at_year[using] == 0
    assert_share(none.mean(), int(using.sum()), 0.17, 8497)  # adil2020
    less = after_stimulation.at_year[using] < 0.95 * after_stimulation.before[using]
    assert 0.40 <= less.mean() <= 0.65  # hwang2021, sharan2018, adil2020


def test_low_dose_stops_and_high_dose_cuts(after_stimulation):
    low = (after_stimulation.before > 0) & (after_stimulation.before <= 20)
    high = after_stimulation.before > 90
    stopped, halved = after_stimulation.stopped, after_stimulation.halved
    # adil2020: 34.2 % at or below 20 MME, 5.1 % above 90; the size of the groups is not printed.
    assert 0.25 <= stopped[low].mean() <= 0.40
    assert 0.02 <= stopped[high].mean() <= 0.08
    assert halved[high].mean() > 1.5 * halved[low].mean()  # yong2024


def test_conventional_management_changes_less(after_stimulation, after_eligibility):
    assert 0.08 <= after_eligibility.stopped.mean() <= 0.14  # assumed 10-12 %, see the parameters
    assert after_eligibility.stopped.mean() < after_stimulation.stopped.mean()
    assert after_eligibility.halved.mean() < after_stimulation.halved.mean()


# Scores


def test_pain_before_and_after(tables, patients):
    scores = tables["measurements"]
    leg = scores[scores.measure == "nrs_leg"].assign(eligible=lambda rows: rows.patient_id.map(patients.eligible))
    anchor = leg.patient_id.map(patients.implant).fillna(leg.eligible)
    before = leg[leg.date <= leg.eligible].groupby("patient_id").value.first()
    assert_mean(before, 7.72, 1.86, 97)  # neuromod2018_painmeds
    at_two_years = leg[(leg.date - anchor).between(700, 770)].groupby("patient_id").value.first()
    base = before.reindex(at_two_years.index)
    known = base[base > 0].index
    better = at_two_years[known] < 0.5 * base[known]
    stimulated = patients.implant.loc[known].notna()
    assert_share(better[stimulated].mean(), int(stimulated.sum()), 17 / 46, 46)  # process2008
    assert_share(better[~stimulated].mean(), int((~stimulated).sum()), 0.02, 41)  # process2008
