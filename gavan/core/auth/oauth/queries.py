"""The named queries of this package, ``sql/oauth.sql``."""

from __future__ import annotations

from pathlib import Path

from gavan.core.auth.store import Queries

queries = Queries(Path(__file__).parent / "sql" / "oauth.sql")
