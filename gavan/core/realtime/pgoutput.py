"""Decode the messages of Postgres's output plugin ``pgoutput``, protocol version 1.

Pure: bytes in, events out. Layouts: PostgreSQL manual, "Logical Replication Message Formats".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
ACTIONS = {"I": "INSERT", "U": "UPDATE", "D": "DELETE"}

Values: TypeAlias = Mapping[str, str | None]
"""Text of the columns that the message carries; an unchanged TOAST value is absent."""


@dataclass(frozen=True, slots=True)
class Column:
    """A published column. ``is_key`` says it belongs to the replica identity."""

    name: str
    type_oid: int
    is_key: bool


@dataclass(frozen=True, slots=True)
class Relation:
    """A published table as this stream knows it. ``identity`` is one of ``d n f i``."""

    oid: int
    schema: str
    name: str
    identity: str
    columns: tuple[Column, ...]

    @property
    def is_message(self) -> bool:
        """Its rows are broadcasts that the database sends."""
        return self.schema == "realtime" and self.name.startswith("messages")


@dataclass(frozen=True, slots=True)
class Commit:
    """A transaction ends. ``end_lsn`` may be confirmed once it is dispatched."""

    lsn: int
    end_lsn: int


@dataclass(frozen=True, slots=True)
class Change:
    """One row. ``old`` holds the identity columns, or the whole row under identity full.

    ``committed_at`` as clients read it: UTC with three digits of milliseconds. ``position``: the
    LSN of its commit and its number in the transaction.
    """

    relation: Relation
    action: str
    transaction_id: int
    committed_at: str
    new: Values
    old: Values
    size_bytes: int
    position: tuple[int, int] = (0, 0)


Event: TypeAlias = Commit | Relation | Change


class Decoder:
    """Remembers the relations of one stream.

    Args:
        wants: whether anybody listens to (relation, action); other rows are not decoded.
    """

    def __init__(self, wants: Callable[[Relation, str], bool]) -> None:
        self._wants = wants
        self._relations: dict[int, Relation] = {}
        self._transaction_id = 0
        self._committed_at = ""
        self._position = (0, 0)

    def decode(self, message: bytes) -> Event | None:
        """Return the event of a message; None for kinds and rows nobody needs."""
        kind = chr(message[0])
        if kind == "B":
            lsn, time_us, transaction_id = struct.unpack_from("!qqI", message, 1)
            self._position = (lsn, 0)
            self._transaction_id = transaction_id
            at = POSTGRES_EPOCH + timedelta(microseconds=time_us)
            self._committed_at = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            return None
        if kind == "C":
            return Commit(*struct.unpack_from("!qq", message, 2))
        if kind == "R":
            relation = _relation(message)
            self._relations[relation.oid] = relation
            return relation
        if kind in ACTIONS:
            relation = self._relations[struct.unpack_from("!I", message, 1)[0]]
            self._position = (self._position[0], self._position[1] + 1)
            if self._wants(relation, ACTIONS[kind]):
                return self._change(relation, ACTIONS[kind], message)
        return None

    def _change(self, relation: Relation, action: str, message: bytes) -> Change:
        new, old = _rows(relation, action, message)
        return Change(
            relation,
            action,
            self._transaction_id,
            self._committed_at,
            new,
            old,
            len(message),
            self._position,
        )


def _rows(relation: Relation, action: str, message: bytes) -> tuple[Values, Values]:
    new: Values = {}
    old: Values = {}
    position = 5
    while position < len(message):
        tag = chr(message[position])
        values, position = _tuple(relation, message, position + 1)
        if tag == "N":
            new = values
        elif tag == "K":
            # Full width with nulls: only the key columns say anything.
            old = _identity(relation, values)
        else:
            old = values
    if action == "UPDATE" and not old:
        old = _identity(relation, new)
    if old and relation.identity == "f":
        # An unchanged TOAST value is not in the new row, but identity full has it in the old one.
        new = {**old, **new} if action == "UPDATE" else new
    return new, old


def _identity(relation: Relation, values: Values) -> Values:
    keys = (column.name for column in relation.columns if column.is_key)
    return {name: values[name] for name in keys if name in values}


def _tuple(relation: Relation, message: bytes, position: int) -> tuple[dict[str, str | None], int]:
    (count,) = struct.unpack_from("!h", message, position)
    position += 2
    values: dict[str, str | None] = {}
    for column in relation.columns[:count]:
        tag = message[position]
        position += 1
        if tag == ord("n"):
            values[column.name] = None
        elif tag != ord("u"):
            (size,) = struct.unpack_from("!i", message, position)
            position += 4
            values[column.name] = message[position : position + size].decode()
            position += size
    return values, position


def _relation(message: bytes) -> Relation:
    (oid,) = struct.unpack_from("!I", message, 1)
    schema, position = _string(message, 5)
    name, position = _string(message, position)
    identity = chr(message[position])
    (count,) = struct.unpack_from("!h", message, position + 1)
    position += 3
    columns = []
    for _ in range(count):
        is_key = message[position] == 1
        column, position = _string(message, position + 1)
        (type_oid,) = struct.unpack_from("!I", message, position)
        position += 8
        columns.append(Column(column, type_oid, is_key))
    return Relation(oid, schema or "pg_catalog", name, identity, tuple(columns))


def _string(message: bytes, start: int) -> tuple[str, int]:
    end = message.index(0, start)
    return message[start:end].decode(), end + 1
