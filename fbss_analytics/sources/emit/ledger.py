"""What an extract cannot hold, counted: rows left out, values of columns that have no place, values that change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from .. import schema
from .chunks import Text

Fate = Literal["left out", "changed"]
NO_PLACE = "the format has no place for it"


@dataclass(eq=False)
class Ledger:
    """Counts by fate, table, column (empty: the whole row) and reason; rows of the source by table."""

    counts: Counter[tuple[Fate, str, str, str]] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)

    def leave_out(self, table: str, why: str, rows: int, *, column: str = "") -> None:
        """Count rows, or values of a column, that are not in the extract."""
        self.counts["left out", table, column, why] += rows

    def change(self, table: str, column: str, why: str, rows: int) -> None:
        """Count values that are in the extract, but not as they stood."""
        self.counts["changed", table, column, why] += rows

    def keep_only(self, table: str, frame: Text, held: Collection[str], *, why: str = NO_PLACE) -> None:
        """Count the values of all columns of a table but those held."""
        for column in schema.table(table).names:
            if column not in held:
                self.leave_out(table, why, int(frame[column].notna().sum()), column=column)

    def drop(self, table: str, frame: Text, keep: pd.Series | np.ndarray, why: str) -> Text:
        """Return the rows to keep, the others counted."""
        mask = np.asarray(keep, dtype=bool)
        self.leave_out(table, why, int((~mask).sum()))
        return frame[mask]

    def entries(self) -> list[dict[str, Any]]:
        """Return the counts above 0 in the order of the schema."""
        order = {name: place for place, name in enumerate(schema.TABLES)}
        known = [(key, rows) for key, rows in self.counts.items() if rows]
        known.sort(key=lambda each: (order[each[0][1]], each[0][2], each[0][3], each[0][0]))
        return [
            {"fate": fate, "table": table, **({"column": column} if column else {}), "count": rows, "why": why}
            for (fate, table, column, why), rows in known
        ]
