"""Stage 1: HTTP in, ApiRequest out. The only stage that reads the ASGI scope.

Checks in the order of the contract: path, schema, method, query string, ranges; the body comes
after them and is read by the handler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from gavan.core.rest.config import RestConfig
from gavan.core.rest.errors import (
    invalid_path,
    method_not_allowed,
    no_root,
    put_with_range,
    rpc_method_not_allowed,
    unknown_schema,
)
from gavan.core.rest.parse.accept import ANY, JSON, MediaType, parse_accept, parse_content_type
from gavan.core.rest.parse.model import ALL_ROWS, QueryParams, RowRange
from gavan.core.rest.parse.prefer import NO_PREFERENCES, Preferences, parse_prefer
from gavan.core.rest.parse.query import parse_query
from gavan.core.rest.parse.ranges import root_range

Scope = MutableMapping[str, Any]


class Action(StrEnum):
    """What a request wants done."""

    READ = "read"
    INSERT = "insert"
    UPDATE = "update"
    UPSERT = "upsert"
    DELETE = "delete"
    CALL = "call"
    ROOT = "root"
    INFO = "info"


RELATION_ACTIONS = {
    "GET": Action.READ,
    "HEAD": Action.READ,
    "POST": Action.INSERT,
    "PUT": Action.UPSERT,
    "PATCH": Action.UPDATE,
    "DELETE": Action.DELETE,
    "OPTIONS": Action.INFO,
}
CALL_ACTIONS = {
    "GET": Action.CALL,
    "HEAD": Action.CALL,
    "POST": Action.CALL,
    "OPTIONS": Action.INFO,
}
ROOT_ACTIONS = {"GET": Action.ROOT, "HEAD": Action.ROOT, "OPTIONS": Action.INFO}
READING = frozenset({"GET", "HEAD", "OPTIONS"})
WITH_BODY = frozenset({Action.INSERT, Action.UPDATE, Action.UPSERT})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A request as later stages see it; the body travels beside it."""

    action: Action
    method: str
    path: str
    target: str
    """Name of the relation or function; empty for the root"""
    is_routine: bool
    schema: str
    named_schema: bool
    """Whether the client named the schema by a profile header"""
    params: QueryParams
    range: RowRange
    prefer: Preferences
    accept: tuple[MediaType, ...]
    content_type: MediaType

    @property
    def is_call_read(self) -> bool:
        """A function called by GET or HEAD: named text arguments, READ ONLY."""
        return self.action is Action.CALL and self.method != "POST"

    @property
    def has_body(self) -> bool:
        """Whether the body matters."""
        return self.action in WITH_BODY or (self.action is Action.CALL and self.method == "POST")


class Headers:
    """Lower-case names; repeated headers are joined by a comma, cookies are kept apart."""

    __slots__ = ("cookies", "single")

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self.single: dict[str, str] = {}
        self.cookies: list[str] = []
        for name, value in raw:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            if key == "cookie":
                self.cookies.append(text)
            elif key in self.single:
                self.single[key] = f"{self.single[key]}, {text}"
            else:
                self.single[key] = text

    def as_json(self) -> str:
        """Return all but the cookies as a JSON object."""
        return orjson.dumps(self.single).decode()

    def cookies_json(self) -> str:
        """Return the cookies as a JSON object."""
        if not self.cookies:
            return "{}"
        found = {}
        for part in ";".join(self.cookies).split(";"):
            name, equals, value = part.strip().partition("=")
            if equals:
                found[name] = value
        return orjson.dumps(found).decode()


def read_request(scope: Scope, headers: Headers, config: RestConfig) -> ApiRequest:
    """Return the request of an ASGI scope; raise the RestError of the first failing check."""
    method: str = scope["method"]
    path: str = scope["path"] or "/"
    target, is_routine = _resource(path)
    if not target:
        if config.openapi_mode == "disabled":
            raise no_root()
        if config.root_spec is not None:
            target, is_routine = config.root_spec, True
    schema, named = _schema(method, headers.single, config)
    action = _action(method, target, is_routine)
    params = parse_query(
        scope["query_string"],
        is_call_read=action is Action.CALL and method != "POST",
    )
    prefer = headers.single.get("prefer")
    return ApiRequest(
        action=action,
        method=method,
        path=path,
        target=target,
        is_routine=is_routine,
        schema=schema,
        named_schema=named,
        params=params,
        range=_range(method, action, params, headers.single.get("range")),
        prefer=parse_prefer((prefer,)) if prefer else NO_PREFERENCES,
        accept=_accept(headers.single.get("accept")),
        content_type=_content_type(headers.single.get("content-type")),
    )


def _resource(path: str) -> tuple[str, bool]:
    parts = path.split("/")
    if len(parts) == 2:
        return parts[1], False
    if len(parts) == 3 and parts[1] == "rpc" and parts[2]:
        return parts[2], True
    raise invalid_path()


def _schema(method: str, headers: Mapping[str, str], config: RestConfig) -> tuple[str, bool]:
    profile = headers.get("accept-profile" if method in READING else "content-profile")
    if profile is None:
        return config.schemas[0], False
    if profile not in config.schemas:
        raise unknown_schema(profile, config.schemas)
    return profile, True


def _action(method: str, target: str, is_routine: bool) -> Action:
    table = CALL_ACTIONS if is_routine else RELATION_ACTIONS if target else ROOT_ACTIONS
    action = table.get(method)
    if action is None:
        raise rpc_method_not_allowed(method) if is_routine else method_not_allowed(method)
    return action


def _range(method: str, action: Action, params: QueryParams, header: str | None) -> RowRange:
    asked = params.ranges.get((), ALL_ROWS)
    if action is Action.UPSERT and asked != ALL_ROWS:
        raise put_with_range()
    return root_range(asked, header if method == "GET" else None)


def _accept(value: str | None) -> tuple[MediaType, ...]:
    return parse_accept(value) if value else (ANY,)


def _content_type(value: str | None) -> MediaType:
    return parse_content_type(value) if value else JSON
