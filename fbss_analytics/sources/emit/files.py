"""The files of an extract while it is written: CSV rows appended chunk by chunk, counted, hashed at the end."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import pandas as pd

from ..files import file_hash


class CsvFiles:
    """CSV files of one folder, each opened when its first rows arrive; a context that closes them all.

    Parameters
    ----------
    folder : Path
        An empty folder. ``rows`` counts the rows of each file as they are written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[str, int] = {}
        self._open: dict[str, tuple[TextIO, Any]] = {}

    def __enter__(self) -> CsvFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for content, _ in self._open.values():
            content.close()

    def add(self, name: str, frame: pd.DataFrame) -> None:
        """Append rows to ``<name>.csv``, whose header is that of the first frame; missing values are empty."""
        if name not in self._open:
            content = (self.folder / f"{name}.csv").open("w", encoding="utf-8", newline="")
            self._open[name] = (content, csv.writer(content, lineterminator="\n"))
            self._open[name][1].writerow(frame.columns)
            self.rows[name] = 0
        values = frame.astype(object).where(frame.notna(), "")
        self._open[name][1].writerows(values.itertuples(index=False, name=None))
        self.rows[name] += len(frame)

    def text(self, name: str, content: str) -> None:
        """Write a file that is no table."""
        (self.folder / name).write_text(content, encoding="utf-8")


def listing(folder: Path, rows: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return the files of a folder with their hash, tables with their rows."""
    return {
        file.name: ({"rows": rows[file.stem]} if file.stem in rows else {}) | {"sha256": file_hash(file)}
        for file in sorted(folder.iterdir())
        if file.is_file() and not file.name.startswith(".")
    }
