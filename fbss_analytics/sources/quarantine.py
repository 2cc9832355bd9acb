"""Row accounting: every row read is accepted, quarantined under a rule, excluded or merged for a reason."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

from ..errors import DataError, StudyWarning
from ..formats import count, plural

Disposition = Literal["accepted", "quarantined", "excluded", "merged"]


@dataclass(frozen=True)
class Account:
    """How many rows of one file met one fate on their way into one table, and why."""

    table: str
    file: str
    disposition: Disposition
    rows: int
    rule: str = ""
    words: str = ""
    remedy: str = ""


def accounting_frame(accounts: Iterable[Account]) -> pd.DataFrame:
    """Return accounts as a frame with the columns table, file, disposition, rows, rule, words, remedy."""
    columns = ["table", "file", "disposition", "rows", "rule", "words", "remedy"]
    return pd.DataFrame([asdict(account) for account in accounts], columns=columns)


def reconcile(accounts: Sequence[Account], *, table: str, file: str, rows_read: int) -> None:
    """Raise `DataError` unless the accounts of a file add up to its rows read; each fate is counted on its own."""
    total = sum(account.rows for account in accounts)
    if total != rows_read:
        raise DataError(
            f"{file} for {table}: {count(rows_read)} rows were read but {count(total)} are accounted for. "
            "This is a fault of fbss_analytics: please report it."
        )


def warn_of_quarantine(accounts: Sequence[Account]) -> None:
    """Warn once, naming table, rule, count and remedy of everything that was set aside."""
    aside = [account for account in accounts if account.disposition == "quarantined" and account.rows]
    if not aside:
        return
    read = {(a.table, a.file): sum(b.rows for b in accounts if (b.table, b.file) == (a.table, a.file)) for a in aside}
    lines = [
        f"{count(a.rows)} of {plural(read[a.table, a.file], 'row')} of {a.file} for {a.table}: "
        f"{a.words} (rule {a.rule}). {a.remedy}"
        for a in aside
    ]
    warnings.warn("Rows were set aside; see .quarantine.\n  " + "\n  ".join(lines), StudyWarning, stacklevel=3)
