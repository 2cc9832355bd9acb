"""Tables a reader sees; each takes a result that carries the numbers and returns a `Table` of text."""

from .accounting import table_accounting
from .baseline import standardised_difference, table_one
from .estimand import table_estimand
from .noun import Table
from .rates import table_rates
from .results import table_attrition, table_comparison, table_definitions, table_estimates, table_risk, table_tests

__all__ = [
    "Table",
    "standardised_difference",
    "table_accounting",
    "table_attrition",
    "table_comparison",
    "table_definitions",
    "table_estimand",
    "table_estimates",
    "table_one",
    "table_rates",
    "table_risk",
    "table_tests",
]
