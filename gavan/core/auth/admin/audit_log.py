"""The audit log as an administrator reads it (supabase/auth:internal/api/audit.go)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gavan.core.auth.admin.paging import Page
from gavan.core.auth.errors import validation_failed
from gavan.core.auth.flows.audit import queries
from gavan.core.auth.model import rfc3339
from gavan.core.auth.store import Store

_COLUMNS = {
    "author": ("actor_username", "actor_name"),
    "action": ("action",),
    "type": ("log_type",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Keys of an entry's payload, one of which has to hold ``text``; None takes every entry."""

    columns: tuple[str, ...]
    text: str | None


def filter_of(query: str) -> Filter:
    """Return the filter ``author|action|type:value``; raise AuthError 400 for another scope."""
    if not query:
        return Filter(columns=(), text=None)
    scope, colon, text = query.partition(":")
    if not colon or scope not in _COLUMNS:
        raise validation_failed(f"Invalid query scope: {query}")
    return Filter(columns=_COLUMNS[scope], text=text or None)


class AuditLog:
    """Reads the log."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list(self, page: Page, wanted: Filter) -> tuple[list[dict[str, Any]], int]:
        """Return the entries of a page, newest first, and how many there are in all."""
        pattern = None if wanted.text is None else f"%{wanted.text}%"
        params = {"pattern": pattern, "columns": list(wanted.columns)}
        async with self._store.transaction() as connection:
            rows = await queries.many(
                connection, "list_entries", limit=page.size, offset=page.offset, **params
            )
            counted = await queries.one(connection, "count_entries", **params)
        entries = [
            {
                "id": str(row["id"]),
                "payload": row["payload"],
                "created_at": rfc3339(row["created_at"]),
                "ip_address": row["ip_address"],
            }
            for row in rows
        ]
        return entries, counted["total"] if counted else 0
