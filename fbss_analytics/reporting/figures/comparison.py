"""Published figures beside ours, with aligned columns of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...errors import InputError
from ...formats import count, plural
from ..tables.results import share_words
from ..theme import DOUBLE_MM, INK, MARKERS, PAPER, SERIES, SMALL_SIZE
from ..words import capitalised, days_in_words, in_words
from .beside import EDGE_MM, ROW_MM, Column, axes_beside, legend_above
from .layout import describe, line_mm, themed, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...literature import Comparison


@themed
def plot_comparison(comparison: Comparison) -> Axes:
    """Draw published risks and rates, each with ours beside it.

    **Definition.** The rows of the comparison that have our number, in its order: published as open squares, ours as
    filled circles, each with its 95 % interval where there is one. Shares in percent; rates per 100 patient-years.

    Parameters
    ----------
    comparison : Comparison
        From `compare_with_published`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the intervals.

    Raises
    ------
    InputError
        When no published figure could be set beside ours.

    When not to use it: as a test of agreement; see `compare_with_published`.
    """
    frame = comparison.frame
    shown = frame[frame["ours"].notna()]
    if shown.empty:
        raise InputError(f"Nothing to draw. {comparison.sentence()}")
    records = _with_heads(shown)
    heads = ["head" in record for record in records]
    texts = [("", "", "") if head else _comparison_texts(record) for head, record in zip(heads, records, strict=True)]
    labels = [record["head"] if "head" in record else f"   {record['label']}" for record in records]
    before = [
        Column("Study", labels, free=tuple(i for i, head in enumerate(heads) if head)),
        Column("n", [text[0] for text in texts], right=True),
        Column("after", [text[1] for text in texts]),
    ]
    after = [Column("published\nours", [text[2] for text in texts])]
    left_out = len(frame) - len(shown)
    words = f"Squares: published; circles: ours; lines: 95 % CI. {comparison.sentence()}"
    words += f" Not drawn: {plural(left_out, 'figure')} without a counterpart." if left_out else ""
    note = wrapped(words, DOUBLE_MM - 2 * EDGE_MM, SMALL_SIZE)
    heights = [ROW_MM if head else 2 * line_mm() + 0.8 for head in heads]
    axes, middles = axes_beside(before, after, heights, note, shaded=heads, legend=("published", "ours"))
    for record, middle in zip(records, middles, strict=True):
        if "head" not in record:
            _draw_share(axes, record, "published", middle - line_mm() / 2, INK, MARKERS[1], PAPER)
            _draw_share(axes, record, "ours", middle + line_mm() / 2, SERIES[0], MARKERS[0], SERIES[0])
    axes.set_xlim(left=0)
    axes.set_xlabel("Percent, or per 100 patient-years")
    legend_above(axes)
    describe(axes.figure, f"Published figures beside ours. {comparison.sentence()}")  # type: ignore[arg-type]
    return axes


def _with_heads(shown: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows with a heading before each cause, and before rates."""
    records: list[dict[str, Any]] = []
    for (cause, is_rate), rows in shown.groupby(["cause", shown["statistic"].eq("rate")], sort=False):
        kind = "per 100 patient-years" if is_rate else "risk or share"
        whole = "any reason" if rows["outcome"].iloc[0] == "explant" else in_words(str(rows["outcome"].iloc[0]))
        reason = whole if cause == "any" else in_words(str(cause))
        records.append({"head": f"{capitalised(reason)}, {kind}"})
        records.extend(rows.to_dict("records"))  # type: ignore[arg-type]
    return records


def _comparison_texts(record: dict[str, Any]) -> tuple[str, str, str]:
    n = "" if np.isnan(record["n"]) else count(record["n"])
    when = "all" if np.isnan(record["horizon_days"]) else days_in_words(record["horizon_days"])
    when += ", share" if record["statistic"] == "fraction" else ""
    return n, when, f"{share_words(record, 'published')}\n{share_words(record, 'ours')}"


def _draw_share(axes: Axes, record: dict[str, Any], name: str, y: float, colour: str, marker: str, face: str) -> None:
    low, high = record[f"{name}_low"], record[f"{name}_high"]
    if np.isfinite(low):
        axes.plot([low * 100, high * 100], [y, y], color=colour, lw=1, solid_capstyle="butt")
    look: dict[str, Any] = {"marker": marker, "ms": 3.8, "mec": colour, "mfc": face, "mew": 0.9, "ls": "none"}
    axes.plot([record[name] * 100], [y], **look, label=name, zorder=3, clip_on=False)
