"""`estimate_trajectory`: dose month by month - who uses, how much users take, and what that makes on average."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..cohort import Definition
from ..errors import InputError
from ..formats import html_table, interval, percent, plural
from .bands import normal_quantile
from .episodes import unit_of
from .followup import MOST_GROUPS, group_name
from .rows import check_columns

MEASURES = ("share_using", "dose_if_using", "mean_dose")
"""The three panels of a trajectory, in order."""

TRAJECTORY_COLUMNS = ("group", "measure", "month", "middle_day", "n", "estimate", "std_error", "conf_low", "conf_high")


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Monthly estimates by group.

    Attributes
    ----------
    frame : DataFrame
        `TRAJECTORY_COLUMNS`; ``measure`` is share_using, dose_if_using or mean_dose, ``n`` the rows it rests on.
    by : str or None
        The column of the groups.
    sizes : mapping
        Rows of each group.
    """

    data: pd.DataFrame = field(repr=False)
    by: str | None
    sizes: dict[str, int]
    conf_level: float
    unit_of_dose: str
    method: str
    definitions: tuple[Definition, ...] = field(default=(), repr=False)
    unit: str = "row"

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the estimates."""
        return self.data.copy()

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in order."""
        return tuple(self.sizes)

    def sentence(self) -> str:
        """Say the first and the last month in one sentence."""
        said = []
        for group in self.groups:
            mine = self.data[self.data["group"] == group]
            ends = []
            for month in (mine["month"].min(), mine["month"].max()):
                row = mine[mine["month"] == month].set_index("measure")["estimate"]
                ends.append(
                    f"month {month:g} {percent(row['share_using'])} using, "
                    f"mean {row['mean_dose']:.0f} {self.unit_of_dose}"
                )
            said.append(f"{f'{self.by} {group}: ' if self.by else ''}{ends[0]}; {ends[1]}")
        return f"{'. '.join(said)}. {plural(sum(self.sizes.values()), self.unit)}; those observed in the month."

    def _repr_html_(self) -> str:
        shown = self.data[["group", "measure", "month", "n"]].copy()
        shown["estimate (CI)"] = [
            f"{e:.3g} ({interval(low, high)})"
            for e, low, high in zip(self.data["estimate"], self.data["conf_low"], self.data["conf_high"], strict=True)
        ]
        return html_table(shown[shown["month"] % 6 == 0], caption=self.sentence(), notes=self.method)


