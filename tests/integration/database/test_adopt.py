"""The history of golang-migrate is taken over; dbmate's own program is in tests/clients."""

from __future__ import annotations

import pytest

from gavan.database.migration.adopt import adopt_history
from gavan.database.migration.apply import status
from gavan.database.migration.drift import find_drift
from gavan.database.migration.run import Options
from gavan.kit.errors import GavanError
from tests.migrations import Migrations, Shadow

HOW = Options(wait_s=10.0)
# As golang-migrate makes it.
TABLE = (
    "create table schema_migrations (version bigint not null primary key, dirty boolean not null)"
)


@pytest.fixture
def golang(migrations: Migrations) -> Migrations:
    """Three files as they are after their names were adopted, two of them applied by golang."""
    for number in (1, 2, 10):
        migrations.write(f"{number:02}_t.sql", f"create table t{number} (id int);")
    migrations.connection.execute(
        f"{TABLE}; insert into schema_migrations values (2, false);"
        "create table t1 (id int); create table t2 (id int)"
    )
    return migrations


def test_what_golang_migrate_applied_is_applied(golang: Migrations, shadow: Shadow) -> None:
    done = adopt_history(golang.url, golang.folder, HOW)
    assert done == ("golang-migrate", ["01", "02"])
    assert [str(entry.state) for entry in status(golang.url, golang.folder)] == [
        "applied", "applied", "pending",
    ]  # fmt: skip
    with shadow() as url:
        # Its own table is no drift.
        assert find_drift(golang.url, url, golang.folder, HOW) == []
    assert golang.up() == ["10"]
    assert golang.ask("select * from schema_migrations") == [(2, False)]


def test_it_is_taken_over_once(golang: Migrations) -> None:
    golang.write("02_t.sql", "create table t2 (id int);", down="drop table t2;")
    adopt_history(golang.url, golang.folder, HOW)
    golang.down()
    assert adopt_history(golang.url, golang.folder, HOW) == ("", [])
    assert golang.versions() == ["01"]


def test_a_dirty_database_is_refused_with_the_mend(golang: Migrations) -> None:
    golang.connection.execute("update schema_migrations set dirty = true")
    with pytest.raises(GavanError) as caught:
        adopt_history(golang.url, golang.folder, HOW)
    assert caught.value.code == "GV342"
    assert "migrate force" in (caught.value.hint or "")
    assert golang.ask("select to_regclass('supabase_migrations.schema_migrations')") == [(None,)]


def test_a_version_without_a_file_is_refused(golang: Migrations) -> None:
    golang.connection.execute("update schema_migrations set version = 7")
    with pytest.raises(GavanError) as caught:
        adopt_history(golang.url, golang.folder, HOW)
    assert (caught.value.code, "applied 7" in caught.value.message) == ("GV342", True)


def test_nothing_of_another_tool_is_nothing_to_adopt(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "select 1;")
    assert adopt_history(migrations.url, migrations.folder, HOW) == ("", [])
    migrations.connection.execute("create table schema_migrations (version text, mine int)")
    assert adopt_history(migrations.url, migrations.folder, HOW) == ("", [])
