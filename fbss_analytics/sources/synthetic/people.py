"""Who the simulated patients are: eligibility, referral, age, sex, death, observation, traits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ...dates import DAYS_PER_YEAR, NO_DAY, month_of, year_of
from .draws import Draws, Flags, Numbers, Whole, choose, in_days, to_gompertz, to_truncated_normal
from .parameters import Parameters
from .rows import build, either, rows_of, where, word_codes

CONVENTIONAL, SCS, PUMP = 0, 1, 2
SMOKING = ("current", "former", "never")


@dataclass(frozen=True, eq=False)
class People:
    """One value per patient in each array; days count from 1970-01-01. ``frailty`` and ``log_mme`` stay latent.

    ``end`` is the last observed day (of both domains) and ``log_mme`` the log of the daily dose at eligibility a
    patient has, or would have, as a user.
    """

    draws: Draws
    eligible: Whole
    birth: Whole
    is_female: Flags
    arm: Whole
    start: Whole
    pharmacy_start: Whole
    end: Whole
    end_reason: Whole
    smoking: Whole
    has_pension: Flags
    has_depression: Flags
    takes_gabapentinoid: Flags
    is_user: Flags
    frailty: Numbers
    log_mme: Numbers

    @property
    def number(self) -> int:
        """How many patients there are."""
        return len(self.eligible)

    @property
    def age(self) -> Numbers:
        """Age at eligibility in years."""
        return np.asarray((self.eligible - self.birth) / DAYS_PER_YEAR)


def make_people(draws: Draws, p: Parameters) -> People:
    """Draw everything about the patients that no later event depends on the order of."""
    first, last = p.number("calendar.eligibility_first"), p.number("calendar.eligibility_last")
    eligible = draws.days("eligible", (first, last))
    age = to_truncated_normal(
        draws.uniform("age"), p.number("people.age_mean"), p.number("people.age_sd"), p.pair("people.age_range")
    )
    start = eligible - draws.days("look back", _year_window(p.pair("people.look_back_years")))
    short = draws.below("short pharmacy", p.number("people.short_pharmacy"))
    pharmacy = np.where(short, eligible - draws.days("short look back", p.pair("people.short_pharmacy_days")), start)
    end, reason = _end_of_observation(draws, p, eligible, age)
    smoking = draws.choice("smoking", p.shares("attributes.smoking"))
    depression = draws.below("depression", p.number("conditions.depression"))
    pension = draws.below("disability pension", p.number("attributes.disability_pension"))
    return People(
        draws=draws,
        eligible=eligible,
        birth=eligible - np.floor(age * DAYS_PER_YEAR).astype(np.int64),
        is_female=draws.below("female", p.number("people.female")),
        arm=_referral(draws, p),
        start=start,
        pharmacy_start=pharmacy,
        end=end,
        end_reason=reason,
        smoking=smoking,
        has_pension=pension & (age < p.number("attributes.pension_age")),
        has_depression=depression,
        takes_gabapentinoid=draws.below("gabapentinoid", p.number("therapies.drugs.gabapentinoid")),
        is_user=draws.below("opioid user", p.number("opioids.user")),
        frailty=draws.normal("frailty") * np.sqrt(p.number("latent.frailty_variance")),
        log_mme=_log_mme(draws, p, smoking == SMOKING.index("current"), depression),
    )


def _year_window(years: tuple[float, float]) -> tuple[float, float]:
    return years[0] * DAYS_PER_YEAR, years[1] * DAYS_PER_YEAR


def _referral(draws: Draws, p: Parameters) -> Whole:
    scs, pump = p.number("referral.scs_trial"), p.number("referral.pump_trial")
    u = draws.uniform("referral")
    return np.select([u < scs, u < scs + pump], [SCS, PUMP], CONVENTIONAL).astype(np.int64)


def _end_of_observation(draws: Draws, p: Parameters, eligible: Whole, age: Numbers) -> tuple[Whole, Whole]:
    slope = p.number("people.death_slope")
    rate = p.number("people.death_at_55") * np.exp(slope * (age - 55))
    death = eligible + in_days(to_gompertz(draws.exponential("death"), rate, slope))
    lost = eligible + draws.wait("lost", p.number("people.lost"))
    study_end = np.full_like(eligible, int(p.number("calendar.data_end")))
    end = np.minimum(np.minimum(death, lost), study_end)
    words = word_codes("end_reason", ["death", "study_end", "disenrolled", "lost"])
    left = np.where(draws.below("disenrolled", p.number("people.disenrolled")), words[2], words[3])
    return end, np.select([death == end, study_end == end], [words[0], words[1]], left).astype(np.int64)


def _log_mme(draws: Draws, p: Parameters, smoker: Flags, depression: Flags) -> Numbers:
    effects = p.number("opioids.smoking_log_dose") * (smoker - p.shares("attributes.smoking")["current"])
    effects = effects + p.number("opioids.depression_log_dose") * (depression - p.number("conditions.depression"))
    log_mme = np.log(p.number("opioids.median_mme")) + effects
    log_mme = log_mme + p.number("opioids.sigma_mme") * draws.normal("opioid dose")
    return np.asarray(np.minimum(log_mme, np.log(p.number("opioids.cap_mme"))), dtype=np.float64)


def patients_table(people: People, patient_id: pa.Array) -> pa.Table:
    """Return the patients table; a death after observation ended is not known."""
    died = people.end_reason == word_codes("end_reason", ["death"])[0]
    block = rows_of(
        np.arange(people.number),
        birth_year=year_of(people.birth),
        birth_month=month_of(people.birth),
        sex=either(people.is_female, "sex", "female", "male"),
        death_date=np.where(died, people.end, NO_DAY),
    )
    return build("patients", [block], patient_id)


def observation_table(people: People, patient_id: pa.Array) -> pa.Table:
    """Return one medical and one pharmacy period per patient."""
    everyone = np.arange(people.number)
    blocks = [
        rows_of(everyone, domain=domain, start_date=start, end_date=people.end, end_reason=people.end_reason)
        for domain, start in (("medical", people.start), ("pharmacy", people.pharmacy_start))
    ]
    return build("observation_periods", blocks, patient_id)


def attributes_table(people: People, p: Parameters, patient_id: pa.Array) -> pa.Table:
    """Return what describes each patient at eligibility; an attribute that was not recorded has no row."""
    blocks = [where(known, attribute=name, value=value) for name, (value, known) in _attributes(people, p).items()]
    return build("attributes", blocks, patient_id)


_Values = tuple[tuple[Whole, tuple[str, ...]], Flags]


def _attributes(people: People, p: Parameters) -> dict[str, _Values]:
    draws = people.draws
    all_known = np.ones(people.number, dtype=bool)
    no_yes = ("no", "yes")
    payer = _payer(people, p)
    workers = payer[1].index("workers_compensation")
    return {
        "payer": (payer, all_known),
        "workers_compensation": (((payer[0] == workers).astype(np.int64), no_yes), all_known),
        "disability_pension": ((people.has_pension.astype(np.int64), no_yes), all_known),
        "employment": (_employment(people, p), _recorded(draws, p, "employment")),
        "education": (_category(draws, p, "education"), _recorded(draws, p, "education")),
        "race_ethnicity": (_category(draws, p, "race_ethnicity"), _recorded(draws, p, "race_ethnicity")),
        "smoking": ((people.smoking, SMOKING), all_known),
        "centre": (_centre(draws, p), all_known),
    }


def _recorded(draws: Draws, p: Parameters, name: str) -> Flags:
    return ~draws.below(f"{name} not recorded", p.number("attributes.not_recorded"))


def _category(draws: Draws, p: Parameters, name: str) -> tuple[Whole, tuple[str, ...]]:
    shares = p.shares(f"attributes.{name}")
    return draws.choice(name, shares), tuple(shares)


def _centre(draws: Draws, p: Parameters) -> tuple[Whole, tuple[str, ...]]:
    centres = int(p.number("attributes.centres"))
    return draws.days("centre", (0, centres - 1)), tuple(f"c{number:02d}" for number in range(1, centres + 1))


def _payer(people: People, p: Parameters) -> tuple[Whole, tuple[str, ...]]:
    younger, older = p.shares("attributes.payer_below_65"), p.shares("attributes.payer_from_65")
    words = tuple(younger)
    as_younger = np.array([words.index(word) for word in older], dtype=np.int64)
    u = people.draws.uniform("payer")
    return np.where(people.age < 65, choose(u, younger), as_younger[choose(u, older)]), words


def _employment(people: People, p: Parameters) -> tuple[Whole, tuple[str, ...]]:
    share = np.where(people.age < 65, p.number("attributes.employed_below_65"), p.number("attributes.employed_from_65"))
    works = people.draws.below("employment", share)
    words = ("employed", "not_employed", "disabled", "retired")
    return np.select([people.has_pension, works, people.age >= 65], [2, 0, 3], 1).astype(np.int64), words
