"""`Curve` and `Fit`: what estimates and fits return.

Frozen; they carry numbers, what was left out, and the definitions they rest on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Definition
from ..errors import InputError
from ..formats import html_table, interval, p_value, percent, plural, ratio
from .formula import Design

Floats = npt.NDArray[np.float64]

ESTIMATE_COLUMNS = (
    "model", "outcome", "cause", "term", "level", "reference", "measure", "contrast", "horizon_days", "estimate",
    "coefficient", "std_error", "df", "conf_low", "conf_high", "p_value", "n", "events",
)  # fmt: skip
"""Columns of every result's ``.estimates``: ``estimate`` on the scale named in ``measure``, ``coefficient`` and
``std_error`` on the model's."""

STEP_COLUMNS = (
    "group", "cause", "time_days", "estimate", "std_error", "conf_low", "conf_high",
    "n_at_risk", "n_events", "n_censored",
)  # fmt: skip
"""Columns of a risk curve: one row per group, cause and step."""

MEASURES = {
    "survival": "survival",
    "cumulative_incidence": "cumulative incidence",
    "cumulative_hazard": "cumulative hazard",
    "state_occupancy": "state occupancy",
    "mean_cumulative_count": "mean cumulative count",
}
"""How each kind of risk curve calls its estimate."""

SHARES = ("survival", "cumulative_incidence", "state_occupancy")
"""Kinds of curve whose estimate is a share, written in percent."""

YEAR = 365
"""Days between the horizons of ``.estimates``; ``until_days=1825`` is five of them."""


