"""How figures look: sizes in millimetres at final size, one typeface, colours for every kind of eye, stable bytes."""

from __future__ import annotations

import html
import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SINGLE_MM = 89.0
MIDDLE_MM = 120.0
DOUBLE_MM = 183.0
MM_PER_INCH = 25.4

FONT = "DejaVu Sans"
FONT_SIZE = 8.0
SMALL_SIZE = 7.0
SMALLEST_SIZE = 6.5
"""No text of a figure is smaller than this, in points at final size."""

OKABE_ITO = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "orange": "#E69F00",
    "sky": "#56B4E9",
}
INK = "#000000"
GREY = "#595959"
LIGHT = "#D9D9D9"
PAPER = "#FFFFFF"
PALETTE = (*OKABE_ITO.values(), INK, GREY, LIGHT, PAPER)
"""Every colour a figure may use: Okabe and Ito's, and four greys."""

SERIES = tuple(OKABE_ITO.values())
LINES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)), (0, (9, 3)))
HATCHES = ("", "////", "||||", "\\\\\\\\", "xxxx", "----", "++++")
MARKERS = ("o", "s", "D", "^", "v", "P")

RC: dict[Any, Any] = {
    "font.family": [FONT],
    "font.size": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "axes.labelsize": FONT_SIZE,
    "axes.linewidth": 0.75,
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.prop_cycle": f"cycler('color', {list(SERIES)})",
    "axes.unicode_minus": True,
    "xtick.labelsize": FONT_SIZE,
    "ytick.labelsize": FONT_SIZE,
    "xtick.major.width": 0.75,
    "ytick.major.width": 0.75,
    "legend.fontsize": FONT_SIZE,
    "legend.frameon": False,
    "lines.linewidth": 1.25,
    "hatch.linewidth": 0.4,
    "hatch.color": PAPER,
    "figure.dpi": 96,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "fbss_analytics",
}
"""The journal theme as matplotlib settings."""


def use_theme() -> None:
    """Set the journal theme for all figures of this session, and show figures as SVG inside a notebook.

    Inside IPython a figure is shown at its final size, with its alt text, and with the same bytes every time.

    When not to use it: our own plots bring the theme with them; it is for figures drawn beside them.

    Examples
    --------
    >>> use_theme()
    >>> import matplotlib
    >>> matplotlib.rcParams["svg.fonttype"]
    'none'
    """
    import matplotlib

    matplotlib.rcParams.update(RC)
    _show_as_svg()


def _show_as_svg() -> None:
    """Make a notebook show figures through `figure_svg`; without a notebook nothing happens."""
    from importlib import import_module
    from sys import modules

    if "IPython" not in modules:
        return
    shell = import_module("IPython").get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return
    from matplotlib.figure import Figure

    shell.enable_matplotlib("inline")
    formatters = shell.display_formatter.formatters
    for name in ("image/png", "image/jpeg", "application/pdf"):
        formatters[name].pop(Figure, None)
    formatters["image/svg+xml"].for_type(Figure, figure_svg)


def figure_svg(figure: Figure) -> str:
    """Return a figure as SVG text: final size, text as text, alt text inside, the same bytes for the same figure.

    When not to use it: for print, save the figure as PDF.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What a plot drew: ``axes.figure``.

    Returns
    -------
    str
        The SVG document, with the alt text as its title for screen readers.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context(RC):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    # Verdana has the widths of DejaVu Sans, so a reader without DejaVu sees the same layout.
    text = text.replace(f"'{FONT}'", f"'{FONT}', Verdana, sans-serif")
    # A hundredth of a point is far finer than ink; six decimals would only make the file twice as large.
    text = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), text)
    alt = html.escape(str(figure.get_label()), quote=True)
    # Without the XML prologue the text can stand in an HTML page as it is, and still is an SVG file.
    attributes, close, body = text.partition("<svg ")[2].partition(">")
    title = f"\n <title>{alt}</title>" if alt else ""
    return f'<svg role="img" {attributes}{close}{title}{body}'


def alt_text(axes: Axes) -> str:
    """Return the alt text of a plot: what the figure shows, in words made from its numbers.

    When not to use it: on axes that no ``plot_*`` verb of this library drew, whose figure has no such text.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        What a ``plot_*`` verb returned.

    Returns
    -------
    str
        One to three sentences; empty for foreign axes.
    """
    return str(axes.get_figure(root=True).get_label())  # type: ignore[union-attr]
