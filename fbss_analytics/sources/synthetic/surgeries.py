"""Operations on the spine before and after eligibility, and the stays of those in hospital."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...dates import DAYS_PER_YEAR
from .draws import NEVER, Draws, Flags, Whole, to_counts
from .parameters import Parameters
from .people import People
from .rows import build, count_within, either, rows_of, word_codes

_LEVELS = (
    ("L5-S1", 1, 0.40), ("L4-L5", 1, 0.42), ("L3-L4", 1, 0.13), ("L2-L3", 1, 0.05),
    ("L4-L5;L5-S1", 2, 0.70), ("L3-L4;L4-L5", 2, 0.30), ("L3-L4;L4-L5;L5-S1", 3, 1.0),
)  # fmt: skip
_TO_SACRUM = [place for place, (text, _, _) in enumerate(_LEVELS) if "S1" in text]
_FUSIONS = ("fusion", "decompression_fusion")
_INDICATIONS: Mapping[str, Mapping[str, float]] = {
    "discectomy": {"disc_herniation": 1.0},
    "fusion": {"degenerative_disc": 0.6, "spondylolisthesis": 0.3, "deformity": 0.1},
    "decompression_fusion": {"spondylolisthesis": 0.5, "spinal_stenosis": 0.3, "degenerative_disc": 0.2},
    "hardware_removal": {"other": 1.0},
    "debridement": {"infection": 1.0},
}
_FUSION_APPROACH = {"posterior": 0.55, "transforaminal": 0.25, "anterior": 0.10, "lateral": 0.10}
_OTHER_APPROACH = {"posterior": 0.93, "endoscopic": 0.07}
_ASA = {"1": 0.08, "2": 0.52, "3": 0.37, "4": 0.03}
_AFTER_MOST = 4
_LEAST_GAP_DAYS = 45
_FIRST_AGE = 16


@dataclass(frozen=True, eq=False)
class Operations:
    """One entry per operation, in order of patient and day; ``position`` tells a patient's operations apart."""

    patient: Whole
    position: Whole
    day: Whole
    is_first: Flags
    is_known_to_month: Flags


def make_operations(people: People, p: Parameters) -> tuple[Operations, Whole]:
    """Return all operations, and the day of the last one before eligibility of each patient."""
    most = int(p.number("surgeries.most"))
    days = np.concatenate([_before(people, p, most), _after(people, p)])
    position, patient = np.nonzero(days != NEVER)
    day = days[position, patient]
    # Operations before eligibility are drawn backwards in time: the first is the last one drawn.
    past = (days[:most] != NEVER).sum(axis=0)
    is_first = position == past[patient] - 1
    early = people.draws.take(patient).below("known to the month", p.number("surgeries.known_to_month"), position)
    to_month = early & (day < people.start[patient] - 31)
    day = np.where(to_month, middle_of_month(day), day)
    order = np.lexsort((day, patient))
    last = days[0]
    chosen = Operations(patient[order], position[order], day[order], is_first[order], to_month[order])
    return chosen, np.asarray(last, dtype=np.int64)


def middle_of_month(day: Whole) -> Whole:
    """Return the day that stands for a date known to the month."""
    months = day.astype("datetime64[D]").astype("datetime64[M]")
    return months.astype("datetime64[D]").astype(np.int64) + 14


def _before(people: People, p: Parameters, most: int) -> Whole:
    draws = people.draws
    total = 1 + to_counts(
        draws.uniform("operations"), p.number("surgeries.extra_mean"), p.number("surgeries.extra_shape"), most - 1
    )
    earliest = people.birth + int(_FIRST_AGE * DAYS_PER_YEAR)
    spread = np.exp(p.number("surgeries.last_gap_sigma") * draws.normal("last operation"))
    gap = 180 + np.floor(p.number("surgeries.last_gap_median_days") * spread).astype(np.int64)
    gap = np.where(
        draws.below("recent operation", p.number("surgeries.recent")), draws.days("recent gap", (60, 179)), gap
    )
    days = np.full((most, people.number), NEVER)
    days[0] = np.maximum(people.eligible - gap, earliest)
    for k in range(1, most):
        factor = np.exp(p.number("surgeries.between_sigma") * draws.normal("between operations", k))
        between = np.floor(p.number("surgeries.between_median_days") * factor).astype(np.int64)
        day = days[k - 1] - np.maximum(between, _LEAST_GAP_DAYS)
        happens = (k < total) & (days[k - 1] != NEVER) & (day >= earliest)
        days[k] = np.where(happens, day, NEVER)
    return days


def _after(people: People, p: Parameters) -> Whole:
    days = np.full((_AFTER_MOST, people.number), NEVER)
    now = people.eligible
    for k in range(_AFTER_MOST):
        wait = people.draws.wait("further operation", p.number("surgeries.further"), k)
        now = now + np.maximum(wait, _LEAST_GAP_DAYS)
        days[k] = np.where(now <= people.end, now, NEVER)
    return days


