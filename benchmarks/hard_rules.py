"""Count, over a whole simulated cohort, what must never happen: one SQL condition per rule, in bounded memory.

`violations` takes a DuckDB connection that knows the tables by their names, whether they are files or in memory; the
conditions are written down here from the rules and share no code with the generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from fbss_analytics.sources import schema

if TYPE_CHECKING:
    import duckdb

DRUGS = ("acetaminophen", "nsaid", "gabapentinoid", "snri", "tca", "muscle_relaxant", "benzodiazepine")
LONGEST_SUPPLY_DAYS = 100
MOST_UNITS_A_DAY = 12
WEAR_DAYS = (7.0, 3.5, 3.0, 2.0, 1.5, 1.0)
"""Days a patch is worn, divided by the one or two (three) worn at a time; with a margin for rounding of quantities."""
MOST_MG = 25
"""The largest intrathecal dose per day (mg) of a morphine-like drug."""

_DOMAINS = {
    "conditions": "medical",
    "measurements": "medical",
    "stays": "medical",
    "surgeries": "medical",
    "device_events": "medical",
    "intrathecal_doses": "medical",
    "dispensings": "pharmacy",
    "therapies": f"CASE WHEN therapy IN {DRUGS} THEN 'pharmacy' ELSE 'medical' END",
}
_PREPARED = {
    # A patient was surely born before the first day after the month of birth.
    "people": """
        SELECT patient_id, (make_date(birth_year, birth_month, 1) + INTERVAL 1 MONTH)::DATE AS born_before, death_date,
               medical.start_date AS medical_start, medical.end_date AS medical_end,
               pharmacy.start_date AS pharmacy_start, pharmacy.end_date AS pharmacy_end
        FROM patients
        LEFT JOIN (FROM observation_periods WHERE domain = 'medical') AS medical USING (patient_id)
        LEFT JOIN (FROM observation_periods WHERE domain = 'pharmacy') AS pharmacy USING (patient_id)""",
    "parts": """
        SELECT patient_id, device, system_id, component, component_id, event, date,
               component = CASE device WHEN 'scs' THEN 'generator' ELSE 'pump' END AS is_main
        FROM device_events WHERE event NOT IN ('trial_start', 'trial_end')""",
    "systems": """
        SELECT patient_id, device, system_id,
               count(*) FILTER (is_main AND event = 'implant') AS implants,
               count(*) FILTER (is_main AND event = 'explant') AS explants,
               min(date) FILTER (is_main AND event = 'implant') AS implanted,
               min(date) FILTER (is_main AND event = 'explant') AS removed,
               min(date) AS first, max(date) AS last
        FROM parts GROUP BY ALL""",
}
_OF_PATIENTS = {
    "a patient twice": "SELECT count(*) - count(DISTINCT patient_id) FROM patients",
    "not one period of observation for each domain": """
        SELECT count(*) FROM (
            SELECT patient_id, count(domain) AS n, count(DISTINCT domain) AS domains
            FROM patients LEFT JOIN observation_periods USING (patient_id) GROUP BY ALL)
        WHERE n <> 2 OR domains <> 2""",
    "observation that ends before it starts": "SELECT count(*) FROM observation_periods WHERE end_date < start_date",
    "observation before birth": "SELECT count(*) FROM people WHERE least(medical_start, pharmacy_start) < born_before",
    "observation that does not end at death": """
        SELECT count(*) FROM people
        WHERE death_date <> medical_end OR death_date <> pharmacy_end""",
}
_OF_DEVICES = {
    "a system without a generator or pump, or with two implanted": "SELECT count(*) FROM systems WHERE implants <> 1",
    "a generator or pump removed twice": "SELECT count(*) FROM systems WHERE explants > 1",
    "an event of a system before its implant": "SELECT count(*) FROM systems WHERE first < implanted",
    "an event of a system after its removal": "SELECT count(*) FROM systems WHERE last > removed",
    "a removal of what was not put in before": """
        SELECT count(*) FROM parts AS gone WHERE event = 'explant' AND NOT EXISTS (
            FROM parts AS put WHERE put.event IN ('implant', 'replace', 'upgrade') AND put.date < gone.date
            AND (put.patient_id, put.device, put.system_id, put.component, put.component_id)
              = (gone.patient_id, gone.device, gone.system_id, gone.component, gone.component_id))""",
    "a second live generator or pump in a system": """
        SELECT count(*) FROM (
            SELECT component_id, row_number() OVER (PARTITION BY patient_id, device, system_id ORDER BY date) AS place
            FROM parts WHERE is_main AND event IN ('implant', 'replace', 'upgrade')) WHERE component_id <> place""",
    "a system implanted while the one before it is in": """
        SELECT count(*) FROM (
            SELECT system_id, implanted, lag(removed) OVER by_system AS gone, row_number() OVER by_system AS place
            FROM systems WINDOW by_system AS (PARTITION BY patient_id, device ORDER BY system_id))
        WHERE system_id <> place OR (place > 1 AND (gone IS NULL OR gone >= implanted))""",
    "an implant without a successful trial that ended before": """
        SELECT count(*) FROM systems AS s WHERE NOT EXISTS (
            FROM device_events AS t WHERE t.event = 'trial_end' AND t.trial_success AND t.date < s.implanted
            AND t.patient_id = s.patient_id AND t.device = s.device)""",
    "an intrathecal dose without a pump in place": """
        SELECT count(*) FROM intrathecal_doses AS d LEFT JOIN systems AS s
        ON s.device = 'intrathecal_pump' AND s.patient_id = d.patient_id AND s.system_id = d.system_id
        WHERE implanted IS NULL OR date < implanted OR date >= removed""",
    "an implausible intrathecal dose": f"""
        SELECT count(*) FROM intrathecal_doses WHERE dose_per_day <= 0 OR (unit = 'mg' AND dose_per_day > {MOST_MG})
        OR (unit = 'mcg') <> (ingredient IN ('fentanyl', 'sufentanil', 'ziconotide'))""",
}
_OF_VALUES = {
    "a supply of no or too many days": f"""
        SELECT count(*) FROM dispensings WHERE days_supply NOT BETWEEN 1 AND {LONGEST_SUPPLY_DAYS}""",
    "implausible units a day": f"""
        SELECT count(*) FROM dispensings WHERE form <> 'patch' AND (quantity % days_supply <> 0
        OR quantity / days_supply NOT BETWEEN 1 AND {MOST_UNITS_A_DAY}
        OR quantity_unit <> 'unit' OR route = 'transdermal')""",
    "implausible patches": f"""
        SELECT count(*) FROM dispensings WHERE form = 'patch' AND (route <> 'transdermal' OR quantity_unit <> 'patch'
        OR strength_unit <> 'mcg/h' OR round(days_supply / quantity, 2) NOT IN {(*WEAR_DAYS, 0.67)})""",
    "a strength without its unit, or a unit without strength": """
        SELECT count(*) FROM dispensings WHERE (strength_value IS NULL) <> (strength_unit IS NULL)
        OR strength_value <= 0""",
    "fills not numbered 1, 2, ...": """
        SELECT count(*) FROM (SELECT count(*) AS n, min(dispensing_id) AS low, max(dispensing_id) AS high,
        sum(dispensing_id) AS total FROM dispensings GROUP BY patient_id)
        WHERE low <> 1 OR high <> n OR total <> n * (n + 1) / 2""",
    "a score out of range or without a value": """
        SELECT count(*) FROM measurements LEFT JOIN measures USING (measure)
        WHERE value IS NULL OR low IS NULL OR value NOT BETWEEN low AND high""",
    "relief in a trial out of range": """
        SELECT count(*) FROM device_events WHERE percent_relief NOT BETWEEN -100 AND 100""",
}


def violations(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return how often each rule is broken in the tables that the connection knows by their names."""
    ranges = schema.measures()
    connection.register("measures_in", pa.table({
        "measure": list(ranges),
        "low": [float(each["minimum"]) for each in ranges.values()],
        "high": [float(each["maximum"]) for each in ranges.values()],
    }))  # fmt: skip
    connection.execute("CREATE OR REPLACE TEMP TABLE measures AS FROM measures_in")
    for name, query in _PREPARED.items():
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
    counted = {rule: _one(connection, query) for rule, query in _OF_PATIENTS.items()}
    for name in _DOMAINS:
        counted |= _in_time(connection, name)
    return counted | {rule: _one(connection, query) for rule, query in {**_OF_DEVICES, **_OF_VALUES}.items()}


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def _in_time(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, int]:
    """Count the rows of a table that lie at the wrong time: in one pass, since the tables are long."""
    table = schema.table(name)
    last = f"greatest({table.start}, coalesce({table.end}, {table.start}))" if table.end else table.start
    domain = _DOMAINS[name] if " " in _DOMAINS[name] else f"'{_DOMAINS[name]}'"
    # Operations may precede observation: a history is known.
    before = "FALSE" if name == "surgeries" else "first < start"
    conditions = {
        "of a patient who is not listed": "listed IS NULL",
        "before birth": "first < born_before",
        "after death": "last > death_date",
        "before observation": before,
        "after observation": 'last > "end"',
    }
    counts = ", ".join(f"count(*) FILTER ({condition})" for condition in conditions.values())
    row = connection.execute(f"""
        SELECT {counts} FROM (
            SELECT first, last, people.patient_id AS listed, born_before, death_date,
                   CASE domain WHEN 'pharmacy' THEN pharmacy_start ELSE medical_start END AS start,
                   CASE domain WHEN 'pharmacy' THEN pharmacy_end ELSE medical_end END AS "end"
            FROM (SELECT patient_id, {table.start} AS first, {last} AS last, {domain} AS domain FROM {name})
            LEFT JOIN people USING (patient_id))""").fetchone()
    assert row is not None
    return {f"{name} {words}": int(count) for words, count in zip(conditions, row, strict=True)}


