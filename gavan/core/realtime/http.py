"""HTTP endpoints: broadcast without a socket, ping, and the health that tools probe.

The edge only: requests become ``UserBroadcast`` values and go to rooms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope

from gavan.core.realtime.codec import UserBroadcast
from gavan.core.realtime.hub import Hub
from gavan.core.realtime.policies import BROADCAST, Asker, PolicyError
from gavan.core.realtime.rooms import RoomKey
from gavan.core.realtime.tokens import Access, TokenRefused

BATCH_PATH = "/api/broadcast"
JSON_TYPE = "application/json"
BYTES_TYPE = "application/octet-stream"
BLANK = "can't be blank"


class Refused(Exception):
    """A request that ends here with this answer."""

    def __init__(self, status: int, body: Mapping[str, object]) -> None:
        super().__init__(str(status))
        self.response = JSONResponse(dict(body), status_code=status)


@dataclass(frozen=True, slots=True)
class _Outgoing:
    room: RoomKey
    broadcast: UserBroadcast


class Api:
    """Answers everything that is not a websocket."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def respond(self, path: str, scope: Scope, receive: Receive) -> Response:
        """Return the answer to one request."""
        request = Request(scope, receive)
        try:
            response = await self._route(path, request)
        except Refused as refusal:
            response = refusal.response
        rate = self._hub.messages
        response.headers["x-rate-rolling"] = f"{rate.average:.1f}"
        response.headers["x-rate-limit"] = f"{rate.limit:g}"
        response.headers["x-rate-limit-remaining"] = f"{max(rate.limit - rate.average, 0):.1f}"
        return response

    async def _route(self, path: str, request: Request) -> Response:
        match request.method, path:
            case "OPTIONS", _:
                return Response(status_code=204)
            case "GET" | "HEAD", "/api/ping":
                return JSONResponse({"message": "Success"})
            case "GET" | "HEAD", _ if path.startswith("/api/tenants/") and path.endswith("/health"):
                return JSONResponse({"data": await self._health()})
            case "POST", "/api/broadcast" | "/api/broadcast/":
                return await self._batch(request)
            case "POST", _ if path.startswith(f"{BATCH_PATH}/"):
                return await self._single(request)
        raise Refused(404, {"message": "Not found"})

    async def _health(self) -> dict[str, object]:
        lag = await self._hub.lag()
        told = {} if lag is None else {"replication_lag_bytes": lag.bytes, "wal_status": lag.status}
        return {
            "healthy": True,
            "db_connected": True,
            "replication_connected": self._hub.changes.is_streaming,
            "connected_cluster": self._hub.cluster.processes,
            **told,
        }

    async def _batch(self, request: Request) -> Response:
        asker = Asker(self._authorize(request), request.headers)
        self._check_rate()
        outgoing = self._read_batch(_parse(await request.body()))
        allowed: dict[RoomKey, bool] = {}
        for message in sorted(outgoing, key=lambda message: message.room.private):
            room = message.room
            if room not in allowed:
                allowed[room] = await self._may_send(asker, room)
            # A denied topic is passed over in silence.
            if allowed[room]:
                self._hub.relay(room, message.broadcast)
        return Response(status_code=202)

    async def _may_send(self, asker: Asker, room: RoomKey) -> bool:
        if not room.private:
            return True
        try:
            return await self._hub.policies.may_write(asker, room.sub_topic, BROADCAST)
        except PolicyError:
            return False

    async def _single(self, request: Request) -> Response:
        asker = Asker(self._authorize(request), request.headers)
        self._check_rate()
        topic, event = _address(request)
        kind = request.headers.get("content-type", JSON_TYPE).partition(";")[0].strip().lower()
        if kind not in (JSON_TYPE, BYTES_TYPE):
            wanted = f"Use {JSON_TYPE} or {BYTES_TYPE}"
            raise Refused(415, {"error": f"Unsupported Media Type. {wanted}"})
        body = await request.body()
        if kind == JSON_TYPE:
            _parse(body)
        if len(body) > self._hub.limits.broadcast_bytes:
            raise Refused(422, {"errors": {"payload": ["Payload size exceeds tenant limit"]}})
        room = RoomKey(request.query_params.get("private", "").lower() == "true", topic)
        await self._check_policy(asker, room)
        self._hub.relay(room, UserBroadcast(event, body, kind == JSON_TYPE))
        return Response(status_code=202)

    async def _check_policy(self, asker: Asker, room: RoomKey) -> None:
        if not room.private:
            return
        try:
            allowed = await self._hub.policies.may_write(asker, room.sub_topic, BROADCAST)
        except PolicyError as error:
            raise Refused(422, {"message": "RLS policy error"}) from error
        if not allowed:
            raise Refused(403, {"message": "Unauthorized"})

    def _authorize(self, request: Request) -> Access:
        bearer = request.headers.get("authorization", "")
        scheme, _, token = bearer.partition(" ")
        if scheme.lower() != "bearer" or not token:
            token = request.headers.get("apikey") or request.query_params.get("apikey", "")
        try:
            return self._hub.tokens.check(token)
        except TokenRefused as refusal:
            raise Refused(401, {"message": "Unauthorized"}) from refusal

    def _check_rate(self) -> None:
        if self._hub.messages.exceeded:
            raise Refused(429, {"message": "You have exceeded your rate limit"})

    def _read_batch(self, body: object) -> list[_Outgoing]:
        messages = body.get("messages") if isinstance(body, dict) else None
        if not isinstance(messages, list) or not messages:
            raise Refused(422, {"errors": {"messages": [BLANK]}})
        if len(messages) > self._hub.limits.messages_per_s:
            text = "Too many messages to broadcast, please reduce the batch size"
            raise Refused(429, {"message": text})
        errors = [self._faults(message) for message in messages]
        if any(errors):
            raise Refused(422, {"errors": {"messages": errors}})
        return [_outgoing(message) for message in messages]

    def _faults(self, message: object) -> dict[str, list[str]]:
        if not isinstance(message, dict):
            return {"topic": [BLANK], "event": [BLANK], "payload": [BLANK]}
        faults = {}
        for name in ("topic", "event"):
            value = message.get(name)
            if not value:
                faults[name] = [BLANK]
            elif not isinstance(value, str):
                faults[name] = ["is invalid"]
        payload = message.get("payload")
        if payload is None:
            faults["payload"] = [BLANK]
        elif not isinstance(payload, dict):
            faults["payload"] = ["is invalid"]
        elif len(orjson.dumps(payload)) > self._hub.limits.broadcast_bytes:
            faults["payload"] = ["Payload size exceeds tenant limit"]
        return faults


def _parse(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, {"message": "The body is not JSON", "details": str(error)}) from error


def _address(request: Request) -> tuple[str, str]:
    # The topic may hold an encoded slash, which only the raw path still tells from a real one.
    raw = request.scope.get("raw_path") or request.url.path.encode()
    rest = raw.decode("latin-1").partition(f"{BATCH_PATH}/")[2].split("/")
    if len(rest) != 3 or rest[1] != "events" or not rest[0] or not rest[2]:
        raise Refused(404, {"message": "Not found"})
    return unquote(rest[0]), unquote(rest[2])


def _outgoing(message: Mapping[str, object]) -> _Outgoing:
    room = RoomKey(message.get("private") is True, str(message["topic"]))
    metadata = orjson.dumps({"id": message["id"]}) if message.get("id") else b""
    body = orjson.dumps(message["payload"])
    return _Outgoing(room, UserBroadcast(str(message["event"]), body, True, metadata))
