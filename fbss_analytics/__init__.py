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
    "sources.emit.writing": ("write_extract",),
    "sources.files": ("read_tables",),
    "sources.mapping": ("import_tables",),
    "sources.omop": ("import_omop",),
    "sources.redcap": ("import_redcap",),
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
    "cohort.episodes": ("Episodes",),
    "cohort.matching": ("start_matched_cohort",),
    "cohort.prior": ("require_no_prior",),
    "exposure.trajectory": ("add_opioid_trajectory",),
    "exposure.category": ("add_category", "add_dose_category"),
    "exposure.operation": ("add_operation",),
    "models.cutoff": ("CutOff", "estimate_cut_off"),
    "models.rates": ("Rates", "estimate_rates"),
    "exposure.intrathecal": ("add_intrathecal_dose",),
    "endpoints.elimination": ("add_opioid_elimination", "add_opioid_relapse"),
    "endpoints.change": ("add_change", "add_responder"),
    "endpoints.opioid_change": ("add_joint_response", "add_opioid_change"),
    "endpoints.recurrent": ("add_recurrent",),
    "endpoints.onset": ("add_fbss_onset",),
    "endpoints.states": ("add_opioid_states",),
    "models.results": ("Curve", "Fit"),
    "models.survival": ("estimate_cause_specific_hazard", "estimate_survival", "fit_cox"),
    "models.adjusted": ("estimate_adjusted_risk",),
    "models.competing": ("estimate_cumulative_incidence",),
    "models.linear": ("fit_linear",),
    "models.longitudinal": ("fit_gee", "fit_mixed"),
    "models.multistate": ("estimate_state_occupancy",),
    "models.recurrent": ("estimate_mean_cumulative_count",),
    "models.risks": ("AdjustedRisk",),
    "models.trajectory": ("Trajectory", "estimate_trajectory"),
    "models.transitions": ("Transitions", "estimate_transitions"),
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
        "table_rates",
        "table_risk",
        "table_tests",
    ),
    "reporting.figures": (
        "plot_alluvial",
        "plot_comparison",
        "plot_cumulative_incidence",
        "plot_design",
        "plot_dose_distribution",
        "plot_effect_curve",
        "plot_flow",
        "plot_forest",
        "plot_log_log",
        "plot_mean_cumulative_count",
        "plot_state_occupancy",
        "plot_survival",
        "plot_trajectory",
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
