"""Make `python -m gavan` the same as the console script."""

from __future__ import annotations

import sys

from gavan.cli.main import main

sys.exit(main())
