"""What a reader sees: tables, figures, the report. Nothing here estimates anything."""

from .theme import alt_text, figure_svg, use_theme

__all__ = ["alt_text", "figure_svg", "use_theme"]
