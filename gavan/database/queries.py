"""Read named queries from a ``.sql`` file: ``-- name: x`` begins one, SQL stays in SQL files.

Stands under every ``store.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load_queries(path: Path) -> dict[str, str]:
    """Return the queries of a file by name; raise ValueError for a file without or with doubles."""
    parts = _NAME.split(path.read_text(encoding="utf-8"))
    names, texts = parts[1::2], parts[2::2]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"{path.name}: every query needs one name of its own")
    return {name: _without_comments(text) for name, text in zip(names, texts, strict=True)}


def _without_comments(text: str) -> str:
    # The sentence above the next query would otherwise travel at the end of this one.
    return "\n".join(line for line in text.strip().splitlines() if not line.startswith("--"))
