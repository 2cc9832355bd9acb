"""``python -m fbss_analytics`` is the ``fbss`` command."""

import sys

from .cli import main

sys.exit(main())
