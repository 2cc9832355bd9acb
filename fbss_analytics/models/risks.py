"""`AdjustedRisk`: absolute risks at a day, standardised over a cohort."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from ..cohort import Definition
from ..formats import html_table, percent, plural


@dataclass(frozen=True, eq=False)
class AdjustedRisk:
    """Absolute risks at a day, standardised over a cohort, with their differences.

    Attributes
    ----------
    outcome, cause, exposure, formula : str
        What was modelled.
    horizon_days : float
        The day the risks belong to.
    estimates : DataFrame
        `ESTIMATE_COLUMNS`: a row ``risk`` for each level, then a ``risk difference`` for each but the reference.
    n, events : int
        Rows used and events among them up to any day.
    method : str
        How it was estimated.
    """

    outcome: str
    cause: str
    exposure: str
    formula: str
    horizon_days: float
    table: pd.DataFrame = field(repr=False)
    n: int
    events: int
    method: str
    conf_level: float
    definitions: tuple[Definition, ...] = field(repr=False)
    excluded: pd.DataFrame = field(repr=False)
    unit: str = "row"

    @property
    def estimates(self) -> pd.DataFrame:
        """A copy of the estimates."""
        return self.table.copy()

    def sentence(self) -> str:
        """Say the risks and the first difference in one sentence."""
        risks = self.table[self.table["measure"] == "risk"]
        change = self.table[self.table["measure"] == "risk difference"].iloc[0]
        pairs = zip(risks["level"], risks["estimate"], strict=True)
        said = ", ".join(f"{percent(estimate)} for {self.exposure} {level}" for level, estimate in pairs)
        name = self.outcome if self.cause in ("", "event") else self.cause
        return (
            f"Adjusted risk of {name} by day {self.horizon_days:,g}: {said}; difference {_points(change['estimate'])} "
            f"percentage points ({100 * self.conf_level:g} % CI {_points(change['conf_low'])} to "
            f"{_points(change['conf_high'])}; {change['contrast']}; association, adjusted; "
            f"{plural(self.n, self.unit)})."
        )

    def _repr_html_(self) -> str:
        shown = self.table[["measure", "level", "contrast"]].copy()
        for name in ("estimate", "conf_low", "conf_high"):
            shown[name] = self.table[name].map(percent)
        return html_table(shown, caption=self.sentence(), notes=self.method)


def _points(share: float) -> str:
    """Return a difference of shares in percentage points."""
    return f"{100 * share:+.1f}"
