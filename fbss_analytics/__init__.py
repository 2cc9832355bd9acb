"""Opioid and neuromodulation outcome analytics in failed back surgery syndrome.

Names are loaded when first used (PEP 562), so importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "errors": ("DataError", "InputError", "StudyWarning"),
    "sources.source": ("Source",),
    "sources.files": ("read_tables",),
    "sources.mapping": ("import_tables",),
    "sources.synthetic": ("simulate",),
    "cohort": ("Cohort", "Definition", "Outcome"),
    "cohort.verbs": (
        "start_cohort",
        "require_age",
        "require_fbss",
        "require_observation",
        "require_event",
        "exclude_condition",
    ),
    "exposure.covariates": ("add_attribute", "add_condition", "add_measurement", "add_surgery_history"),
    "exposure.devices": ("add_device",),
    "exposure.therapies": ("add_therapy",),
    "exposure.opioids": ("DoseDefinition", "add_opioid_dose"),
    "endpoints": ("add_time_to",),
    "models.results": ("Curve", "Fit"),
    "models.survival": ("estimate_cause_specific_hazard", "estimate_survival", "fit_cox"),
    "models.competing": ("estimate_cumulative_incidence",),
    "models.regression": ("estimate_effect_curve", "fit_logistic"),
    "literature": ("Comparison", "compare_with_published", "published_figures"),
    "reporting.tables": (
        "Table",
        "table_accounting",
        "table_attrition",
        "table_comparison",
        "table_definitions",
        "table_estimand",
        "table_estimates",
        "table_one",
        "table_risk",
        "table_tests",
    ),
    "reporting.figures": (
        "plot_comparison",
        "plot_cumulative_incidence",
        "plot_dose_distribution",
        "plot_effect_curve",
        "plot_flow",
        "plot_forest",
        "plot_log_log",
        "plot_survival",
    ),
    "reporting.manifest": ("versions",),
    "reporting.report": ("write_report",),
    "study": ("Study", "open_study"),
    "study.outputs": ("write_result",),
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}

__all__ = ["__version__", *sorted(_MODULE_OF)]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'fbss_analytics' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
