"""The questions' numbers once more, from the Parquet files by pandas and plain loops; nothing of the library is called.

`test_questions_crosscheck.py` compares the verbs with them. What stands here is written from the definitions, day by
day and patient by patient, so that it can be read beside them; speed and missing tables are the library's concern.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Array = np.ndarray[Any, Any]
Tables = Mapping[str, pd.DataFrame]
NEVER = np.inf
LUMBAR = ("lumbar", "lumbosacral")
MME_PER_MG = {
    "codeine": 0.15, "hydrocodone": 1.0, "hydromorphone": 5.0, "morphine": 1.0, "oxycodone": 1.5, "oxymorphone": 3.0,
    "tapentadol": 0.4, "tramadol": 0.2, "methadone": 4.7,
}  # fmt: skip
"""CDC 2022, oral forms; the patch of fentanyl has 2.4 MME per mcg/h and day worn."""
FENTANYL_PATCH = 2.4
ORDER_OF_REASONS = {
    "device": ["inadequate_relief", "infection", "lead_failure_or_migration", "catheter_failure", "generator_fault",
               "pump_fault", "discomfort", "mri_needed", "battery_end_of_life", "upgrade", "pain_resolved",
               "patient_choice", "other", "unknown"],
    "surgery": ["index", "ssi", "haematoma", "csf_leak", "hardware", "pseudarthrosis", "reherniation", "restenosis",
                "asd", "wrong_level", "instability", "other", "unknown"],
}  # fmt: skip


def read(folder: Path) -> Tables:
    """Return the tables of a cohort folder, every date as a whole number of days and every word as text."""
    tables = {}
    for file in sorted(folder.glob("*.parquet")):
        table = pd.read_parquet(file)
        for column in table:
            if column == "date" or str(column).endswith("_date"):
                stamps = pd.to_datetime(table[column]).to_numpy().astype("datetime64[D]")
                table[column] = np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64))
            elif isinstance(table[column].dtype, pd.CategoricalDtype):
                table[column] = table[column].astype(object)
        tables[file.stem] = table
    spans = tables["observation_periods"]
    assert not spans.duplicated(["patient_id", "domain"]).any(), "the loops below expect one span per domain"
    assert set(spans["domain"]) == {"medical", "pharmacy"}
    return tables


# --- people and what lies around their day 0


def people_of(tables: Tables, patient_id: Iterable[str], day0: Iterable[float]) -> pd.DataFrame:
    """Return rows with the day of death and the observed days relative to day 0; nobody is observed after death."""
    people = pd.DataFrame({"patient_id": list(patient_id), "day0": np.asarray(list(day0), dtype=float)})
    people = people.merge(tables["patients"], on="patient_id", how="left", validate="many_to_one")
    people["death"] = (people["death_date"] - people["day0"]).fillna(NEVER)
    spans = tables["observation_periods"]
    for domain in ("medical", "pharmacy"):
        mine = spans[spans["domain"] == domain].set_index("patient_id")
        people[f"{domain}_start"] = people["patient_id"].map(mine["start_date"]) - people["day0"]
        people[f"{domain}_end"] = people["patient_id"].map(mine["end_date"]) - people["day0"]
        people[f"{domain}_end"] = np.minimum(people[f"{domain}_end"], people["death"])
    return people.assign(row=np.arange(len(people)))


def around(people: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a table that belong to people, with their ``day`` relative to day 0."""
    found = people[["row", "patient_id", "day0"]].merge(table, on="patient_id")
    return found.assign(day=found["date"] - found["day0"])


def anyone(people: pd.DataFrame, found: pd.DataFrame) -> Array:
    """Return which people have at least one of the rows found."""
    return people["row"].isin(found["row"]).to_numpy()


def certain_age(people: pd.DataFrame) -> Array:
    """Return whole years certainly completed on day 0: the birthday counts from the month after the month of birth."""
    date = pd.to_datetime(people["day0"], unit="D")
    had = people["birth_month"].fillna(12) < date.dt.month
    return (date.dt.year - people["birth_year"] - np.where(had, 0, 1)).to_numpy(dtype=float)


def first_of(events: pd.DataFrame) -> pd.Series:
    """Return the date of each patient's first of some events."""
    return events.sort_values(["patient_id", "date"]).groupby("patient_id")["date"].first()


