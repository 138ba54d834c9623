"""Broadcast over HTTP, ping and health, through the real server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from asyncio import to_thread
from typing import Any

import pytest

from tests.integration.core.realtime.wire import ANON, DEADLINE_S, Server, token

GOOD = {"topic": "a", "event": "e", "payload": {}}
TOPIC = "realtime:a/b комната"
PATH = "/api/broadcast/a%2Fb%20%D0%BA%D0%BE%D0%BC%D0%BD%D0%B0%D1%82%D0%B0/events/news?vsn=2.0.0"


def _request(
    url: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, bytes, dict[str, str]]:
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as response:
            return response.status, response.read(), dict(response.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)


async def post(
    server: Server, path: str, body: object, *, kind: str = "application/json", key: str = ANON
) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": kind, "authorization": f"Bearer {key}"}
    status, answer, _ = await to_thread(_request, server.http_url + path, data, headers)
    return status, json.loads(answer) if answer else None


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
async def test_a_batch_reaches_its_public_rooms(server: Server, vsn: str) -> None:
    client = await server.client(vsn)
    await client.join(TOPIC)
    message = {"topic": "a/b комната", "event": "e", "payload": {"x": 1}, "id": "42"}
    assert await post(server, "/api/broadcast?apikey=x", {"messages": [message]}) == (202, None)
    got = await client.expect("broadcast")
    assert got.payload == {
        "type": "broadcast", "event": "e", "payload": {"x": 1}, "meta": {"id": "42"}
    }  # fmt: skip


async def test_a_single_message_is_addressed_by_its_encoded_path(server: Server) -> None:
    client = await server.client()
    await client.join(TOPIC)
    assert await post(server, PATH, [1, "two"]) == (202, None)
    assert (await client.expect("broadcast")).payload["payload"] == [1, "two"]
    assert await post(server, PATH, b"\xff\x00", kind="application/octet-stream") == (202, None)
    assert (await client.expect("broadcast")).payload["payload"] == b"\xff\x00"


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        ({}, 422, {"errors": {"messages": ["can't be blank"]}}),
        (
            {"messages": [{"topic": "a", "event": "e"}, {**GOOD, "id": "1"}]},
            422,
            {"errors": {"messages": [{"payload": ["can't be blank"]}, {}]}},
        ),
        (
            {"messages": [{"topic": 1, "event": "", "payload": []}]},
            422,
            {
                "errors": {
                    "messages": [
                        {"topic": ["is invalid"], "event": ["can't be blank"],
                         "payload": ["is invalid"]}
                    ]
                }
            },
        ),
    ],
)  # fmt: skip
async def test_an_invalid_batch_is_refused_whole(
    server: Server, body: object, status: int, answer: object
) -> None:
    assert await post(server, "/api/broadcast", body) == (status, answer)


async def test_a_body_that_is_not_json_is_refused(server: Server) -> None:
    assert (await post(server, "/api/broadcast", b"{"))[0] == 400
    assert (await post(server, PATH, b"{"))[0] == 400
    status, answer = await post(server, PATH, b"<a/>", kind="text/xml")
    assert (status, "Unsupported Media Type" in answer["error"]) == (415, True)


@pytest.mark.parametrize("key", ["", "nonsense", token(expires_in_s=-100)])
async def test_without_a_good_token_nothing_is_sent(server: Server, key: str) -> None:
    expected = (401, {"message": "Unauthorized"})
    assert await post(server, "/api/broadcast", {"messages": []}, key=key) == expected


@pytest.mark.parametrize("path", ["/", "/api/broadcast/a/events", "/api/broadcast//events/e"])
async def test_other_paths_are_not_found(server: Server, path: str) -> None:
    assert (await post(server, path, {}))[0] == 404


async def test_ping_and_health_answer_with_rate_headers(server: Server) -> None:
    status, body, headers = await to_thread(_request, f"{server.http_url}/api/ping", None, {})
    assert (status, json.loads(body)) == (200, {"message": "Success"})
    assert set(headers) >= {"x-rate-rolling", "x-rate-limit", "x-rate-limit-remaining"}
    url = f"{server.http_url}/api/tenants/realtime-dev/health"
    status, body, _ = await to_thread(_request, url, None, {})
    assert status == 200
    assert json.loads(body)["data"]["healthy"] is True