def surgery_tables(
    people: People, p: Parameters, operations: Operations, patient_id: pa.Array
) -> tuple[pa.Table, pa.Table]:
    """Return the surgeries and the stays tables."""
    draws, position = people.draws.take(operations.patient), operations.position
    names, procedure = _procedure(draws, p, operations)
    fusion = np.isin(procedure, [names.index(name) for name in _FUSIONS])
    inpatient = draws.below(
        "inpatient",
        np.where(fusion, p.number("surgeries.inpatient_fusion"), p.number("surgeries.inpatient_other")),
        position,
    )
    observed = operations.day >= people.start[operations.patient]
    stay = _stay_numbers(operations.patient, inpatient & observed)
    levels = _levels(draws, p, position)
    block = rows_of(
        operations.patient,
        date=operations.day,
        stay_id=stay,
        procedure=word_codes("procedure", names)[procedure],
        approach=_approach(draws, position, fusion),
        region=either(np.isin(levels, _TO_SACRUM), "region", "lumbosacral", "lumbar"),
        levels=(levels, tuple(text for text, _, _ in _LEVELS)),
        levels_n=np.array([n for _, n, _ in _LEVELS])[levels],
        side=_side(draws, position, procedure == names.index("discectomy")),
        instrumented=fusion.astype(np.int64),
        indication=_indication(draws, position, names, procedure),
        reason=_reason(draws, p, operations),
        staged=0,
        setting=either(inpatient, "setting", "inpatient", "outpatient"),
        asa=draws.choice("asa", _ASA, position) + 1,
        date_precision=either(operations.is_known_to_month, "date_precision", "month", "day"),
    )
    surgeries = build("surgeries", [block], patient_id, counter="surgery_id")
    return surgeries, _stays(people, operations, stay, fusion, draws, patient_id)


def _procedure(draws: Draws, p: Parameters, operations: Operations) -> tuple[list[str], Whole]:
    first, later = p.shares("surgeries.first_procedure"), p.shares("surgeries.later_procedure")
    names = list(dict.fromkeys([*first, *later]))
    at_first = np.array([names.index(name) for name in first])[draws.choice("procedure", first, operations.position)]
    at_later = np.array([names.index(name) for name in later])[draws.choice("procedure", later, operations.position)]
    return names, np.where(operations.is_first, at_first, at_later)


def _levels(draws: Draws, p: Parameters, position: Whole) -> Whole:
    number = draws.choice("levels", p.shares("surgeries.levels_n"), position) + 1
    levels = np.zeros(len(position), dtype=np.int64)
    for n in (1, 2, 3):
        places = np.array([place for place, level in enumerate(_LEVELS) if level[1] == n])
        chosen = draws.choice("which levels", {_LEVELS[place][0]: _LEVELS[place][2] for place in places}, position)
        levels = np.where(number == n, places[np.minimum(chosen, len(places) - 1)], levels)
    return levels


def _approach(draws: Draws, position: Whole, fusion: Flags) -> npt.NDArray[np.int16]:
    of_fusion = word_codes("approach", list(_FUSION_APPROACH))[draws.choice("approach", _FUSION_APPROACH, position)]
    of_other = word_codes("approach", list(_OTHER_APPROACH))[draws.choice("approach", _OTHER_APPROACH, position)]
    return np.where(fusion, of_fusion, of_other).astype(np.int16)


def _side(draws: Draws, position: Whole, discectomy: Flags) -> npt.NDArray[np.int16]:
    one_side = either(draws.below("side", 0.5, position), "side", "left", "right")
    return np.where(discectomy, one_side, word_codes("side", ["midline"])[0]).astype(np.int16)


def _indication(draws: Draws, position: Whole, names: list[str], procedure: Whole) -> npt.NDArray[np.int16]:
    codes = np.zeros(len(position), dtype=np.int16)
    for place, name in enumerate(names):
        shares = _INDICATIONS.get(name, {"spinal_stenosis": 1.0})
        chosen = draws.choice("surgical indication", shares, position)
        codes = np.where(procedure == place, word_codes("surgery_indication", list(shares))[chosen], codes)
    return codes


def _reason(draws: Draws, p: Parameters, operations: Operations) -> npt.NDArray[np.int16]:
    shares = p.shares("surgeries.later_reason")
    later = word_codes("surgery_reason", list(shares))[draws.choice("surgical reason", shares, operations.position)]
    return np.where(operations.is_first, word_codes("surgery_reason", ["index"])[0], later)


def _stay_numbers(patient: Whole, has_stay: Flags) -> Whole:
    numbers = np.full(len(patient), -1, dtype=np.int64)
    if has_stay.any():
        numbers[has_stay] = count_within(patient[has_stay])
    return numbers


def _stays(
    people: People, operations: Operations, stay: Whole, fusion: Flags, draws: Draws, patient_id: pa.Array
) -> pa.Table:
    has_stay = stay != -1
    length = np.where(
        fusion, draws.days("stay", (2, 6), operations.position), draws.days("stay", (1, 3), operations.position)
    )
    discharge = np.minimum(operations.day + length, people.end[operations.patient])
    block = rows_of(
        operations.patient[has_stay],
        stay_id=stay[has_stay],
        admit_date=operations.day[has_stay],
        discharge_date=discharge[has_stay],
        type="inpatient",
        reason="lumbar operation",
    )
    return build("stays", [block], patient_id)
