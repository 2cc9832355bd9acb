"""Our own tables as CSV files, which `read_tables` reads."""

from __future__ import annotations

from collections.abc import Iterable

from ..source import Source
from .chunks import Chunk
from .files import CsvFiles
from .ledger import Ledger


def write_tables(source: Source, chunks: Iterable[Chunk], files: CsvFiles, ledger: Ledger) -> None:
    """Write every table of a source as it stands; CSV holds all of it, and the ledger stays empty."""
    for chunk in chunks:
        for name in source.tables:
            files.add(name, chunk.frames[name])
