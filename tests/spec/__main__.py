"""Write `docs/definitions.md` from the specification: ``.venv/bin/python tests/spec``."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

from spec.chapters import page  # noqa: E402 - the folder of the tests is on the path only now

if __name__ == "__main__":
    target = TESTS.parent / "docs" / "definitions.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(page(), encoding="utf-8")
