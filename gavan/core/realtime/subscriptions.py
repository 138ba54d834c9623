"""Who listens to which rows: the wish of one entry, and the index that a change is looked up in.

Pure. The index groups its entries so that Postgres judges every distinct (role, claims), condition
and payload once per change, however many channels share them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from gavan.core.realtime.codec import Framed, Version
from gavan.core.realtime.filters import Condition, FilterError, parse_filter
from gavan.core.realtime.join import WantedChange
from gavan.core.realtime.tokens import Access

ACTIONS = ("INSERT", "UPDATE", "DELETE")
WILDCARD = "*"


class SubscriptionError(Exception):
    """An entry that cannot be served; ``str()`` goes to the client as a system message."""


class Subscriber(Protocol):
    """A channel that asked for changes."""

    @property
    def version(self) -> Version: ...
    @property
    def topic(self) -> str: ...
    @property
    def access(self) -> Access | None: ...
    @property
    def wanted(self) -> tuple[WantedChange, ...]: ...
    def send(self, frame: Framed) -> None:
        """Queue a frame; never wait."""

    def system(self, status: str, text: str, extension: str = ...) -> None:
        """Tell the client about its subscription."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One entry, read: which tables, which actions, which rows, which columns."""

    id: int
    schema: str
    table: str
    actions: tuple[str, ...]
    conditions: tuple[Condition, ...]
    columns: tuple[str, ...] | None
    described: str
    """The entry as error texts show it."""

    def covers(self, schema: str, table: str) -> bool:
        """Return whether a published table is meant."""
        return self.schema in (WILDCARD, schema) and self.table in (WILDCARD, table)


@dataclass(frozen=True, slots=True)
class Entry:
    """One wish of one channel on one table, with the identity it is judged by."""

    subscriber: Subscriber
    wish: Wish
    relation: int
    role: str
    claims: str


@dataclass(slots=True)
class Grouped:
    """Entries of one (table, action), each distinct thing once, in the JSON that SQL reads."""

    conditions: str
    viewers: str
    shapes: str
    groups: str
    members: list[list[Entry]] = field(default_factory=list)

    def only(self, numbers: Sequence[int]) -> Grouped:
        """Return some of the groups, numbered anew, without their members."""
        groups = orjson.loads(self.groups)
        some = orjson.dumps([groups[number] for number in numbers]).decode()
        return Grouped(self.conditions, self.viewers, self.shapes, some)

    def is_filtered(self, number: int) -> bool:
        """Say whether a filter of the subscribers' own is in this group."""
        return bool(self.members[number][0].wish.conditions)

    def key(self, number: int) -> bytes:
        """Return what a group is, whatever its number."""
        entry = self.members[number][0]
        wish = entry.wish
        conditions = [one.as_list() for one in wish.conditions]
        return orjson.dumps([conditions, entry.role, entry.claims, wish.columns])


class Index:
    """Entries by (table oid, action)."""

    def __init__(self) -> None:
        self._entries: dict[Subscriber, tuple[Entry, ...]] = {}
        self._by_key: dict[tuple[int, str], list[Entry]] = {}
        self._grouped: dict[tuple[int, str], Grouped] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, subscriber: Subscriber, entries: Iterable[Entry]) -> None:
        """Replace what a subscriber listens to."""
        self.drop(subscriber)
        self._entries[subscriber] = tuple(entries)
        for entry in self._entries[subscriber]:
            for action in entry.wish.actions:
                self._by_key.setdefault((entry.relation, action), []).append(entry)
                self._grouped.pop((entry.relation, action), None)

    def drop(self, subscriber: Subscriber) -> None:
        """Forget a subscriber."""
        for entry in self._entries.pop(subscriber, ()):
            for action in entry.wish.actions:
                key = (entry.relation, action)
                self._grouped.pop(key, None)
                self._by_key[key].remove(entry)
                if not self._by_key[key]:
                    del self._by_key[key]

    @property
    def relations(self) -> set[int]:
        """Oids of the tables that somebody listens to."""
        return {relation for relation, _ in self._by_key}

    def subscribers(self, relation: int) -> set[Subscriber]:
        """Return everybody who listens to a table."""
        return {
            entry.subscriber
            for (oid, _), entries in self._by_key.items()
            if oid == relation
            for entry in entries
        }

    def wants(self, relation: int, action: str) -> bool:
        """Return whether anybody listens."""
        return (relation, action) in self._by_key

    def lookup(self, relation: int, action: str) -> Grouped | None:
        """Return the entries that listen, grouped; the same object until they change."""
        key = (relation, action)
        if key in self._by_key and key not in self._grouped:
            self._grouped[key] = _group(self._by_key[key])
        return self._grouped.get(key)


