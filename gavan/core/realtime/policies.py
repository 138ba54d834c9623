"""What a token may do in a private room, asked of the policies of ``realtime.messages``.

``Policies`` puts the question to Postgres; a channel's ``Guard`` remembers the answers until the
token changes. Public rooms ask nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
import psycopg

from gavan.core.realtime.connection import Connection
from gavan.core.realtime.rooms import RoomKey
from gavan.core.realtime.tokens import Access

log = logging.getLogger(__name__)

BROADCAST = "broadcast"
PRESENCE = "presence"
NO_PARTITION = "23514"


class PolicyError(Exception):
    """The policies could not be asked; ``str()`` is the reason as a failed join says it."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose rights are asked for: a token and the headers it came with."""

    access: Access
    headers: Mapping[str, str]


class Policies:
    """The questions, on a connection (with ``policies.sql``) that no changes need: a burst of
    joins holds up none of them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def may_read(
        self, asker: Asker, sub_topic: str, extensions: tuple[str, ...]
    ) -> frozenset[str]:
        """Return which of the extensions may be read; raise PolicyError."""
        query = "select pg_temp.gavan_may_read(%s, %s, %s, %s, %s, %s::text[])"
        answer = await self._ask(query, asker, sub_topic, list(extensions))
        return frozenset(answer) if isinstance(answer, list) else frozenset()

    async def may_write(self, asker: Asker, sub_topic: str, extension: str) -> bool:
        """Return whether the extension may be written; raise PolicyError."""
        query = "select pg_temp.gavan_may_write(%s, %s, %s, %s, %s, %s)"
        return await self._ask(query, asker, sub_topic, extension) is True

    async def _ask(self, query: str, asker: Asker, sub_topic: str, what: object) -> object:
        access = asker.access
        headers = orjson.dumps(dict(asker.headers)).decode()
        params = (access.role, access.claims_json, access.sub, headers, sub_topic, what)
        try:
            rows = await self._connection.fetch(query, params)
        except psycopg.Error as error:
            raise _policy_error(error, self._connection.is_open) from error
        answer: object = rows[0][0]
        return answer


class Guard:
    """What one channel may do in its room."""

    def __init__(self, policies: Policies, room: RoomKey, headers: Mapping[str, str]) -> None:
        self._policies = policies
        self._room = room
        self._headers = headers
        self._asker: Asker | None = None
        self._reads: frozenset[str] = frozenset()
        self._writes: dict[str, bool] = {}

    def hears(self, extension: str) -> bool:
        """Return whether the channel receives this extension."""
        return not self._room.private or extension in self._reads

    async def admit(self, access: Access, *, presence: bool) -> bool:
        """Ask anew for a token; return whether the channel may be in the room at all.

        Raises PolicyError.
        """
        if not self._room.private:
            return True
        self._asker = Asker(access, self._headers)
        self._writes.clear()
        wanted = (BROADCAST, PRESENCE) if presence else (BROADCAST,)
        self._reads = await self._policies.may_read(self._asker, self._room.sub_topic, wanted)
        return bool(self._reads)

    async def may_write(self, extension: str) -> bool:
        """Return whether the channel may send this extension; asked at its first attempt."""
        if not self._room.private:
            return True
        if self._asker is None:
            return False
        if extension not in self._writes:
            topic = self._room.sub_topic
            try:
                allowed = await self._policies.may_write(self._asker, topic, extension)
            except PolicyError as error:
                log.warning("policy_not_asked", extra={"topic": topic, "why": str(error)})
                return False
            self._writes[extension] = allowed
        return self._writes[extension]


def _policy_error(error: psycopg.Error, is_open: bool) -> PolicyError:
    log.warning("policy_failed", extra={"why": str(error), "sqlstate": error.sqlstate})
    if not is_open:
        return PolicyError(
            "UnableToConnectToProject: Realtime was unable to connect to the project database"
        )
    if error.sqlstate == NO_PARTITION:
        return PolicyError("MissingPartition: realtime.messages has no partition for today")
    if isinstance(error, psycopg.errors.QueryCanceled):
        return PolicyError("QueryCanceled: the policies of realtime.messages took too long")
    return PolicyError("RlsPolicyError: a policy of realtime.messages failed")
