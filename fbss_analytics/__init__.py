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
    "sources.sorting": ("write_sorted_folder",),
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
    "exposure.definition": ("DoseDefinition",),
    "exposure.factor_file": ("read_factor_table",),
    "exposure.factors": ("FactorTable", "factor_table"),
    "exposure.daily": ("DailyDose", "daily_dose"),
    "exposure.heal": ("HealMME", "heal_mme"),
    "exposure.plausibility": ("DispensingFlags", "flag_dispensings"),
    "exposure.opioids": ("add_opioid_dose",),
    "exposure.exposure": ("opioid_exposure",),
    "exposure.exposure_folder": ("write_opioid_exposure",),
    "exposure.treatment": ("from_adherer_gap", "from_ohdsi_gap", "treatment_episodes"),
    "endpoints": ("add_time_to",),
    "cohort.episodes": ("Episodes",),
    "cohort.matching": ("start_matched_cohort",),
    "cohort.prior": ("require_no_prior",),
    "exposure.trajectory": ("add_opioid_trajectory",),
    "exposure.category": ("add_category", "add_dose_category"),
    "exposure.operation": ("add_operation",),
    "models.cutoff": ("CutOff", "estimate_cut_off"),
    "models.comparison": ("compare_survival",),
    "models.group_test": ("GroupTest",),
    "models.follow_up_time": ("FollowUpTime", "estimate_follow_up"),
    "models.restricted_mean": ("RestrictedMean", "estimate_restricted_mean"),
    "models.parametric": ("ParametricFit", "fit_parametric"),
    "models.resampling": ("Resampled", "bootstrap_cox", "resample"),
    "models.rates": ("Rates", "estimate_rates"),
    "exposure.intrathecal": ("add_intrathecal_dose",),
    "endpoints.elimination": ("add_opioid_elimination", "add_opioid_relapse"),
    "endpoints.change": ("add_change", "add_responder"),
    "endpoints.opioid_change": ("add_joint_response", "add_opioid_change"),
    "endpoints.recurrent": ("add_recurrent",),
    "endpoints.onset": ("add_fbss_onset",),
    "endpoints.states": ("add_opioid_states",),
    "endpoints.opioid_discontinuation": ("add_opioid_discontinuation",),
    "endpoints.opioid_long_term": ("add_long_term_opioid_therapy",),
    "endpoints.opioid_persistent_use": ("add_new_persistent_use",),
    "endpoints.opioid_responder": ("add_opioid_responder",),
    "endpoints.opioid_taper": ("add_abrupt_stop", "add_taper"),
    "exposure.anchor": ("add_anchor_day", "add_anchored_opioid_dose"),
    "models.results": ("Curve", "Fit"),
    "endpoints.landmark": ("start_landmark",),
    "endpoints.time_varying": ("add_time_varying", "split_at_changes"),
    "models.survival": ("estimate_cause_specific_hazard", "estimate_survival"),
    "models.cox": ("fit_cox",),
    "models.diagnostics": ("Concordance", "estimate_concordance", "residuals"),
    "models.model_comparison": ("ChunkTest", "compare_models", "joint_test"),
    "models.predicted": ("predict_survival",),
    "models.proportionality": ("ProportionalHazards", "check_proportional_hazards"),
    "models.adjusted": ("estimate_adjusted_risk",),
    "models.absolute_risk": ("PredictedRisk", "predict_cumulative_incidence"),
    "models.competing": ("compare_cumulative_incidence", "estimate_cumulative_incidence"),
    "models.competing_fit": ("CompetingFit",),
    "models.fine_gray": ("fit_fine_gray",),
    "models.fine_gray_check": ("FineGrayCheck", "check_fine_gray"),
    "models.linear": ("fit_linear",),
    "models.longitudinal": ("fit_gee", "fit_mixed"),
    "models.multistate": ("estimate_state_occupancy",),
    "models.recurrent": ("estimate_mean_cumulative_count",),
    "models.recurrent_cox": ("fit_recurrent",),
    "models.recurrent_models": ("RecurrentModels", "fit_recurrent_models"),
    "models.transition_cox": ("TransitionFit", "fit_transitions"),
    "models.risks": ("AdjustedRisk",),
    "models.trajectory": ("Trajectory", "estimate_trajectory"),
    "models.transitions": ("Transitions", "estimate_transitions"),
    "models.regression": ("estimate_effect_curve", "fit_logistic"),
    "models.compare_definitions": ("compare_definitions",),
    "models.multiverse": ("Multiverse",),
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
