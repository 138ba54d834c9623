"""What is asked before the first file, and what is told after the last one."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from gavan.database.embedded import ADMIN
from gavan.database.migration import ready
from gavan.database.migration.errors import StatementError
from gavan.database.migration.seed import seed
from gavan.kit.errors import GavanError
from tests.conftest import Cluster, Database
from tests.migrations import Migrations, Shadow


@pytest.fixture
def one(migrations: Migrations) -> Migrations:
    migrations.write("000_a.sql", "create table a (id int);", "drop table a;")
    return migrations


def refusal(migrations: Migrations) -> GavanError:
    with pytest.raises(GavanError) as caught:
        migrations.up()
    assert migrations.tables() == []
    return caught.value


def test_a_database_that_is_read_only_is_said_before_anything(
    one: Migrations, database: Database
) -> None:
    with database.connect(ADMIN) as admin:
        name = sql.Identifier(database.name)
        admin.execute(
            sql.SQL("alter database {} set default_transaction_read_only = on").format(name)
        )
    assert refusal(one).code == "GV346"
    path = one.folder / "seed.txt"
    path.write_text("select 1;")
    with pytest.raises(GavanError) as caught:
        seed(one.url, [path], root=one.folder)
    assert caught.value.code == "GV346"


def test_a_server_that_is_too_old_is_named(
    one: Migrations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready, "OLDEST", 190_000)
    refused = refusal(one)
    assert (refused.code, refused.exit_code) == ("GV347", 3)
    assert "Postgres 18; the oldest that is migrated is 19" in refused.message


def test_an_extension_that_a_file_requires_is_looked_for_first(one: Migrations) -> None:
    one.write("010_b.sql", "-- gavan: requires=ext:citext,nowhere_at_all\nselect 1;")
    refused = refusal(one)
    assert (refused.code, refused.where) == ("GV230", f"{one.folder / '010_b.sql'}:1:1")
    assert "requires the extension nowhere_at_all" in refused.message
    one.write("010_b.sql", "-- gavan: requires=ext:citext\nselect 1;")
    assert one.up() == ["000", "010"]


def test_a_file_says_how_long_it_waits_for_locks(migrations: Migrations) -> None:
    seen = "select current_setting('lock_timeout')"
    migrations.write("000_a.sql", f"-- gavan: lock_timeout=7s\ncreate table a as {seen};")
    migrations.write("010_b.sql", f"insert into a {seen};")
    migrations.write(
        "020_c.sql",
        f"-- gavan: no-transaction lock_timeout=8s\ninsert into a {seen};\n"
        f"set lock_timeout = '9s';\ninsert into a {seen};",
    )
    migrations.write("030_d.sql", f"-- gavan: no-transaction\ninsert into a {seen};")
    migrations.up(lock_timeout="3s")
    assert [row[0] for row in migrations.ask("select * from a")] == ["7s", "3s", "8s", "9s", "3s"]


def test_a_statement_outside_a_transaction_does_not_wait_for_good(
    one: Migrations, database: Database
) -> None:
    one.up()
    one.write("010_b.sql", "-- gavan: no-transaction\nalter table a add column n int;")
    with database.connect() as other:
        other.execute("begin")
        other.execute("lock table a")
        with pytest.raises(GavanError) as caught:
            one.up(lock_timeout="200ms", retries=0)
    assert caught.value.code == "GV314"
    assert one.up(lock_timeout="200ms", retries=0) == ["010"]


def test_whoever_is_in_the_way_is_ended_only_where_that_is_asked_for(
    one: Migrations, database: Database
) -> None:
    one.up()
    one.write("010_b.sql", "alter table a add column n int;")
    other = database.connect()
    pid = other.info.backend_pid
    other.execute("begin")
    other.execute("select * from a")
    with database.connect() as bystander:
        assert one.up(lock_timeout="1500ms", retries=8, kill_blockers=True) == ["010"]
        bystander.execute("select 1")
    assert ("010_b.sql", "warn", f"ended backend {pid}") in one.heard
    with pytest.raises(psycopg.OperationalError):
        other.execute("select 1")
    other.close()


def test_whoever_may_not_be_ended_is_named(one: Migrations, database: Database) -> None:
    one.up()
    one.write("010_b.sql", "alter table a add column n int;")
    with database.connect(ADMIN) as other:
        pid = other.info.backend_pid
        other.execute("begin")
        other.execute("select * from a")
        with pytest.raises(GavanError) as caught:
            one.up(lock_timeout="1500ms", retries=1, kill_blockers=True)
        assert caught.value.code == "GV314"
        other.execute("rollback")
    assert any(f"backend {pid} stays: " in detail for _, _, detail in one.heard)


def test_what_is_half_done_is_told_after_a_run(one: Migrations) -> None:
    one.up()
    assert [step for step, _, _ in one.heard if step == "left over"] == []
    one.connection.execute("insert into a values (1), (1)")
    one.write("010_b.sql", "create unique index concurrently a_id on a (id);")
    with pytest.raises(StatementError):
        one.up()
    (one.folder / "010_b.sql").unlink()
    one.write("020_c.sql", "alter table a add constraint positive check (id > 0) not valid;")
    one.up()
    told = [detail for step, _, detail in one.heard if step == "left over"]
    assert [line.split(" is ")[0] for line in told] == [
        "constraint positive of a",
        "index a_id",
    ]
    for line in told:
        one.connection.execute("truncate a")
        one.connection.execute(line.split("mend: ")[1].encode())
    one.heard.clear()
    one.write("030_d.sql", "alter table a add constraint any_sign check (id <> 0) not enforced;")
    one.up()
    assert [step for step, _, _ in one.heard if step == "left over"] == []


def test_a_shadow_leaves_the_passwords_of_roles_as_they_are(
    cluster: Cluster, shadow: Shadow
) -> None:
    password = "select rolpassword from pg_authid where rolname = 'supabase_storage_admin'"
    with cluster.connect(ADMIN) as admin:
        ((before,),) = admin.execute(password).fetchall()
        try:
            admin.execute("alter role supabase_storage_admin password 'of-its-own'")
            ((own,),) = admin.execute(password).fetchall()
            assert own != before
            with shadow():
                assert admin.execute(password).fetchall() == [(own,)]
        finally:
            admin.execute(sql.SQL("alter role supabase_storage_admin password {}").format(before))