def of_device(tables: Tables, device: str, core: str, events: Sequence[str]) -> pd.DataFrame:
    """Return the events of a device's core (generator or pump)."""
    rows = tables["device_events"]
    return rows[(rows["device"] == device) & rows["component"].isin([core, "system"]) & rows["event"].isin(events)]


def operated_then_pain(tables: Tables, people: pd.DataFrame) -> Array:
    """Return who was operated on by day -180 and had pain on a later day before day 0."""
    surgery = around(people, tables["surgeries"])
    early = surgery[surgery["region"].isin(LUMBAR) & (surgery["day"] <= -180)].groupby("row")["day"].min()
    conditions, scores, therapies = (tables[name] for name in ("conditions", "measurements", "therapies"))
    pain = [
        conditions[conditions["condition"].isin(["fbss", "chronic_pain", "low_back_pain", "radiculopathy"])],
        scores[scores["measure"].isin(["nrs_back", "nrs_leg"]) & (scores["value"] > 0)],
        therapies[therapies["therapy"].isin(
            ["acetaminophen", "nsaid", "gabapentinoid", "snri", "tca", "muscle_relaxant", "ketamine"]
        )],
        tables["dispensings"],
    ]  # fmt: skip
    has = np.zeros(len(people), dtype=bool)
    for table in pain:
        found = around(people, table[["patient_id", "date"]])
        has |= anyone(people, found[(found["day"] > found["row"].map(early)) & (found["day"] <= -1)])
    return has


def observed(people: pd.DataFrame, domain: str, first: int, last: int) -> Array:
    """Return who was observed on every day of a window."""
    return ((people[f"{domain}_start"] <= first) & (people[f"{domain}_end"] >= last)).to_numpy()


def with_condition(tables: Tables, people: pd.DataFrame, word: str, first: float, last: float) -> Array:
    """Return who has a record of a condition in a window."""
    found = around(people, tables["conditions"].query("condition == @word"))
    return anyone(people, found[found["day"].between(first, last)])


# --- opioids, day by day


def fills_of(tables: Tables) -> pd.DataFrame:
    """Return systemic opioid fills (no buprenorphine) with their MME on each covered day; missing where unknown."""
    fills = tables["dispensings"]
    fills = fills[(fills["ingredient"] != "buprenorphine") & (fills["route"] != "intrathecal")].copy()
    assert set(fills["form"]) <= {"tablet", "tablet_er", "patch"}, "the factors below are those of these forms"
    days, quantity = fills["days_supply"].to_numpy(float), fills["quantity"].to_numpy(float)
    strength = fills["strength_value"].to_numpy(float)
    oral = strength * quantity / days * fills["ingredient"].map(MME_PER_MG).to_numpy(float)
    oral[(fills["strength_unit"] != "mg").to_numpy()] = np.nan
    hours = np.where(np.isclose(quantity * 48 / 24, days, rtol=1e-9), 48, 72)
    patch = strength * FENTANYL_PATCH * quantity * hours / 24 / days
    patch[(fills["strength_unit"] != "mcg/h").to_numpy()] = np.nan
    fills["mme"] = np.where(fills["form"] == "patch", patch, oral)
    fills["last"] = fills["date"] + fills["days_supply"] - 1
    return fills[["patient_id", "date", "last", "mme"]]


class Days:
    """MME, fills and fills of known dose on every day ``first .. last`` of every row, added up fill by fill."""

    def __init__(self, people: pd.DataFrame, fills: pd.DataFrame, first: int, last: int) -> None:
        self.first = first
        shape = (len(people), last - first + 1)
        self.mme, self.fills = np.zeros(shape), np.zeros(shape, dtype=np.int16)
        self.known = np.zeros(shape, dtype=np.int16)
        found = around(people, fills)
        end = found["last"] - found["day0"]
        found = found.assign(end=end)[(found["day"] <= last) & (end >= first)]
        begin = np.maximum(found["day"], first).to_numpy(int) - first
        stop = np.minimum(found["end"], last).to_numpy(int) - first + 1
        for row, a, b, mme in zip(
            found["row"].tolist(), begin.tolist(), stop.tolist(), found["mme"].tolist(), strict=True
        ):
            self.fills[row, a:b] += 1
            if mme == mme:
                self.mme[row, a:b] += mme
                self.known[row, a:b] += 1
        day = np.arange(first, last + 1)
        start, end = (people[f"pharmacy_{edge}"].to_numpy()[:, None] for edge in ("start", "end"))
        self.observed = (day >= start) & (day <= end)

    def window(self, first: int, last: int) -> slice:
        """Return the columns of a window of days, both ends included."""
        return slice(first - self.first, last - self.first + 1)

    def dose(self, first: int, last: int) -> Array:
        """Return MME per observed day of a window; missing without one, or where every fill is of unknown dose."""
        days = self.window(first, last)
        seen = self.observed[:, days]
        n = seen.sum(axis=1)
        total = np.where(seen, self.mme[:, days], 0.0).sum(axis=1)
        fills, known = ((each[:, days] * seen).sum(axis=1) for each in (self.fills, self.known))
        return np.where((n == 0) | ((fills > 0) & (known == 0)), np.nan, total / np.maximum(n, 1))


