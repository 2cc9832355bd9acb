"""What decides the course after an index operation: comorbidities, earlier operations, procedure and levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...dates import DAYS_PER_YEAR
from .draws import NEVER, Flags, Numbers, Whole, choose, expit
from .parameters import Parameters
from .people import SMOKING, People
from .scores import baseline_value

DISC, DECOMPRESSION, FUSION = range(3)
FAMILIES = ("disc", "decompression", "fusion")
LOWEST = 4
"""Levels are counted from L1-L2 (0) to L5-S1 (4)."""
PRIOR_MOST = 3
_FIRST_AGE = 16


@dataclass(frozen=True, eq=False)
class Candidates:
    """One value per patient; ``prior`` has shape (operations, patients), `NEVER` where there was none.

    ``family`` is the kind of index operation; ``top`` and ``bottom`` are its highest and lowest level.
    """

    has_osteoporosis: Flags
    has_diabetes: Flags
    has_arthritis: Flags
    is_smoker: Flags
    bmi: Numbers
    asa: Whole
    prior: Whole
    family: Whole
    top: Whole
    bottom: Whole

    @property
    def has_prior(self) -> Flags:
        """Who had a lumbar operation before the index operation, observed or not."""
        return np.asarray(self.prior[0] < NEVER)

    @property
    def is_multilevel(self) -> Flags:
        """Whose index operation spans two levels or more."""
        return np.asarray(self.bottom > self.top)


def make_candidates(people: People, p: Parameters) -> Candidates:
    """Draw everything about the index operation that is known on its day."""
    draws, decade = people.draws, (people.age - 60) / 10

    def has(name: str) -> Flags:
        odds = p.number(f"comorbidity.{name}") + p.number(f"comorbidity.{name}_per_decade") * decade
        odds = odds + p.number(f"comorbidity.{name}_female") * people.is_female
        return draws.below(f"had {name}", expit(odds))

    diabetes = has("diabetes")
    family = _family(people, p)
    top, bottom = _levels(people, p, family)
    # Age and diabetes move a patient up the classes.
    status = np.clip(draws.uniform("asa") + 0.05 * decade + 0.15 * diabetes, 0, 1 - 1e-12)
    return Candidates(
        has_osteoporosis=has("osteoporosis"),
        has_diabetes=diabetes,
        has_arthritis=has("rheumatoid_arthritis"),
        is_smoker=people.smoking == SMOKING.index("current"),
        bmi=np.clip(baseline_value(people, p, "bmi"), 15, 65),
        asa=choose(np.asarray(status, dtype=np.float64), p.shares("index.asa")) + 1,
        prior=_prior(people, p),
        family=family,
        top=top,
        bottom=bottom,
    )


def _family(people: People, p: Parameters) -> Whole:
    u, age = people.draws.uniform("family"), people.age
    chosen = [choose(u, p.shares(f"index.family_{band}")) for band in ("below_50", "from_50", "from_65")]
    return np.choose(np.digitize(age, (50, 65)), chosen).astype(np.int64)


def _levels(people: People, p: Parameters, family: Whole) -> tuple[Whole, Whole]:
    draws = people.draws
    number = np.choose(family, [1 + draws.choice("levels", p.shares(f"index.levels_{name}")) for name in FAMILIES])
    bottom = LOWEST - draws.choice("lowest level", p.shares("index.lowest_level"))
    return np.maximum(bottom - number + 1, 0), bottom


def _prior(people: People, p: Parameters) -> Whole:
    """Return the days of earlier operations, the latest first."""
    draws = people.draws
    odds = p.number("index.prior_odds") + p.number("index.prior_frailty") * people.frailty
    happens = draws.below("prior operation", expit(odds))
    earliest = people.birth + int(_FIRST_AGE * DAYS_PER_YEAR)
    days = np.full((PRIOR_MOST, people.number), NEVER)
    day = people.eligible
    for k in range(PRIOR_MOST):
        happens = (
            happens if k == 0 else happens & draws.below("another prior operation", p.number("index.prior_again"), k)
        )
        spread = np.exp(p.number("index.prior_gap_sigma") * draws.normal("prior gap", k))
        day = day - 60 - np.floor(p.number("index.prior_gap_median_days") * spread).astype(np.int64)
        happens = happens & (day >= earliest)
        days[k] = np.where(happens, day, NEVER)
    return days
