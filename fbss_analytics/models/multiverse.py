"""`Multiverse`: one question asked under many definitions, with the chosen one marked."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Definition
from ..formats import html_table, interval, percent, plural, ratio

Floats = npt.NDArray[np.float64]

NO_EFFECT = {"share": np.nan, "OR": 1.0}
"""What stands for no difference, by measure; a share has no such value."""


@dataclass(frozen=True, eq=False)
class Multiverse:
    """Estimates of one quantity under every combination of definitions.

    Attributes
    ----------
    data : DataFrame
        One row per specification, in order of the estimate: a column per dimension ("" where the rule does not use
        it), then estimate, conf_low, conf_high, p_value, n (patients judged), events (responders), n_missing (patients
        who cannot be judged), is_chosen and why_missing ("" where there is an estimate).
    dimensions : tuple of str
        What was varied: the columns of ``data`` that hold choices.
    measure : str
        ``share`` (of responders) or ``OR`` (of ``term``).
    term : str
        Whose odds ratio is estimated; "" for shares.
    method : str
        How each estimate was made.
    """

    data: pd.DataFrame = field(repr=False)
    dimensions: tuple[str, ...]
    measure: str
    term: str
    method: str
    definitions: tuple[Definition, ...] = field(repr=False)

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the specifications."""
        return self.data.copy()

    @property
    def known(self) -> pd.DataFrame:
        """The specifications with an estimate, in its order."""
        return self.data[self.data["estimate"].notna()]

    def __len__(self) -> int:
        return len(self.data)

    def sentence(self) -> str:
        """Say the range of the estimates, and where the chosen definition lies."""
        values, write = self.known["estimate"], percent if self.measure == "share" else ratio
        if values.empty:
            return f"None of {plural(len(self.data), 'definition')} gave an estimate; why_missing says why."
        what = "the share of responders" if self.measure == "share" else f"the {self.measure} of {self.term}"
        said = (
            f"Under {plural(len(values), 'definition')} {what} runs from {write(values.min())} to {write(values.max())}"
            f" (median {write(float(values.median()))})"
        )
        chosen = self.known[self.known["is_chosen"]]
        if len(chosen):
            at = chosen.iloc[0]
            scale = 100.0 if self.measure == "share" else 1.0
            unit = " %" if self.measure == "share" else ""
            limits = interval(at["conf_low"], at["conf_high"], digits=1 if unit else 2, scale=scale)
            said += f"; under the chosen one it is {write(at['estimate'])} (95 % CI {limits}{unit})"
        lost = len(self.data) - len(values)
        without = f" {plural(lost, 'definition')} gave no estimate." if lost else ""
        return f"{said}.{self._sides()}{without}"

    def _sides(self) -> str:
        """Say how many estimates lie on either side of no effect."""
        null = NO_EFFECT[self.measure]
        if np.isnan(null):
            return ""
        values = self.known["estimate"]
        return f" It is above {null:g} in {int((values > null).sum())} and below in {int((values < null).sum())}."

    def _repr_html_(self) -> str:
        shown = self.data[[*self.dimensions, "estimate", "conf_low", "conf_high", "n", "events", "n_missing"]].copy()
        write = percent if self.measure == "share" else ratio
        for name in ("estimate", "conf_low", "conf_high"):
            shown[name] = [write(value) if np.isfinite(value) else "" for value in shown[name]]
        shown.insert(0, "", ["chosen" if chosen else "" for chosen in self.data["is_chosen"]])
        return html_table(shown, caption=self.sentence(), notes=self.method)
