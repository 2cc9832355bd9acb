"""1 minus Kaplan-Meier with competing events censored, as many papers printed it: never without the risk beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ..cohort import Definition
from ..errors import InputError
from .curves import risk_curve
from .followup import FollowUp
from .result_table import listed
from .results import Curve

SUFFIX = "(1 - Kaplan-Meier)"


def censored_beside_incidence(
    follow: FollowUp, *, acknowledge: str | None, by: str | None, conf_level: float, conf_type: str, weights: str | None
) -> Curve:
    """Return the cumulative incidence of every event and, for those of interest, 1 - Kaplan-Meier as further causes.

    The reason given is part of the method and of the definitions.

    Raises
    ------
    InputError
        No reason was given.
    """
    if not (isinstance(acknowledge, str) and acknowledge.strip()):
        raise InputError(
            f'competing="censor" makes 1 minus Kaplan-Meier of {follow.outcome!r}, which is too high a risk. Say why '
            f'it is needed, for instance acknowledge="to repeat the published figure"; the reason is printed with it.'
        )
    asked = {"by": by, "conf_level": conf_level, "conf_type": conf_type, "weights": weights}
    risk = risk_curve(
        follow,
        kind="cumulative_incidence",
        cause=follow.cause,
        names=follow.causes,
        method=f"Aalen-Johansen cumulative incidence (own kernel), {conf_type} interval",
        **asked,  # type: ignore[arg-type]
    )
    pieces, overstated = [risk.data], []
    for place, cause in enumerate(follow.causes[: follow.n_events], start=1):
        name = f"{follow.name_of(cause)} {SUFFIX}"
        free = risk_curve(
            follow,
            kind="survival",
            cause=np.asarray(follow.cause == place, dtype=np.int64),
            names=(name,),
            method="",
            **asked,  # type: ignore[arg-type]
        )
        pieces.append(_turned(free.data))
        overstated.append(name)
    everything = pd.concat(pieces, ignore_index=True)
    in_order = [everything[everything["group"] == group] for group in risk.groups]
    others = listed([follow.name_of(cause) for cause in follow.causes[follow.n_events :]] or ["other causes"])
    words = (
        f"1 - Kaplan-Meier beside it counts other events ({others}) as censored, which is no risk where they end the "
        f"wait; shown because: {acknowledge.strip()}"
    )
    return replace(
        risk,
        data=pd.concat(in_order, ignore_index=True),
        method=f"{risk.method} {words.rstrip('.')}.",
        definitions=(*risk.definitions, _definition(follow, words, acknowledge.strip())),
        overstated=tuple(overstated),
    )


def _turned(steps: pd.DataFrame) -> pd.DataFrame:
    """Return the steps of survival as those of 1 - survival."""
    low, high = 1 - steps["conf_high"], 1 - steps["conf_low"]
    return steps.assign(estimate=1 - steps["estimate"], conf_low=low, conf_high=high)


def _definition(follow: FollowUp, words: str, reason: str) -> Definition:
    """Return the acknowledgement as a definition the result rests on."""
    return Definition(
        name=f"{follow.outcome}_competing_censored", words=words, columns=(), arguments={"acknowledge": reason}
    )
