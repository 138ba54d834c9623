"""Old rows go, young ones and those somebody holds stay, and no request waits for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from gavan.core.auth.clean_up import PAUSE_S, CleanUp, statements_of
from gavan.core.auth.config.auth import AuthConfig, read_config
from gavan.core.auth.store import Store
from tests.conftest import Database

LIMITED = {
    "GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED": "true",
    "GOTRUE_DB_CLEANUP_ENABLED": "true",
    "GOTRUE_SESSIONS_TIMEBOX": "24h",
    "GOTRUE_SESSIONS_INACTIVITY_TIMEOUT": "1h",
}
# Two of each: one that is due and one that is not yet; {age} is the first one's and the second's.
ROWS = """
insert into auth.users (id, is_anonymous, created_at) values
    ('00000000-0000-0000-0000-00000000000{n}', true, now() - interval '{anonymous}');
insert into auth.sessions (id, user_id, created_at, not_after) values
    ('10000000-0000-0000-0000-00000000000{n}', '00000000-0000-0000-0000-000000000009',
     now(), now() - interval '{ended}');
insert into auth.refresh_tokens (token, user_id, revoked, updated_at, session_id) values
    ('revoked{n}', '', true, now() - interval '{day}', null);
insert into auth.flow_state (id, provider_type, authentication_method, created_at) values
    (gen_random_uuid(), 'email', 'otp', now() - interval '{day}');
insert into auth.oauth_client_states (id, provider_type, created_at) values
    (gen_random_uuid(), 'github', now() - interval '{day}');
insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at) values
    ('20000000-0000-0000-0000-00000000000{n}', '00000000-0000-0000-0000-000000000009', 'totp',
     'unverified', now() - interval '{day}', now());
insert into auth.webauthn_challenges (challenge_type, session_data, expires_at) values
    ('authentication', '{{}}', now() - interval '{over}');
"""
OLD = {"anonymous": "31 days", "ended": "73 hours", "day": "25 hours", "over": "1 minute"}
YOUNG = {"anonymous": "29 days", "ended": "71 hours", "day": "23 hours", "over": "-1 minute"}
TABLES = (
    *("users", "sessions", "refresh_tokens", "flow_state", "oauth_client_states"),
    *("mfa_factors", "webauthn_challenges"),
)


def config_of(database: Database, environment: dict[str, str]) -> AuthConfig:
    return read_config(database.settings(), environment)


@pytest_asyncio.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    made = Store(database.settings().auth_admin_url)
    await made.open()
    yield made
    await made.close()


async def test_old_rows_go_and_young_ones_stay(database: Database, store: Store) -> None:
    with database.connect("supabase_admin") as connection:
        connection.execute(
            "insert into auth.users (id) values ('00000000-0000-0000-0000-000000000009')"
        )
        connection.execute(ROWS.format(n=1, **OLD).encode())
        connection.execute(ROWS.format(n=2, **YOUNG).encode())
    config = config_of(database, LIMITED)
    clean_up = CleanUp(config, store)
    gone = [await clean_up.run_next() for _ in statements_of(config)]
    assert sum(gone) == len(TABLES)
    with database.connect("supabase_admin") as connection:
        left = {
            table: connection.execute(f"select count(*) from auth.{table}").fetchone()
            for table in TABLES
        }
    assert left == {table: (1,) for table in TABLES} | {"users": (2,)}
    assert [await clean_up.run_next() for _ in statements_of(config)] == [0] * len(gone)


async def test_sessions_past_their_limits_go_a_day_later(database: Database, store: Store) -> None:
    with database.connect("supabase_admin") as connection:
        connection.execute(
            "insert into auth.users (id) values ('00000000-0000-0000-0000-000000000009')"
        )
        connection.execute(
            "insert into auth.sessions (id, user_id, created_at, refreshed_at)"
            " select gen_random_uuid(), '00000000-0000-0000-0000-000000000009', now() - age,"
            " (now() - idle) at time zone 'utc' from (values"
            " (interval '49 hours', interval '1 minute'), (interval '30 hours', '26 hours'),"
            " (interval '30 hours', '24 hours'), (interval '26 hours', null)) as rows (age, idle)"
        )
    config = config_of(database, LIMITED)
    clean_up = CleanUp(config, store)
    assert sum([await clean_up.run_next() for _ in statements_of(config)]) == 3


async def test_a_row_that_somebody_holds_is_left_alone(database: Database, store: Store) -> None:
    config = config_of(database, {})
    with database.connect("supabase_admin") as connection:
        connection.execute(ROWS.split("insert into auth.flow_state")[0].format(n=9, **OLD).encode())
        with connection.transaction():
            connection.execute("select from auth.refresh_tokens for update")
            clean_up = CleanUp(config, store)
            assert await clean_up.run_next() == 0


def test_only_what_is_switched_on_is_deleted(database: Database) -> None:
    usual = statements_of(config_of(database, {}))
    assert {"anonymous_users", "old_sessions", "idle_sessions"}.isdisjoint(usual)
    whole = config_of(database, LIMITED)
    assert len(statements_of(whole)) == len(usual) + 3
    kept = replace(whole, external=replace(whole.external, anonymous_enabled=False))
    assert "anonymous_users" not in statements_of(kept)


@pytest.mark.parametrize(("method", "begins"), [("POST", True), ("GET", False)])
async def test_it_runs_behind_a_change_once_a_minute(
    database: Database, store: Store, method: str, begins: bool
) -> None:
    now = [0.0]
    clean_up = CleanUp(config_of(database, {}), store, clock=lambda: now[0])
    with database.connect("supabase_admin") as connection:
        connection.execute(
            "insert into auth.refresh_tokens (token, revoked, updated_at)"
            " values ('a', true, now() - interval '2 days')"
        )

        async def left_after(at_s: float) -> int:
            now[0] = at_s
            clean_up.after(method)
            await clean_up.close()
            row = connection.execute("select count(*) from auth.refresh_tokens").fetchone()
            return int(row[0]) if row else -1

        assert await left_after(PAUSE_S - 1) == 1
        assert await left_after(PAUSE_S) == (0 if begins else 1)
