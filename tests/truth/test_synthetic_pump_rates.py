"""The simulated pumps beside the published figures they were calibrated to.

Tolerance: as for the neuromodulation cohort, three standard errors of the difference between published and simulated
shares. The published figures on systemic opioids differ by definition from 39 to 92 %; each is held with its own
definition where it has one, and within the range of the sources where it has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from synthetic_rates import FACTORS, assert_share, kaplan_meier, supplied
from synthetic_rules import frame

from fbss_analytics.dates import DAYS_PER_YEAR, NO_DAY
from fbss_analytics.sources.synthetic import simulate

PATIENTS, SEED = 40_000, 20270101


@dataclass(frozen=True)
class Pumps:
    """The first pump of each patient: days of implant, end of observation, removal (or none), and age."""

    tables: dict[str, pd.DataFrame]
    events: pd.DataFrame
    implant: pd.Series
    end: pd.Series
    removed: pd.Series
    age: pd.Series

    def years_to(self, day: pd.Series, until: pd.Series | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return years from implant to a day or to the end of what is watched, and whether the day was seen."""
        day = day.reindex(self.implant.index)
        end = self.end if until is None else until.fillna(self.end)
        return ((day.fillna(end) - self.implant) / DAYS_PER_YEAR).to_numpy(), day.notna().to_numpy()


@pytest.fixture(scope="module")
def pumps():
    source = simulate("neuromodulation", n_patients=PATIENTS, seed=SEED)
    tables = {name: frame(source.tables, name) for name in source.tables}
    events = tables["device_events"].query("device == 'intrathecal_pump'")
    of_pump = events[(events.component == "pump") & (events.system_id == 1)].set_index("patient_id")
    implant = of_pump[of_pump.event == "implant"].date
    periods = tables["observation_periods"].query("domain == 'medical'").set_index("patient_id")
    born = tables["patients"].set_index("patient_id").birth_year.loc[implant.index]
    age = (implant - (born - 1970) * DAYS_PER_YEAR) / DAYS_PER_YEAR
    removed = of_pump[of_pump.event == "explant"].date.reindex(implant.index)
    return Pumps(tables, events, implant, periods.end_date.loc[implant.index], removed, age)


def _day(pumps: Pumps, rows: pd.Series) -> pd.Series:
    return pumps.events[rows & (pumps.events.system_id == 1)].groupby("patient_id").date.min()


def test_trial(pumps):
    trial = pumps.events.query("event == 'trial_end'")
    assert_share((trial.trial_success == True).mean(), len(trial), 0.93, 166)  # noqa: E712 - deer2004
    assert_share(len(pumps.implant) / len(trial), len(trial), 0.82, 166)  # deer2004


def test_life_of_pumps(pumps):
    ended = _day(pumps, (pumps.events.component == "pump") & pumps.events.event.isin(["replace", "explant"]))
    years, event = pumps.years_to(ended)
    assert kaplan_meier(years, event, 5.0) < 0.5 < kaplan_meier(years, event, 5.8)  # bolash2015 median 5.4 (5.0-5.8)
    replaced = _day(pumps, (pumps.events.event == "replace") & (pumps.events.reason == "battery_end_of_life"))
    life = ((replaced - pumps.implant) / DAYS_PER_YEAR).median()
    assert 5.6 <= life <= 6.1  # bolash2015 end of battery, median 5.9 (5.6-6.1)


def test_faults_and_catheters(pumps):
    years, event = pumps.years_to(_day(pumps, pumps.events.reason == "pump_fault"), pumps.removed)
    assert kaplan_meier(years, event, 5) < 0.10  # konrad2016: more than 90 % free of pump events
    failed = _day(pumps, (pumps.events.component == "catheter") & (pumps.events.event == "complication"))
    years, event = pumps.years_to(failed, pumps.removed)
    at_risk = int((years >= 5).sum())
    assert_share(kaplan_meier(years, event, 5), at_risk, 0.19, 6093)  # konrad2016: more than 81 % free of events


