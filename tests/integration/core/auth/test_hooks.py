"""Hooks of both transports against a real Postgres and a real HTTP server, and how they refuse."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
import pytest_asyncio

from gavan.core.auth.config.hooks import HookConfig, hook_of
from gavan.core.auth.errors import AuthError
from gavan.core.auth.hooks import http as http_hooks
from gavan.core.auth.hooks.hooks import Hooks
from gavan.core.auth.store import Store
from gavan.kit.outbound import Outbound, PublicOnly
from gavan.kit.secret import Secret
from tests.conftest import Database
from tests.local_http import Heard, Reply, local_server
from tests.ports import free_port

KEY = base64.b64encode(b"k" * 24).decode()
OTHER = base64.b64encode(b"o" * 24).decode()
USER = UUID("00000000-0000-0000-0000-000000000001")
CLAIMS: dict[str, Any] = {
    "aud": "authenticated",
    "exp": 2,
    "iat": 1,
    "sub": str(USER),
    "email": "",
    "phone": "",
    "role": "authenticated",
    "aal": "aal1",
    "session_id": str(USER),
    "is_anonymous": False,
    "user_metadata": {"a": 1},
}
JSON = {"content-type": "application/json"}
REFUSAL = b'{"error": {"http_code": 429, "message": "not so fast"}}'


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    """The pool of the service, which logs in as supabase_auth_admin."""
    made = Store(Secret(database.url("supabase_auth_admin")))
    await made.open()
    yield made
    await made.close()


def function(database: Database, body: str, name: str = "hook", *, grant: bool = True) -> None:
    """Make a function of the user's that the service may run."""
    with database.connect() as connection:
        connection.execute(
            f"create function public.{name}(event jsonb) returns jsonb"
            f" language plpgsql as $$ begin {body} end $$".encode()
        )
        connection.execute(f"revoke execute on function public.{name} from public".encode())
        if grant:
            connection.execute("grant usage on schema public to supabase_auth_admin")
            connection.execute(
                f"grant execute on function public.{name} to supabase_auth_admin".encode()
            )


def of_postgres(store: Store, hook: str, name: str = "hook") -> Hooks:
    return Hooks({hook: hook_of(hook, f"pg-functions://postgres/public/{name}", "")}, store)


async def refused(hooks: Hooks, name: str, payload: dict[str, Any] | None = None) -> AuthError:
    with pytest.raises(AuthError) as caught:
        await hooks.call(name, payload or {})
    return caught.value


async def test_a_hook_that_is_not_configured_is_not_asked(store: Store) -> None:
    hooks = Hooks({}, store)
    assert await hooks.call("send_sms", {}) is None
    assert await hooks.password_attempt(USER, valid=False) is None
    async with store.transaction() as connection:
        assert await hooks.custom_access_token(connection, USER, CLAIMS, "password") is CLAIMS


async def test_a_function_is_told_and_answers(database: Database, store: Store) -> None:
    function(database, "return jsonb_build_object('heard', event);")
    hooks = of_postgres(store, "send_sms")
    answer = await hooks.call("send_sms", {"sms": {"otp": "1"}})
    assert answer is not None
    heard = answer["heard"]
    assert heard["sms"] == {"otp": "1"}
    assert heard["metadata"]["name"] == "send-sms"
    assert UUID(heard["metadata"]["uuid"]).version == 4
    assert heard["metadata"]["time"].endswith("Z")


async def test_a_function_runs_in_the_callers_transaction(database: Database, store: Store) -> None:
    """What it wrote goes when the caller's transaction is undone."""
    with database.connect() as connection:
        connection.execute("create table public.told(at xid8)")
        connection.execute("grant insert on public.told to supabase_auth_admin")
    function(database, "insert into public.told values (pg_current_xact_id()); return '{}';")
    hooks = of_postgres(store, "send_email")
    with pytest.raises(RuntimeError):
        async with store.transaction() as connection:
            await hooks.call("send_email", {}, connection)
            cursor = await connection.execute(
                "select current_setting('statement_timeout') as value"
            )
            row = await cursor.fetchone()
            assert row is not None
            assert row["value"] == "0"
            raise RuntimeError
    with database.connect() as connection:
        assert connection.execute("select count(*) from public.told").fetchone() == (0,)


async def test_a_refusal_keeps_its_status_and_words(database: Database, store: Store) -> None:
    function(
        database,
        'return \'{"error": {"http_code": 403, "message": "not on the list"}}\'::jsonb;',
    )
    error = await refused(of_postgres(store, "before_user_created"), "before_user_created")
    assert (error.status, error.message) == (403, "not on the list")


@pytest.mark.parametrize("status", ["200", "99", "600", "true", '"403"', "null"])
async def test_a_refusal_without_a_status_of_its_own_is_a_failure(
    database: Database, store: Store, status: str
) -> None:
    function(
        database,
        f'return \'{{"error": {{"http_code": {status}, "message": "no"}}}}\'::jsonb;',
    )
    error = await refused(of_postgres(store, "before_user_created"), "before_user_created")
    assert (error.status, error.code, error.message) == (500, "unexpected_failure", "no")


