"""The drug list of emitted claims: products by NDC, opioids with form and strength, other drugs by ingredient."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from .chunks import Text

NO_LABELER = "99999"
"""The first five digits of the NDCs: a labeler that does not exist, so that none is taken for a product on sale."""
GENERICS = {
    "acetaminophen": "acetaminophen", "nsaid": "ibuprofen", "gabapentinoid": "gabapentin", "snri": "duloxetine",
    "tca": "amitriptyline", "muscle_relaxant": "cyclobenzaprine", "benzodiazepine": "diazepam", "ketamine": "ketamine",
}  # fmt: skip
"""The drug that is dispensed for each class of treatment."""
COLUMNS = ["drug_class", "ingredient", "form", "route", "strength", "strength_unit", "quantity_unit"]
Drug = tuple[str | None, ...]


@dataclass(eq=False)
class DrugList:
    """Products met so far, each with its NDC of eleven digits."""

    numbers: dict[Drug, str] = field(default_factory=dict)

    def ndc(self, drug: Drug) -> str:
        """Return the NDC of a product, which is noted."""
        return self.numbers.setdefault(drug, f"{NO_LABELER}{len(self.numbers) + 1:06d}")

    def opioids(self, rows: Text) -> list[str]:
        """Return the NDC of each dispensing."""
        told = rows[["ingredient", "form", "route", "strength_value", "strength_unit", "quantity_unit"]]
        return [self.ndc(("opioid", *each)) for each in told.itertuples(index=False, name=None)]

    def others(self, rows: Text) -> list[str]:
        """Return the NDC of each treatment with a drug."""
        return [self.ndc((word, GENERICS[word], None, None, None, None, None)) for word in rows["therapy"]]

    def frame(self) -> pd.DataFrame:
        """Return the drug list: NDC, label, and what is known of the product."""
        frame = pd.DataFrame(list(self.numbers), columns=COLUMNS, dtype=object)
        parts = zip(*(frame[name] for name in ("ingredient", "strength", "strength_unit", "form")), strict=True)
        frame.insert(0, "label", [" ".join(part for part in each if part).upper() for each in parts])
        frame.insert(0, "ndc", list(self.numbers.values()))
        return frame


def therapy_days(rows: Text) -> list[str]:
    """Return the days of each treatment, both ends included; a treatment without an end is of one day."""
    start = rows["date"].to_numpy(dtype="datetime64[D]")
    end = rows["end_date"].where(rows["end_date"].notna(), rows["date"]).to_numpy(dtype="datetime64[D]")
    return [str(days) for days in ((end - start).astype(np.int64) + 1).tolist()]
