"""What a conversion table makes of the daily dose of one opioid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ...errors import InputError, nearest
from ...exposure.factors import AMOUNT, BY_TOTAL, Factor, FactorTable, distinct, factor_table
from ...formats import decimal
from ..theme import INK, LINES, MIDDLE_MM, PAPER, SERIES, SMALL_SIZE
from ..words import capitalised, in_words
from .layout import describe, label_axes, new_figure, panel, themed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_MM = MIDDLE_MM
Segment = tuple[float, float, float]
"""A band of daily doses and its factor: above, up to (included), MME per mg."""


@themed
def plot_conversion(ingredient: str, *, tables: Sequence[str | FactorTable], up_to_mg_per_day: float = 80) -> Axes:
    """Draw the MME that conversion tables give for a daily dose of one opioid by mouth.

    **Definition.** MME per day against mg per day; where a table converts by the total daily dose, the line jumps: the
    filled circle belongs to the band below the edge, the open one does not belong to the band above.

    Parameters
    ----------
    ingredient : str
        For example ``"methadone"``.
    tables : sequence of str or FactorTable
        Conversion tables, at most six.
    up_to_mg_per_day : float
        Where the picture ends.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the lines.

    Raises
    ------
    InputError
        When a table has no oral factor per mg for the ingredient, or there are too many.

    When not to use it: to switch a patient from one opioid to another; equianalgesic doses are not conversion factors.

    References
    ----------
    Dowell D et al. MMWR Recomm Rep 2016;65(1), doi:10.15585/mmwr.rr6501e1, and 2022;71(3), doi:10.15585/mmwr.rr7103a1.
    """
    if not 0 < len(tables) <= len(SERIES):
        raise InputError(f"tables= holds {len(tables)} tables; expected 1 to {len(SERIES)}.")
    lines = {factor_table(table).name: _segments(factor_table(table), ingredient) for table in tables}
    figure = new_figure(WIDTH_MM, 78)
    axes = panel(figure, 18, 8, WIDTH_MM - 18 - 6, 56)
    for place, (name, segments) in enumerate(lines.items()):
        _draw(axes, name, segments, up_to_mg_per_day, place)
    axes.set_xlim(0, up_to_mg_per_day)
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(lines), borderaxespad=0.2, fontsize=SMALL_SIZE)
    label_axes(axes, f"{capitalised(in_words(ingredient))} by mouth, mg per day", "MME per day")
    describe(figure, _alt(ingredient, lines))
    return axes


def _segments(table: FactorTable, ingredient: str) -> tuple[Segment, ...]:
    """Return the bands of an ingredient by mouth in a table; one band where it has a single factor."""
    rows = [row for row in table.rows if row.ingredient == ingredient and _is_oral_mg(row)]
    if not rows:
        known = distinct(row.ingredient for row in table.rows if _is_oral_mg(row))
        raise InputError(
            f"The table {table.name} has no oral factor per mg for {ingredient!r}.{nearest(ingredient, known)}"
        )
    return tuple(sorted((row.above_mg_per_day, row.up_to_mg_per_day, row.factor) for row in rows))


def _is_oral_mg(row: Factor) -> bool:
    return "oral" in row.routes and row.unit == "mg" and row.basis in (AMOUNT, BY_TOTAL)


def _draw(axes: Axes, name: str, segments: tuple[Segment, ...], last: float, place: int) -> None:
    colour, style = SERIES[place], LINES[place]
    for above, up_to, factor in segments:
        if above < last:
            ends = (above, min(up_to, last))
            label = name if above == 0 else None
            axes.plot(ends, [mg * factor for mg in ends], color=colour, ls=style, label=label)
    for (_, edge, before), (_, _, after) in pairwise(segments):
        if edge < last:
            axes.plot([edge], [edge * before], marker="o", ms=3.5, mfc=colour, mec=colour, ls="none")
            axes.plot([edge], [edge * after], marker="o", ms=3.5, mfc=PAPER, mec=colour, ls="none")
            axes.plot([edge, edge], [edge * before, edge * after], color=INK, lw=0.5, ls=(0, (1, 1.5)), zorder=0)


def _alt(ingredient: str, lines: dict[str, tuple[Segment, ...]]) -> str:
    said = []
    for name, segments in lines.items():
        bands = [f"{decimal(factor)}{'' if up_to == float('inf') else f' up to {up_to:g} mg'}"
                 for _, up_to, factor in segments]  # fmt: skip
        said.append(f"{name}: {', '.join(bands)}")
    return f"MME per mg of {in_words(ingredient)} by mouth. {'; '.join(said)}."
