"""From spells of use to dispensings: regimens, products, strengths, quantities, refills early and late."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .draws import Draws, Flags, Numbers, Whole, expit
from .parameters import Parameters, Product
from .people import People
from .rows import Block, build, rows_of, word_codes
from .spells import ALL_SPELLS, REFERENCE_MME, Spells, log_dose
from .surgeries import Operations
from .trials import Trials

LONG, SHORT = 0, 1
_ROTATIONS = 2
_FILLS_PER_COURSE = 1024
_GAPS = ((-3, -1), (0, 0), (1, 5), (6, 20), (21, 60))
_UNITS = {"patch": ("mcg/h", "patch"), "film": ("mcg", "unit")}


@dataclass(frozen=True, eq=False)
class Courses:
    """One product taken without a change: between ``begin`` and ``last`` (the last day a fill may fall on)."""

    patient: Whole
    course: Whole
    spell: Whole
    begin: Whole
    last: Whole
    product: Whole
    dose_share: Numbers
    supply: Whole
    is_intermittent: Flags

    def take(self, rows: npt.NDArray[np.intp]) -> Courses:
        """Return some of the courses."""
        return Courses(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


def dispensings_table(
    people: People, p: Parameters, trials: Trials, operations: Operations, spells: Spells, patient_id: pa.Array
) -> pa.Table:
    """Return every fill inside pharmacy observation."""
    catalogue = _Catalogue.of(p)
    parts = [_courses(people, p, spells, spell, segment, slot)
             for spell in range(ALL_SPELLS) for segment in range(_ROTATIONS + 1) for slot in (LONG, SHORT)]  # fmt: skip
    courses = Courses(
        **{each.name: np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Courses)}
    )
    blocks = _fills(people, p, spells, courses, catalogue)
    blocks += _acute(people, p, trials, operations, spells, catalogue)
    return build("dispensings", blocks, patient_id, counter="dispensing_id", tie="course")


def _courses(people: People, p: Parameters, spells: Spells, spell: int, segment: int, slot: int) -> Courses:
    draws, course = people.draws, (spell * (_ROTATIONS + 1) + segment) * 2 + slot
    begin, stop = _segment(people, p, spells, spell, segment)
    last = np.minimum(stop - 1, people.end)
    level = people.log_mme + np.where(spell == 0, 0.0, p.number("opioids.spells.new_log_dose"))
    band = np.digitize(np.exp(level), (40.0, 90.0))
    regimen = _regimen(draws, p, spell, band)
    alone = np.where(slot == LONG, 2, 0)
    used = ((regimen == 1) | (regimen == alone)) & (begin <= last)
    share = np.where(regimen == 1, p.number("opioids.long_share"), 1.0)
    share = np.where((regimen == 1) & (slot == SHORT), 1 - share, share)
    rows = np.flatnonzero(used)
    product = _product(draws, p, course, slot, band)
    intermittent = _is_intermittent(draws, p, level) & (regimen == 0)
    supply = np.where(draws.below("supply", p.number("opioids.filling.supply_28_days")), 28, 30)
    whole = Courses(
        patient=np.arange(people.number),
        course=np.full(people.number, course),
        spell=np.full(people.number, spell),
        begin=begin,
        last=last,
        product=product,
        dose_share=share,
        supply=supply,
        is_intermittent=intermittent,
    )
    return whole.take(rows)


def _segment(people: People, p: Parameters, spells: Spells, spell: int, segment: int) -> tuple[Whole, Whole]:
    """Return when a part of a spell begins and stops; a spell is cut where the product changes."""
    late = people.draws.days("first fill", (0, 27), spell)
    first = np.where(spells.begin[spell] < people.pharmacy_start, people.pharmacy_start + late, spells.begin[spell])
    cuts = [first]
    for k in range(_ROTATIONS):
        wait = people.draws.wait("rotation", p.number("opioids.filling.rotation"), spell * _ROTATIONS + k)
        cuts.append(cuts[-1] + wait)
    begin = cuts[segment]
    stop = spells.stop[spell] if segment == _ROTATIONS else np.minimum(cuts[segment + 1], spells.stop[spell])
    return begin, stop


def _regimen(draws: Draws, p: Parameters, spell: int, band: Whole) -> Whole:
    """Return 0 for a short-acting product alone, 1 for both, 2 for a long-acting one alone."""
    chosen = [draws.choice("regimen", p.shares(f"opioids.regimen_{name}"), spell) for name in ("low", "middle", "high")]
    return np.choose(band, chosen)


def _product(draws: Draws, p: Parameters, course: int, slot: int, band: Whole) -> Whole:
    u = draws.uniform("product", course)
    chosen = []
    places = np.array([place for place, each in enumerate(p.products) if each.is_long_acting == (slot == LONG)])
    for level in range(3):
        shares = np.array([p.products[place].shares[level] for place in places])
        edges = np.cumsum(shares / shares.sum())[:-1]
        chosen.append(places[np.searchsorted(edges, u, side="right")])
    return np.choose(band, chosen)


def _is_intermittent(draws: Draws, p: Parameters, level: Numbers) -> Flags:
    slope = p.number("opioids.filling.intermittent_log_dose")
    odds = p.number("opioids.filling.intermittent_odds") + slope * (level - np.log(REFERENCE_MME))
    return draws.below("intermittent", expit(odds))


@dataclass(frozen=True, eq=False)
class _Catalogue:
    """The products as arrays by product; ``strengths`` has a row per place among them, padded with infinity."""

    strengths: Numbers
    factor: Numbers
    usual: Whole
    most: Whole
    wear: Whole
    codes: dict[str, npt.NDArray[np.int16]]

    @classmethod
    def of(cls, p: Parameters) -> _Catalogue:
        products: tuple[Product, ...] = p.products
        widest = max(len(each.strengths) for each in products)
        units = [_UNITS.get(each.form, ("mg", "unit")) for each in products]
        return cls(
            strengths=np.array([[*each.strengths, *[np.inf] * (widest - len(each.strengths))] for each in products]).T,
            factor=np.array([each.mme_factor for each in products]),
            usual=np.array([each.usual_units for each in products]),
            most=np.array([each.most_units for each in products]),
            wear=np.array([each.wear_days for each in products]),
            codes={
                "ingredient": word_codes("ingredient", [each.ingredient for each in products]),
                "form": word_codes("form", [each.form for each in products]),
                "route": word_codes("route", [each.route for each in products]),
                "strength_unit": word_codes("strength_unit", [strength for strength, _ in units]),
                "quantity_unit": word_codes("quantity_unit", [quantity for _, quantity in units]),
            },
        )


def _dispensed(catalogue: _Catalogue, product: Whole, mme: Numbers) -> tuple[Numbers, Whole]:
    """Return the strength, and the units a day (patches worn at a time), that come nearest to a daily dose."""
    daily = mme / catalogue.factor[product]
    wanted = 0.75 * daily / catalogue.usual[product]
    strength = catalogue.strengths[0][product]
    for following in catalogue.strengths[1:]:
        # The strength found so far gives way to the next one where it is too low and there is a next one.
        higher = following[product]
        strength = np.where((strength < wanted) & np.isfinite(higher), higher, strength)
    units = np.clip(np.round(daily / strength), 1, catalogue.most[product]).astype(np.int64)
    return strength, units


def _fills(people: People, p: Parameters, spells: Spells, courses: Courses, catalogue: _Catalogue) -> list[Block]:
    """Return one block per number of the fill within its course; each step moves every open course to its next fill."""
    blocks: list[Block] = []
    day, k = courses.begin, 0
    while len(still := np.flatnonzero(day <= courses.last)):
        courses, day = courses.take(still), day[still]
        draws, draw = people.draws.take(courses.patient), courses.course * _FILLS_PER_COURSE + k
        supply = _supply(draws, p, draw, courses, catalogue)
        mme = np.exp(log_dose(people, p, spells, courses.patient, courses.spell, day)) * courses.dose_share
        blocks.append(_block(draws, p, draw, catalogue, courses.patient, courses.product, day, supply, mme))
        day, k = day + supply + _gap(draws, p, draw, courses.is_intermittent), k + 1
    return blocks


def _supply(draws: Draws, p: Parameters, draw: Whole, courses: Courses, catalogue: _Catalogue) -> Whole:
    u = draws.uniform("short fill", draw)
    share = p.number("opioids.filling.short_fill")
    supply = np.select([u < share / 2, u < share], [7, 15], courses.supply)
    wear = catalogue.wear[courses.product]
    return np.select([wear == 7, wear > 0], [28, 30], supply)


def _gap(draws: Draws, p: Parameters, draw: Whole, intermittent: Flags) -> Whole:
    u = draws.uniform("gap", draw)
    edges = np.append(0.0, np.cumsum(list(p.shares("opioids.filling.regular_gap").values())))
    category = np.clip(np.searchsorted(edges, u, side="right") - 1, 0, len(_GAPS) - 1)
    within = (u - edges[category]) / (edges[category + 1] - edges[category])
    first, last = np.array(_GAPS)[category].T
    regular = np.floor(first + np.clip(within, 0, 1 - 1e-12) * (last - first + 1)).astype(np.int64)
    spread = np.exp(p.number("opioids.filling.intermittent_gap_sigma") * draws.normal("intermittent gap", draw))
    pause = np.floor(p.number("opioids.filling.intermittent_gap_days") * spread).astype(np.int64)
    return np.where(intermittent, pause, regular)


def _block(
    draws: Draws, p: Parameters, draw: Whole, catalogue: _Catalogue,
    patient: Whole, product: Whole, day: Whole, supply: Whole, mme: Numbers,
) -> Block:  # fmt: skip
    strength, units = _dispensed(catalogue, product, mme)
    wear = catalogue.wear[product]
    quantity = units * np.where(wear > 0, supply // np.maximum(wear, 1), supply)
    unknown = draws.below("strength not recorded", p.number("opioids.filling.missing_strength"), draw)
    words = {name: codes[product] for name, codes in catalogue.codes.items()}
    words["strength_unit"] = np.where(unknown, np.int16(-1), words["strength_unit"])
    return rows_of(
        patient,
        date=day,
        strength_value=np.where(unknown, np.nan, strength),
        quantity=quantity.astype(np.float64),
        days_supply=supply,
        course=draw // _FILLS_PER_COURSE,
        **words,
    )


def _acute(
    people: People, p: Parameters, trials: Trials, operations: Operations, spells: Spells, catalogue: _Catalogue
) -> list[Block]:
    """Return the fills of a few days that patients who take no opioids get after an operation or an implant."""
    everyone = np.arange(people.number)
    patient = np.concatenate([operations.patient, everyone])
    position = np.concatenate([operations.position, np.full(people.number, 99)])
    day = np.concatenate([operations.day, np.minimum(trials.implant, spells.pumps.implant)])
    share = np.repeat(
        [p.number("opioids.spells.acute_after_surgery"), p.number("opioids.spells.acute_after_implant")],
        [len(operations.patient), people.number],
    )
    draws = people.draws.take(patient)
    filled = draws.below("acute fill", share, position) & ~people.is_user[patient]
    filled &= (day >= people.pharmacy_start[patient]) & (day <= people.end[patient])
    rows = np.flatnonzero(filled)
    patient, position, day, draws = patient[rows], position[rows], day[rows], draws.take(rows)
    shorts = {
        str(place): each.shares[0]
        for place, each in enumerate(p.products)
        if not each.is_long_acting and not each.wear_days
    }
    total = sum(shares for shares in shorts.values())
    product = np.array([int(place) for place in shorts])[
        draws.choice("acute product", {place: share / total for place, share in shorts.items()}, position)
    ]
    supply = draws.days("acute days", p.pair("opioids.spells.acute_days"), position)
    mme = np.full(len(rows), p.number("opioids.spells.acute_mme"))
    draw = (1000 + position) * _FILLS_PER_COURSE
    return [_block(draws, p, draw, catalogue, patient, product, day, supply, mme)]
