"""What became of every row that was read."""

from __future__ import annotations

from ...formats import count
from ...sources.source import Source
from .noun import Table, text_table


def table_accounting(source: Source) -> Table:
    """Print what became of every row that was read on its way into the cohort's tables.

    **Definition.** Each row of each file has one fate for each table it feeds: accepted, quarantined under a rule,
    excluded for a reason, or merged. A simulated cohort was not read from files; its rows are all accepted.

    Parameters
    ----------
    source : Source
        Any source.

    Returns
    -------
    Table
        ``table``, ``file``, ``fate``, ``rows`` and ``rule or reason``.

    When not to use it: to look at the rows themselves; they stand in ``source.quarantine``.

    Examples
    --------
    >>> import fbss_analytics as fbss
    >>> source = fbss.simulate("neuromodulation", n_patients=200, seed=1)
    >>> fbss.table_accounting(source).frame.iloc[0].tolist()
    ['patients', 'simulated', 'accepted', '200', '']
    """
    rows = [
        (account.table, account.file, account.disposition, count(account.rows), _why(account.rule, account.words))
        for account in source.accounts
    ] or [(name, "simulated", "accepted", count(n), "") for name, n in source.counts.items()]
    people = f"{count(source.counts['patients'])} patients were accepted."
    return text_table("Every row that was read", rows, ("table", "file", "fate", "rows", "rule or reason"), (people,))


def _why(rule: str, words: str) -> str:
    return f"{rule}: {words}" if rule and words else rule or words
