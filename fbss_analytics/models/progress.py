"""One line of progress on stderr for work that takes long; silent when nobody watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

PATIENCE = 2.0
"""Seconds of work before anything is shown."""

PAUSE = 0.5
"""Seconds between updates."""


@dataclass
class Progress:
    """How far the work is; ``add`` says that more is done."""

    words: str
    total: int
    last: float
    wait: float = PATIENCE
    done: int = 0
    shown: bool = False

    def add(self, n: int) -> None:
        """Count ``n`` more, and show it where a terminal is watching and it has taken a while."""
        self.done += n
        now = time.monotonic()
        if sys.stderr.isatty() and now - self.last >= self.wait:
            sys.stderr.write(f"\r{self.words}: {self.done:,} of {self.total:,} ")
            sys.stderr.flush()
            self.shown, self.last, self.wait = True, now, PAUSE


@contextmanager
def progress(words: str, total: int) -> Iterator[Progress]:
    """Yield a `Progress` whose line is wiped when the work ends, well or badly."""
    line = Progress(words, total, last=time.monotonic())
    try:
        yield line
    finally:
        if line.shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
