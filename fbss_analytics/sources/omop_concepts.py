"""What the codes of an OMOP extract mean: by concept and its ancestors where the vocabulary is there, else by code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .codes import OWN, Code
from .omop_files import read_omop

UNKNOWN_SYSTEMS = ("CPT4", "HCPCS", "ICD10CM", "ICD9CM", "ICD10PCS", "ICD9Proc", "RxNorm")
"""Systems that a source code is looked for in where its concept does not tell its system."""
FORMS = (
    ("extended release oral tablet", "tablet_er"),
    ("extended release oral capsule", "capsule_er"),
    ("oral tablet", "tablet"),
    ("oral capsule", "capsule"),
    ("oral solution", "solution"),
    ("transdermal", "patch"),
    ("buccal film", "film"),
    ("lozenge", "lozenge"),
    ("nasal spray", "spray"),
    ("rectal suppository", "suppository"),
    ("injection", "injection"),
    ("injectable", "injection"),
)
"""Words of a clinical drug's name, and the form they say."""
ROUTES = {
    "tablet": "oral", "tablet_er": "oral", "capsule": "oral", "capsule_er": "oral", "solution": "oral",
    "patch": "transdermal", "film": "buccal", "spray": "nasal", "suppository": "rectal",
}  # fmt: skip
"""The route a form implies; an injection implies none."""
SHARES = {"8576/8587": "mg/mL", "8576/8505": "mcg/h", "9655/8505": "mcg/h"}
"""Units of a strength by those of its numerator and denominator: mg over mL; mg or mcg over hours."""
ROUTE_CONCEPTS = {
    "4132161": "oral", "4262099": "transdermal", "4181897": "buccal", "4292110": "sublingual", "4262914": "nasal",
    "4290759": "rectal", "4171047": "intravenous", "4142048": "subcutaneous", "4302612": "intramuscular",
    "4217202": "intrathecal",
}  # fmt: skip
"""Standard concepts of routes; a route that is told counts before the one that the form implies."""


@dataclass(frozen=True, eq=False)
class Concepts:
    """The vocabulary of an extract: by concept id its system, code and name; ids of drugs by opioid ingredient."""

    codes: tuple[Code, ...]
    known: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    ingredient: Mapping[str, str] = field(default_factory=dict)
    anaesthetic: frozenset[str] = frozenset()

    def meaning(self, concept: str | None, value: str | None, tables: tuple[str, ...]) -> Code | None:
        """Return the code list's entry for a source concept, else for a source code; None where there is none."""
        told = self.known.get(concept or "")
        if told is not None:
            return _find(self.codes, told[0], told[1], tables)
        if value:
            for system in UNKNOWN_SYSTEMS:
                found = _find(self.codes, system, value, tables)
                if found is not None:
                    return found
        return None

    def form(self, concept: str | None) -> str | None:
        """Return a drug's form from its name, None where the name does not tell."""
        name = self.known.get(concept or "", ("", "", ""))[2].lower()
        return next((form for words, form in FORMS if words in name), None)


@lru_cache(maxsize=200_000)
def _find(codes: tuple[Code, ...], system: str, code: str, tables: tuple[str, ...]) -> Code | None:
    covering = [each for each in codes if (each.table in tables or not each.table) and each.covers(system, code)]
    # The most exact entry counts, and one that becomes a row before one that does not.
    return max(covering, key=lambda each: (len(each.code), bool(each.table)), default=None)


