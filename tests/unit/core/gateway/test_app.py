"""The front door: mounts, CORS, limits, request ids, defects; services here are tiny but real."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from starlette.types import Message, Receive, Scope, Send

from gavan.core.gateway import exchange
from gavan.core.gateway.access import AccessLog
from gavan.core.gateway.app import Gateway
from gavan.core.gateway.services import Mount
from gavan.core.settings import Settings
from gavan.database.pool import Pool
from gavan.kit.backup_state import BackupState, write_state
from gavan.kit.jwt import Verifier, shared_key, sign
from gavan.kit.keyset import shared_set
from gavan.kit.secret import Secret

SECRET = Secret("a-shared-secret-of-at-least-32-bytes!")
LIMIT = 1000


def settings(**overrides: Any) -> Settings:
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 1,
        "services": ("rest", "auth"),
        "authenticator_url": Secret("postgresql://a@127.0.0.1:1/x"),
        "auth_admin_url": Secret("postgresql://a@127.0.0.1:1/x"),
        "storage_admin_url": Secret("postgresql://a@127.0.0.1:1/x"),
        "realtime_admin_url": Secret("postgresql://a@127.0.0.1:1/x"),
        "admin_url": Secret("postgresql://a@127.0.0.1:1/x"),
        "keys": shared_set(SECRET),
        "anon_key": Secret(sign({"role": "anon"}, SECRET)),
        "service_role_key": Secret(sign({"role": "service_role"}, SECRET)),
        "publishable_key": Secret("sb_publishable_p"),
        "secret_key": Secret("sb_secret_s"),
        "external_url": "http://127.0.0.1:1",
        "site_url": "http://localhost:5173",
        "schemas": ("public",),
        "extra_search_path": ("public",),
        "max_rows": None,
        "pool_size": 1,
        "max_body_bytes": LIMIT,
        "cors_origins": (),
        "log_format": "json",
    }
    return Settings(**(values | overrides))


class Echo:
    """A service that answers with what it was given."""

    def __init__(self) -> None:
        self.is_cancelled = False
        self.is_entered = asyncio.Event()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == "/defect":
            raise RuntimeError("secret-inner-detail")
        if path == "/slow":
            self.is_entered.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.is_cancelled = True
                raise
        size, more = 0, scope["method"] == "POST"
        while more:
            try:
                message = await receive()
            except Exception:
                if path != "/catches":
                    raise
                await send({"type": "http.response.start", "status": 500, "headers": []})
                await send({"type": "http.response.body", "body": b"own words"})
                return
            size += len(message["body"])
            more = message["more_body"]
        claims = (
            scope["gavan.verifier"].verify(scope["gavan.token"]) if scope["gavan.token"] else None
        )
        body = {
            "path": path,
            "raw_path": scope["raw_path"].decode(),
            "root_path": scope["root_path"],
            "role": claims.role if claims else None,
            "size": size,
        }
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})


class Broken(Echo):
    """A service that never starts."""

    async def start(self) -> None:
        raise OSError("no database")


Client = Callable[..., httpx.AsyncClient]


def gateway(log: io.StringIO | None = None, **overrides: Any) -> Gateway:
    chosen = settings(**overrides)
    made = Gateway(
        chosen,
        [Mount("rest", Echo()), Mount("auth", Echo())],
        Verifier([shared_key(SECRET)]),
        Pool(chosen.authenticator_url),
    )
    made._log = AccessLog("json", log or io.StringIO())
    return made


@pytest_asyncio.fixture
async def client_factory() -> AsyncIterator[Client]:
    opened: list[tuple[Gateway, httpx.AsyncClient]] = []
    apps: list[Gateway] = []

    def make(app: Gateway) -> httpx.AsyncClient:
        apps.append(app)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://core")
        opened.append((app, client))
        return client

    yield make
    for app, client in opened:
        await client.aclose()
        await app.stop()


async def started(make: Client, app: Gateway) -> httpx.AsyncClient:
    await app.start()
    return make(app)


@pytest.mark.parametrize(
    ("sent", "path", "raw"),
    [
        ("/rest/v1/card", "/card", "/card"),
        ("/rest/v1", "/", "/"),
        ("/rest/v1/", "/", "/"),
        ("/rest/v1/a/b%2Fc", "/a/b/c", "/a/b%2Fc"),
        ("/graphql/v1", "/rpc/graphql", "/rpc/graphql"),
    ],
)
async def test_a_prefix_is_taken_off(
    client_factory: Client, sent: str, path: str, raw: str
) -> None:
    client = await started(client_factory, gateway())
    got = (await client.get(sent)).json()
    assert (got["path"], got["raw_path"]) == (path, raw)


@pytest.mark.parametrize(
    "path", ["/nothing", "/rest", "/rest/v2/card", "/rest/v1x", "/storage/v1/b"]
)
async def test_an_unknown_path_is_a_json_404(client_factory: Client, path: str) -> None:
    client = await started(client_factory, gateway())
    response = await client.get(path)
    assert response.status_code == 404
    assert response.json()["code"] == "GV711"


@pytest.mark.parametrize(
    ("headers", "role"),
    [
        ({}, None),
        ({"apikey": "sb_publishable_p"}, "anon"),
        ({"apikey": "sb_secret_s", "authorization": "Bearer sb_secret_s"}, "service_role"),
        ({"apikey": "sb_publishable_p", "authorization": "Bearer USER"}, "authenticated"),
    ],
)
async def test_services_get_the_effective_token(
    client_factory: Client, headers: dict[str, str], role: str | None
) -> None:
    client = await started(client_factory, gateway())
    user = sign({"role": "authenticated"}, SECRET)
    sent = {name: value.replace("USER", user) for name, value in headers.items()}
    assert (await client.get("/rest/v1/x", headers=sent)).json()["role"] == role


async def test_a_browser_may_ask_for_any_header(client_factory: Client) -> None:
    client = await started(client_factory, gateway())
    response = await client.options(
        "/rest/v1/card",
        headers={
            "origin": "http://localhost:5173",
            "access-control-request-method": "POST",
            "access-control-request-headers": "apikey,x-client-info,x-retry-count",
        },
    )
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "*"
    allowed = response.headers["access-control-allow-headers"]
    assert "apikey, x-client-info, x-retry-count" in allowed
    assert "PATCH" in response.headers["access-control-allow-methods"]


async def test_options_without_a_browser_goes_to_the_service(client_factory: Client) -> None:
    client = await started(client_factory, gateway())
    assert (await client.options("/rest/v1/card")).json()["path"] == "/card"


async def test_configured_origins_are_the_only_ones_that_may_read(client_factory: Client) -> None:
    client = await started(client_factory, gateway(cors_origins=("https://a.example",)))
    allowed = await client.get("/rest/v1/x", headers={"origin": "https://a.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://a.example"
    assert allowed.headers["access-control-allow-credentials"] == "true"
    other = await client.get("/rest/v1/x", headers={"origin": "https://b.example"})
    assert other.status_code == 200
    assert "access-control-allow-origin" not in other.headers


async def test_errors_can_be_read_by_a_browser_too(client_factory: Client) -> None:
    client = await started(client_factory, gateway())
    response = await client.get("/rest/v1/defect", headers={"origin": "http://x"})
    assert response.headers["access-control-allow-origin"] == "*"


async def test_a_defect_shows_nothing_of_its_inside(
    client_factory: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client = await started(client_factory, gateway())
    with caplog.at_level(logging.ERROR):
        response = await client.get("/rest/v1/defect")
    assert response.status_code == 500
    assert "secret-inner-detail" not in response.text
    assert "Traceback" not in response.text
    assert "secret-inner-detail" in caplog.text
    assert (await client.get("/rest/v1/x")).status_code == 200


async def test_a_body_over_the_limit_is_refused(client_factory: Client) -> None:
    client = await started(client_factory, gateway())
    assert (await client.post("/rest/v1/x", content=b"x" * LIMIT)).json()["size"] == LIMIT
    declared = await client.post("/rest/v1/x", content=b"x" * (LIMIT + 1))

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 100

    streamed = await client.post("/rest/v1/x", content=chunks())
    caught = await client.post("/rest/v1/catches", content=chunks())
    for response in (declared, streamed, caught):
        assert response.status_code == 413
        assert response.json()["code"] == "GV710"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("abc-1.2_3", True), ("a b", False), ("x" * 129, False), ('"},{"', False), ("é", False)],
)
async def test_a_sane_request_id_is_kept(client_factory: Client, sent: str, kept: bool) -> None:
    client = await started(client_factory, gateway())
    response = await client.get("/rest/v1/x", headers={b"x-request-id": sent.encode()})
    assert (response.headers["x-request-id"] == sent) is kept


async def test_each_request_is_one_log_line_without_the_query(client_factory: Client) -> None:
    log = io.StringIO()
    app = gateway(log)
    client = await started(client_factory, app)
    await client.get("/rest/v1/card?apikey=sb_secret_s", headers={"x-request-id": "r1"})
    await client.get("/rest/v1/a%0Ab")
    app._log.flush()
    first, second = (json.loads(line) for line in log.getvalue().splitlines())
    assert first["request_id"] == "r1"
    assert (first["method"], first["path"], first["status"]) == ("GET", "/rest/v1/card", 200)
    assert first["service"] == "rest"
    assert "sb_secret" not in log.getvalue()
    assert second["path"] == "/rest/v1/a\nb"


async def test_a_probe_that_goes_well_is_not_logged(client_factory: Client) -> None:
    log = io.StringIO()
    app = gateway(log)
    client = await started(client_factory, app)
    await client.get("/health")
    await client.get("/nothing")
    app._log.flush()
    assert [json.loads(line)["path"] for line in log.getvalue().splitlines()] == ["/nothing"]


async def test_a_line_for_people_says_things_once(client_factory: Client) -> None:
    log = io.StringIO()
    app = gateway()
    app._log = AccessLog("text", log)
    client = await started(client_factory, app)
    await client.get("/rest/v1/card", headers={"x-request-id": "r1"})
    app._log.flush()
    assert log.getvalue().count("/rest/v1/card") == 1
    assert "request_id=r1" in log.getvalue()


async def test_a_service_that_cannot_start_does_not_stop_the_others(
    client_factory: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gavan.core.gateway.app.START_WAIT_S", 0.01)
    chosen = settings()
    app = Gateway(
        chosen,
        [Mount("rest", Broken()), Mount("auth", Echo())],
        Verifier([shared_key(SECRET)]),
        Pool(chosen.authenticator_url),
    )
    app._log = AccessLog("json", io.StringIO())
    client = await started(client_factory, app)
    down = await client.get("/rest/v1/x")
    assert (down.status_code, down.headers["retry-after"]) == (503, "1")
    assert (await client.get("/auth/v1/x")).status_code == 200
    assert (await client.get("/health")).json()["status"] == "starting"
    assert (await client.get("/health/ready")).status_code == 503
    assert (await client.head("/rest-admin/v1/ready")).status_code == 503


async def test_health_and_readiness_answer_200(client_factory: Client) -> None:
    client = await started(client_factory, gateway())
    for path in ("/", "/health", "/health/ready", "/rest-admin/v1/ready", "/rest-admin/v1/live"):
        assert (await client.get(path)).status_code == 200, path


async def test_health_says_how_old_the_newest_backup_is(
    client_factory: Client, tmp_path: Path
) -> None:
    """Trap 37: an off-site key that expired three days ago is seen in /health."""
    without = await started(client_factory, gateway())
    assert "backup" not in (await without.get("/health")).json()
    file = tmp_path / "backup.json"
    client = await started(client_factory, gateway(backup_state=file))
    assert (await client.get("/health")).json()["degraded"] == ["backup"]
    moment = datetime.now(UTC) - timedelta(days=3)
    write_state(file, BackupState(state="partial", last_ok_at=moment, max_age_s=93600.0))
    answer = await client.get("/health")
    said = answer.json()["backup"]
    assert (answer.status_code, said["state"]) == (200, "partial")
    assert 3 * 86400 <= said["age_s"] < 3 * 86400 + 600
    write_state(file, BackupState(state="ok", last_ok_at=moment, max_age_s=1e6))
    assert (await client.get("/health")).json()["degraded"] == []


async def test_a_client_that_leaves_cancels_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "WATCH_AFTER_S", 0.01)
    echo, chosen = Echo(), settings()
    app = Gateway(chosen, [Mount("rest", echo)], Verifier([shared_key(SECRET)]), Pool(Secret("")))
    log = io.StringIO()
    app._log = AccessLog("json", log)
    await app.start()
    sent: list[Message] = []
    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": "/rest/v1/slow",
        "raw_path": b"/rest/v1/slow",
        "query_string": b"",
        "headers": [],
    }

    async def receive() -> Message:
        await echo.is_entered.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert echo.is_cancelled
    assert sent == []
    await app.stop()
    assert json.loads(log.getvalue())["status"] == 499