def scan(folder: Path, *, memory_gib: float = 1.5) -> dict[str, int]:
    """Return how often each rule is broken in a cohort folder, the order of its rows and row groups included."""
    import duckdb

    settings: dict[str, Any] = {"memory_limit": f"{memory_gib}GiB", "preserve_insertion_order": False}
    with duckdb.connect(config=settings) as connection:
        for name in schema.TABLES:
            connection.execute(f"CREATE VIEW {name} AS FROM read_parquet('{folder / name}.parquet')")
        found = violations(connection)
    for name in schema.TABLES:
        found |= {f"{name} {words}": count for words, count in disorder(folder / f"{name}.parquet", name).items()}
    return found


def disorder(file: Path, name: str) -> Mapping[str, int]:
    """Return how many rows are out of order, and how many row groups share a patient, reading a row group at a time."""
    start = schema.table(name).start
    columns = ["patient_id", start] if start else ["patient_id"]
    content = pq.ParquetFile(file)
    out_of_order, ends = 0, []
    for number in range(content.num_row_groups):
        rows = content.read_row_group(number, columns=columns).to_pandas(date_as_object=False)
        if rows.empty:
            continue
        same = rows["patient_id"].eq(rows["patient_id"].shift())
        falls = rows["patient_id"].lt(rows["patient_id"].shift(fill_value=""))
        if start:
            falls |= same & (rows[start] < rows[start].shift())
        out_of_order += int(falls.sum())
        ends.append((rows["patient_id"].iloc[0], rows["patient_id"].iloc[-1]))
    return {
        "out of order": out_of_order,
        "with a patient in two row groups": sum(last >= first for (_, last), (first, _) in pairwise(ends)),
    }
