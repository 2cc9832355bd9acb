"""The surgeries and stays of a surgical cohort: earlier operations, index operation, second sitting, reoperations."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import fields as fields_of

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .draws import NEVER, Draws, Flags, Whole
from .parameters import Parameters
from .people import People
from .reoperations import PROCEDURES, Reoperations
from .rows import build, count_within, either, rows_of, word_codes
from .surgeries import Operations, middle_of_month
from .surgical_people import DECOMPRESSION, DISC, FAMILIES, FUSION, LOWEST, PRIOR_MOST, Candidates

_INDEX, _STAGED, _PRIOR = 0, 30, 40
_LEVELS = tuple(
    ";".join(("L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1")[top : bottom + 1])
    for top in range(LOWEST + 1) for bottom in range(LOWEST + 1)
)  # fmt: skip
_INDICATION = {
    DISC: {"disc_herniation": 1.0},
    DECOMPRESSION: {"spinal_stenosis": 0.85, "spondylolisthesis": 0.15},
    FUSION: {"spondylolisthesis": 0.48, "degenerative_disc": 0.27, "spinal_stenosis": 0.17, "deformity": 0.08},
}
_PRIOR_PROCEDURE = ("discectomy", "laminectomy", "decompression_fusion")
_FUSION_APPROACH = {"posterior": 0.50, "transforaminal": 0.28, "anterior": 0.10, "lateral": 0.07, "combined": 0.05}
_OTHER_APPROACH = {"posterior": 0.92, "endoscopic": 0.08}


@dataclass(frozen=True, eq=False)
class Sittings:
    """One entry per operation, in order of patient and day; ``position`` tells a patient's operations apart."""

    patient: Whole
    position: Whole
    day: Whole
    procedure: Whole
    family: Whole
    top: Whole
    bottom: Whole
    reason: Whole

    @property
    def is_staged(self) -> Flags:
        """Which are a planned second sitting."""
        return np.asarray(self.position == _STAGED)

    @property
    def operations(self) -> Operations:
        """The operations as the parts shared with other scenarios know them."""
        no = np.zeros(len(self.patient), dtype=bool)
        return Operations(self.patient, self.position, self.day, self.position == _INDEX, no)


def staged_day(people: People, p: Parameters, who: Candidates, again: Reoperations) -> Whole:
    """Return the day of a planned second sitting of the index operation, `NEVER` where there is none."""
    is_staged = (who.family == FUSION) & people.draws.below("staged", p.number("index.staged"))
    day = people.eligible + people.draws.days("second sitting", (2, 8))
    return np.where(is_staged & (day <= people.end) & (again.day[0] > day), day, NEVER)


def make_sittings(people: People, p: Parameters, who: Candidates, again: Reoperations) -> Sittings:
    """Put all operations of all patients in one list."""
    draws = people.draws
    index_code = int(word_codes("surgery_reason", ["index"])[0])
    later = p.shares("index.reason_after_prior")
    after = word_codes("surgery_reason", list(later))
    reason = np.where(who.has_prior, after[draws.choice("reason after prior", later)], index_code)
    procedure = _index_procedure(people, p, who)
    parts = [_part(_INDEX, people.eligible, procedure, who.family, who.top, who.bottom, reason)]
    fused = np.full(people.number, PROCEDURES.index("fusion"))
    parts.append(_part(_STAGED, staged_day(people, p, who, again), fused, who.family, who.top, who.bottom, reason))
    for k in range(len(again.day)):
        what = (again.procedure[k], again.family[k], again.top[k], again.bottom[k], again.reason[k])
        parts.append(_part(k + 1, again.day[k], *what))
    first = (who.prior < NEVER).sum(axis=0) - 1
    for k in range(PRIOR_MOST):
        family = draws.choice("prior family", p.shares("index.prior_family"), k)
        done = np.array([PROCEDURES.index(name) for name in _PRIOR_PROCEDURE])[family]
        bottom = LOWEST - draws.choice("prior level", p.shares("index.lowest_level"), k)
        why = np.where(k == first, index_code, after[draws.choice("reason after prior", later, k + 1)])
        parts.append(_part(_PRIOR + k, who.prior[k], done, family, bottom, bottom, why))
    whole = Sittings(**{each.name: np.concatenate([part[each.name] for part in parts]) for each in fields_of(Sittings)})
    order = np.lexsort((whole.day, whole.patient))
    return Sittings(**{each.name: getattr(whole, each.name)[order] for each in fields_of(Sittings)})


def _part(
    position: int, day: Whole, procedure: Whole, family: Whole, top: Whole, bottom: Whole, reason: Whole
) -> dict[str, Whole]:
    rows = np.flatnonzero(day < NEVER)
    values = {"day": day, "procedure": procedure, "family": family, "top": top, "bottom": bottom, "reason": reason}
    chosen = {name: np.asarray(value)[rows].astype(np.int64) for name, value in values.items()}
    return {"patient": rows, "position": np.full(len(rows), position), **chosen}


def _index_procedure(people: People, p: Parameters, who: Candidates) -> Whole:
    draws = people.draws
    open_spine = draws.choice("decompression", {"laminectomy": 0.55, "decompression": 0.45})
    alone = draws.choice("fusion", {"decompression_fusion": 0.7, "fusion": 0.3})
    return np.choose(who.family, [
        np.full(people.number, PROCEDURES.index("discectomy")),
        np.array([PROCEDURES.index("laminectomy"), PROCEDURES.index("decompression")])[open_spine],
        np.array([PROCEDURES.index("decompression_fusion"), PROCEDURES.index("fusion")])[alone],
    ])  # fmt: skip


