"""Table 1: who the patients are, with standardised differences instead of p-values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...cohort import Cohort
from ...errors import InputError, nearest
from ...formats import count, decimal, percent
from ..words import capitalised, in_words
from .noun import Table, text_table

Kind = Literal["number", "yes_no", "category"]
Values = npt.NDArray[Any]

MAX_LEVELS = 30


def table_one(cohort: Cohort | pd.DataFrame, *, variables: Sequence[str], by: str | None = None) -> Table:
    """Describe the patients at baseline, all together or by group, without p-values.

    **Definition.** Numbers: mean (SD) and median (quartiles, linear interpolation). Yes/no and categories: n and the
    share of those with a value. ``missing`` counts rows without a value, in the whole table. The standardised mean
    difference (SMD), for two groups, is |difference of means| over the root of the mean of both variances; for
    categories the Mahalanobis distance between the two vectors of shares.

    Parameters
    ----------
    cohort : Cohort or pandas.DataFrame
        One row per patient.
    variables : sequence of str
        Columns, in the order of the table. Text, categorical and yes/no columns are counted, numbers averaged.
    by : str, optional
        Column with the groups; rows without a group are left out, and a note says how many.

    Returns
    -------
    Table
        ``characteristic, value``, one column per group (or ``all``), ``SMD`` for two groups, ``missing``.

    Raises
    ------
    InputError
        When a column is not there, ``variables`` is empty or one text, or a category has more than 30 levels.

    When not to use it: to choose covariates; a difference at baseline matters by its size and its tie to the outcome.

    References
    ----------
    Austin PC. Stat Med 2009;28:3083-3107. doi:10.1002/sim.3697.
    Yang D, Dalton JE. A unified approach to measuring the effect size between two groups using SAS. SAS Global Forum
    2012, paper 335. https://support.sas.com/resources/papers/proceedings12/335-2012.pdf

    Examples
    --------
    >>> import pandas as pd
    >>> people = pd.DataFrame({"age_years": [40.0, 50.0, 60.0], "is_smoker": [True, False, None]})
    >>> table_one(people, variables=["age_years", "is_smoker"]).frame
      characteristic            value               all missing
    0       Patients                n                 3
    1     Age, years        mean (SD)       50.0 (10.0)       0
    2                 median (Q1, Q3)  50.0 (45.0, 55.0)
    3         Smoker              yes        1 (50.0 %)       1
    """
    frame = cohort if isinstance(cohort, pd.DataFrame) else cohort.frame
    _check(frame, variables, by)
    kept = frame if by is None else frame[frame[by].notna()]
    groups = {"all": np.ones(len(kept), dtype=bool)} if by is None else _groups(kept[by])
    with_smd = len(groups) == 2
    sizes = [count(int(mask.sum())) for mask in groups.values()]
    rows = [("Patients", "n", *sizes, *([""] if with_smd else []), "")]
    for name in variables:
        rows.extend(_variable_rows(kept[name], name, list(groups.values()), with_smd))
    columns = ["characteristic", "value", *groups, *(["SMD"] if with_smd else []), "missing"]
    title = "Patients at baseline" + ("" if by is None else f" by {in_words(by)}")
    return text_table(title, rows, columns, _notes(len(frame) - len(kept), by, with_smd))


def standardised_difference(first: Values, second: Values) -> float:
    """Return the standardised difference of a variable between two groups, without a sign.

    **Definition.** Numbers (yes/no as 0 and 1 with variance p (1 - p)): |difference of means| divided by the root of
    the mean of the two variances. Text: the root of (p1 - p2)' S^-1 (p1 - p2) over all levels but one, S the mean of
    the two multinomial covariances. Missing values are left out.

    Parameters
    ----------
    first, second : array
        Values of the two groups: numbers, booleans or text.

    Returns
    -------
    float
        0 or more; NaN when a group is empty, infinite when both groups are constant and differ.

    When not to use it: to compare groups of a weighted sample; it knows no weights.

    References
    ----------
    Austin PC. Stat Med 2009;28:3083-3107. doi:10.1002/sim.3697.
    Yang D, Dalton JE. SAS Global Forum 2012, paper 335.

    Examples
    --------
    >>> import numpy as np
    >>> round(standardised_difference(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])), 6)
    1.0
    """
    if len(first) == 0 or len(second) == 0:
        return float("nan")
    if first.dtype.kind == "b" and second.dtype.kind == "b":
        shares = [float(values.mean()) for values in (first, second)]
        return _standardise(shares[0] - shares[1], [share * (1 - share) for share in shares])
    if first.dtype.kind in "fiu" and second.dtype.kind in "fiu":
        difference = float(first.mean() - second.mean())
        return _standardise(difference, [float(np.var(v, ddof=1)) if len(v) > 1 else 0.0 for v in (first, second)])
    return _category_difference(first.astype(str), second.astype(str))


def _standardise(difference: float, variances: list[float]) -> float:
    spread = float(np.sqrt(np.mean(variances)))
    if spread == 0:
        return 0.0 if difference == 0 else float("inf")
    return abs(difference) / spread


def _category_difference(first: Values, second: Values) -> float:
    levels = np.unique(np.concatenate([first, second]))
    shares = [np.array([(values == level).mean() for level in levels[1:]]) for values in (first, second)]
    if len(levels) == 1:
        return 0.0
    covariance = np.mean([np.diag(p) - np.outer(p, p) for p in shares], axis=0)
    gap = shares[0] - shares[1]
    if np.linalg.matrix_rank(covariance) < len(gap):
        # Each group holds one level and they differ: no spread to measure the gap with.
        return 0.0 if not gap.any() else float("inf")
    return float(np.sqrt(gap @ np.linalg.solve(covariance, gap)))


def _check(frame: pd.DataFrame, variables: Sequence[str], by: str | None) -> None:
    if isinstance(variables, str) or not len(variables):
        raise InputError('table_one(variables=...) expects a list of columns such as ["age_years", "sex"].')
    for name in (*variables, *([] if by is None else [by])):
        if name not in frame.columns:
            raise InputError(f"There is no column {name!r}.{nearest(name, frame.columns)}")
    for name in variables:
        levels = frame[name].nunique()
        if kind_of(frame[name]) == "category" and levels > MAX_LEVELS:
            raise InputError(f"{name!r} has {count(levels)} different values; table_one prints at most {MAX_LEVELS}.")


def _groups(column: pd.Series) -> dict[str, npt.NDArray[np.bool_]]:
    yes_no = kind_of(column) == "yes_no"
    words = {level: ("yes" if level else "no") if yes_no else str(level) for level in _levels(column)}
    return {words[level]: (column == level).to_numpy(dtype=bool) for level in words}


def _levels(column: pd.Series) -> list[Any]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return list(column.cat.categories)
    return sorted(column.dropna().unique())


def kind_of(column: pd.Series) -> Kind:
    """Return whether a column holds numbers, yes/no (missing allowed) or categories."""
    present = column.dropna()
    if column.dtype.kind == "b" or (
        len(present) and present.map(lambda value: isinstance(value, bool | np.bool_)).all()
    ):
        return "yes_no"
    return "number" if column.dtype.kind in "fiu" else "category"


def _present(column: pd.Series, kind: Kind) -> Values:
    present = column.dropna()
    if kind == "yes_no":
        return present.to_numpy(dtype=bool)
    return present.to_numpy(dtype=float) if kind == "number" else present.to_numpy(dtype=object).astype(str)


def _variable_rows(
    column: pd.Series, name: str, masks: list[npt.NDArray[np.bool_]], with_smd: bool
) -> list[tuple[str, ...]]:
    kind = kind_of(column)
    parts = [_present(column[mask], kind) for mask in masks]
    if kind == "number":
        lines = [("mean (SD)", [_mean(part) for part in parts]), ("median (Q1, Q3)", [_median(part) for part in parts])]
    elif kind == "yes_no":
        lines = [("yes", [_share(int(part.sum()), len(part)) for part in parts])]
    else:
        lines = [
            (in_words(str(level)), [_share(int((part == str(level)).sum()), len(part)) for part in parts])
            for level in _levels(column)
        ]
    rows = []
    for i, (value, cells) in enumerate(lines):
        smd = [decimal(standardised_difference(*parts), 2) if i == 0 else ""] if with_smd else []
        missing = count(int(column.isna().sum())) if i == 0 else ""
        rows.append((capitalised(in_words(name)) if i == 0 else "", value, *cells, *smd, missing))
    return rows


def _mean(values: Values) -> str:
    if not len(values):
        return "-"
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return f"{decimal(float(values.mean()))} ({decimal(spread)})"


def _median(values: Values) -> str:
    if not len(values):
        return "-"
    low, middle, high = (decimal(float(v)) for v in np.quantile(values, (0.25, 0.5, 0.75)))
    return f"{middle} ({low}, {high})"


def _share(n: int, total: int) -> str:
    return f"{count(n)} ({percent(n / total)})" if total else "-"


def _notes(without_group: int, by: str | None, with_smd: bool) -> tuple[str, ...]:
    return (
        "SD, standard deviation; Q1 and Q3, quartiles. Shares are of those with a value.",
        "SMD, standardised mean difference without its sign (Austin 2009; Yang and Dalton 2012 for categories); "
        "above 0.1 is commonly taken as an imbalance."
        if with_smd
        else "",
        f"{count(without_group)} without {in_words(str(by))} left out." if without_group else "",
    )