def read_concepts(files: Mapping[str, Path], codes: tuple[Code, ...], used: Iterable[str]) -> Concepts:
    """Return the concepts of an extract that its rows use; without vocabulary tables, of the code lists alone.

    Parameters
    ----------
    files : the extract's files by table. codes : entries of the code lists. used : concept ids that rows hold.
    """
    wanted = set(used)
    known = _known(files, wanted)
    ingredients = {each.code: each.word for each in codes if each.system == "OMOP" and each.table == "dispensings"}
    anaesthetics = {each.code for each in codes if each.system == "OMOP" and each.event == "rx_opioid_anaesthetic"}
    by_code = {(each.system, each.code): each.word for each in codes if each.table == "dispensings"}
    asleep = {(each.system, each.code) for each in codes if each.event == "rx_opioid_anaesthetic"}
    for concept, (system, code, _) in _known(files, None).items():
        if (system, code) in by_code:
            ingredients[concept] = by_code[system, code]
        elif (system, code) in asleep:
            anaesthetics.add(concept)
    drugs, sleeping = dict(ingredients), set(anaesthetics)
    if "concept_ancestor" in files:
        for ancestor, descendant in _descendants(files["concept_ancestor"], {*ingredients, *anaesthetics}):
            if ancestor in ingredients:
                drugs.setdefault(descendant, ingredients[ancestor])
            else:
                sleeping.add(descendant)
    return Concepts(codes, known, drugs, frozenset(sleeping - set(drugs)))


def _known(files: Mapping[str, Path], wanted: set[str] | None) -> dict[str, tuple[str, str, str]]:
    if "concept" not in files:
        return {}
    columns = ["concept_id", "vocabulary_id", "concept_code", "concept_name"]
    rows = read_omop(files["concept"], columns).rows
    if wanted is not None:
        rows = rows.filter(pc.is_in(rows["concept_id"], value_set=pa.array(sorted(wanted), pa.string())))
    else:
        rows = rows.filter(pc.is_in(rows["vocabulary_id"], value_set=pa.array(["RxNorm", OWN])))
    frame = rows.to_pandas()
    texts = frame.fillna("").astype(str).to_numpy()
    return {row[0]: (row[1], row[2], row[3]) for row in texts}


def _descendants(file: Path, ancestors: set[str]) -> list[tuple[str, str]]:
    rows = read_omop(file, ["ancestor_concept_id", "descendant_concept_id"]).rows
    mine = rows.filter(pc.is_in(rows["ancestor_concept_id"], value_set=pa.array(sorted(ancestors), pa.string())))
    return list(zip(mine["ancestor_concept_id"].to_pylist(), mine["descendant_concept_id"].to_pylist(), strict=True))


def strengths(files: Mapping[str, Path], drugs: pd.Series, ingredient: pd.Series, concepts: Concepts) -> pd.DataFrame:
    """Return strength and unit (mg, mcg, mg/mL, mcg/h) of each drug's opioid, missing where nothing tells them."""
    empty = pd.DataFrame({"value": np.nan, "unit": None}, index=drugs.index)
    if "drug_strength" not in files or drugs.empty:
        return empty
    columns = ["drug_concept_id", "ingredient_concept_id"]
    numbers = ["amount_value", "amount_unit_concept_id", "numerator_value", "numerator_unit_concept_id",
               "denominator_value", "denominator_unit_concept_id"]  # fmt: skip
    rows = read_omop(files["drug_strength"], columns, optional=numbers).rows
    frame = rows.filter(pc.is_in(rows["drug_concept_id"], value_set=pa.array(drugs.dropna().unique()))).to_pandas()
    frame["word"] = frame["ingredient_concept_id"].map(dict(concepts.ingredient))
    frame = frame[frame["word"].notna()].drop_duplicates(["drug_concept_id", "word"])
    amount, top = pd.to_numeric(frame["amount_value"]), pd.to_numeric(frame["numerator_value"])
    bottom = pd.to_numeric(frame["denominator_value"]).fillna(1)
    solid = frame["amount_unit_concept_id"].map({"8576": "mg", "9655": "mcg"})
    over = frame["numerator_unit_concept_id"].str.cat(frame["denominator_unit_concept_id"], sep="/")
    share, per_mg = over.map(SHARES), over.map({"8576/8505": 1000.0}).fillna(1.0)
    table = pd.DataFrame(
        {
            "drug": frame["drug_concept_id"],
            "word": frame["word"],
            "value": amount.where(solid.notna(), (top / bottom * per_mg).where(share.notna())),
            "unit": solid.where(solid.notna(), share),
        }
    )
    asked = pd.DataFrame({"drug": drugs, "word": ingredient})
    found = asked.merge(table, on=["drug", "word"], how="left").set_axis(drugs.index)
    return found[["value", "unit"]]
