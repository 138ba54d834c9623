"""What the configuration adds: a function before every statement, settings, timing."""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import AsyncIterator

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from gavan.core.rest.timing import PHASES
from tests.conftest import JWT_SECRET, Database
from tests.integration.core.rest.cases import Case, check
from tests.integration.core.rest.conftest import Api, serve, token_of

SCHEMA = """
create table public.item (id int primary key);
insert into public.item values (1), (2);
create schema private;
create function private.guard() returns void language plpgsql as $$
begin
    if current_setting('request.headers')::json ->> 'x-block' is not null then
        raise sqlstate 'PT402' using message = 'pay first', hint = current_user;
    end if;
    if current_setting('request.path') = '/item' then
        perform set_config('response.headers', '[{"x-guard": "seen"}]', true);
    end if;
end $$;
create function public.who() returns text language sql as 'select current_user::text';
create function public.key() returns text language sql as
    $$ select current_setting('app.settings.my_key', true) $$;
grant usage on schema private to anon, authenticated;
grant all on public.item to anon, authenticated;
"""


@pytest.fixture
async def guarded(database: Database) -> AsyncIterator[Api]:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    options = {"db_pre_request": "private.guard", "app_settings_my_key": "s3'cret"}
    async for ready in serve(database, rest=options):
        yield ready


async def test_it_sees_and_refuses_and_adds_headers(guarded: Api) -> None:
    blocked = {"x-block": "1"}
    await check(
        guarded,
        [
            Case(url="/item?select=id", body=[{"id": 1}, {"id": 2}], expect={"x-guard": "seen"}),
            Case(url="/item", headers=blocked, status=402, code="PT402", message="pay first"),
            Case(
                url="/item",
                headers=blocked,
                token=token_of("authenticated"),
                status=402,
                body={
                    "code": "PT402",
                    "message": "pay first",
                    "details": None,
                    "hint": "authenticated",
                },
            ),
            Case(url="/item", method="POST", send={"id": 3}, headers=blocked, status=402),
            Case(url="/item?id=eq.3", prefer="count=planned", status=206, body=[]),
            Case(url="/item", method="POST", send={"id": 4}, status=201),
            Case(url="/rpc/key", body="s3'cret", expect={"x-guard": None}),
        ],
    )


