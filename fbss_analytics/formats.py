"""How numbers and small tables are printed, in one place, so that a figure, a table and a sentence agree."""

from __future__ import annotations

import html
import math

import numpy as np
import pandas as pd

MISSING = "-"


def significant(value: float, digits: int = 6) -> float:
    """Return ``value`` rounded to significant digits; published numbers carry six."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else value


def count(n: float) -> str:
    """Return a count with thousands separated: ``12,345``; a count that came out as 0.999... is 1."""
    return f"{round(n):,}"


def decimal(value: float, digits: int = 1) -> str:
    """Return a number with fixed decimals, `MISSING` when there is none; never a negative zero."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:,.{digits}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage: ``0.125`` gives ``12.5 %``."""
    text = decimal(share * 100 if share is not None else share, digits)
    return text if text == MISSING else f"{text} %"


def ratio(value: float) -> str:
    """Return a ratio measure (HR, OR) with two decimals, three below 0.1."""
    return decimal(value, 3 if value is not None and abs(value) < 0.1 else 2)


def interval(low: float, high: float, *, digits: int = 2, scale: float = 1.0) -> str:
    """Return ``low to high``."""
    return f"{decimal(low * scale, digits)} to {decimal(high * scale, digits)}"


def p_value(p: float) -> str:
    """Return a p-value: three decimals, ``<0.001`` below 0.001."""
    if p is None or not math.isfinite(p):
        return MISSING
    if p < 0.001:
        return "<0.001"
    return f"{p:.3f}"


def plural(n: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: ``1 row``, ``3 rows``."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def html_table(frame: pd.DataFrame, *, caption: str = "", notes: str = "") -> str:
    """Return a small frame as plain, escaped HTML without styling ids (pandas' Styler writes random ones)."""

    def cell(value: object, tag: str = "td") -> str:
        text = MISSING if value is None or value is pd.NaT or value != value else str(value)
        numeric = isinstance(value, int | float | np.number) or text[:1].isdigit()
        klass = ' class="number"' if tag == "td" and numeric else ""
        return f"<{tag}{klass}>{html.escape(text)}</{tag}>"

    head = "".join(cell(name, "th") for name in frame.columns)
    rows = "\n".join(
        "<tr>" + "".join(cell(value) for value in row) + "</tr>" for row in frame.itertuples(index=False, name=None)
    )
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    foot = f'<p class="notes">{html.escape(notes)}</p>' if notes else ""
    return f'<table class="fbss">{title}<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>{foot}'