def test_removal_and_infection(pumps):
    years, event = pumps.years_to(pumps.removed.dropna())
    assert_share(kaplan_meier(years, event, 3), int((years >= 3).sum()), 0.06, 88)  # roberts2001
    infected = _day(pumps, (pumps.events.reason == "infection") & (pumps.events.event == "complication"))
    wait = infected - pumps.implant.reindex(infected.index)
    per_year = len(infected) / ((pumps.end - pumps.implant) / DAYS_PER_YEAR).sum()
    assert 0.003 <= per_year <= 0.012  # swiss_pump_series 0.7 % per year
    assert (wait <= 100).mean() > 0.9  # swiss_pump_series: all within three months


def test_deaths_after_implant(pumps):
    died = pumps.tables["patients"].set_index("patient_id").death_date.replace(NO_DAY, np.nan).dropna()
    years, event = pumps.years_to(died[died.index.isin(pumps.implant.index)])
    n = len(years)
    # coffey2009 does not print how many were implanted; the simulated number alone gives the error.
    for at, published in ((1 / 12, 0.0039), (1, 0.0389)):
        error = np.sqrt(published * (1 - published) / n)
        assert abs(kaplan_meier(years, event, at) - published) <= 3 * error


# Intrathecal dose


@pytest.fixture(scope="module")
def doses(pumps):
    rows = pumps.tables["intrathecal_doses"].query("ingredient != 'bupivacaine' and system_id == 1")
    rows = rows.assign(days=rows.date - rows.patient_id.map(pumps.implant)).sort_values("days")
    followed = pumps.end - pumps.implant

    def at(day: int) -> pd.Series:
        return rows[rows.days <= day].groupby("patient_id").dose_per_day.last().reindex(followed.index[followed >= day])

    return rows, at


@pytest.mark.parametrize(("is_older", "published", "sd", "n"), [(False, 7.5, 4.5, 50), (True, 1.95, 1.2, 85)])
def test_the_dose_rises_with_youth(pumps, doses, is_older, published, sd, n):
    _, at = doses
    ratio = (at(365) / at(0)).dropna()
    ratio = ratio[(pumps.age.loc[ratio.index] > 50) == is_older]
    error = np.sqrt(sd**2 / n + ratio.var() / len(ratio))
    assert abs(ratio.mean() - published) <= 3 * error  # hayek2011, n = 135


def test_the_dose_reaches_a_plateau(doses):
    rows, at = doses
    morphine = rows.patient_id[rows.ingredient == "morphine"].unique()
    mean = {day: at(day).reindex(morphine).dropna().mean() for day in (0, 365, 1095)}
    assert 0.7 <= mean[0] <= 1.4  # kumar2001 1.1 mg a day
    assert 1.4 <= mean[365] <= 9.95  # hamza2012 to roberts2001
    both = pd.concat([at(1460), at(2555)], axis=1).dropna()
    assert np.log(both.iloc[:, 1] / both.iloc[:, 0]).mean() == pytest.approx(
        0, abs=0.02
    )  # sommer2020, duarte2012_model


# Systemic opioids


