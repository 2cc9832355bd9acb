"""Published figures as data, and a cohort's own estimates beside them."""

from .compare import compare_with_published
from .noun import Comparison
from .published import published_figures, published_interval, wilson_interval

__all__ = ["Comparison", "compare_with_published", "published_figures", "published_interval", "wilson_interval"]
