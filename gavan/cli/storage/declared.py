"""Buckets as the stack file declares them; light to load, for `up` asks on every start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gavan.stack.model import Stack


def declared_buckets(stack: Stack) -> dict[str, dict[str, Any]]:
    """Return the buckets that the stack file makes, by name."""
    found: dict[str, dict[str, Any]] = json.loads(
        str(stack.core.storage.get("GAVAN_STORAGE_BUCKETS", "{}"))
    )
    return found


def declared_objects(stack: Stack) -> dict[str, Path]:
    """Return the file or folder of each bucket that has objects from the start."""
    paths = {name: table.get("objects_path") for name, table in declared_buckets(stack).items()}
    return {name: stack.root / path for name, path in paths.items() if path}
