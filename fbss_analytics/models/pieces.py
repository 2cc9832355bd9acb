"""Follow-up in pieces with covariates that change, from `add_time_varying`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..cohort.episodes import Episodes
from ..errors import InputError
from .followup import Columns, FollowUp, follow_up


def follow_pieces(episodes: Episodes, outcome: str | None, columns: Columns, *, also: Iterable[str]) -> FollowUp:
    """Return the checked follow-up of episodes of kind ``time_varying``, clustered on the patient.

    Raises
    ------
    InputError
        Another kind of episodes, or arguments that belong to a frame or to another outcome.
    """
    if episodes.kind != "time_varying":
        raise InputError(
            f"fit_cox takes episodes from add_time_varying, not of kind {episodes.kind!r}; recurrent events have "
            f"fit_recurrent."
        )
    own = str(episodes.definition.arguments["outcome"])
    if columns != Columns() or outcome not in (None, own):
        raise InputError(f"These episodes are of the outcome {own!r}; leave out outcome=, duration=, status=, event=.")
    definition = episodes.cohort.outcome(own)
    follow = follow_up(
        episodes.frame,
        None,
        Columns(
            duration="stop_day",
            status="status",
            event=definition.causes,
            competing=definition.competing or None,
            entry="start_day",
        ),
        also=[*also, "patient_id"],
        others="compete",
    )
    return replace(
        follow, outcome=own, unit="interval", cluster="patient_id", definitions=tuple(episodes.cohort.definitions)
    )
