"""The mapping with which `import_tables` reads emitted claims back, as far as single lines go."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..codes import own_codes
from .codes import Use, emitted_codes
from .toml import block, pairs, text, without

USE: Use = "claims"
HEAD = """# Reads these claims back: import_tables(folder, to, mapping='mapping.toml'). A mapping looks at one line at a
# time. Of 63650 a line does not tell a trial from a permanent lead, of 63688 not a revision from a removal: those lines
# are left out with that reason. A first and a later generator, pump or catheter share a code too and are read as
# implants; all lines are read as the first system. Whoever needs to know goes by their order within the patient.
"""
FILES = {name: f"{name}.csv" for name in ("members", "enrolment", "pharmacy", "medical", "inpatient", "drugs")}
AMBIGUOUS = ("63650", "63688")
"""Codes of which a single line does not tell what happened: trial or permanent, revision or removal."""
MIXED = {"63685": "scs/generator/implant", "62362": "intrathecal_pump/pump/implant",
         "62350": "intrathecal_pump/catheter/implant"}  # fmt: skip
"""Codes of a first implant and of a later one alike, and the event that a single line is read as."""


def codes_of(table: str) -> dict[str, str]:
    """Return the word behind each code of a table; of codes that stand for several words, the first in the file."""
    found: dict[str, str] = {}
    for (name, word), codes in emitted_codes(USE).items():
        if name == table:
            for each in codes:
                if each.system != "RxNorm":
                    found.setdefault(each.code, word)
    return found


def mapping(name: str, calendar: str, tables: Collection[str]) -> str:
    """Return the mapping for the tables that a source has and claims can hold."""
    files = "".join(f"{key} = {text(path)}\n" for key, path in FILES.items())
    head = f"{HEAD}version = 1\nname = {text(name)}\ncalendar = {text(calendar)}\n[files]\n{files}"
    return head + "".join(content for table, content in _blocks() if table in tables)


def _recode(column: str, words: dict[str, str], *, unmapped: str = "") -> str:
    last = f", unmapped = {text(unmapped)}" if unmapped else ""
    return f"{{ recode = {text(column)}, words = {pairs(words)}{last} }}"


def _numbered() -> str:
    return '{ row_number = "patient_id" }'


def _blocks() -> Iterator[tuple[str, str]]:
    """Yield the table and the text of every block."""
    member = {"patient_id": text("member_id")}
    line = member | {"date": text("service_date"), "source_code": text("procedure_code")}
    yield "patients", block(
        "patients", "members",
        member | {name: text(name) for name in ("birth_year", "birth_month", "death_date")}
        | {"sex": _recode("sex", {"F": "female", "M": "male", "U": "unknown"})},
    )  # fmt: skip
    yield "observation_periods", block(
        "observation_periods", "enrolment",
        member | {"start_date": text("start_date"), "end_date": text("end_date"),
                  "domain": _recode("coverage", {"M": "medical", "P": "pharmacy"})},
    )  # fmt: skip
    payer = member | {"attribute": '{ constant = "payer" }', "value": text("payer")}
    yield "attributes", block("attributes", "members", payer, exclude=without("payer"))
    yield "conditions", block(
        "conditions", "medical",
        line | {"condition": _recode("dx1", codes_of("conditions")), "source_code": text("dx1"),
                "vocabulary": text("dx_type")},
        where={"procedure_code": ["99213"]},
    )  # fmt: skip
    yield "stays", block(
        "stays", "inpatient",
        member | {"stay_id": _numbered(), "admit_date": text("admit_date"), "discharge_date": text("discharge_date"),
                  "type": _recode("place_of_service", {"21": "inpatient", "22": "outpatient", "23": "emergency",
                                                       "61": "rehabilitation"})},
    )  # fmt: skip
    yield "surgeries", _surgeries(line)
    yield "device_events", _devices(line)
    yield from _drugs(member)
    words = codes_of("therapies")
    yield (
        "therapies",
        block(
            "therapies",
            "medical",
            line | {"therapy": _recode("procedure_code", words)},
            where={"procedure_code": [*words]},
        ),
    )


def _surgeries(line: dict[str, str]) -> str:
    # The fusion of a decompression with fusion is the claim's first line.
    words = {code: word for code, word in codes_of("surgeries").items() if word != "instrumentation"}
    words |= {"22612": "fusion", "63047": "decompression"}
    columns = line | {
        "surgery_id": _numbered(),
        "procedure": _recode("procedure_code", words),
        "region": '{ constant = "lumbar" }',
        "side": _recode("modifier", {"LT": "left", "RT": "right", "50": "bilateral"}),
        "indication": _recode("dx1", codes_of("surgery_indication")),
        "setting": _recode("place_of_service", {"21": "inpatient", "22": "outpatient"}),
        "vocabulary": text("code_type"),
    }
    return block("surgeries", "medical", columns, where={"procedure_code": [*words], "line": ["1"]})


def _devices(line: dict[str, str]) -> str:
    events = {each.word for each in own_codes() if each.table == "device_events"}
    # A paddle lead has a code of its own, and is a lead.
    words = {code: word.removesuffix("/paddle") for code, word in codes_of("device_events").items()} | MIXED
    infections = dict.fromkeys(codes_of("device_infection"), "infection")
    told = {code: word.split("/") for code, word in words.items() if code not in AMBIGUOUS and word in events}
    device, component, event = ({code: parts[place] for code, parts in told.items()} for place in range(3))
    columns = line | {
        "system_id": "{ constant = 1 }",
        "device": _recode("procedure_code", device),
        "component": _recode("procedure_code", component),
        "event": _recode("procedure_code", event),
        "reason": _recode("dx1", infections, unmapped="missing"),
        "vocabulary": text("code_type"),
    }
    why = {"the code alone does not tell trial from implant, or revision from removal": {"procedure_code": AMBIGUOUS}}
    return block("device_events", "medical", columns, where={"procedure_code": [*words]}, exclude=why)


def _drugs(member: dict[str, str]) -> Iterator[tuple[str, str]]:
    fill = member | {"date": text("fill_date")}
    product = {
        name: text(f"drugs.{name}") for name in ("ingredient", "form", "route", "strength_unit", "quantity_unit")
    }
    opioid = fill | product | {
        "dispensing_id": _numbered(),
        "strength_value": text("drugs.strength"),
        "quantity": text("quantity"),
        "days_supply": text("days_supply"),
        "source_code": text("ndc"),
        "vocabulary": '{ constant = "NDC" }',
    }  # fmt: skip
    where = {"drugs.drug_class": ["opioid"]}
    yield "dispensings", block("dispensings", "pharmacy", opioid, where=where, join={"drugs": "ndc"})
    classes = {word: word for (table, word), codes in emitted_codes(USE).items()
               if table == "therapies" and codes[0].system == "RxNorm"}  # fmt: skip
    other = fill | {"therapy": _recode("drugs.drug_class", classes), "source_code": text("ndc")}
    where = {"drugs.drug_class": [*classes]}
    yield "therapies", block("therapies", "pharmacy", other, where=where, join={"drugs": "ndc"})
