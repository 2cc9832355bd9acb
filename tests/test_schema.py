"""The schema hangs together, and the data dictionary, data package and named events say what it says."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from fbss_analytics.errors import DataError, InputError
from fbss_analytics.sources import schema
from fbss_analytics.sources.dictionary import data_dictionary, main
from fbss_analytics.sources.events import event, event_rows, events, matches
from fbss_analytics.sources.files import data_package
from fbss_analytics.sources.source import Source, in_memory

PAGE = Path(__file__).parents[1] / "docs" / "data_dictionary.md"


def test_there_are_eleven_tables_and_each_begins_with_the_patient() -> None:
    assert len(schema.TABLES) == 11
    for table in schema.TABLES.values():
        assert table.names[0] == "patient_id"
        assert table.column("patient_id").required
        assert len(set(table.names)) == len(table.names)
        assert set(table.key) <= set(table.names)
        assert {table.start, table.end} - {""} <= {each.name for each in table if each.kind == "day"}


@pytest.mark.parametrize("table", schema.TABLES.values(), ids=lambda table: table.name)
def test_an_empty_table_has_the_types_and_the_vocabularies_of_the_schema(table: schema.Table) -> None:
    rows = schema.empty(table.name)
    assert rows.num_rows == 0
    assert rows.schema == table.arrow_schema
    for column in table:
        if column.kind == "word":
            words = schema.vocabulary(column.vocabulary)
            assert words
            assert len(set(words)) == len(words)
            assert rows[column.name].combine_chunks().dictionary.to_pylist() == list(words)


def test_measures_have_a_unit_and_a_range() -> None:
    assert schema.vocabulary("measure") == tuple(schema.measures())
    for name, each in schema.measures().items():
        assert set(each) == {"unit", "minimum", "maximum", "better", "words"}, name
        assert each["minimum"] < each["maximum"]
        assert each["better"] in ("lower", "higher", "")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(DataError, match=r"no table 'patient'.* Did you mean 'patients'"):
        schema.table("patient")
    with pytest.raises(DataError, match=r"patients has no column 'birthyear'.* Did you mean 'birth_year'"):
        schema.table("patients").column("birthyear")


def test_a_table_without_a_key_sorts_by_all_its_columns() -> None:
    assert schema.table("dispensings").sort_keys == ("patient_id", "date", "dispensing_id")
    assert schema.table("patients").sort_keys == ("patient_id",)
    assert schema.table("therapies").sort_keys[:4] == ("patient_id", "date", "end_date", "therapy")


def test_named_events_speak_of_tables_columns_and_words_that_exist() -> None:
    domains = schema.vocabulary("domain")
    for each in events().values():
        table = schema.table(each.table)
        assert table.column(each.date).kind == "day"
        assert each.words
        assert set(each.domains) <= set(domains)
        for column, words in each.where.items():
            assert set(words) <= set(schema.vocabulary(table.column(column).vocabulary)), each.name


def test_an_unknown_event_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"'scs_implants' is not a named event. Did you mean 'scs_implant'"):
        event("scs_implants")


def test_rows_of_an_event_are_dated_and_match_every_column(small_source: Source) -> None:
    assert event_rows(small_source, "scs_removal", what="the test").num_rows == 1
    assert event_rows(small_source, "death", what="the test")["patient_id"].to_pylist() == ["id-4712"]
    bare = in_memory("bare", {"patients": small_source.tables["patients"]})
    with pytest.raises(DataError, match="the test needs the table device_events"):
        event_rows(bare, "scs_removal", what="the test")


def test_words_match_in_text_and_vocabulary_columns_and_missing_never_does() -> None:
    text = pa.array(["a", None, "b"])
    for column in (text, text.dictionary_encode()):
        assert matches(pa.chunked_array([column]), ("a", "z")).tolist() == [True, False, False]


def test_the_data_package_gives_every_column_its_type_range_and_words(small_source: Source) -> None:
    package = data_package(small_source)
    tables = {each["name"]: each for each in package["resources"]}
    assert set(tables) == set(small_source.tables)
    assert tables["patients"]["schema"]["primaryKey"] == ["patient_id"]
    fields = {each["name"]: each for each in tables["patients"]["schema"]["fields"]}
    assert fields["birth_year"]["constraints"] == {"minimum": 1880, "maximum": 2100}
    assert fields["sex"]["constraints"] == {"enum": ["female", "male", "unknown"]}
    assert fields["death_date"] == {
        "name": "death_date",
        "type": "date",
        "description": fields["death_date"]["description"],
    }


def test_the_data_dictionary_names_every_table_column_word_measure_and_rule() -> None:
    page = data_dictionary()
    for table in schema.TABLES.values():
        assert f"\n## {table.name}\n" in page
        assert all(f"| `{column.name}` |" in page for column in table)
    assert all(f"| `{name}` |" in page for name in schema.measures())
    assert all(f"| {rule} |" in page for rule in ("R01", "R09", "M01", "X00"))
    assert "more than 0" in page


@pytest.mark.skipif(not PAGE.exists(), reason="docs/data_dictionary.md is in the repository only")
def test_the_committed_data_dictionary_is_the_one_the_schema_gives(tmp_path: Path) -> None:
    main([str(tmp_path / "page.md")])
    written = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == written, "write it again: python -m fbss_analytics.sources.dictionary"
