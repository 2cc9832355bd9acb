"""What results have in common: the columns of ``.estimates``, names of measures, and numbers in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from ..formats import interval, p_value, percent, ratio

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


def ratio_words(row: pd.Series, level: str) -> str:
    """Return "1.42 (95 % CI 1.10 to 1.83)"."""
    return f"{ratio(row['estimate'])} ({level} CI {ratio(row['conf_low'])} to {ratio(row['conf_high'])})"


def share(row: object, kind: str, level: str) -> str:
    """Return an estimate of a risk curve with its interval in words."""
    estimate, low, high = (float(getattr(row, name)) for name in ("estimate", "conf_low", "conf_high"))
    if kind not in SHARES:
        return f"{ratio(estimate)} ({level} CI {interval(low, high)})"
    return f"{percent(estimate)} ({level} CI {interval(low, high, digits=1, scale=100.0)})"


def percent_words(conf_level: float) -> str:
    """Return "95 %"."""
    return f"{100 * conf_level:g} %"


def p_words(p: float) -> str:
    """Return "< 0.001" or "= 0.012"."""
    text = p_value(p)
    return text.replace("<", "< ") if text.startswith("<") else f"= {text}"


def listed(names: list[str]) -> str:
    """Return names joined as in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def whole(day: float) -> str:
    """Return a day without needless decimals."""
    return f"{day:,.10g}"


def intervals(table: pd.DataFrame, *, digits: int, scale: float) -> list[str]:
    """Return each row's interval as text."""
    pairs = zip(table["conf_low"], table["conf_high"], strict=True)
    return [interval(low, high, digits=digits, scale=scale) for low, high in pairs]
