"""From a risk curve to the lines of a figure: which groups and causes, how far, in which colour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...errors import InputError, nearest
from ...sources.events import event
from ..theme import GREY, LINES, SERIES
from ..words import group_in_words, in_words

if TYPE_CHECKING:
    from ...cohort import Definition
    from ...models.results import Curve

FEWEST_AT_RISK = 10
SMALLEST_SHARE_AT_RISK = 0.05


@dataclass(frozen=True, eq=False)
class Line:
    """One line of a figure: its steps as far as they are drawn, and how it is drawn."""

    group: str
    cause: str
    label: str
    steps: pd.DataFrame
    colour: str
    dashes: Any


def require_kind(curve: Curve, kind: str) -> None:
    """Raise `InputError` for a curve of another kind, naming the plot that draws it."""
    if curve.kind != kind:
        verbs = {
            "cumulative_incidence": "plot_cumulative_incidence",
            "survival": "plot_survival",
            "cumulative_hazard": "plot_log_log",
            "effect": "plot_effect_curve",
            "state_occupancy": "plot_state_occupancy",
            "mean_cumulative_count": "plot_mean_cumulative_count",
        }
        raise InputError(
            f"This plot needs a {kind.replace('_', ' ')} curve, not {curve.kind!r}; use {verbs[curve.kind]}."
        )


def competing_causes(curve: Curve) -> tuple[str, ...]:
    """Return the competing events that the outcome's definition names; none for a plain frame."""
    for definition in curve.definitions:
        if definition.name == curve.outcome:
            named = definition.arguments.get("competing") or ()
            return (named,) if isinstance(named, str) else tuple(str(name) for name in named)  # type: ignore[attr-defined]
    return ()


def chosen_causes(curve: Curve, causes: Sequence[str] | None) -> tuple[str, ...]:
    """Return the causes to draw: those asked for, else the events of interest, the most frequent first when many."""
    events = curve.frame.groupby("cause", sort=False)["n_events"].sum()
    known = [str(cause) for cause in events.index]
    if causes is None:
        own = [cause for cause in known if cause not in competing_causes(curve)] or known
        if len(own) > len(SERIES):
            own = sorted(own, key=lambda cause: -int(events[cause]))[: len(SERIES) - 1]
        return tuple(own)
    for cause in causes:
        if cause not in known:
            raise InputError(f"The curve has no cause {cause!r}.{nearest(cause, known)}")
    if set(causes) <= set(curve.overstated):
        raise InputError("1 - Kaplan-Meier with competing events censored is not drawn alone; add the cause itself.")
    return tuple(causes)


def further_causes(curve: Curve, drawn: Sequence[str]) -> tuple[str, ...]:
    """Return the events of interest that are not drawn."""
    known = [str(cause) for cause in curve.frame["cause"].unique()]
    counted = (*drawn, *competing_causes(curve), *curve.overstated)
    return tuple(cause for cause in known if cause not in counted)


def curve_lines(curve: Curve, causes: tuple[str, ...], until_days: float | None) -> list[Line]:
    """Return the lines: colours tell groups apart, or causes where there is one group; dashes double them."""
    several = len(curve.groups) > 1
    if max(len(curve.groups), len(causes)) > len(SERIES):
        raise InputError(f"At most {len(SERIES)} groups or causes can be told apart in a figure; draw fewer.")
    lines = []
    for i, group in enumerate(curve.groups):
        for j, cause in enumerate(causes):
            words = in_words(curve.outcome if cause == "event" else cause)
            parts = [group_in_words(curve.by, group)] if several else []
            parts += [words] if len(causes) > 1 or not several else []
            place = i if several else j
            dashes = LINES[j if several and len(causes) > 1 else place]
            steps = _steps(curve, group, [cause], until_days)
            lines.append(Line(group, cause, ", ".join(parts), steps, SERIES[place], dashes))
    return lines


def stack_lines(curve: Curve, causes: tuple[str, ...], until_days: float | None) -> list[Line]:
    """Return the layers of a stack, on common days; causes beyond ``causes`` are added up in one grey layer on top."""
    if len(curve.groups) > 1:
        raise InputError("stacked=True draws one group; estimate the curve without by=, or draw the groups unstacked.")
    rest = further_causes(curve, causes)
    group = curve.groups[0]
    lines = [
        replace(line, steps=_steps(curve, group, [line.cause], until_days, moved_by=(*causes, *rest)))
        for line in curve_lines(curve, causes, until_days)
    ]
    if rest:
        label = in_words(rest[0]) if len(rest) == 1 else f"{len(rest)} further reasons"
        lines.append(
            Line(group, "", label, _steps(curve, group, rest, until_days, moved_by=(*causes, *rest)), GREY, "-")
        )
    return lines


def _steps(
    curve: Curve, group: str, causes: Sequence[str], until_days: float | None, *, moved_by: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the steps of a group, the risks of several causes added up, as far as enough people are at risk.

    Days without an event move nothing; leaving them out keeps the file small.
    """
    frame: pd.DataFrame = curve.frame
    frame = frame[frame["group"] == group]
    rows = frame[frame["cause"] == causes[0]].set_index("time_days", drop=False)
    if len(causes) > 1:
        together = frame[frame["cause"].isin(causes)].groupby("time_days")["estimate"].sum()
        rows = rows.assign(estimate=together, conf_low=np.nan, conf_high=np.nan)
    enough = rows["n_at_risk"] >= max(FEWEST_AT_RISK, SMALLEST_SHARE_AT_RISK * curve.sizes[group])
    last = rows.index[enough].max() if enough.any() else rows.index.max()
    rows = rows[rows.index <= min(last, np.inf if until_days is None else until_days)]
    movers = frame["cause"].isin(moved_by or causes) & (frame["n_events"] > 0)
    kept = rows.index.isin(frame.loc[movers, "time_days"])
    kept[[0, -1]] = True
    shown: pd.DataFrame = rows[kept].reset_index(drop=True)
    return shown


def last_day(curve: Curve, until_days: float | None) -> float:
    """Return the day the axis ends on: the last one followed, or ``until_days`` where that comes first."""
    followed = float(curve.frame["time_days"].max())
    return followed if until_days is None else min(float(until_days), followed)


def time_zero(definitions: Iterable[Definition], outcome: str = "") -> str:
    """Return what time counts from: what the outcome's definition says, else day 0 of the cohort."""
    known = tuple(definitions)
    for definition in known:
        if definition.name == outcome and definition.arguments.get("time_zero"):
            return str(definition.arguments["time_zero"])
    for definition in known:
        if definition.name == "index" and definition.arguments.get("index"):
            return event(str(definition.arguments["index"])).words
    return "day 0"
