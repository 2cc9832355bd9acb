"""Requiring that something had not happened before."""

from __future__ import annotations

from ..dates import OpenWindow, open_window, window_words
from ..errors import InputError
from ..sources.events import event
from .linkage import any_in, relative_events
from .nouns import Cohort, keep_rows


def require_no_prior(cohort: Cohort, name: str, *, days: OpenWindow) -> Cohort:
    """Keep patients without an event of that name in a window before day 0.

    **Definition**: no event of the name dated on a day of the window, both ends included (``None`` as first day:
    however long ago). The window ends on day -1 or earlier, so that an index event of the same name does not count.

    Parameters
    ----------
    name : str
        A named event, for example ``"scs_implant"``, ``"lumbar_surgery"`` or ``"opioid_dispensing"``.
    days : (int or None, int)
        Window relative to day 0, for example ``(-365, -1)``.

    Raises
    ------
    InputError
        Unknown event, a window that ends before it starts or reaches day 0.
    DataError
        The source has no table of the event: nobody could be told to be free of it.

    Notes
    -----
    When not to use it: with a look-back longer than observation (`require_observation` first): what was not seen is not
    the same as what was not there.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> cohort = fbss.start_cohort(source, index="scs_trial", occurrence="first")
    >>> len(fbss.require_no_prior(cohort, "opioid_dispensing", days=(-365, -1))) < len(cohort)
    True
    """
    window = open_window(days)
    if window[1] > -1:
        raise InputError(f"A prior event is before day 0; {window_words(days)} is not. Type days=(-365, -1).")
    definition = event(name)
    cohort.source.require(definition.table, what=f"require_no_prior({name!r})")
    had = any_in(cohort, relative_events(cohort, name), window)
    return keep_rows(cohort, ~had, f"without a {definition.words} on {window_words(days)}")