def estimate_table(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Return rows as a frame with `ESTIMATE_COLUMNS`, absent text as "" and absent numbers as NaN."""
    frame = pd.DataFrame(list(rows)).reindex(columns=list(ESTIMATE_COLUMNS))
    for column in ESTIMATE_COLUMNS[:8]:
        frame[column] = frame[column].astype(object).where(frame[column].notna(), "")
    for column in ESTIMATE_COLUMNS[8:-2]:
        frame[column] = frame[column].astype(np.float64)
    return frame.astype({"n": np.int64, "events": np.int64})


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
        level = _percent_words(self.conf_level)
        if self.kind == "effect":
            low, high = self.data.iloc[0], self.data.iloc[-1]
            return (
                f"{low['term']}, against {low['reference']:g}: {low['measure']} {_ratio_words(low, level)} "
                f"at {low['value']:g} and {_ratio_words(high, level)} at {high['value']:g} "
                f"(association, mutually adjusted)."
            )
        shortest = min(float(piece["time_days"].iloc[-1]) for piece in self._pieces.values())
        day = max((day for day in self.horizons if day <= shortest), default=shortest)
        table = self.at(day)
        said = []
        for cause, rows in table.groupby("cause", sort=False):
            where = [f" for {self.by} {name}" if self.by else "" for name in rows["level"]]
            values = [
                f"{_share(row, self.kind, level)}{group}" for row, group in zip(rows.itertuples(), where, strict=True)
            ]
            name = self.outcome if cause == "event" else str(cause)
            said.append(f"{name} {', '.join(values)}")
        lead = "Free of" if self.kind == "survival" else f"{MEASURES[self.kind].capitalize()} of"
        lead = "In state" if self.kind == "state_occupancy" else lead
        return (
            f"{lead} {'; '.join(said)} by day {_whole(day)}. "
            f"{plural(self.n, self.unit)}, {plural(self.events, 'event')}; {self.conf_type} interval."
        )

    def _repr_html_(self) -> str:
        table = self.estimates
        shown = pd.DataFrame(
            {"group": table["level"], "cause": table["cause"], "day": table["horizon_days"].map(_whole)}
        )
        if self.kind == "effect":
            shown = pd.DataFrame({"contrast": table["contrast"]})
        write = percent if self.kind in SHARES else ratio
        scale = 100.0 if write is percent else 1.0
        shown[MEASURES.get(self.kind, "ratio")] = table["estimate"].map(write)
        shown["interval"] = _intervals(table, digits=1 if write is percent else 2, scale=scale)
        return html_table(shown, caption=self.sentence(), notes=self.method)


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted regression.

    Attributes
    ----------
    model : str
        ``cox``, ``logistic``, ``linear``, ``gee`` or ``mixed``.
    measure : str
        HR, OR or difference, the scale of ``estimate``.
    outcome, cause, formula : str
        What was modelled.
    estimates : DataFrame
        `ESTIMATE_COLUMNS`, one row per level that is not the reference, one per spline.
    coefficients : DataFrame
        parameter, coefficient, std_error: every column of the design matrix.
    covariance : ndarray (p, p)
        Of the coefficients; robust where ``method`` says so.
    tests : DataFrame
        term, test, chi2, df, p_value: Wald tests of whole terms and of nonlinearity, and of the whole model.
    levels : DataFrame
        term, level, n, events of every category, the reference included (``is_reference``).
    n, events, n_parameters, events_per_parameter
        Rows used, events among them, parameters after categories and splines are expanded.
    parts, period
        Of a model split by time (``fit_cox(..., periods=)``): the same model seen period by period, each a `Fit` whose
        ``period`` says which; its ``n`` counts rows at risk in it.
    """

    model: str
    measure: str
    outcome: str
    cause: str
    formula: str
    table: pd.DataFrame = field(repr=False)
    coefficients: pd.DataFrame = field(repr=False)
    covariance: Floats = field(repr=False)
    tests: pd.DataFrame = field(repr=False)
    levels: pd.DataFrame = field(repr=False)
    n: int
    events: int
    n_parameters: int
    log_likelihood: float
    log_likelihood_null: float
    method: str
    conf_level: float
    definitions: tuple[Definition, ...] = field(repr=False)
    excluded: pd.DataFrame = field(repr=False)
    design: Design = field(repr=False)
    unit: str = "row"
    parts: tuple[Fit, ...] = field(default=(), repr=False)
    period: str = ""

    @property
    def estimates(self) -> pd.DataFrame:
        """A copy of the estimates."""
        return self.table.copy()

    @property
    def events_per_parameter(self) -> float:
        """Events per parameter; below 10 the estimates are unsteady. Of a logistic model: the rarer outcome's."""
        rarer = min(self.events, self.n - self.events) if self.model == "logistic" else self.events
        return rarer / self.n_parameters

    def sentence(self, term: str | None = None) -> str:
        """Say one term's result in one sentence: the first of the formula, or ``term``.

        Raises
        ------
        InputError
            ``term`` is not among the estimates.
        """
        rows = self.table if term is None else self.table[self.table["term"] == term]
        if rows.empty:
            known = ", ".join(dict.fromkeys(self.table["term"]))
            raise InputError(f"term={term!r} is not among the estimates; known: {known}.")
        row = rows.iloc[0]
        level = _percent_words(self.conf_level)
        others = [name for name in dict.fromkeys(self.table["term"]) if name != row["term"]]
        adjusted = f"association, mutually adjusted for {_listed(others)}" if others else "association, unadjusted"
        curved = row["df"] > 1 and self.measure != "difference"
        whole = f" for the whole curve ({row['df']:.0f} df)" if curved else ""
        name = self.outcome if self.cause in ("", "event") else self.cause
        when = f", {self.period}" if self.period else ""
        return (
            f"{row['term']}, {row['contrast']}{when}: {self.measure} {_ratio_words(row, level)} for {name}, "
            f"p {_p_words(row['p_value'])}{whole} ({adjusted}; {self._size_words()})."
        )

    def _size_words(self) -> str:
        """Return rows and, where there are any, events in words."""
        rows = plural(self.n, self.unit)
        if self.measure == "difference":
            return f"{rows}, {plural(self.n_parameters, 'parameter')}"
        return f"{rows}, {plural(self.events, 'event')}, {self.events_per_parameter:.1f} events per parameter"

    def _repr_html_(self) -> str:
        table = self.table
        shown = pd.DataFrame({"term": table["term"], "contrast": table["contrast"]})
        shown[self.measure] = table["estimate"].map(ratio)
        shown["interval"] = _intervals(table, digits=2, scale=1.0)
        shown["p"] = table["p_value"].map(p_value)
        caption = f"{self.outcome}: association, mutually adjusted. {self._size_words()}"
        return html_table(shown, caption=caption, notes=self.method)


def _ratio_words(row: pd.Series, level: str) -> str:
    """Return "1.42 (95 % CI 1.10 to 1.83)"."""
    return f"{ratio(row['estimate'])} ({level} CI {ratio(row['conf_low'])} to {ratio(row['conf_high'])})"


def _share(row: object, kind: str, level: str) -> str:
    """Return an estimate of a risk curve with its interval in words."""
    estimate, low, high = (float(getattr(row, name)) for name in ("estimate", "conf_low", "conf_high"))
    if kind not in SHARES:
        return f"{ratio(estimate)} ({level} CI {interval(low, high)})"
    return f"{percent(estimate)} ({level} CI {interval(low, high, digits=1, scale=100.0)})"


def _percent_words(conf_level: float) -> str:
    """Return "95 %"."""
    return f"{100 * conf_level:g} %"


def _p_words(p: float) -> str:
    """Return "< 0.001" or "= 0.012"."""
    text = p_value(p)
    return text.replace("<", "< ") if text.startswith("<") else f"= {text}"


def _listed(names: list[str]) -> str:
    """Return names joined as in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _whole(day: float) -> str:
    """Return a day without needless decimals."""
    return f"{day:,.10g}"


def _intervals(table: pd.DataFrame, *, digits: int, scale: float) -> list[str]:
    """Return each row's interval as text."""
    pairs = zip(table["conf_low"], table["conf_high"], strict=True)
    return [interval(low, high, digits=digits, scale=scale) for low, high in pairs]