async def test_the_time_of_a_request_is_told_by_phase_when_wanted(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    number = r"\d+\.\d"
    told = re.compile(", ".join(f"{phase};dur={number}" for phase in PHASES))
    async for api in serve(database, rest={"server_timing_enabled": "true"}):
        for method, url in (
            ("GET", "/item"),
            ("GET", "/item"),
            ("POST", "/rpc/key"),
            ("DELETE", "/item?id=eq.1"),
            ("OPTIONS", "/item"),
            ("GET", "/"),
        ):
            answer = await api.ask(method, url)
            assert told.fullmatch(answer.headers["server-timing"]), url
    async for api in serve(database):
        assert "server-timing" not in (await api.get("/item")).headers


PRE_CONFIG = """
create schema conf;
create function conf.pre() returns void language sql as $$
    select set_config('pgrst.db_max_rows', '1', true),
        set_config('pgrst.server_timing_enabled', 'true', true),
        set_config('pgrst.jwt_aud', 'by function', true)
$$;
grant usage on schema conf to authenticator;
"""


async def test_the_database_wins_over_its_function_and_that_over_the_environment(
    database: Database,
) -> None:
    with database.connect("supabase_admin") as connection:
        connection.execute(SCHEMA.encode() + PRE_CONFIG.encode())
        for scope, name, value in (
            ("", "server_trace_header", "x-wide"),
            ("", "jwt_aud", "by role"),
            (f"in database {database.name}", "server_trace_header", "x-near"),
        ):
            connection.execute(f"alter role authenticator {scope} set pgrst.{name} = '{value}'")
    options = {"db_pre_config": "conf.pre", "db_max_rows": "2", "server_trace_header": "x-env"}
    try:
        async for api in serve(database, rest=options):
            answer = await api.get("/item", headers={"x-near": "seen"})
            assert len(answer.json()) == 1
            assert "server-timing" in answer.headers
            assert answer.headers["x-near"] == "seen"
            assert api.service.config.jwt_audience == "by role"
        async for api in serve(database, rest={**options, "db_config": "false"}):
            answer = await api.get("/item")
            assert len(answer.json()) == 2
            assert answer.headers["x-env"] == ""
    finally:
        with database.cluster.connect() as admin:
            admin.execute("alter role authenticator reset pgrst.server_trace_header")
            admin.execute("alter role authenticator reset pgrst.jwt_aud")


async def test_a_configuring_function_that_fails_is_told_and_left_out(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    async for api in serve(database, rest={"db_pre_config": "nowhere.pre", "db_max_rows": "1"}):
        assert len((await api.get("/item")).json()) == 1
    assert "db-pre-config failed" in caplog.text


async def test_types_that_cannot_be_made_are_named_in_full(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    plan = "application/vnd.pgrst.plan"
    begin = "None of these media types are available: "
    async for api in serve(database):
        await check(
            api,
            [
                Case(url="/item", accept=accept, status=406, message=begin + named, code="PGRST107")
                for accept, named in (
                    (plan, f'{plan}+text; for="application/json"'),
                    (
                        f"{plan}+json; for=text/csv; options=analyze|odd|wal",
                        f'{plan}+json; for="text/csv"; options=analyze|wal',
                    ),
                    ("text/xml; charset=utf-8, x/y;a=b", "text/xml, x/y;a=b"),
                )
            ],
        )


async def test_every_answer_repeats_the_trace_header(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    async for api in serve(database, rest={"server_trace_header": "X-Request-Id"}):
        for url in ("/item", "/nowhere", "/item?id=eq.x", "/"):
            for value in ("abc", ""):
                answer = await api.get(url, headers={"X-Request-Id": value} if value else {})
                assert answer.headers["x-request-id"] == value


async def test_errors_are_brief_and_targets_of_aliases_unknown_when_wanted(
    database: Database,
) -> None:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
        connection.execute(
            "create table public.part (id int primary key, item_id int references public.item);"
            "grant all on public.part to anon"
        )
    query = "/item?select=id,parts:part(id)&part.id=eq.1"
    async for api in serve(database, rest={"client_error_verbosity": "minimal"}):
        wanted = "Could not find the table 'public.itemm' in the schema cache"
        assert (await api.get("/itemm")).json() == {"code": "PGRST205", "message": wanted}
        assert (await api.get(query)).status_code == 200
    async for api in serve(database, rest={"url_use_legacy_target_names": "false"}):
        assert (await api.get(query)).json() == {
            "code": "PGRST108",
            "message": "'part' is not an embedded resource in this request",
            "details": "Target names are not allowed in filters if they have an alias",
            "hint": "Change 'part' to 'parts' in filters, orders or limits.",
        }
        assert (await api.get(query.replace("&part.", "&parts."))).status_code == 200


ROOT = """
create domain "application/openapi+json" as json;
create function public.root() returns "application/openapi+json" language sql as
    $$ select json_build_object('swagger', '2.0', 'by', current_user) $$;
"""


async def test_a_function_answers_at_the_root_when_one_is_named(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode() + ROOT.encode())
    openapi = {"content-type": "application/openapi+json; charset=utf-8"}
    plain = {"content-type": "application/json; charset=utf-8"}
    mine = {"swagger": "2.0", "by": "anon"}
    async for api in serve(database, rest={"db_root_spec": "root"}):
        await check(
            api,
            [
                Case(url="/", accept="application/openapi+json", body=mine, expect=openapi),
                Case(url="/", accept="application/json", body=mine, expect=plain),
                Case(url="/", method="POST", send={}, body=mine),
                Case(url="/", method="PUT", send={}, status=405, code="PGRST101"),
                Case(url="/", method="OPTIONS", expect={"allow": "OPTIONS,POST"}),
            ],
        )
    async for api in serve(database, rest={"openapi_security_active": "true"}):
        document = (await api.get("/")).json()
        assert document["security"] == [{"JWT": []}]
        assert document["securityDefinitions"]["JWT"]["in"] == "header"
    async for api in serve(database, rest={"openapi_mode": "disabled", "db_root_spec": "root"}):
        await check(api, [Case(url="/", status=404, code="PGRST126")])


LEVELS = """
create function public.level() returns text language sql stable as
    $$ select current_setting('transaction_isolation') $$;
create function public.strict_level() returns text language sql stable
    set default_transaction_isolation = 'serializable' as
    $$ select current_setting('transaction_isolation') $$;
create function public.setting(name text) returns text language sql stable as
    $$ select current_setting(name) $$;
create function public.hurried() returns text language sql stable
    set statement_timeout = '7s' set work_mem = '6MB' as
    $$ select setting('statement_timeout') || ' ' || setting('work_mem') $$;
create function public.slow() returns int language sql stable set statement_timeout = '50ms' as
    $$ select 1 from pg_sleep(0.4) $$;
grant all on all tables in schema public to anon, authenticated;
"""


async def test_settings_of_roles_and_functions_hold_for_the_transaction(
    database: Database,
) -> None:
    """Global to the server, so each is taken back."""
    settings = {
        "authenticated": {
            "default_transaction_isolation": "'repeatable read'",
            "work_mem": "'5MB'",
            "log_min_duration_sample": "12345",
        }
    }
    roles = [(role, name) for role, found in settings.items() for name in found]
    with database.connect("supabase_admin") as connection:
        connection.execute(LEVELS.encode())
        connection.execute("grant set on parameter log_min_duration_sample to authenticator")
        for role, name in roles:
            connection.execute(f"alter role {role} set {name} = {settings[role][name]}")
    user = token_of("authenticated")
    try:
        async for api in serve(database):
            await check(
                api,
                [
                    Case(url="/rpc/level", body="read committed"),
                    Case(url="/rpc/level", token=user, body="repeatable read"),
                    Case(url="/rpc/strict_level", body="serializable"),
                    Case(url="/rpc/strict_level", token=user, body="serializable"),
                    Case(url="/rpc/setting?name=work_mem", token=user, body="5MB"),
                    Case(
                        url="/rpc/setting?name=log_min_duration_sample",
                        token=user,
                        body="12345ms",
                    ),
                    Case(url="/rpc/hurried", body="7s 6MB"),
                    Case(url="/rpc/slow", status=500, code="57014"),
                ],
            )
        async for api in serve(database, rest={"db_hoisted_tx_settings": "work_mem"}):
            # Set within the function only, a timeout is too late for the statement that calls it.
            await check(api, [Case(url="/rpc/slow", body=1)])
    finally:
        with database.connect("supabase_admin") as connection:
            for role, name in roles:
                connection.execute(f"alter role {role} reset {name}")
            connection.execute("revoke set on parameter log_min_duration_sample from authenticator")


async def test_a_key_set_takes_the_algorithms_of_its_keys_and_no_others(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(SCHEMA.encode())
    curve = ec.generate_private_key(ec.SECP384R1())
    edwards = ed25519.Ed25519PrivateKey.generate()
    public = [
        ECAlgorithm.to_jwk(curve.public_key(), as_dict=True),
        OKPAlgorithm.to_jwk(edwards.public_key(), as_dict=True),
    ]
    claims = {"roles": ["guest", "authenticated"]}
    options = {
        "jwt_secret": json.dumps({"keys": public}),
        "jwt_role_claim_key": "$.roles[?search(@, '^auth')]",
    }
    form = curve.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = base64.urlsafe_b64encode(b'{"alg":"HS384"}').rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
    mac = hmac.digest(form, head + b"." + body, "sha384")
    forged = b".".join((head, body, base64.urlsafe_b64encode(mac).rstrip(b"="))).decode()
    unsigned = b".".join((base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"="), body, b""))
    no_key = "No suitable key or wrong key type"
    no_algorithm = "Wrong or unsupported encoding algorithm"
    async for api in serve(database, rest=options):
        for token in (
            jwt.encode(claims, curve, algorithm="ES384"),
            jwt.encode(claims, edwards, algorithm="EdDSA"),
        ):
            answer = await api.ask("POST", "/rpc/who", body={}, token=token)
            assert answer.json() == "authenticated"
        for bad, message, details in (
            (forged, no_key, "None of the keys was able to decode the JWT"),
            (jwt.encode(claims, JWT_SECRET), no_key, "None of the keys was able to decode the JWT"),
            (
                unsigned.decode(),
                no_algorithm,
                "JWT is unsecured but expected 'alg' was not 'none'",
            ),
        ):
            answer = await api.get("/item", token=bad)
            assert answer.status_code == 401
            assert answer.json() == {
                "code": "PGRST301",
                "message": message,
                "details": details,
                "hint": None,
            }
            assert answer.headers["www-authenticate"] == (
                f'Bearer error="invalid_token", error_description="{message}"'
            )