@pytest.fixture(scope="module")
def opioids(pumps):
    fills = pumps.tables["dispensings"]
    place = pd.Series(np.arange(len(pumps.implant)), index=pumps.implant.index)
    fills = fills[fills.patient_id.isin(place.index)]
    mme = fills.strength_value * fills.quantity / fills.days_supply * fills.ingredient.map(FACTORS)
    rows = pd.DataFrame(
        {"patient": fills.patient_id.map(place), "start": fills.date, "days": fills.days_supply, "mme": mme}
    )
    implant = pumps.implant.to_numpy()

    def within(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        mme, days = supplied(rows, len(place), implant + first, implant + last)
        return mme / (last - first + 1), days

    before, days = within(-365, -91)
    return within, before, days > 0, (pumps.end - pumps.implant).to_numpy()


def test_elimination_by_its_definitions(opioids):
    within, _, was_user, followed = opioids
    at_month = within(16, 44)[1] == 0
    seen = was_user & (followed >= 44)
    # From schultz2020 (38.9 % of 443, self-reported) to caraway2015 (68 % of 99), each by three of its standard errors.
    low, high = (0.389, 443), (0.68, 99)
    assert low[0] - 3 * np.sqrt(low[0] * (1 - low[0]) / low[1]) <= at_month[seen].mean()
    assert at_month[seen].mean() <= high[0] + 3 * np.sqrt(high[0] * (1 - high[0]) / high[1])
    quarter = within(305, 395)[1] == 0
    seen = was_user & (followed >= 395)
    assert_share(quarter[seen].mean(), int(seen.sum()), 0.433, 631)  # hatheway2019, no systemic opioid at 395 days
    later = within(1811, 1839)[1] == 0
    assert 0.39 <= later[was_user & (followed >= 1839)].mean() <= 0.92  # schultz2020 to caraway2015


def test_dose_after_implant(opioids, pumps):
    within, before, was_user, followed = opioids
    after, _ = within(305, 395)
    seen = was_user & (followed >= 395) & (before > 0)
    less = (after < before)[seen]
    assert_share(less.mean(), int(seen.sum()), 0.815, 631)  # hatheway2019
    going_on = seen & (after > 0)
    assert_share((after < before)[going_on].mean(), int(going_on.sum()), 0.749, 358)  # hatheway2019
    low, high = seen & (before < 50), seen & (before >= 90)
    odds = [(after == 0)[group].mean() for group in (low, high)]
    ratio = np.log(odds[0] / (1 - odds[0]) / (odds[1] / (1 - odds[1])))
    own = np.sqrt(sum(1 / (share * (1 - share) * group.sum()) for share, group in zip(odds, (low, high), strict=True)))
    error = np.hypot(own, np.log(3.02 / 1.42) / 3.92)
    assert abs(ratio - np.log(2.08)) <= 3 * error  # hatheway2019 2.08 (1.42-3.02)
    older = pumps.age.to_numpy() > 50
    kept = [after[seen & group].mean() / before[seen & group].mean() for group in (older, ~older)]
    # hayek2011: 62 of 140 MME kept above 50 years, 105 of 128 at 50 or below; without an error, so only the direction.
    assert kept[0] < kept[1]


def test_a_peak_and_a_taper_before_the_implant_hide_the_benefit(opioids):
    within, before, was_user, _ = opioids
    near, _ = within(-90, -1)
    assert near[was_user].mean() < 0.9 * before[was_user].mean()


def test_relapse_and_return_after_removal(opioids, pumps):
    within, _, was_user, followed = opioids
    free = was_user & (within(90, 180)[1] == 0) & (followed >= 730)
    relapsed = (within(181, 730)[1] > 0)[free].mean()
    out = (pumps.removed - pumps.implant).to_numpy()
    last = ~pumps.implant.index.isin(pumps.events[pumps.events.system_id == 2].patient_id)
    chosen = np.flatnonzero(was_user & last & (followed >= out + 120))
    back = [within(int(out[row]) + 1, int(out[row]) + 90)[1][row] > 0 for row in chosen]
    # No published rate of either is known; more go back to opioids without their pump than relapse with it in place.
    assert 0 < relapsed < np.mean(back)


def test_relief(pumps):
    scores = pumps.tables["measurements"]
    scores = scores[scores.patient_id.isin(pumps.implant.index)]
    days = scores.date - scores.patient_id.map(pumps.implant)
    for measure, published in (("nrs_back", 0.47), ("nrs_leg", 0.31)):
        chosen = scores.measure == measure
        year = scores[chosen & days.between(340, 400)].set_index("patient_id").value
        before = scores[chosen & (days < 0)].groupby("patient_id").value.first().reindex(year.index)
        relief = 1 - year / before.where(before > 0)
        # deer2004: more than 47 and 31 %, n = 136.
        error = relief.std() * np.sqrt(1 / 136 + 1 / relief.notna().sum())
        assert abs(1 - year.mean() / before.mean() - published) <= 3 * error