@pytest.mark.parametrize(
    "body",
    ["perform pg_sleep(30); return '{}';", "raise 'no';", "return '1'::jsonb;"],
    ids=["slow", "raises", "no object"],
)
async def test_a_function_that_fails_does_not_let_pass(
    database: Database, store: Store, body: str
) -> None:
    function(database, body)
    began = time.monotonic()
    error = await refused(of_postgres(store, "before_user_created"), "before_user_created")
    assert (error.status, error.code) == (500, "unexpected_failure")
    assert time.monotonic() - began < 25


async def test_a_function_that_was_not_granted_is_not_run(database: Database, store: Store) -> None:
    function(database, "return '{}';", grant=False)
    error = await refused(of_postgres(store, "send_sms"), "send_sms")
    assert error.status == 500
    assert "pg-functions://postgres/public/hook" in error.message


async def test_the_name_of_a_function_is_a_name(database: Database, store: Store) -> None:
    """SQL injection through the address, had the configuration let it pass."""
    evil = HookConfig(name="send_sms", function=("public", 'x"(null); drop schema auth; --'))
    error = await refused(Hooks({"send_sms": evil}, store), "send_sms")
    assert error.status == 500
    with database.connect("supabase_admin") as connection:
        assert connection.execute("select to_regclass('auth.users') is not null").fetchone() == (
            True,
        )


async def custom(database: Database, store: Store, body: str) -> dict[str, Any]:
    function(database, body)
    hooks = of_postgres(store, "custom_access_token")
    async with store.transaction() as connection:
        return await hooks.custom_access_token(connection, USER, CLAIMS, "password")


async def test_claims_may_be_added_and_dropped(database: Database, store: Store) -> None:
    """Trap 58: a token without user_metadata is one, and amr may be texts."""
    claims = await custom(
        database,
        store,
        "return jsonb_build_object('claims', (event->'claims') - 'user_metadata'"
        " || jsonb_build_object('plan', 'pro', 'amr', '[\"password\"]'::jsonb,"
        " 'method', event->>'authentication_method', 'user', event->>'user_id'));",
    )
    assert "user_metadata" not in claims
    assert (claims["plan"], claims["amr"]) == ("pro", ["password"])
    assert (claims["method"], claims["user"]) == ("password", str(USER))


@pytest.mark.parametrize("claim", ["role", "aud", "exp", "sub", "session_id", "is_anonymous"])
async def test_a_token_without_what_it_needs_is_not_signed(
    database: Database, store: Store, claim: str
) -> None:
    """Trap 58: 500, the claim is named."""
    with pytest.raises(AuthError) as caught:
        await custom(
            database, store, f"return jsonb_build_object('claims', (event->'claims') - '{claim}');"
        )
    assert caught.value.status == 500
    assert "output claims do not conform to the expected schema" in caught.value.message
    assert claim in caught.value.message


@pytest.mark.parametrize("changed", ["'exp', '\"2\"'", "'role', '1'", "'app_metadata', '[]'"])
async def test_a_claim_of_another_type_is_not_signed(
    database: Database, store: Store, changed: str
) -> None:
    with pytest.raises(AuthError, match="expected schema"):
        await custom(
            database,
            store,
            f"return jsonb_build_object('claims', event->'claims' || jsonb_build_object({changed}"
            "::jsonb));",
        )


async def test_an_answer_without_claims_is_no_token(database: Database, store: Store) -> None:
    with pytest.raises(AuthError, match="output claims field is missing"):
        await custom(database, store, "return '{}';")


async def test_an_attempt_can_be_rejected_and_sign_out(database: Database, store: Store) -> None:
    function(
        database,
        "return case when (event->>'valid')::boolean then '{\"decision\": \"continue\"}'::jsonb"
        ' else \'{"decision": "reject", "message": "", "should_logout_user": true}\' end;',
    )
    hooks = of_postgres(store, "password_verification_attempt")
    assert await hooks.password_attempt(USER, valid=True) is None
    rejected = await hooks.password_attempt(USER, valid=False)
    assert rejected is not None
    assert rejected.logs_out
    assert rejected.message == "Further password verification attempts will be rejected."
    factors = of_postgres(store, "mfa_verification_attempt")
    rejected = await factors.mfa_attempt(USER, uuid4(), "totp", valid=False)
    assert rejected is not None
    assert rejected.logs_out
    assert rejected.message == "Further MFA verification attempts will be rejected."


def over_http(store: Store, url: str, secrets: str = "", pause_s: float = 0.0) -> Hooks:
    made = Hooks({"send_email": hook_of("send_email", url, secrets)}, store)
    made._http = http_hooks.HttpHooks(made._outbound, pause_s)
    return made


