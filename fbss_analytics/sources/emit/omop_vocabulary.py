"""The vocabulary of an emitted OMOP extract: this library's words as a site vocabulary, and the opioid products.

A code that the code lists read back as the same word stands for itself. Where they do not, the row names in its source
concept a word of the vocabulary ``FBSS``, as sites do with their own codes: concept ids above 2,000,000,000.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from ..codes import DEVICE_WORDS, OWN, code_list
from ..omop_concepts import Concepts

OWN_FROM, PRODUCTS_FROM, INGREDIENTS_FROM = 2_000_000_001, 2_000_100_001, 2_000_200_001
FORM_NAMES = {
    "tablet": "Oral Tablet", "tablet_er": "Extended Release Oral Tablet", "capsule": "Oral Capsule",
    "capsule_er": "Extended Release Oral Capsule", "solution": "Oral Solution", "patch": "Transdermal System",
    "film": "Buccal Film", "lozenge": "Oral Lozenge", "spray": "Nasal Spray", "suppository": "Rectal Suppository",
    "injection": "Injectable Solution",
}  # fmt: skip
STRENGTH_NAMES = {"mg": "MG", "mcg": "MCG", "mcg/h": "MCG/HR", "mg/mL": "MG/ML"}
MG, MCG, ML, HOUR = "8576", "9655", "8587", "8505"
STRENGTHS = {"mg": (MG, "", ""), "mcg": (MCG, "", ""), "mcg/h": ("", MCG, HOUR), "mg/mL": ("", MG, ML)}
"""Unit of the amount, or of numerator and denominator, in ``drug_strength``."""
DAYS = {"valid_start_date": "1970-01-01", "valid_end_date": "2099-12-31", "invalid_reason": None}
DOMAINS = {"conditions": "Condition", "surgeries": "Procedure", "device_events": "Procedure", "therapies": "Procedure",
           "measurements": "Measurement", "dispensings": "Drug"}  # fmt: skip
Product = tuple[str, str, str, str]
"""Ingredient, form, strength and its unit; empty where not known."""


@dataclass(eq=False)
class Vocabulary:
    """The concepts an extract has used so far."""

    own: dict[str, str] = field(default_factory=dict)
    products: dict[Product, str] = field(default_factory=dict)
    reader: Concepts = field(default_factory=lambda: Concepts(code_list()))
    _exact: dict[tuple[str, str, str], bool] = field(default_factory=dict)

    def concept(self, table: str, word: str) -> str:
        """Return the concept of a word of ours, which is noted as used."""
        return self.own.setdefault(f"{table}/{word}", str(OWN_FROM + len(self.own)))

    def source_concept(self, table: str, word: str, code: str) -> str:
        """Return "0" where the code lists read a code as this word, else the word's own concept."""
        key = (table, word, code)
        if key not in self._exact:
            self._exact[key] = self._is_read_as(table, word, code)
        return "0" if self._exact[key] else self.concept(table, word)

    def _is_read_as(self, table: str, word: str, code: str) -> bool:
        found = self.reader.meaning(None, code, (table,))
        if found is None or found.table != table or "|" in found.word:
            return False
        return DEVICE_WORDS[found.word] == DEVICE_WORDS[word] if table == "device_events" else found.word == word

    def source_concepts(self, table: str, words: pd.Series, codes: pd.Series) -> list[str]:
        """Return the source concept of each row."""
        return [self.source_concept(table, word, code) for word, code in zip(words, codes, strict=True)]

    def product(self, product: Product) -> str:
        """Return the concept of an opioid product, the ingredient's own where nothing else is known of it."""
        if product not in self.products:
            known = ingredients().get(product[0], ("", ""))[0]
            bare = not any(product[1:])
            self.products[product] = known if bare and known else str(PRODUCTS_FROM + len(self.products))
        return self.products[product]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the vocabulary tables of the CDM for what was used."""
        concepts = [
            _concept(number, code.rpartition("/")[2], DOMAINS.get(code.partition("/")[0], "Observation"), OWN, code)
            for code, number in self.own.items()
        ]
        ancestors, strengths = [], []
        bases: dict[str, str] = {}
        for product in self.products:
            if product[0] not in bases:
                number, rxnorm = ingredients().get(product[0], ("", ""))
                bases[product[0]] = number or str(INGREDIENTS_FROM + len(bases))
                system, code = ("RxNorm", rxnorm) if rxnorm else (OWN, f"dispensings/{product[0]}")
                concepts.append(_concept(bases[product[0]], product[0], "Drug", system, code, "Ingredient"))
                ancestors.append((bases[product[0]], bases[product[0]], "0", "0"))
        for product, number in self.products.items():
            if number != bases[product[0]]:
                concepts.append(_concept(number, name_of(product), "Drug", OWN, f"product/{number}", "Clinical Drug"))
                ancestors.append((bases[product[0]], number, "1", "1"))
            if product[3]:
                strengths.append(_strength(number, bases[product[0]], product))
        columns = ["ancestor_concept_id", "descendant_concept_id", "min_levels_of_separation",
                   "max_levels_of_separation"]  # fmt: skip
        return {
            "concept": pd.DataFrame(concepts, columns=list(_concept("", "", "", "", ""))),
            "concept_ancestor": pd.DataFrame(ancestors, columns=columns),
            "drug_strength": pd.DataFrame(strengths, columns=list(_strength("", "", ("", "", "", "mg")))),
        }


def ingredients() -> dict[str, tuple[str, str]]:
    """Return the OMOP concept and the RxNorm code of each opioid the code lists know, empty where they have none."""
    found: dict[str, tuple[str, str]] = {}
    for each in code_list():
        if each.table == "dispensings" and each.system in ("OMOP", "RxNorm"):
            number, rxnorm = found.get(each.word, ("", ""))
            found[each.word] = (each.code, rxnorm) if each.system == "OMOP" else (number, each.code)
    return found


def name_of(product: Product) -> str:
    """Return a product's name in the manner of RxNorm, for example ``oxycodone 5 MG Oral Tablet``."""
    ingredient, form, strength, unit = product
    return " ".join(each for each in (ingredient, strength, STRENGTH_NAMES.get(unit), FORM_NAMES.get(form)) if each)


def _concept(number: str, name: str, domain: str, system: str, code: str, kind: str = "") -> dict[str, str | None]:
    return {
        "concept_id": number, "concept_name": name.replace("_", " "), "domain_id": domain, "vocabulary_id": system,
        "concept_class_id": kind or domain, "standard_concept": None if system == OWN else "S", "concept_code": code,
    } | DAYS  # fmt: skip


def _strength(number: str, base: str, product: Product) -> dict[str, str | None]:
    amount, top, bottom = STRENGTHS[product[3]]
    return {
        "drug_concept_id": number, "ingredient_concept_id": base,
        "amount_value": product[2] if amount else None, "amount_unit_concept_id": amount or None,
        "numerator_value": product[2] if top else None, "numerator_unit_concept_id": top or None,
        "denominator_value": None, "denominator_unit_concept_id": bottom or None, "box_size": None,
    } | DAYS  # fmt: skip
