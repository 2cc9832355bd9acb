"""Which dispensings cannot be believed, which can but give no dose, and what becomes of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..dates import FAR, NO_DAY, year_of
from ..errors import DataError, nearest
from ..formats import count, html_table, plural
from ..sources import schema
from .columns import column_names
from .definition import DoseDefinition
from .dispensing_rules import (
    Fills,
    Mask,
    Rule,
    day_numbers,
    faults_that_set_aside,
    faults_that_stay,
    read_fills,
)
from .intervals import make_spans, merge
from .supply import NOT_SYSTEMIC, WORDS, is_repeat, lookup_of, prepare

MOST_MME = 1000.0
"""Assumed: no paper stands behind it; a script of one analysis leaves out patients above it (`flag_dispensings`)."""
DOSE_IMPLAUSIBLE = Rule(
    "dose_implausible",
    f"one fill gives more than {MOST_MME:,.0f} MME a day by the table nih_heal",
    "kept: counts as it is; compare results without such patients",
)
REPEAT = Rule(
    "repeat", "equal to an earlier row in every column but dispensing_id", 'kept: counts; repeats="drop" leaves it out'
)
SAME_DAY = Rule(
    "same_day_fill", "a further fill of the same patient, day and ingredient", "kept: two fills, whose doses add"
)
SPINAL = Rule("intrathecal", "route is intrathecal", "left out: not systemic")
OUTSIDE = Rule(
    "outside_observation", "date lies in no span of pharmacy observation", "kept: its observed days count, no others"
)
BEFORE_BIRTH = Rule("before_birth", "date is before the year of birth", "kept: counts; an import sets such rows aside")
AFTER_DEATH = Rule(
    "after_death", "date is after the day of death", "kept: its observed days count; observation should end with death"
)
NOT_FAULTS = (SAME_DAY, SPINAL)


@dataclass(frozen=True, eq=False)
class DispensingFlags:
    """What is odd about dispensings.

    Attributes
    ----------
    rows : DataFrame
        One row per dispensing and rule it breaks: ``place`` (position in the frame given, from 0), ``rule``, ``words``.
    frame : DataFrame
        One row per rule: ``rule``, ``words``, ``dispensings``, ``handling`` (what becomes of them).
    n_dispensings : int
        Rows that were looked at.
    """

    rows: pd.DataFrame = field(repr=False)
    frame: pd.DataFrame = field(repr=False)
    n_dispensings: int

    def sentence(self) -> str:
        """Say how many dispensings are flagged, and by which rules."""
        flagged = f"{count(self.rows['place'].nunique())} of {plural(self.n_dispensings, 'dispensing')}"
        broken = self.rows["rule"].value_counts(sort=False)
        rules = ", ".join(f"{rule} {count(broken[rule])}" for rule in self.frame["rule"] if rule in broken)
        return f"{flagged} are flagged" + (f": {rules}." if rules else ".")

    def _repr_html_(self) -> str:
        return html_table(self.frame, caption="Dispensings by rule", notes=self.sentence())


@dataclass(frozen=True, eq=False)
class DispensingAccount:
    """What became of every dispensing given: usable, or set aside under the first rule it breaks.

    Attributes
    ----------
    n_given, n_usable : int
        Rows; their difference is what ``frame`` adds up to.
    frame : DataFrame
        One row per rule that set rows aside: ``rule``, ``words``, ``dispensings``.
    """

    n_given: int
    n_usable: int
    frame: pd.DataFrame = field(repr=False)

    def sentence(self) -> str:
        """Say how many dispensings are set aside, and why."""
        aside = self.n_given - self.n_usable
        if not aside:
            return f"{plural(self.n_given, 'dispensing')} given, none set aside."
        counted = zip(self.frame["dispensings"], self.frame["words"], strict=True)
        reasons = "; ".join(f"{count(n)}: {words}" for n, words in counted)
        return f"{count(aside)} of {plural(self.n_given, 'dispensing')} are set aside and count nowhere ({reasons})."


def flag_dispensings(
    dispensings: pd.DataFrame, *, observation: pd.DataFrame | None = None, patients: pd.DataFrame | None = None
) -> DispensingFlags:
    """Flag dispensings that are impossible, unlike any prescription, repeated, or outside a patient's life.

    **Definition**: a row is flagged under every rule it breaks, and nothing is changed or dropped. ``handling`` says
    what `opioid_exposure` makes of it: *set aside* counts nowhere (and is counted and said); *kept, dose unknown*
    covers its days and is in no sum; *kept* counts. ``days_supply`` may be 1 to 365, both included. Rows equal in every
    column but ``dispensing_id`` are repeats from the second on. Further fills of one patient, day and ingredient that
    differ, and intrathecal drugs, are counted and are no fault. A reversal (negative quantity) and the fill it takes
    back are both set aside.

    Parameters
    ----------
    dispensings : DataFrame
        The columns of the schema's table.
    observation : DataFrame, optional
        ``patient_id``, ``start_date``, ``end_date`` (both days included) and, where it has one, ``domain``, of which
        ``pharmacy`` counts. Without it the dates are not compared.
    patients : DataFrame, optional
        ``patient_id`` and, where known, ``birth_year`` and ``death_date``.

    Returns
    -------
    DispensingFlags

    Raises
    ------
    DataError
        A column is missing.

    Notes
    -----
    When not to use it: to decide by itself what is left out. A dose above 1,000 MME a day can be real; show results
    with and without.

    References
    ----------
    1,000 MME a day as the bound of belief is assumed: no paper gives one; a script that reads California's prescription
    monitoring data leaves out patients above it (github.com, juanhu96/Code, R/filter_split_data.R). Days' supply that
    cannot be: OHDSI Themis issue 76, ETL-LambdaBuilder issue 134 (which drops 365 as well; the schema here allows it).

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> fills = source.tables["dispensings"].to_pandas().head(3).assign(days_supply=[30, 0, 400])
    >>> flags = fbss.flag_dispensings(fills)
    >>> flags.rows.loc[flags.rows["rule"].str.startswith("days_supply"), ["place", "rule"]].to_numpy().tolist()
    [[1, 'days_supply_zero'], [2, 'days_supply_over_365']]
    """
    fills = read_fills(dispensings)
    found = [
        *faults_that_set_aside(fills),
        *faults_that_stay(fills),
        *_odd(fills),
        *(_unobserved(fills, observation) if observation is not None else ()),
        *(_out_of_life(fills, patients) if patients is not None else ()),
    ]
    frame = pd.DataFrame(
        [(rule.name, rule.words, int(mask.sum()), rule.handling) for rule, mask in found],
        columns=["rule", "words", "dispensings", "handling"],
    )
    rows = [_flagged(fills, rule, mask) for rule, mask in found if rule not in NOT_FAULTS]
    by_place = pd.concat(rows).sort_values("place", kind="stable", ignore_index=True)
    return DispensingFlags(by_place, frame, len(dispensings))


def checked_dispensings(frame: pd.DataFrame) -> tuple[pd.DataFrame, DispensingAccount]:
    """Return the dispensings that can be used, and what became of the others.

    **Definition**: a row is set aside, never corrected, under the first rule of
    `dispensing_rules.faults_that_set_aside` that it breaks; every other row is usable, its dose perhaps unknown.

    Returns
    -------
    frame : DataFrame
        The usable rows, in their order, with every column given; besides, ``day`` (int, since 1970-01-01). Numbers are
        numpy's (NaN for none), and the words of `supply.WORDS` categories over the schema's whole vocabulary, whose
        codes `supply.prepare` takes.
    account : DispensingAccount
        ``n_given = n_usable +`` the counts of its frame. Say its sentence as a `StudyWarning` where rows are set aside.

    Raises
    ------
    DataError
        A column is missing.
    """
    fills = read_fills(frame)
    aside = np.zeros(len(frame), dtype=bool)
    counts = []
    for rule, mask in faults_that_set_aside(fills):
        first = mask & ~aside
        if first.any():
            counts.append((rule.name, rule.words, int(first.sum())))
            aside |= first
    columns: dict[str, Any] = {str(name): frame[name] for name in frame.columns if name not in WORDS}
    for name in WORDS:
        dtype = pd.CategoricalDtype(list(schema.vocabulary(name)))
        words = pd.Categorical.from_codes(fills.codes[name], dtype=dtype)  # type: ignore[arg-type]
        columns[name] = pd.Series(words, index=frame.index)
    numbers = {"strength_value": fills.strength, "quantity": fills.quantity, "days_supply": fills.days_supply}
    for name, values in (numbers | {"day": fills.day}).items():
        columns[name] = pd.Series(values, index=frame.index)
    usable = pd.DataFrame(columns, copy=False)
    if aside.any():
        usable = usable[~aside]
    account = DispensingAccount(len(frame), len(usable), pd.DataFrame(counts, columns=["rule", "words", "dispensings"]))
    return usable, account


def _flagged(fills: Fills, rule: Rule, mask: Mask) -> pd.DataFrame:
    place = np.flatnonzero(mask)
    words: Any = rule.words
    column = rule.name.removesuffix("_unknown")
    if column in WORDS:
        given = fills.frame[column].iloc[place].astype(object)
        known = schema.vocabulary(column)
        advice = {word: f".{nearest(word, known)}" for word in given.dropna().unique()}
        words = [rule.words + advice.get(word, "") for word in given]
    return pd.DataFrame({"place": place, "rule": rule.name, "words": words})


def _odd(fills: Fills) -> Iterator[tuple[Rule, Mask]]:
    """Yield what is unlike a prescription although a dose can be told, and what only looks like a fault."""
    table = lookup_of(DoseDefinition(factors="nih_heal", overlap="concurrent", buprenorphine="include"))
    codes = [fills.codes[name] for name in WORDS]
    mme, _, _ = prepare(codes, fills.strength, fills.quantity, fills.days_supply, table)
    yield DOSE_IMPLAUSIBLE, mme > MOST_MME
    yield SPINAL, np.isin(fills.codes["route"], [schema.vocabulary("route").index(route) for route in NOT_SYSTEMIC])
    repeat = is_repeat(fills.frame)
    yield REPEAT, repeat
    same = pd.DataFrame({"patient": fills.frame["patient_id"].to_numpy(), "day": fills.day, **fills.codes})
    yield SAME_DAY, same.duplicated(["patient", "day", "ingredient"]).to_numpy() & ~repeat & (fills.day != NO_DAY)


def _unobserved(fills: Fills, observation: pd.DataFrame) -> Iterator[tuple[Rule, Mask]]:
    _check(observation, ("patient_id", "start_date", "end_date"), "observation")
    if "domain" in observation:
        observation = observation[observation["domain"] == "pharmacy"]
    people = pd.Index(observation["patient_id"].unique())
    start, end = (_as_days(observation, name, "observation") for name in ("start_date", "end_date"))
    spans = merge(make_spans(people.get_indexer(pd.Index(observation["patient_id"])), start, end))
    person = people.get_indexer(pd.Index(fills.frame["patient_id"]))
    axis = 8 * FAR  # Further apart than any two days, so that the spans of one person never reach the next.
    begins = spans["row"].to_numpy() * axis + spans["start"].to_numpy()
    span = np.searchsorted(begins, person * axis + np.clip(fills.day, -FAR, FAR), "right")
    row, last = (np.append(spans[name].to_numpy(), -1)[span - 1] for name in ("row", "end"))
    yield OUTSIDE, (fills.day != NO_DAY) & ~((person >= 0) & (row == person) & (fills.day <= last))


def _out_of_life(fills: Fills, patients: pd.DataFrame) -> Iterator[tuple[Rule, Mask]]:
    _check(patients, ("patient_id",), "patients")
    patients = patients.drop_duplicates("patient_id")
    person = pd.Index(patients["patient_id"]).get_indexer(pd.Index(fills.frame["patient_id"]))
    dated = fills.day != NO_DAY
    if "birth_year" in patients:
        years = pd.to_numeric(patients["birth_year"], errors="coerce")
        _all_read(patients["birth_year"], years, "patients: birth_year is no number")
        born = np.append(years.to_numpy(float, na_value=np.nan), np.nan)[person]
        yield BEFORE_BIRTH, dated & (year_of(np.where(dated, fills.day, 0)) < born)
    if "death_date" in patients:
        died = np.append(_as_days(patients, "death_date", "patients"), NO_DAY)[person]
        yield AFTER_DEATH, dated & (died != NO_DAY) & (fills.day > died)


def _as_days(frame: pd.DataFrame, name: str, what: str) -> npt.NDArray[np.int64]:
    days = day_numbers(frame[name])
    _all_read(frame[name], pd.Series(days).where(days != NO_DAY), f"{what}: {name} is no date")
    return days


def _all_read(given: pd.Series, read: pd.Series, what: str) -> None:
    """Raise `DataError` where a value that is there was not understood; pandas' own message would quote it."""
    lost = int((given.notna().to_numpy() & read.isna().to_numpy()).sum())
    if lost:
        raise DataError(f"{what} in {plural(lost, 'row')}; correct or leave them out.")


def _check(frame: pd.DataFrame, columns: tuple[str, ...], what: str) -> None:
    names = column_names(frame, what)
    missing = [name for name in columns if name not in names]
    if missing:
        raise DataError(f"{what} has no column {' and no '.join(missing)}; expected {', '.join(columns)}.")
