"""The named queries on passkeys."""

from __future__ import annotations

from pathlib import Path

from gavan.core.auth.store import Queries

QUERIES = Queries(Path(__file__).parent / "sql" / "passkeys.sql")
