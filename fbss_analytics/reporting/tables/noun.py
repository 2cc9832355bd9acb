"""Tables a reader sees: text cells with a title and notes, from results that carry the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ...formats import html_table


@dataclass(frozen=True, eq=False)
class Table:
    """A finished table: title, text cells, notes.

    Attributes
    ----------
    title : str
        What the table shows.
    cells : pandas.DataFrame
        Text, as printed; use `frame` for a copy.
    notes : tuple of str
        What a reader must know to read it, one sentence each.
    """

    title: str
    cells: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def frame(self) -> pd.DataFrame:
        """Return a copy of the text cells."""
        return self.cells.copy()

    def to_csv(self, path: str | Path) -> Path:
        """Write the cells as CSV (UTF-8, the first line the column names) and return the path.

        When not to use it: to publish tables of real patients; `export` hides small counts first.
        """
        target = Path(path)
        self.cells.to_csv(target, index=False, lineterminator="\n", encoding="utf-8")
        return target

    def sentence(self) -> str:
        """Return the title as a sentence."""
        return self.title if self.title.endswith(".") else self.title + "."

    def __str__(self) -> str:
        return "\n".join((self.title, self.cells.to_string(index=False), *self.notes))

    def _repr_html_(self) -> str:
        return html_table(self.cells, caption=self.title, notes=" ".join(self.notes))


def text_table(title: str, rows: Sequence[Sequence[str]], columns: Iterable[str], notes: Iterable[str] = ()) -> Table:
    """Return a `Table` of text rows; empty notes are left out."""
    cells = pd.DataFrame(list(rows), columns=list(columns), dtype=object)
    return Table(title, cells, tuple(note for note in notes if note))
