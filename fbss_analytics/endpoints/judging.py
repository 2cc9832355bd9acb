"""What endpoints of dose share: who was observed long enough to be judged, and the dose of a window."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cohort import Cohort, Definition
from ..dates import Window
from ..errors import InputError
from ..exposure.definition import DoseDefinition
from ..exposure.freedom import Coverage
from ..exposure.opioids import add_opioid_dose
from .assemble import Numbers

Mask = npt.NDArray[np.bool_]


def observed_throughout(found: Coverage, days: Window) -> Mask:
    """Return which rows are observed on every day of a window, or on every day to their death inside it."""
    last = np.minimum(float(days[1]), found.death)
    row = found.observed["row"].to_numpy()
    holds = (found.observed["start"].to_numpy() <= days[0]) & (found.observed["end"].to_numpy() >= last[row])
    throughout = np.zeros(found.n_rows, dtype=bool)
    throughout[row[holds]] = True
    return throughout


def yes_or_no(met: Mask, judged: Mask) -> npt.NDArray[Any]:
    """Return True and False where judged, missing elsewhere."""
    answer = np.full(len(met), None, dtype=object)
    answer[judged] = met[judged]
    return answer


def dose_of(cohort: Cohort, dose: DoseDefinition, days: Window) -> dict[str, Numbers]:
    """Return the columns of `add_opioid_dose` for a window, per observed day of it (D3), by their bare names."""
    name = "dose of a window"
    added = add_opioid_dose(cohort, dose, name=name, days=days, per="day_in_window")
    return {
        column.removeprefix(f"{name}_"): added.data[column].to_numpy(float) for column in added.definitions[-1].columns
    }


def made_with(cohort: Cohort, name: str, dose: DoseDefinition) -> Definition:
    """Return the definition of an outcome, or raise `InputError` where it rests on another dose definition."""
    made = next(each for each in cohort.definitions if each.name == name)
    choices = [field.name for field in fields(dose)]
    if any(made.arguments.get(choice) != dose.arguments.get(choice) for choice in choices):
        raise InputError(f"{name!r} was made with another DoseDefinition; what follows it needs the same one.")
    return made
