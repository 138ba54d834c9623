"""To and from a hosted project: schema auth has its shape, and data restores both ways.

``hosted/auth_shape.json`` is what the catalogue says after upstream's migrations up to
20260625000000; ``hosted/auth_data.sql`` has the form of a data dump of such a project.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gavan.database.embedded import ADMIN
from tests.conftest import Database
from tests.integration.core.auth.accounts import PASSWORD, PHONE, Accounts, code_of
from tests.integration.core.hosted_project import hosted_project, run
from tests.integration.core.schema_shape import shape

HOSTED = Path(__file__).parent / "hosted"
UPSTREAM: dict[str, Any] = json.loads((HOSTED / "auth_shape.json").read_text())


@pytest.fixture
def hosted(database: Database) -> Iterator[Database]:
    """A database with the tables of a hosted project and nothing else."""
    with hosted_project(database, "auth", UPSTREAM) as made:
        yield made


def test_the_catalogue_is_the_one_that_upstreams_migrations_leave(database: Database) -> None:
    with database.connect(ADMIN) as connection:
        ours = shape(connection, "auth")
        ours["versions"] = [
            row[0]
            for row in connection.execute(
                "select version from auth.schema_migrations order by version"
            ).fetchall()
        ]
    for part, expected in UPSTREAM.items():
        assert ours[part] == expected, part


async def test_people_of_a_hosted_project_go_on_here(easy: Accounts) -> None:
    run(
        easy.database,
        "psql",
        *("-v", "ON_ERROR_STOP=1", "--quiet", "--file", str(HOSTED / "auth_data.sql")),
    )
    ann = await easy.session("ann@example.com")
    assert ann["user"]["user_metadata"]["name"] == "Ann"
    assert [identity["provider"] for identity in ann["user"]["identities"]] == ["email", "google"]
    assert ann["user"]["factors"][0]["friendly_name"] == "phone app"
    ben = await easy.post("/token?grant_type=password", phone="+491555000111", password=PASSWORD)
    assert ben.json()["user"]["phone"] == "491555000111"
    goes_on = await easy.post("/token?grant_type=refresh_token", refresh_token="hosted7token")
    assert goes_on.json()["user"]["id"] == ben.json()["user"]["id"]
    recovered = await easy.post("/verify", type="recovery", email="ann@example.com", token="424242")
    assert recovered.status_code == 200, recovered.text
    again = await easy.post("/signup", email="ann@example.com", password=PASSWORD)
    assert code_of(again) == (422, "user_already_exists")
    assert "login" in easy.actions()


async def test_people_from_here_go_on_in_a_hosted_project(
    easy: Accounts, hosted: Database, tmp_path: Path
) -> None:
    await easy.made(user_metadata={"name": "Änn 🌷"}, phone=PHONE)
    session = await easy.session()
    await easy.post("/token?grant_type=refresh_token", refresh_token=session["refresh_token"])
    await easy.post("/signup", data={"anonymous": True})
    await easy.post("/otp", email="a@example.com")
    file = tmp_path / "auth.sql"
    run(
        easy.database,
        "pg_dump",
        *("--data-only", "--schema", "auth", "--exclude-table", "auth.schema_migrations"),
        *("--file", str(file)),
    )
    run(hosted, "psql", "-v", "ON_ERROR_STOP=1", "--quiet", "--file", str(file))
    for table in ("users", "identities", "sessions", "refresh_tokens", "one_time_tokens"):
        query = f"select to_jsonb(t) from auth.{table} t order by t.id"
        with hosted.connect(ADMIN) as connection:
            arrived = connection.execute(query.encode()).fetchall()
        assert arrived == easy.rows(query)
        assert arrived


async def test_a_row_written_by_hand_signs_in(easy: Accounts) -> None:
    """Seeds write the least: no instance, no audience, no tokens, no identity."""
    easy.run(
        "insert into auth.users (id, email, encrypted_password, email_confirmed_at,"
        " raw_app_meta_data, raw_user_meta_data) values (gen_random_uuid(), 'Seed@Example.com',"
        " extensions.crypt('correct horse', extensions.gen_salt('bf')), now(), '{}', null)"
    )
    session = await easy.session("seed@example.com")
    assert (session["user"]["aud"], session["user"]["role"]) == ("authenticated", "authenticated")
    assert session["user"]["identities"] == []
    changed = await easy.put_user(session, data={"a": 1}, password="battery staple")
    assert changed.json()["user_metadata"] == {"a": 1}
    await easy.session("SEED@example.com", "battery staple")
    assert (await easy.post("/recover", email="seed@example.com")).json() == {}
    code = (await easy.mail("seed@example.com", "recovery")).code
    answer = await easy.post("/verify", type="recovery", email="seed@example.com", token=code)
    assert answer.status_code == 200, answer.text
