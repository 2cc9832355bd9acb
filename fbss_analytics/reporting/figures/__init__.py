"""Figures, one family a module. Each plot returns the matplotlib axes it drew on and estimates nothing."""

from .curves import plot_cumulative_incidence, plot_log_log, plot_survival
from .dose import plot_dose_distribution
from .effect import plot_effect_curve
from .flow import plot_flow
from .forest import plot_comparison, plot_forest

__all__ = [
    "plot_comparison",
    "plot_cumulative_incidence",
    "plot_dose_distribution",
    "plot_effect_curve",
    "plot_flow",
    "plot_forest",
    "plot_log_log",
    "plot_survival",
]
