"""From a risk curve to the lines of a figure: which groups and causes, how far, in which colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...errors import InputError, nearest
from ...sources.events import event
from ..theme import LINES, SERIES
from ..words import in_words

if TYPE_CHECKING:
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


def _competing(curve: Curve) -> tuple[str, ...]:
    """Return the competing events that the outcome's definition names; none for a plain frame."""
    for definition in curve.definitions:
        if definition.name == curve.outcome:
            named = definition.arguments.get("competing") or ()
            return (named,) if isinstance(named, str) else tuple(str(name) for name in named)  # type: ignore[attr-defined]
    return ()


def chosen_causes(curve: Curve, causes: Sequence[str] | None) -> tuple[str, ...]:
    known = [str(cause) for cause in curve.frame["cause"].unique()]
    if causes is None:
        own = tuple(cause for cause in known if cause not in _competing(curve))
        return own or tuple(known)
    for cause in causes:
        if cause not in known:
            raise InputError(f"The curve has no cause {cause!r}.{nearest(cause, known)}")
    return tuple(causes)


def curve_lines(curve: Curve, causes: tuple[str, ...], until_days: float | None) -> list[Line]:
    """Return the lines: colours tell groups apart, or causes where there is one group; dashes double them."""
    frame = curve.frame
    lines = []
    several = len(curve.groups) > 1
    for i, group in enumerate(curve.groups):
        drawn = frame[(frame["group"] == group) & frame["cause"].isin(causes)]
        moves = drawn.loc[drawn["n_events"] > 0, "time_days"].unique()
        for j, cause in enumerate(causes):
            rows = drawn[drawn["cause"] == cause]
            enough = rows["n_at_risk"] >= max(FEWEST_AT_RISK, SMALLEST_SHARE_AT_RISK * curve.sizes[group])
            last = rows.loc[enough, "time_days"].max() if enough.any() else rows["time_days"].max()
            rows = rows[rows["time_days"] <= min(last, np.inf if until_days is None else until_days)]
            # Days without an event move nothing; leaving them out keeps the file small.
            rows = rows[rows["time_days"].isin(moves) | rows["time_days"].isin(rows["time_days"].iloc[[0, -1]])]
            words = in_words(curve.outcome if cause == "event" else cause)
            parts = [in_words(group)] if several else []
            parts += [words] if len(causes) > 1 or not several else []
            place = i if several else j
            dashes = LINES[(j if several and len(causes) > 1 else place) % len(LINES)]
            lines.append(Line(group, cause, ", ".join(parts), rows, SERIES[place % len(SERIES)], dashes))
    return lines


def last_day(curve: Curve, until_days: float | None) -> float:
    followed = float(curve.frame["time_days"].max())
    return followed if until_days is None else min(float(until_days), followed)


def time_zero(curve: Curve) -> str:
    """Return what day 0 is, from the definitions the curve rests on."""
    for definition in curve.definitions:
        if definition.name == "index" and definition.arguments.get("index"):
            return event(str(definition.arguments["index"])).words
    return "day 0"