def first_free(people: pd.DataFrame, days: Days, until: int) -> list[tuple[float, str]]:
    """Return (day, status) of the first 90 observed days in a row without supply, dated at the first, death competing.

    A run that the end of observation cuts short is censored on the day before it; one that death cuts short is none.
    """
    found = []
    for row, (death, end) in enumerate(zip(people["death"], people["pharmacy_end"], strict=True)):
        covered = days.fills[row, days.window(1, int(end))] > 0 if end >= 1 else np.zeros(0, dtype=bool)
        run, day = 0, NEVER
        for t, has in enumerate(covered.tolist(), start=1):
            run = 0 if has else run + 1
            if run == 90:
                day = t - 89
                break
        cut_short = run > 0 and day == NEVER and end < death
        found.append(outcome(day, death, end - run if cut_short else end, until))
    return found


def eliminated_at(people: pd.DataFrame, days: Days, t: int) -> list[str]:
    """Return eliminated, using, dead or unobserved on day t, from the 29 days around it."""
    around_t = days.window(t - 14, t + 14)
    day = np.arange(t - 14, t + 15)
    words = []
    for row, (death, end) in enumerate(zip(people["death"], people["pharmacy_end"], strict=True)):
        seen = days.observed[row, around_t]
        if death <= t:
            words.append("dead")
        elif not seen[14]:
            words.append("unobserved")
        elif (seen & (days.fills[row, around_t] > 0)).any():
            words.append("using")
        else:
            words.append("eliminated" if (seen | ((day > death) & (end == death))).all() else "unobserved")
    return words


# --- outcomes


def outcome(event: float, death: float, end: float, until: int, start: float = 0) -> tuple[float, str]:
    """Return (days, status) of one patient: the event before death on one day, day 0 as 0.5."""
    day, status = min(end, until), "censored"
    if death <= day:
        day, status = death, "death"
    if event <= day:
        day, status = event, "event"
    return (max(day, 0.5), status) if day >= max(start, 0) else (np.nan, "unobserved")


def unreplaced(tables: Tables, people: pd.DataFrame, device: str, core: str, within: int) -> pd.DataFrame:
    """Return removals from day 0 on (row, day, reason, next implant) that no new system follows within some days."""
    rows = around(people, of_device(tables, device, core, ["implant", "replace", "upgrade", "explant"]))
    kept = []
    for row, mine in rows.sort_values(["row", "day"]).groupby("row"):
        new = [each for each in mine.itertuples() if each.event != "explant"]
        implants = [each for each in new if each.event == "implant"]
        for removal in mine[(mine["event"] == "explant") & (mine["day"] >= 0)].itertuples():
            own = min((each.day for each in implants if each.system_id == removal.system_id), default=NEVER)
            follows = [
                each
                for each in new
                if removal.day <= each.day <= removal.day + within
                and not (each.system_id == removal.system_id and each.day == own == removal.day)
            ]
            if not follows:
                next_day = min((each.day for each in implants if each.day > removal.day), default=NEVER)
                reason = removal.reason if isinstance(removal.reason, str) else "unknown"
                kept.append((row, removal.day, reason, next_day))
    return pd.DataFrame(kept, columns=["row", "day", "reason", "next"])


