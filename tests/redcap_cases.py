"""A small made-up REDCap project and what spoils it, for the tests of the REDCap import."""

from __future__ import annotations

from pathlib import Path

from fbss_analytics.sources.extract import Extract
from fbss_analytics.sources.quarantine import Account
from fbss_analytics.sources.recipe import RedcapSpec
from fbss_analytics.sources.redcap import import_redcap
from fbss_analytics.sources.redcap_dictionary import read_dictionary
from fbss_analytics.sources.redcap_export import Export, read_export
from fbss_analytics.sources.redcap_forms import form_accounts, split_form
from fbss_analytics.sources.source import Source

HERE = Path(__file__).parent
SAMPLE = HERE / "data" / "redcap"
TEMPLATE = HERE.parent / "fbss_analytics" / "data" / "mapping_template_redcap.toml"
PROJECTS = HERE.parents[1] / "shared" / "data" / "redcap"

HEADINGS = (
    "field_name,form_name,field_type,field_label,select_choices_or_calculations,"
    "text_validation_type_or_show_slider_number,identifier\n"
)
DICTIONARY = (
    HEADINGS
    + """id,people,text,Record,,,
dob,people,text,Birth,,date_dmy,y
died,people,text,Death,,datetime_mdy,y
sex,people,radio,Sex,"1, Female | 2, Male | -9, Not told",,
ills,people,checkbox,Ills,"1, Diabetes | -2, Depression | A_b, Cancer",,
said,people,notes,Remarks,,,
intro,visit,descriptive,Please read,,,
seen,visit,text,Seen,,date_ymd,
score,visit,calc,Score,[a] + [b],,
mail,visit,text,Mail,,email,
"""
)
HEADER = (
    "id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,dob,died,sex,ills___1,ills____2,ills___ab,"
    "said,people_complete,seen,score,mail,visit_complete\n"
)
ROWS = (
    "id-4711,first_arm_1,,,1961-04-30,,1,1,0,1,told,2,,,,\n"
    "id-4711,first_arm_1,visit,1,,,,,,,,,2015-03-31,7.25,a@b,2\n"
    "id-4711,first_arm_1,visit,2,,,,,,,,,2015-04-30,6,,2\n"
    "id-4712,first_arm_1,,,1954-01-01,2018-03-02 07:30,2,0,0,0,,2,,,,\n"
)
MAPPING = """version = 1
name = "mine"
calendar = "gregorian"
[tables.patients]
from = "form:people"
columns.patient_id = "id"
columns.sex = { choice = "sex", words = { Female = "female", Male = "male" } }
"""
CONDITIONS = """
[tables.conditions]
from = "form:people"
ticked = "ills"
columns.patient_id = "id"
columns.date = { constant = 2015-01-01 }
columns.condition = { choice = "ills", words = { Diabetes = "diabetes", Depression = "depression", Cancer = "cancer" } }
"""
VISITS = """
[tables.measurements]
from = "form:visit"
columns.patient_id = "id"
columns.date = "seen"
columns.measure = { constant = "nrs_leg" }
columns.value = "score"
"""


def project(folder: Path, *, rows: str = ROWS, header: str = HEADER, dictionary: str = DICTIONARY) -> Path:
    """Write an export and its dictionary into a folder."""
    (folder / "export.csv").write_text(header + rows, encoding="utf-8", newline="")
    (folder / "dictionary.csv").write_text(dictionary, encoding="utf-8", newline="")
    return folder


def read(folder: Path, spec: RedcapSpec | None = None) -> Export:
    """Read such a project."""
    return read_export(folder / "export.csv", read_dictionary(folder / "dictionary.csv"), spec or RedcapSpec())


def imported(folder: Path, mapping: str = MAPPING, *, new_ids: Path | None = None) -> Source:
    """Import such a project."""
    (folder / "mapping.toml").write_text(mapping, encoding="utf-8")
    return import_redcap(
        folder / "export.csv",
        folder / "dictionary.csv",
        to=folder / "cohort",
        mapping=folder / "mapping.toml",
        new_ids=new_ids,
    )


def template(**words: str) -> str:
    """Return the mapping template with its words filled in."""
    text = TEMPLATE.read_text(encoding="utf-8")
    for word, value in {"name": "registry", "file": "mapping.toml", "cohort": "cohort", **words}.items():
        text = text.replace(f"{{{word}}}", value)
    return text


def form(export: Export, name: str) -> Extract:
    """Return one form of an export."""
    return split_form(export, name)


def fates(export: Export, name: str) -> dict[str, int]:
    """Return what became of the rows of an export on their way into a form, by rule."""
    accounts: tuple[Account, ...] = form_accounts(split_form(export, name))
    return {each.rule or each.disposition: each.rows for each in accounts}