def estimate_trajectory(
    episodes: Any,
    *,
    by: str | None = None,
    row: str = "row",
    month: str = "month",
    start: str = "start_day",
    stop: str = "stop_day",
    using: str = "is_using",
    dose: str = "mme_per_day",
    unit_of_dose: str = "MME/day",
    conf_level: float = 0.95,
) -> Trajectory:
    """Estimate, month by month, the share using, the mean dose of users, and the mean dose of everyone.

    **Definition**: in each month of each group, over the rows observed in it: users / rows; mean dose of users; mean
    dose, non-users counting 0. The third is the product of the first two where every user's dose is known. Rows not
    observed in a month (missing ``using``) are not in it: the dead and the lost leave the denominator.

    Parameters
    ----------
    episodes : Episodes of kind ``months``, or DataFrame
        One row per row of the cohort and month.
    by : str, optional
        Column of at most 20 groups.
    row, month, start, stop : str
        Columns of the cohort's row, the month's number, its first day and the day after its last.
    using, dose : str
        Columns: whether the row uses in the month (1, 0, missing), and its daily dose.
    unit_of_dose : str
        Unit of the dose, for axes.
    conf_level : float
        0.95 by default.

    Returns
    -------
    Trajectory
        With Wilson intervals of shares, and normal intervals of means (missing below two users).

    Raises
    ------
    InputError
        A column is not there, or nobody is observed.

    When not to use it
    ------------------
    As the effect of what happens on day 0: doses peak before implants, and fall by chance alone after a peak. Set a
    comparator beside it, and `fit_gee` for a difference in slopes.

    References
    ----------
    Wilson 1927, doi:10.1080/01621459.1927.10502953.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({
    ...     "row": [0, 1, 2, 0, 1, 2], "month": [-1, -1, -1, 1, 1, 1], "start_day": [-30] * 3 + [1] * 3,
    ...     "stop_day": [0] * 3 + [31] * 3, "is_using": [1, 1, 0, 1, 0, 0], "mme_per_day": [40.0, 80, 0, 30, 0, 0],
    ... })
    >>> estimate_trajectory(frame).frame.loc[lambda f: f["month"] == -1, "estimate"].round(3).tolist()
    [0.667, 60.0, 40.0]
    """
    frame = getattr(episodes, "frame", episodes)
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Expected episodes of months or a pandas DataFrame, got {type(frame).__name__}.")
    check_columns(frame, [row, month, start, stop, using, dose, *([by] if by else [])], argument="The call")
    z = normal_quantile(conf_level)
    group = pd.Series("all", index=frame.index) if by is None else frame[by].map(group_name, na_action="ignore")
    if group.nunique() > MOST_GROUPS:
        raise InputError(f"by={by!r} has {group.nunique()} distinct values; expected {MOST_GROUPS} at most.")
    flat = pd.DataFrame(
        {
            "group": group.to_numpy(),
            "month": frame[month].to_numpy(),
            "middle_day": (frame[start].to_numpy(float) + frame[stop].to_numpy(float) - 1) / 2,
            "row": frame[row].to_numpy(),
            "using": frame[using].to_numpy(dtype=float),
            "dose": frame[dose].to_numpy(dtype=float),
        }
    )
    flat = flat[flat["using"].notna() & flat["group"].notna()]
    if flat.empty:
        raise InputError("Nobody is observed in any month; nothing can be estimated.")
    pieces = [_months(part, str(name), z) for name, part in flat.groupby("group", sort=True)]
    data = pd.concat(pieces, ignore_index=True)
    sizes = {str(name): int(n) for name, n in flat.groupby("group", sort=True)["row"].nunique().items()}
    level = f"{conf_level:.0%}".replace("%", " %")
    method = f"Monthly shares with Wilson and means with normal {level} intervals, over those observed in the month."
    definitions = tuple(getattr(episodes, "definitions", ()))
    return Trajectory(data, by, sizes, conf_level, unit_of_dose, method, definitions, unit_of(episodes))


def _months(rows: pd.DataFrame, group: str, z: float) -> pd.DataFrame:
    """Return the three measures of one group in every month."""
    users = rows[rows["using"] == 1]
    everyone = rows.assign(dose=rows["dose"].where(rows["using"] == 1, 0.0))
    day = rows.groupby("month")["middle_day"].first()
    tables = []
    for measure, part, column in (
        ("share_using", rows, "using"),
        ("dose_if_using", users, "dose"),
        ("mean_dose", everyone, "dose"),
    ):
        known = part[part[column].notna()]
        stats = known.groupby("month")[column].agg(["count", "mean", "std"]).reindex(day.index)
        n, mean = stats["count"].fillna(0).to_numpy(), stats["mean"].to_numpy()
        with np.errstate(invalid="ignore", divide="ignore"):
            if measure == "share_using":
                centre = (mean + z**2 / 2 / n) / (1 + z**2 / n)
                error = np.sqrt(mean * (1 - mean) / n)
                half = z / (1 + z**2 / n) * np.sqrt(mean * (1 - mean) / n + z**2 / 4 / n**2)
                low, high = centre - half, centre + half
            else:
                error = stats["std"].to_numpy() / np.sqrt(n)
                low, high = mean - z * error, mean + z * error
        columns = (group, measure, day.index.to_numpy(), day.to_numpy(), n.astype(np.int64), mean, error, low, high)
        tables.append(pd.DataFrame(dict(zip(TRAJECTORY_COLUMNS, columns, strict=True))))
    return pd.concat(tables, ignore_index=True).sort_values("month", kind="stable", ignore_index=True)