def first_events(people: pd.DataFrame, found: pd.DataFrame, until: int, reasons: str = "") -> pd.DataFrame:
    """Return days, status and entry from the first event found (row, day, reason), death competing."""
    order = ORDER_OF_REASONS.get(reasons, [])
    place = found["reason"].map({word: i for i, word in enumerate(order)}) if reasons else 0
    first = found.assign(place=place).sort_values(["row", "day", "place"]).groupby("row").first()
    lines = []
    for person in people.itertuples():
        day = first.loc[person.row, "day"] if person.row in first.index else NEVER
        days, status = outcome(day, person.death, person.medical_end, until, person.medical_start)
        if reasons and status == "event":
            status = first.loc[person.row, "reason"]
        lines.append((days, status, person.medical_start - 0.5 if person.medical_start > 0 else 0.0))
    return pd.DataFrame(lines, columns=["days", "status", "entry"])


def reoperations(tables: Tables, people: pd.DataFrame) -> pd.DataFrame:
    """Return further lumbar operations (row, day, reason): no staged sitting, no access for a device."""
    rows = around(people, tables["surgeries"][tables["surgeries"]["region"].isin(LUMBAR)])
    rows = rows[rows["day"] >= 0].sort_values(["row", "day", "surgery_id"])
    device = around(people, tables["device_events"])
    device = device[device["event"].isin(["trial_start", "implant", "replace", "upgrade", "revise", "explant"])]
    of_device_day = set(zip(device["row"], device["day"], strict=True))
    kept, begun = [], set()
    for each in rows.itertuples():
        first = each.row not in begun
        begun.add(each.row)
        reason = each.reason if isinstance(each.reason, str) else "unknown"
        is_index = each.day == 0 and (first or reason in ("index", "unknown"))
        access = each.procedure in ("laminectomy", "laminotomy", "other") and (each.row, each.day) in of_device_day
        if not (is_index or each.staged or access):
            kept.append((each.row, each.day, reason))
    return pd.DataFrame(kept, columns=["row", "day", "reason"])


def halved(people: pd.DataFrame, before: Array, after: Array) -> list[bool | None]:
    """Return who is alive on day 365 and has lost half or more of a baseline of 20 MME per day or more."""
    words: list[bool | None] = []
    for death, first, last in zip(people["death"], before, after, strict=True):
        if not first >= 20 - 1e-9:
            words.append(None)
        elif death <= 365:
            words.append(False)
        else:
            words.append(None if np.isnan(last) else bool(100 * (first - last) / first >= 50 - 1e-9))
    return words


def states(people: pd.DataFrame, days: Days, out: pd.DataFrame, until: int) -> Array:
    """Return what each pump patient is doing on each day 0 .. until; ``""`` once no longer followed."""
    answer = np.full((len(people), until + 1), "unobserved", dtype=object)
    removed = dict(list(out.groupby("row")))
    for person in people.itertuples():
        wide = np.arange(-14, until + 15)
        seen = days.observed[person.row, days.window(-14, until + 14)]
        covered = seen & (days.fills[person.row, days.window(-14, until + 14)] > 0)
        known = seen | ((wide > person.death) & (person.pharmacy_end == person.death))
        all_known = np.convolve(known, np.ones(29), "valid") > 28.5
        any_covered = np.convolve(covered, np.ones(29), "valid") > 0.5
        day, here = np.arange(until + 1), seen[14:-14]
        in_view = (day >= person.medical_start) & (day <= person.medical_end)
        mine = answer[person.row]
        mine[here & in_view & any_covered] = "on pump and using"
        mine[here & in_view & all_known & ~any_covered] = "on pump and free"
        for removal in removed.get(person.row, out[:0]).itertuples():
            mine[in_view & (day >= removal.day) & (day < removal.next)] = "pump out"
        mine[day >= person.death] = "dead"
        told = np.flatnonzero(mine != "unobserved")
        mine[told[-1] + 1 if len(told) else 0 :] = ""
    return answer


def component_ends(tables: Tables, people: pd.DataFrame, device: str, part: str) -> tuple[pd.DataFrame, Array]:
    """Return removals and replacements of a part of the system implanted on day 0, and who had one implanted."""
    rows = around(people, of_device(tables, device, part, ["implant", "replace", "upgrade", "explant"]))
    begun = rows[(rows["day"] == 0) & (rows["event"] == "implant")]
    own = set(zip(begun["row"], begun["system_id"], strict=True))
    mine = np.array([pair in own for pair in zip(rows["row"], rows["system_id"], strict=True)])
    ends = rows[mine & (rows["event"] != "implant") & (rows["day"] >= 0)]
    return ends.assign(reason="unknown"), anyone(people, begun)