async def test_a_request_is_signed_by_every_key(store: Store) -> None:
    with local_server(lambda _heard: Reply(headers=JSON, body=b"{}")) as server:
        hooks = over_http(store, f"{server.url}/mail", f"v1,whsec_{KEY}|v1,whsec_{OTHER}")
        assert await hooks.call("send_email", {"user": {"id": "1"}}) == {}
        await hooks.close()
    (heard,) = server.heard
    headers = heard.headers
    assert (heard.method, heard.path) == ("POST", "/mail")
    assert headers["content-type"] == "application/json"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + heard.body
    expected = [
        "v1," + base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()
        for key in (b"k" * 24, b"o" * 24)
    ]
    assert headers["webhook-signature"] == ", ".join(expected)
    assert orjson.loads(heard.body)["user"] == {"id": "1"}


def test_a_signature_is_the_one_of_the_specification() -> None:
    """The example that github.com/standard-webhooks/standard-webhooks gives in its tests."""
    made = http_hooks.signatures(
        [Secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (Reply(status=400), 500, "unexpected_failure"),
        (Reply(status=401), 500, "unexpected_failure"),
        (Reply(status=302, headers={"location": "/x"}), 500, "unexpected_failure"),
        (Reply(status=503), 500, "unexpected_failure"),
        (Reply(body=b"{}"), 400, "hook_payload_invalid_content_type"),
        (
            Reply(headers={"content-type": "text/html"}, body=b"{}"),
            400,
            "hook_payload_invalid_content_type",
        ),
        (Reply(headers=JSON, body=b"{"), 500, "unexpected_failure"),
        (Reply(headers=JSON, body=b"x" * 204801), 422, "hook_payload_over_size_limit"),
        (
            Reply(headers=JSON, body=b'{"error": {"http_code": 429, "message": "m"}}'),
            429,
            "unknown",
        ),
    ],
)
async def test_an_endpoint_that_does_not_agree_does_not_let_pass(
    store: Store, reply: Reply, status: int, code: str
) -> None:
    with local_server(lambda _heard: reply) as server:
        hooks = over_http(store, server.url)
        error = await refused(hooks, "send_email")
        await hooks.close()
    assert (error.status, error.code) == (status, code)
    assert len(server.heard) == 1


@pytest.mark.parametrize("reply", [Reply(status=204), Reply(status=202, headers=JSON, body=b"{}")])
async def test_an_endpoint_may_say_little(store: Store, reply: Reply) -> None:
    with local_server(lambda _heard: reply) as server:
        hooks = over_http(store, server.url)
        assert await hooks.call("send_email", {}) == {}
        await hooks.close()


async def test_an_endpoint_that_is_busy_is_asked_three_times(store: Store) -> None:
    busy = Reply(status=503, headers={"retry-after": "true"})
    with local_server(lambda _heard: busy) as server:
        hooks = over_http(store, server.url)
        error = await refused(hooks, "send_email")
        await hooks.close()
    assert (error.status, len(server.heard)) == (500, 3)
    assert len({heard.headers["webhook-id"] for heard in server.heard}) == 3


async def test_an_endpoint_that_recovers_is_heard(store: Store) -> None:
    replies = [
        Reply(status=429, headers={"retry-after": "1"}),
        Reply(headers=JSON, body=b'{"ok": true}'),
    ]
    with local_server(lambda _heard: replies.pop(0)) as server:
        hooks = over_http(store, server.url)
        assert await hooks.call("send_email", {}) == {"ok": True}
        await hooks.close()


async def test_an_endpoint_that_is_not_there_is_given_up(store: Store) -> None:
    hooks = over_http(store, f"http://127.0.0.1:{free_port()}/")
    error = await refused(hooks, "send_email")
    await hooks.close()
    assert (error.status, error.code) == (422, "hook_timeout_after_retry")


async def test_an_endpoint_that_is_slow_is_given_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_hooks, "TIMEOUT_S", 0.2)

    def answer(_heard: Heard) -> Reply:
        time.sleep(0.6)
        return Reply(headers=JSON, body=b"{}")

    with local_server(answer) as server:
        hooks = over_http(store, server.url)
        error = await refused(hooks, "send_email")
        await hooks.close()
    assert (error.status, error.code) == (422, "hook_timeout")


async def test_an_endpoint_inside_the_network_is_not_called(store: Store) -> None:
    """SSRF: a public name that leads to a private address."""

    async def look_up(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    hook = hook_of("send_email", "https://hooks.example.com/", "")
    with local_server(lambda _heard: Reply()) as server:
        hooks = Hooks({"send_email": hook}, store, Outbound(PublicOnly((), look_up)))
        hooks._http = http_hooks.HttpHooks(hooks._outbound, 0)
        error = await refused(hooks, "send_email")
        await hooks.close()
        assert server.heard == []
    assert error.code == "hook_timeout_after_retry"
