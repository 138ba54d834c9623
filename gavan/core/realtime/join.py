"""The payload of ``phx_join`` as a typed wish.

Pure. Parts that do not parse take their default and are named for the log: they never refuse
a join.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import orjson

ID_BITS = 27


@dataclass(frozen=True, slots=True)
class WantedChange:
    """One entry of ``postgres_changes``: the client's own map, untouched, and our id for it."""

    params: Mapping[str, object]
    id: int

    def echo(self) -> dict[str, object]:
        """Return the entry of the join reply: clients compare it with what they sent."""
        return {**self.params, "id": self.id}


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinWish:
    """What the client asks for; tokens are not checked yet."""

    private: bool = False
    ack: bool = False
    hears_self: bool = False
    replication_ready: bool = False
    replay: Mapping[str, object] | None = None
    presence_key: str = ""
    presence_enabled: bool = False
    changes: tuple[WantedChange, ...] = ()
    token: str | None = None
    malformed: tuple[str, ...] = ()
    """Names of the parts that did not parse."""


def read_join(payload: object) -> JoinWish:
    """Return the wish in a join payload."""
    reader = _Reader()
    root = reader.map("payload", payload)
    config = reader.map("config", root.get("config"))
    broadcast = reader.map("broadcast", config.get("broadcast"))
    presence = reader.map("presence", config.get("presence"))
    replay = broadcast.get("replay")
    return JoinWish(
        private=reader.flag("private", config.get("private")),
        ack=reader.flag("broadcast.ack", broadcast.get("ack")),
        hears_self=reader.flag("broadcast.self", broadcast.get("self")),
        replication_ready=reader.flag(
            "broadcast.replication_ready", broadcast.get("replication_ready")
        ),
        replay=None if replay is None else reader.map("broadcast.replay", replay),
        presence_key=reader.text("presence.key", presence.get("key")) or "",
        presence_enabled=reader.flag("presence.enabled", presence.get("enabled")),
        changes=reader.changes(config.get("postgres_changes")),
        token=reader.text("user_token", root.get("user_token"))
        or reader.text("access_token", root.get("access_token")),
        malformed=tuple(reader.malformed),
    )


def change_id(params: Mapping[str, object]) -> int:
    """Return the id of a subscription: 1..2^27, equal for equal params, never 0 (falsy in JS)."""
    text = orjson.dumps(params, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(blake2b(text, digest_size=4).digest()) % (1 << ID_BITS) + 1


class _Reader:
    def __init__(self) -> None:
        self.malformed: list[str] = []

    def map(self, name: str, value: object) -> Mapping[str, object]:
        if isinstance(value, dict):
            return value
        self._note(name, value)
        return {}

    def flag(self, name: str, value: object) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        self._note(name, value)
        return False

    def text(self, name: str, value: object) -> str | None:
        if isinstance(value, str):
            return value
        self._note(name, value)
        return None

    def changes(self, value: object) -> tuple[WantedChange, ...]:
        if not isinstance(value, list):
            self._note("postgres_changes", value)
            return ()
        for entry in value:
            if not isinstance(entry, dict):
                self._note("postgres_changes[]", entry)
        maps = [entry for entry in value if isinstance(entry, dict)]
        return tuple(WantedChange(entry, change_id(entry)) for entry in maps)

    def _note(self, name: str, value: object) -> None:
        if value is not None:
            self.malformed.append(name)
