"""A manifest with nothing remarkable in it, for tests that change one thing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gavan.backups.model import (
    Kind,
    Manifest,
    ObjectTotals,
    RowCount,
    Sealed,
    StoredFile,
)

BEGAN = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)
ID = "20261121T033000Z-logical-ab12cd"


def manifest(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "id": ID,
        "stack": "crm",
        "kind": Kind.LOGICAL,
        "started": BEGAN,
        "ended": BEGAN.replace(minute=31, microsecond=7),
        "tool_version": "0.1.0",
        "server_version": "18.6",
        "system_identifier": "7400000000000000000",
        "timeline": 1,
        "lsn_start": "0/1A2B3C8",
        "lsn_end": "0/1A2B3C8",
        "database": "postgres",
        "database_bytes": 9_000_000,
        "rows": {"public.card": RowCount(count=3, exact=True)},
        "schema_hash": "00ff",
        "migration_head": "020",
        "extensions": ("pgcrypto 1.3",),
        "roles": ("anon", "postgres"),
        "files": (StoredFile(path="globals.sql.gz", bytes=3, sha256="a" * 64),),
        "encryption": Sealed(method="none", recipients=()),
        "objects": ObjectTotals(count=2, bytes=10, new_bytes=10, absent=0),
        "config": True,
        "warnings": ("one",),
    }
    return Manifest(**(values | changes))