def surgical_tables(
    people: People, p: Parameters, who: Candidates, sittings: Sittings, patient_id: pa.Array
) -> tuple[pa.Table, pa.Table]:
    """Return the surgeries and the stays tables."""
    draws, position, patient = people.draws.take(sittings.patient), sittings.position, sittings.patient
    fused = np.isin(sittings.procedure, [PROCEDURES.index("fusion"), PROCEDURES.index("decompression_fusion")])
    inpatient = _inpatient(people, p, sittings, fused)
    stay = _stay_numbers(sittings, inpatient & (sittings.day >= people.start[patient]))
    early = draws.below("known to the month", p.number("index.known_to_month"), position)
    to_month = early & (sittings.day < people.start[patient] - 31) & (position >= _PRIOR)
    listed = ~draws.below("levels not listed", p.number("index.levels_not_listed"), position)
    side = either(draws.below("side", 0.5, position), "side", "left", "right")
    block = rows_of(
        patient,
        date=np.where(to_month, middle_of_month(sittings.day), sittings.day),
        stay_id=stay,
        procedure=word_codes("procedure", list(PROCEDURES))[sittings.procedure],
        approach=_approach(draws, position, fused),
        region=either(sittings.bottom == LOWEST, "region", "lumbosacral", "lumbar"),
        levels=(np.where(listed, sittings.top * (LOWEST + 1) + sittings.bottom, -1), _LEVELS),
        levels_n=sittings.bottom - sittings.top + 1,
        side=np.where(sittings.procedure == 0, side, word_codes("side", ["midline"])[0]),
        instrumented=fused.astype(np.int64),
        indication=_indication(draws, sittings),
        reason=sittings.reason,
        staged=sittings.is_staged.astype(np.int64),
        setting=either(inpatient, "setting", "inpatient", "outpatient"),
        asa=who.asa[patient],
        date_precision=either(to_month, "date_precision", "month", "day"),
    )
    surgeries = build("surgeries", [block], patient_id, counter="surgery_id")
    return surgeries, _stays(people, sittings, stay, fused, patient_id)


def _inpatient(people: People, p: Parameters, sittings: Sittings, fused: Flags) -> Flags:
    share = np.array([p.number(f"index.inpatient_{name}") for name in FAMILIES])[sittings.family]
    is_again = (sittings.position > _INDEX) & (sittings.position < _STAGED)
    share = np.where(is_again, p.number("reoperation.inpatient"), share)
    inpatient = people.draws.take(sittings.patient).below("inpatient", share, sittings.position)
    # Both sittings of a staged operation fall into one stay.
    staged = np.isin(sittings.patient, sittings.patient[sittings.is_staged])
    return np.asarray(inpatient | (staged & ((sittings.position == _INDEX) | sittings.is_staged)))


def _approach(draws: Draws, position: Whole, fused: Flags) -> npt.NDArray[np.int16]:
    of_fusion = word_codes("approach", list(_FUSION_APPROACH))[draws.choice("approach", _FUSION_APPROACH, position)]
    of_other = word_codes("approach", list(_OTHER_APPROACH))[draws.choice("approach", _OTHER_APPROACH, position)]
    return np.where(fused, of_fusion, of_other).astype(np.int16)


def _indication(draws: Draws, sittings: Sittings) -> npt.NDArray[np.int16]:
    codes = np.zeros(len(sittings.patient), dtype=np.int16)
    for family, shares in _INDICATION.items():
        place = draws.choice("surgical indication", shares, sittings.position)
        chosen = word_codes("surgery_indication", list(shares))[place]
        codes = np.where(sittings.family == family, chosen, codes)
    infected = sittings.reason == word_codes("surgery_reason", ["ssi"])[0]
    return np.where(infected, word_codes("surgery_indication", ["infection"])[0], codes).astype(np.int16)


def _stay_numbers(sittings: Sittings, has_stay: Flags) -> Whole:
    numbers = np.full(len(sittings.patient), -1, dtype=np.int64)
    opens = has_stay & ~sittings.is_staged
    if opens.any():
        numbers[opens] = count_within(sittings.patient[opens])
    staged = np.flatnonzero(sittings.is_staged)
    numbers[staged] = numbers[staged - 1]
    return numbers


def _stays(people: People, sittings: Sittings, stay: Whole, fused: Flags, patient_id: pa.Array) -> pa.Table:
    draws = people.draws.take(sittings.patient)
    length = np.where(
        fused, draws.days("stay", (2, 6), sittings.position), draws.days("stay", (1, 3), sittings.position)
    )
    following = np.append(sittings.is_staged[1:], False)
    wait = np.where(following, np.append(np.diff(sittings.day), 0), 0)
    discharge = np.minimum(sittings.day + wait + length, people.end[sittings.patient])
    # A patient operated on again during the stay begins another one that day.
    after = np.append(np.where(np.diff(sittings.patient) == 0, sittings.day[1:], NEVER), NEVER)
    beyond = np.append(after[1:], NEVER)
    discharge = np.minimum(discharge, np.where(following, np.where(after < NEVER, beyond, NEVER), after))
    opens = (stay != -1) & ~sittings.is_staged
    block = rows_of(
        sittings.patient[opens], stay_id=stay[opens], admit_date=sittings.day[opens], discharge_date=discharge[opens],
        type="inpatient", reason="lumbar operation",
    )  # fmt: skip
    return build("stays", [block], patient_id)
