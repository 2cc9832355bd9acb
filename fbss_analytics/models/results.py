"""`Curve` and `Fit`: what estimates and fits return.

Frozen; they carry numbers, what was left out, and the definitions they rest on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from ..cohort import Definition
from ..errors import InputError
from ..formats import html_table, percent, plural, ratio
from .fit import Fit
from .quantiles import quantile_rows
from .result_table import (
    ESTIMATE_COLUMNS,
    MEASURES,
    SHARES,
    STEP_COLUMNS,
    YEAR,
    estimate_table,
    intervals,
    percent_words,
    ratio_words,
    share,
    whole,
)

__all__ = ["ESTIMATE_COLUMNS", "MEASURES", "SHARES", "STEP_COLUMNS", "YEAR", "Curve", "Fit", "estimate_table"]


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve with its steps, its numbers at risk and what it rests on.

    Attributes
    ----------
    kind : str
        ``survival``, ``cumulative_incidence``, ``cumulative_hazard``, ``state_occupancy`` (each state a ``cause``),
        ``mean_cumulative_count`` or ``effect``.
    outcome, by : str
        What is counted; the column of the groups (None: one group ``all``).
    frame : DataFrame
        Steps (`STEP_COLUMNS`), sorted by group, cause and time, the first at time 0; ``n_at_risk`` counts just before
        ``time_days``, ``n_events`` and ``n_censored`` at it. Of kind ``effect``: term, value, estimate, std_error,
        conf_low, conf_high, reference.
    method, conf_type, conf_level
        How it was estimated, and which interval it carries.
    excluded : DataFrame
        Rows left out: reason, n.
    n, events : int
        Rows used and events of interest.
    sizes : mapping
        Rows of each group.
    competing : tuple of str
        Which causes compete, rather than being of interest.
    overstated : tuple of str
        Which "causes" are 1 minus Kaplan-Meier with the competing events censored; never drawn without the risk itself.
    """

    kind: str
    outcome: str
    by: str | None
    data: pd.DataFrame = field(repr=False)
    method: str
    conf_type: str
    conf_level: float
    definitions: tuple[Definition, ...] = field(repr=False)
    excluded: pd.DataFrame = field(repr=False)
    n: int
    events: int
    sizes: Mapping[str, int] = field(default_factory=dict)
    competing: tuple[str, ...] = ()
    overstated: tuple[str, ...] = ()
    unit: str = "row"

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the steps."""
        return self.data.copy()

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in order."""
        return tuple(self.sizes)

    @cached_property
    def _pieces(self) -> dict[tuple[str, str], pd.DataFrame]:
        """The steps of each group and cause, cut once."""
        if self.kind == "effect":
            raise InputError("An effect curve has no time; its values are in .frame.")
        pieces = self.data.groupby(["group", "cause"], sort=False)
        return {(str(group), str(cause)): piece for (group, cause), piece in pieces}

    def at(self, days: float | Iterable[float]) -> pd.DataFrame:
        """Return the estimates at horizons, with `ESTIMATE_COLUMNS`.

        **Definition**: the last step at or before each horizon; missing beyond the last day anyone of the group was
        followed. ``events`` counts the events of that cause up to and including the horizon, ``n`` the rows of the
        group.

        Parameters
        ----------
        days : one horizon or several, in days.
        """
        horizons = np.atleast_1d(np.asarray(days if isinstance(days, float | int) else list(days), dtype=np.float64))
        rows = []
        for (group, cause), piece in self._pieces.items():
            time = piece["time_days"].to_numpy()
            events = np.cumsum(piece["n_events"].to_numpy())
            for horizon in horizons:
                k = int(np.searchsorted(time, horizon, side="right")) - 1
                known = 0 <= horizon <= time[-1]
                row = piece.iloc[max(k, 0)]
                value = {
                    name: row[name] if known else np.nan for name in ("estimate", "std_error", "conf_low", "conf_high")
                }
                rows.append(
                    {
                        "model": self.kind,
                        "outcome": self.outcome,
                        "cause": cause,
                        "term": self.by or "",
                        "level": group if self.by else "",
                        "measure": MEASURES[self.kind],
                        "horizon_days": horizon,
                        "coefficient": value["estimate"],
                        "n": self.sizes[group],
                        "events": int(events[max(k, 0)]),
                        **value,
                    }
                )
        return estimate_table(rows)

    def quantile(self, p: float | Iterable[float] = 0.5) -> pd.DataFrame:
        """Return the day by which a share has had the event, with `ESTIMATE_COLUMNS`.

        **Definition**: the first day on which survival is at or below 1 - p (cumulative incidence at or above p);
        where it is exactly that until a later step, the middle of both days. Limits are the days on which the band's
        lower and upper limits get there. Missing where a curve or limit never does.

        Parameters
        ----------
        p : one share or several, between 0 and 1; 0.5 is the median.
        """
        return estimate_table(
            {
                **row,
                "model": self.kind,
                "outcome": self.outcome,
                "term": self.by or "",
                "level": row["group"] if self.by else "",
                "n": self.sizes[str(row["group"])],
                "events": int(self._pieces[str(row["group"]), str(row["cause"])]["n_events"].sum()),
            }
            for row in quantile_rows(self._pieces, self.kind, p)
        )

    def risk_table(self, days: float | Iterable[float]) -> pd.DataFrame:
        """Return the counts that stand under a curve.

        **Definition**: ``n_at_risk`` just before each day; ``n_events`` (of the row's cause) and ``n_censored``
        before it, so that at risk, events of all causes and censored add up to those who entered. An event on the day
        itself is still at risk.

        Parameters
        ----------
        days : one day or several.

        Returns
        -------
        DataFrame
            group, time_days, cause, n_at_risk, n_events, n_censored.
        """
        asked = np.atleast_1d(np.asarray(days if isinstance(days, float | int) else list(days), dtype=np.float64))
        tables = []
        for (group, cause), piece in self._pieces.items():
            k = np.searchsorted(piece["time_days"].to_numpy(), asked, side="left")
            table = pd.DataFrame({"group": group, "time_days": asked, "cause": cause})
            table["n_at_risk"] = np.append(piece["n_at_risk"].to_numpy(), 0)[k]
            for name in ("n_events", "n_censored"):
                table[name] = np.append(0, np.cumsum(piece[name].to_numpy()))[k]
            tables.append(table)
        return pd.concat(tables, ignore_index=True)

    @property
    def horizons(self) -> tuple[float, ...]:
        """Whole years of 365 days while anyone is followed; the last day where that is less than a year."""
        last = max(float(piece["time_days"].iloc[-1]) for piece in self._pieces.values())
        return tuple(float(day) for day in range(YEAR, int(last) + 1, YEAR)) or (last,)

    @property
    def estimates(self) -> pd.DataFrame:
        """Estimates at the `horizons`, or, of an effect curve, at each value; with `ESTIMATE_COLUMNS`."""
        if self.kind != "effect":
            return self.at(self.horizons)
        rows = self.data.to_dict("records")
        return estimate_table(
            {
                **{str(name): row[name] for name in ("term", "estimate", "std_error", "conf_low", "conf_high")},
                "model": "effect",
                "outcome": self.outcome,
                "measure": row["measure"],
                "contrast": f"{row['value']:g} vs {row['reference']:g}",
                "coefficient": np.log(row["estimate"]),
                "n": self.n,
                "events": self.events,
            }
            for row in rows
        )

    def sentence(self) -> str:
        """Say the curve at the last whole year in which someone is still followed in every group."""
        level = percent_words(self.conf_level)
        if self.kind == "effect":
            low, high = self.data.iloc[0], self.data.iloc[-1]
            return (
                f"{low['term']}, against {low['reference']:g}: {low['measure']} {ratio_words(low, level)} "
                f"at {low['value']:g} and {ratio_words(high, level)} at {high['value']:g} "
                f"(association, mutually adjusted)."
            )
        shortest = min(float(piece["time_days"].iloc[-1]) for piece in self._pieces.values())
        day = max((day for day in self.horizons if day <= shortest), default=shortest)
        table = self.at(day)
        said = []
        for cause, rows in table.groupby("cause", sort=False):
            where = [f" for {self.by} {name}" if self.by else "" for name in rows["level"]]
            values = [
                f"{share(row, self.kind, level)}{group}" for row, group in zip(rows.itertuples(), where, strict=True)
            ]
            name = self.outcome if cause == "event" else str(cause)
            said.append(f"{name} {', '.join(values)}")
        lead = "Free of" if self.kind == "survival" else f"{MEASURES[self.kind].capitalize()} of"
        lead = "In state" if self.kind == "state_occupancy" else lead
        return (
            f"{lead} {'; '.join(said)} by day {whole(day)}. "
            f"{plural(self.n, self.unit)}, {plural(self.events, 'event')}; {self.conf_type} interval."
        )

    def _repr_html_(self) -> str:
        table = self.estimates
        shown = pd.DataFrame(
            {"group": table["level"], "cause": table["cause"], "day": table["horizon_days"].map(whole)}
        )
        if self.kind == "effect":
            shown = pd.DataFrame({"contrast": table["contrast"]})
        write = percent if self.kind in SHARES else ratio
        scale = 100.0 if write is percent else 1.0
        shown[MEASURES.get(self.kind, "ratio")] = table["estimate"].map(write)
        shown["interval"] = intervals(table, digits=1 if write is percent else 2, scale=scale)
        return html_table(shown, caption=self.sentence(), notes=self.method)