def read_wish(wanted: WantedChange) -> Wish:
    """Return what an entry asks for; raise SubscriptionError."""
    params = wanted.params
    schema, table, text = (params.get(name) for name in ("schema", "table", "filter"))
    given = [params[name] for name in ("schema", "table", "filter") if name in params]
    if not all(isinstance(value, str) for value in given) or (schema is None and table is None):
        raise SubscriptionError(_NO_PARAMS + _show(params))
    if text and (schema is None or table is None):
        raise SubscriptionError(_NO_PARAMS + _show(params))
    try:
        conditions = parse_filter(str(text or ""))
    except FilterError as error:
        raise SubscriptionError(str(error)) from error
    event = str(params.get("event", WILDCARD)).upper()
    wish = Wish(
        id=wanted.id,
        schema=str(schema or "public"),
        table=str(table or WILDCARD),
        actions=(event,) if event in ACTIONS else ACTIONS,
        conditions=conditions,
        columns=_columns(params.get("select")),
        described=_describe(params, event if event in ACTIONS else WILDCARD),
    )
    if wish.columns and WILDCARD in (wish.schema, wish.table):
        raise SubscriptionError(
            "Error parsing `select` params: select needs one table, not a wildcard"
        )
    return wish


_NO_PARAMS = (
    "No subscription params provided. Please provide at least a `schema` or `table`"
    " to subscribe to: "
)


def _columns(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise SubscriptionError(
            "Error parsing `select` params: expected a list of column name strings"
        )
    return tuple(name for name in value if isinstance(name, str)) or None


def _show(params: Mapping[str, object]) -> str:
    return orjson.dumps(params).decode()


def _describe(params: Mapping[str, object], event: str) -> str:
    text = params.get("filter")
    filters = f"[{text}]" if text else "[]"
    select = orjson.dumps(params["select"]).decode() if params.get("select") else "nil"
    schema, table = params.get("schema", "public"), params.get("table", WILDCARD)
    return (
        f"[event: {event}, schema: {schema}, table: {table}, filters: {filters}, select: {select}]"
    )


class _Numbered:
    """Distinct values in order of first sight, each with its number."""

    def __init__(self) -> None:
        self.values: list[list[object]] = []
        self._numbers: dict[bytes, int] = {}

    def number(self, value: list[object]) -> int:
        key = orjson.dumps(value)
        if key not in self._numbers:
            self._numbers[key] = len(self.values)
            self.values.append(value)
        return self._numbers[key]

    def json(self) -> str:
        return orjson.dumps(self.values).decode()


def _group(entries: Iterable[Entry]) -> Grouped:
    conditions, viewers, shapes, groups = _Numbered(), _Numbered(), _Numbered(), _Numbered()
    members: list[list[Entry]] = []
    for entry in entries:
        wish = entry.wish
        condition = None
        if wish.conditions:
            condition = conditions.number([one.as_list() for one in wish.conditions])
        viewer = viewers.number([entry.role, entry.claims])
        shape = shapes.number([entry.role, list(wish.columns) if wish.columns else None])
        group = groups.number([condition, viewer, shape])
        if group == len(members):
            members.append([])
        members[group].append(entry)
    return Grouped(conditions.json(), viewers.json(), shapes.json(), groups.json(), members)
