"""Small extracts with their mappings, for the tests of the import."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from fbss_analytics.sources import schema
from fbss_analytics.sources.mapping import import_tables
from fbss_analytics.sources.source import Source

HEAD = 'version = 1\nname = "mine"\ncalendar = "gregorian"\n'
FILES = '[files]\npeople = "people.csv"\nfills = "fills.csv"\n'
PATIENTS = '[tables.patients]\nfrom = "people"\ncolumns.patient_id = "id"\ncolumns.sex = "sex"\n'
CONDITIONS = """
[tables.conditions]
from = "people"
columns.patient_id = "id"
columns.date = {date}
columns.condition = {{ constant = "fbss" }}
"""
PEOPLE = "id,sex,age,seen,number\nid-4711,female,43.0,05/03/2016,7.0\nid-4712,male,,31/12/2015,-7\n"
SPANS = """
[[tables.observation_periods]]
from = "fills"
from_first_to_last = [{ date = "sold", format = "%d/%m/%Y" }, { date = "used", format = "%d/%m/%Y" }]
columns.patient_id = "pid"
columns.domain = "where"
"""
GOOD = HEAD + FILES + PATIENTS


def extract(path: Path, mapping: str = GOOD, people: str = PEOPLE, **files: str) -> Path:
    """Write an extract with its mapping into a folder."""
    path.mkdir(exist_ok=True)
    (path / "mapping.toml").write_text(mapping, encoding="utf-8")
    for name, content in ({"people": people} | files).items():
        (path / f"{name}.csv").write_text(content, encoding="utf-8")
    return path


def imported(path: Path, mapping: str = GOOD, people: str = PEOPLE, **files: str) -> Source:
    """Import such an extract."""
    extract(path, mapping, people, **files)
    return import_tables(path, path / "cohort", mapping=path / "mapping.toml")


def fates(source: Source, table: str) -> dict[str, int]:
    """Return rows of a table by rule, or by disposition where there is none."""
    rows = source.accounting.query("table == @table")
    return {row.rule or row.disposition: row.rows for row in rows.itertuples()}


def write_in_foreign_dress(source: Source, folder: Path, *, suffix: str) -> None:
    """Write a source as files with other names, words, dates and row order, and the mapping that undoes it."""
    mapping = f'version = 1\nname = "{source.name}"\ncalendar = "gregorian"\n[files]\n'
    mapping += "".join(f'{name} = "f_{name}.{suffix}"\n' for name in source.tables)
    for name in source.tables:
        table, lines = _foreign(source.tables[name], schema.table(name))
        mapping += f'[tables.{name}]\nfrom = "{name}"\n[tables.{name}.columns]\n{lines}\n'
        file = folder / f"f_{name}.{suffix}"
        pq.write_table(table, file) if suffix == "parquet" else pa.csv.write_csv(table, file)
    (folder / "mapping.toml").write_text(mapping, encoding="utf-8")


def _foreign(table: pa.Table, definition: schema.Table) -> tuple[pa.Table, str]:
    """Return a table in foreign dress - names, words, dates, order - and the columns of a mapping that undoes it."""
    columns, lines = {}, []
    for column in definition:
        values, name = table[column.name], f"X {column.name}"
        if column.kind == "day":
            columns[name] = pc.strftime(values.cast(pa.timestamp("s")), format="%d/%m/%Y")
            lines.append(f'{column.name} = {{ date = "{name}", format = "%d/%m/%Y" }}')
        elif column.kind == "word":
            words = schema.vocabulary(column.vocabulary)
            foreign = {f"<{len(words) - k}>": word for k, word in enumerate(words)}
            text = values.cast(pa.string()).to_pylist()
            there = {word: code for code, word in foreign.items()}
            columns[name] = pa.array([there.get(word) for word in text], pa.string())
            pairs = ", ".join(f'"{code}" = "{word}"' for code, word in foreign.items())
            lines.append(f'{column.name} = {{ recode = "{name}", words = {{ {pairs} }} }}')
        else:
            columns[name] = values
            lines.append(f'{column.name} = "{name}"')
    order = pa.array(range(table.num_rows))[::-1]
    return pa.table(columns).take(order), "\n".join(lines)
