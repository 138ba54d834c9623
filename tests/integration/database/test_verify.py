"""Migrations proved on a shadow: replayed, taken back, applied again, with an equal schema."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gavan.database.embedded import ADMIN
from gavan.database.migration.catalogue import Change, compare_schemas, read_schema
from gavan.database.migration.errors import StatementError
from gavan.database.migration.parsed import Direction
from gavan.database.migration.shadow import shadow_database
from gavan.database.migration.verify import Verified, verify
from gavan.kit.secret import Secret
from tests.conftest import Cluster, Database
from tests.migrations import Migrations
from tests.servers import wait_until


def shadows(cluster: Cluster) -> list[str]:
    with cluster.connect() as admin:
        rows = admin.execute("select datname from pg_database where datname ~ '^gavan_shadow'")
        return [row[0] for row in rows]


class Proof:
    """Migrations and a way to prove them on the server of the tests."""

    def __init__(self, migrations: Migrations, cluster: Cluster) -> None:
        self.migrations = migrations
        self.cluster = cluster
        self.heard: list[tuple[str, str, str]] = []

    def run(self) -> Verified:
        admin = Secret(self.cluster.url(ADMIN, "postgres"))
        owner = Secret(self.cluster.url("postgres", "postgres"))
        with shadow_database(admin, owner, self.cluster.server.passwords) as shadow:
            report = lambda *event: self.heard.append(event)  # noqa: E731
            return verify(shadow, self.migrations.folder, report)


@pytest.fixture
def proof(migrations: Migrations, cluster: Cluster) -> Iterator[Proof]:
    yield Proof(migrations, cluster)
    assert shadows(cluster) == []


def test_migrations_that_lead_there_and_back_are_proved(proof: Proof) -> None:
    proof.migrations.write(
        "000_a.sql",
        "create table a (id int primary key, owner uuid references auth.users);"
        "alter table a enable row level security;"
        "create policy own on a using (owner = auth.uid());"
        "create type mood as enum ('ok', 'bad');"
        "create function f() returns int language sql as 'select 1';"
        "create view v as select id from a;"
        "comment on table a is 'letters';"
        "grant select on a to anon;",
        "drop view v; drop function f(); drop type mood; drop table a;",
    )
    proof.migrations.write("010_b.sql", "alter table a add column b text default 'x';")
    proof.migrations.write(
        "020_i.sql", "create index concurrently a_b on a (b);", "drop index concurrently a_b;"
    )
    verified = proof.run()
    assert verified.findings == []
    assert verified.replayed == ["000", "010", "020"]
    assert verified.there_and_back == ["000", "020"]
    assert ("010_b.sql", "ok", "2 of 3, one way") in proof.heard
    assert proof.migrations.tables() == []


@pytest.mark.parametrize(
    ("up", "down", "left"),
    [
        ("create table t (id int); create type mood as enum ('ok');", "drop table t;",
         [("privileges on type", "public.mood", Change.EXTRA),
          ("type", "public.mood", Change.EXTRA)]),
        ("create policy p on a using (true);", "select 1;",
         [("policy", "public.a.p", Change.EXTRA)]),
        ("alter table a alter column n set default 5;", "select 1;",
         [("column", "public.a.n", Change.DIFFERENT)]),
        ("alter table a drop constraint a_n_check;", "select 1;",
         [("constraint", "public.a.a_n_check", Change.GONE)]),
        ("revoke select on a from anon;", "select 1;",
         [("privileges on relation", "public.a", Change.DIFFERENT)]),
        ("comment on column a.n is 'count';", "select 1;",
         [("comment", "table column public.a.n", Change.EXTRA)]),
        ("create or replace function g() returns int language sql as 'select 2';", "select 1;",
         [("function", "public.g()", Change.DIFFERENT)]),
        ("alter table a enable row level security;", "select 1;",
         [("table", "public.a", Change.DIFFERENT)]),
        ("create trigger tr before update on auth.users for each row"
         " execute function suppress_redundant_updates_trigger();", "select 1;",
         [("trigger", "auth.users.tr", Change.EXTRA)]),
        ("alter publication supabase_realtime add table a;", "select 1;",
         [("publication", "supabase_realtime for public.a", Change.EXTRA)]),
    ],
)  # fmt: skip
def test_what_a_down_file_leaves_is_named(
    migrations: Migrations, up: str, down: str, left: list[tuple[str, str, Change]]
) -> None:
    # On one database, before and after: the road of `verify` without the price of a shadow each.
    migrations.write(
        "000_a.sql",
        "create table a (n int check (n > 0));"
        "create function g() returns int language sql as 'select 1';",
    )
    migrations.up()
    before = read_schema(migrations.connection)
    migrations.write("010_b.sql", up, down)
    migrations.up()
    migrations.down()
    found = compare_schemas(before, read_schema(migrations.connection))
    assert [(one.kind, one.name, one.change) for one in found] == left


def test_a_down_file_that_does_not_lead_back_is_found(proof: Proof) -> None:
    proof.migrations.write("000_a.sql", "create table a (id int);")
    proof.migrations.write(
        "010_b.sql",
        "create table if not exists b (id int); create index if not exists a_id on a (id);",
        "drop table b;",
    )
    verified = proof.run()
    assert [(one.version, one.direction) for one in verified.findings] == [("010", Direction.DOWN)]
    assert list(map(str, verified.findings[0].differences)) == ["index public.a.a_id: extra"]


def test_an_up_file_that_leads_elsewhere_the_second_time_is_found(proof: Proof) -> None:
    proof.migrations.write(
        "000_a.sql",
        "create schema if not exists kept; create table if not exists kept.a (id int);"
        "do $$ begin if to_regclass('kept.mark') is null then create table b (id int);"
        " end if; end $$; create table if not exists kept.mark (id int);",
        "drop table if exists b;",
    )
    found = [(one.version, one.direction) for one in proof.run().findings]
    assert found == [("000", Direction.DOWN), ("000", Direction.UP)]


def test_an_error_on_the_way_back_has_its_place(proof: Proof) -> None:
    proof.migrations.write("000_a.sql", "create table a (id int);", "\ndrop table b;")
    with pytest.raises(StatementError) as caught:
        proof.run()
    assert caught.value.where == f"{proof.migrations.folder / 'down' / '000_a.sql'}:2:1"
    assert "migration 1 of 1; the real one is untouched" in (caught.value.details or "")


def test_the_real_roles_are_left_alone(proof: Proof, cluster: Cluster) -> None:
    with cluster.connect() as admin:
        admin.execute("create role verify_reader")
        try:
            proof.migrations.write(
                "000_a.sql",
                "create role verify_reader;\ncreate table a (id int);\n"
                "grant select on a to verify_reader;",
                "drop table a;\ndrop role verify_reader;",
            )
            verified = proof.run()
            assert verified.findings == []
            places = [where.rsplit("/", 1)[1] for where in verified.left_out]
            assert places == ["000_a.sql:2", "000_a.sql:1"]
            rows = admin.execute("select 1 from pg_roles where rolname = 'verify_reader'")
            assert rows.fetchall() == [(1,)]
        finally:
            admin.execute("drop role verify_reader")


def test_the_shadow_of_a_killed_run_is_dropped_by_the_next(
    cluster: Cluster, database: Database
) -> None:
    script = (
        "import sys, time, json; from gavan.kit.secret import Secret;"
        "from gavan.database.migration.shadow import shadow_database\n"
        "facts = json.load(sys.stdin)\n"
        "with shadow_database(Secret(facts[0]), Secret(facts[1]), {}) as shadow:\n"
        "    print('made', flush=True); time.sleep(600)"
    )
    runner = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert runner.stdin is not None
    assert runner.stdout is not None
    admin, owner = cluster.url(ADMIN, "postgres"), cluster.url("postgres", "postgres")
    runner.stdin.write(f'["{admin}", "{owner}"]')
    runner.stdin.close()
    assert runner.stdout.readline() == "made\n"
    [forgotten] = shadows(cluster)
    with shadow_database(Secret(admin), Secret(owner), {}):
        # Its maker lives: it is nobody's to drop.
        assert forgotten in shadows(cluster)
    runner.send_signal(signal.SIGKILL)
    runner.wait(60)
    runner.stdout.close()
    held = "select count(*) from pg_stat_activity where application_name like 'gavan-shadow/%'"
    with cluster.connect() as look:
        wait_until(lambda: look.execute(held).fetchone() == (0,))
    with shadow_database(Secret(admin), Secret(owner), {}):
        assert forgotten not in shadows(cluster)
    assert shadows(cluster) == []
