"""Figures, one family a module. Each plot returns the matplotlib axes it drew on and estimates nothing."""

from .alluvial import plot_alluvial
from .comparison import plot_comparison
from .conversion import plot_conversion
from .curves import plot_cumulative_incidence, plot_log_log, plot_survival
from .daily import plot_daily_dose
from .design import plot_design
from .dose import plot_dose_distribution
from .effect import plot_effect_curve
from .flow import plot_flow
from .forest import plot_forest
from .occupancy import plot_state_occupancy
from .recurrent import plot_mean_cumulative_count
from .schoenfeld import plot_schoenfeld
from .specification import plot_specification_curve
from .trajectory import plot_trajectory

__all__ = [
    "plot_alluvial",
    "plot_comparison",
    "plot_conversion",
    "plot_cumulative_incidence",
    "plot_daily_dose",
    "plot_design",
    "plot_dose_distribution",
    "plot_effect_curve",
    "plot_flow",
    "plot_forest",
    "plot_log_log",
    "plot_mean_cumulative_count",
    "plot_schoenfeld",
    "plot_specification_curve",
    "plot_state_occupancy",
    "plot_survival",
    "plot_trajectory",
]
