"""`GroupTest`: whether curves differ between groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..cohort import Definition
from ..formats import decimal, html_table, p_value, plural
from .result_table import p_words

TEST_COLUMNS = ("cause", "statistic", "df", "p_value")
"""Columns of ``GroupTest.table``: one row per cause tested."""

COUNT_COLUMNS = ("cause", "group", "n", "observed", "expected")
"""Columns of ``GroupTest.counts``: one row per cause and group."""


@dataclass(frozen=True, eq=False)
class GroupTest:
    """A test that groups do not differ, one for each cause.

    Attributes
    ----------
    outcome, by : str
        What is waited for; the column of the groups.
    table : DataFrame
        cause, statistic (chi-squared), df, p_value: one row per cause.
    counts : DataFrame
        cause, group, n, observed, expected: events seen, and events were all groups alike, both weighted over time as
        ``method`` says. Expected is missing where a test has none.
    method : str
        Which test.
    definitions : tuple of Definition
        What it rests on.
    excluded : DataFrame
        Rows left out: reason, n.
    unit : str
        What a row is.
    """

    outcome: str
    by: str
    table: pd.DataFrame = field(repr=False)
    counts: pd.DataFrame = field(repr=False)
    method: str
    definitions: tuple[Definition, ...] = field(repr=False)
    excluded: pd.DataFrame = field(repr=False)
    unit: str = "row"

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the tests."""
        return self.table.copy()

    @property
    def n(self) -> int:
        """Rows used."""
        return int(self.counts.loc[self.counts["cause"] == self.table["cause"].iloc[0], "n"].sum())

    def sentence(self) -> str:
        """Say each cause's test, with the events observed and expected in every group."""
        said = " ".join(self._words(row) for row in self.table.to_dict("records"))
        return f"{said} {plural(self.n, self.unit)}. {self.method}"

    def _words(self, row: Mapping[Any, Any]) -> str:
        """Return the test of one cause in words."""
        groups = self.counts[self.counts["cause"] == row["cause"]].to_dict("records")
        seen = "; ".join(f"{group['group']}: {_events(group)}" for group in groups)
        name = self.outcome if row["cause"] == "event" else row["cause"]
        return (
            f"{name} between groups of {self.by}: chi-squared {decimal(row['statistic'], 2)} on {row['df']:g} df, "
            f"p {p_words(row['p_value'])} ({seen})."
        )

    def _repr_html_(self) -> str:
        shown = self.counts.rename(columns={"group": self.by})
        for name in ("observed", "expected"):
            shown[name] = self.counts[name].map(_number)
        tests = self.table.set_index("cause")
        first = ~shown["cause"].duplicated()
        for name, write in (("statistic", lambda x: decimal(x, 2)), ("df", lambda x: f"{x:g}"), ("p_value", p_value)):
            written = shown["cause"].map(tests[name].map(write))
            shown[name] = written.where(first, "")
        return html_table(shown, caption=self.sentence())


def _events(group: Mapping[Any, Any]) -> str:
    """Return what a group saw beside what was expected, in words."""
    if np.isnan(group["expected"]):
        return f"{_number(group['observed'])} observed"
    return f"{_number(group['observed'])} observed, {_number(group['expected'])} expected"


def _number(value: float) -> str:
    """Return a count, whole where it is."""
    return decimal(value, 0 if float(value).is_integer() else 1)
