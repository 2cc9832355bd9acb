"""What models of a continuous outcome share: rows, a numeric outcome, and estimates on the scale of differences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..cohort import Cohort, Definition
from ..errors import InputError
from ..formats import count, plural
from .adequacy import FEW
from .formula import Design, build_design, formula_variables
from .results import Fit
from .rows import check_columns, complete_rows, warn
from .terms import make_fit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Complete rows of a continuous outcome ``y`` (n,) with their design matrix."""

    frame: pd.DataFrame = field(repr=False)
    y: Floats = field(repr=False)
    design: Design
    outcome: str
    unit: str
    definitions: tuple[Definition, ...]
    excluded: pd.DataFrame

    def codes(self, column: str) -> Ints:
        """Return a column as whole numbers from 0."""
        return np.asarray(pd.factorize(self.frame[column])[0], dtype=np.int64)


def complete(
    data: Cohort | pd.DataFrame, outcome: str, formula: str, *, also: Iterable[str] = (), yes_no: bool = False
) -> Rows:
    """Return the rows without missing values; with ``yes_no`` a True or False outcome becomes 1 or 0.

    Raises
    ------
    InputError
        Wrong data, column or formula; the outcome is no number, or yes/no, or the same in all rows.

    Warns
    -----
    StudyWarning
        Rows left out; fewer than 10 rows per parameter.
    """
    if not isinstance(data, Cohort | pd.DataFrame):
        raise InputError(f"Expected a Cohort or a pandas DataFrame, got {type(data).__name__}.")
    frame = data.frame if isinstance(data, Cohort) else data
    check_columns(frame, [outcome, *also], argument="The call")
    kept, excluded = complete_rows(frame, [outcome, *formula_variables(formula, frame), *also])
    frame = frame[kept].reset_index(drop=True)
    design = build_design(frame, formula, intercept=True)
    values = frame[outcome]
    y = values.to_numpy(dtype=np.float64) if yes_no and is_yes_no(values) else _numbers(values, outcome)
    if len(y) < FEW * (design.n_parameters + 1):
        warn(
            f"{plural(len(y), 'row')} for {plural(design.n_parameters + 1, 'parameter')}; below {FEW} rows per "
            f"parameter estimates are unsteady."
        )
    return Rows(
        frame=frame,
        y=y,
        design=design,
        outcome=outcome,
        unit=data.unit if isinstance(data, Cohort) else "row",
        definitions=tuple(data.definitions) if isinstance(data, Cohort) else (),
        excluded=excluded,
    )


def is_yes_no(values: pd.Series) -> bool:
    """Return whether a column holds True and False, both of them, and nothing else."""
    found = values.unique()
    return len(found) == 2 and all(isinstance(value, bool | np.bool_) for value in found)


def difference_fit(
    rows: Rows, coefficients: Floats, covariance: Floats, *, df: float, model: str, method: str, **numbers: object
) -> Fit:
    """Return a `Fit` whose estimates are differences, with t intervals of ``df`` degrees of freedom (inf: normal).

    ``numbers``: conf_level, log_likelihood.
    """
    fit = make_fit(
        rows.design,
        coefficients,
        covariance,
        np.zeros(len(rows.y), dtype=bool),
        robust=True,
        model=model,
        measure="difference",
        outcome=rows.outcome,
        cause="",
        method=method,
        definitions=rows.definitions,
        excluded=rows.excluded,
        unit=rows.unit,
        **numbers,  # type: ignore[arg-type]
    )
    return replace(fit, table=_on_own_scale(fit, df), tests=_f_tests(fit.tests, df))


def _on_own_scale(fit: Fit, df: float) -> pd.DataFrame:
    """Return the estimates as differences: no exponential, t instead of normal limits, F for a curve."""
    from scipy.special import stdtr, stdtrit

    table = fit.table.copy()
    quantile = float(stdtrit(df, 0.5 + fit.conf_level / 2))
    table["estimate"] = table["coefficient"]
    table["conf_low"] = table["coefficient"] - quantile * table["std_error"]
    table["conf_high"] = table["coefficient"] + quantile * table["std_error"]
    single = table["df"].isna()
    table.loc[single, "p_value"] = 2 * stdtr(df, -np.abs(table["coefficient"] / table["std_error"])[single])
    curves = fit.tests[fit.tests["test"] == "association"].set_index("term")
    for place in table.index[~single]:
        row = curves.loc[table.at[place, "term"]]
        table.at[place, "p_value"] = _f_tail(float(row["chi2"]), float(row["df"]), df)
    table.loc[single, "df"] = df if np.isfinite(df) else np.nan
    return table


def _f_tests(tests: pd.DataFrame, df: float) -> pd.DataFrame:
    """Return Wald tests judged by F; ``chi2`` stays the statistic."""
    return tests.assign(p_value=[_f_tail(c, k, df) for c, k in zip(tests["chi2"], tests["df"], strict=True)])


def _f_tail(chi2: float, k: float, df: float) -> float:
    from scipy.special import chdtrc, fdtrc

    return float(chdtrc(k, chi2) if np.isinf(df) else fdtrc(k, df, chi2 / k))


def _numbers(values: pd.Series, name: str) -> Floats:
    """Return a continuous outcome as floats; refuse text, yes/no, and a constant."""
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        raise InputError(f"outcome={name!r} must hold numbers; it holds {values.dtype}. For yes/no use fit_logistic.")
    numbers = values.to_numpy(dtype=np.float64)
    distinct = np.unique(numbers)
    if len(distinct) == 1:
        raise InputError(f"outcome={name!r} is the same in all {count(len(numbers))} rows; there is nothing to model.")
    if len(distinct) == 2 and set(distinct) == {0.0, 1.0}:
        raise InputError(f"outcome={name!r} is yes/no; use fit_logistic.")
    return numbers
