"""Stored broadcasts of a private topic, for a client that comes late.

A channel asks after its join is admitted by the policies; nothing here asks them again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
import psycopg

from gavan.core.realtime.codec import UserBroadcast
from gavan.core.realtime.connection import Connection, read_sql

log = logging.getLogger(__name__)

MOST = 25
FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""The years 1 to 9999"""


class ReplayRefused(Exception):
    """There is nothing to replay from; ``str()`` is the reason as a failed join says it."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The newest ``limit`` messages since a time in milliseconds of the epoch."""

    since_ms: int
    limit: int = MOST


def read_replay(params: Mapping[str, object]) -> Replay:
    """Return the wish of a join; raise ReplayRefused for what is no time or no number."""
    since, limit = _whole(params.get("since")), MOST
    if params.get("limit") is not None:
        limit = _whole(params["limit"])
    if not FIRST_MS <= since <= LAST_MS:
        raise _invalid()
    return Replay(since, max(1, min(limit, MOST)))


class History:
    """Reads ``realtime.messages`` as its owner."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def latest(self, sub_topic: str, replay: Replay) -> list[UserBroadcast]:
        """Return messages of a private topic, oldest first; raise ReplayRefused."""
        params = (sub_topic, replay.since_ms, replay.limit)
        try:
            rows = await self._connection.fetch(read_sql("history.sql"), params)
        except psycopg.Error as error:
            log.warning("replay_failed", extra={"topic": sub_topic, "why": str(error)})
            raise ReplayRefused("Realtime was unable to replay messages") from error
        return [_broadcast(*row) for row in rows]


def _broadcast(
    message_id: str, event: str | None, payload: str | None, binary: bytes | None
) -> UserBroadcast:
    metadata = orjson.dumps({"id": message_id, "replayed": True})
    body = binary if payload is None else payload.encode()
    is_json = payload is not None
    return UserBroadcast(event or "", body or b"", is_json, metadata, message_id)


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _invalid()
    return value


def _invalid() -> ReplayRefused:
    return ReplayRefused("Replay params are not valid")
