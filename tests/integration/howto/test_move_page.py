"""The page about hosted Supabase, followed there and back; beside the other how-to pages, since a
file is run by one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gavan.database.embedded import ADMIN
from tests.conftest import Database
from tests.integration.howto.newcomer import Newcomer, choose_ports, commands

ANN = (
    "insert into auth.users (id, email, encrypted_password)"
    " values (gen_random_uuid(), 'ann@example.com', 'x')"
)


@pytest.fixture
def hosted(database_factory: Callable[[], Database]) -> Iterator[Database]:
    """A hosted project: its owner is no superuser, and may keep triggers out of the way."""
    made = database_factory()
    with made.connect(ADMIN) as connection:
        connection.execute("grant set on parameter session_replication_role to postgres")
        yield made
        connection.execute("revoke set on parameter session_replication_role from postgres")


@pytest.mark.timeout(600)
def test_a_stack_moves_to_hosted_supabase_and_back(
    newcomer: Callable[..., Newcomer], hosted: Database
) -> None:
    url = f"{hosted.url()}?sslmode=disable"
    lines = commands("move-to-hosted-supabase.md")
    back = lines.index("gavan init")

    here = newcomer("here", SUPABASE_DB_URL=url)
    here.types("gavan init")
    choose_ports(here.folder)
    here.writes_table("000", "board")
    here.types("gavan up")
    here.asks(ANN)
    here.asks("insert into board values (7)")
    here.follows(lines[:back])
    here.types("gavan down")
    with hosted.connect() as connection:
        assert connection.execute("select id from board").fetchall() == [(7,)]
        history = connection.execute("select version from supabase_migrations.schema_migrations")
        assert history.fetchall() == [("000",)]

    there = newcomer("there", SUPABASE_DB_URL=url)
    there.follows(lines[back:])
    dumped = {path.name for path in (there.folder / "back").iterdir()}
    assert dumped == {"roles.sql", "schema.sql", "data.sql"}
    assert "ann@example.com" in there.asks("select email from auth.users")
    assert "7" in there.asks("select id from board")
    assert "applied" in there.types("gavan migrate status --exit-code")
