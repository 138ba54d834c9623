"""Databases that nobody would have drawn, and that come back all the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from psycopg import sql

from gavan.backups.birth import Birth
from gavan.backups.restore import birth_of, restore
from gavan.backups.rows import Table
from gavan.backups.swap import exists
from gavan.database.bootstrap import bootstrap, system_files
from gavan.database.embedded import ADMIN
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests.conftest import drop_database
from tests.integration.backups.restore.catalogues import catalogues, differences
from tests.integration.backups.restore.conftest import House
from tests.supervised import short_folder

# Of a role whose name ends like the superuser's, in schemas with every sign that names can have.
ODD = (
    'create role "x supabase_admin" nologin',
    'create schema "a.b"',
    "create schema a",
    'create schema "line\nbreak"',
    "create schema \"it's \"\"quoted\"\" \\ %s\"",
    'create table "a.b".c (n int)',
    'create table a."b.c" (n int, "with "" and \n" text)',
    'insert into "a.b".c values (1)',
    'insert into a."b.c" values (1, \'x\'), (2, E\'\\\\N\'), (3, null), (4, E\'\\\\.\')',
    'create table "line\nbreak"."ta\nble" ("co\nlumn" int primary key)',
    'insert into "line\nbreak"."ta\nble" values (1), (2)',
    "create table \"it's \"\"quoted\"\" \\ %s\".\"; drop table card; --\" (n int)",
    'create function "a.b".add(int, int) returns int language sql immutable as'
    " 'select $1 + $2'",
    'create aggregate "a.b"."to tal"(int) (sfunc = "a.b".add, stype = int)',
    'alter aggregate "a.b"."to tal"(int) owner to "x supabase_admin"',
    'create table a.points ("to" int references "line\nbreak"."ta\nble")',
    "create table a.partly (n int)",
    'alter table a.partly add foreign key (n) references "line\nbreak"."ta\nble" not valid',
    'alter table a.partly owner to "x supabase_admin"',
    'insert into a.points values (1)',
    'alter table a.points owner to "x supabase_admin"',
    "create policy \"own;\n'rows'\" on a.points using (true)",
    "comment on table a.points is E'-- \\n\\\\restrict x\\n\\\\! true'",
)  # fmt: skip


@pytest.fixture
def odd(house: House) -> Iterator[House]:
    bootstrap(Secret(house.database.url(ADMIN)), {})  # a clone of a template lacks its rights
    house.run(*ODD)
    yield house
    house.tidy()
    house.run('drop owned by "x supabase_admin"', 'drop role "x supabase_admin"')


def test_names_with_dots_quotes_blanks_and_line_breaks_come_back(odd: House) -> None:
    """Of an owner whose name ends like the superuser's, who may not refer to what he refers to."""
    before = catalogues(odd.database.cluster, odd.database.name)
    made = odd.backup()
    counted = {name: row.count for name, row in made.rows.items() if "b" in name and "." in name}
    assert (counted['"a.b"."c"'], counted['"a"."b.c"']) == (1, 4)
    odd.run('delete from a."b.c"', 'drop table "line\nbreak"."ta\nble" cascade')
    assert odd.restore().warnings == []
    assert differences(before, catalogues(odd.database.cluster, odd.database.name)) == {}
    odd.run('delete from a."b.c" where n > 1')
    odd.restore(only=(Table.parse('a."b.c"'),))
    assert odd.run('select count(*) from a."b.c"') == [(4,)]
    assert odd.run('select count(*) from "a.b".c') == [(1,)]


def test_encoding_and_sort_order_are_those_of_the_old_one(house: House) -> None:
    """A database made by hand: an e with an accent is one byte, and sorts as libc's C says."""
    asked = (
        "select pg_encoding_to_char(encoding), datlocprovider::text, datcollate::text,"
        " datconnlimit from pg_database where datname = current_database()"
    )
    _make_anew(house, "encoding 'LATIN1' locale_provider libc locale 'C' connection limit 50")
    house.run(
        "create table card (id int, title text)", r"insert into card values (1, U&'caf\00E9')"
    )
    wanted = house.run(asked)
    assert wanted == [("LATIN1", "c", "C", 50)]
    house.backup()
    house.run("delete from card")
    assert house.restore().warnings == []
    assert house.run(asked) == wanted
    assert house.run("select title, octet_length(title) from card") == [("caf\u00e9", 4)]


def test_a_sort_order_that_this_machine_lacks_costs_the_order_alone(house: House) -> None:
    house.backup()
    wish = house.wish()
    statement = birth_of(wish).statement.replace("builtin", "icu")
    assert "icu" in statement
    doubts: list[str] = []
    name = f"{house.database.name}_icu"
    with house.database.cluster.connect() as connection:
        try:
            Birth(statement=statement).create(connection, name, doubts.append)
            assert exists(connection, name)
        finally:
            drop_database(house.database.cluster, name)
    (doubt,) = doubts
    assert "locale_provider icu" in doubt
    assert "sorts as this server does" in doubt


def test_what_an_extension_made_is_left_to_it(house: House) -> None:
    """pg_dump leaves its tables out; counting them would make every restore look wrong."""
    house.run(
        "create extension if not exists hstore schema extensions",
        "create table public.inner_thing (n int)",
        "insert into public.inner_thing values (1)",
        "alter extension hstore add table public.inner_thing",
    )
    made = house.backup()
    assert "public.inner_thing" not in made.rows
    assert "public.card" in made.rows
    assert house.restore().warnings == []
    assert house.run("select count(*) from card") == [(10,)]


def test_a_row_of_the_storage_that_says_nonsense_of_its_size_stops_no_backup(house: House) -> None:
    house.blob("a.txt", b"bytes")
    for size in ('"large"', "1e300", "-5", "1.5", "null", '"12"'):
        house.run(f"update storage.objects set metadata = '{{\"size\": {size}}}'")
        assert house.backup().objects.bytes == 5


SPELLED = (
    "create table said (id int, v varchar(9), c char(3), t timestamp(3), i interval, n numeric,"
    " b bit varying(5), d date, j jsonb, a int[], check (v in ('a', 'b') or c <> all ('{x,y}')),"
    " check (n between symmetric 2 and -1), check (t > '2020-01-01' and d <> date '2020-01-01'),"
    " check (i < '1 day' and i >= interval '1' hour), check (b::text like '1%' is not false),"
    " check ((j ->> 'k')::int > -1 or j @> '{\"a\": 1}' or coalesce(a[1], -2) = any (a)),"
    " check (case v when 'a' then 1 else -1 end > 0 or v similar to 'x%'),"
    " check (extract(year from t) > 2000 or t at time zone 'utc' > now() or n = 1e2))",
    "create index on said ((v || 'x'), lower(c::text)) where v in ('q', 'r') and n > -1",
    "create view first as select s.*, -1 as minus, 'x' as word, null as nothing,"
    " substring(s.v from 1 for 2) as part, position('a' in s.v) as at, (id, s.n) < (1, 2) as less,"
    " id between 1 and -1 as within, array[1, 2]::bigint[] as list, s.t::timestamp(0) as whole,"
    " row_number() over (partition by s.v order by id range between 1 preceding and current row)"
    " from said as s left join said as o using (id) where s.v in ('a', 'b') and not exists"
    " (select from said as q where (q.id, q.v) in (select id, v from said))",
    "create view second as with recursive r(n) as (values (1) union all select n + 1 from r"
    " where n < 5) select r.n, x.key, x.value from r, jsonb_each('{\"a\": 1}') as x,"
    " lateral (select r.n * 2 as twice) as l group by grouping sets ((r.n, x.key, x.value), ())",
    "create materialized view third as select v, count(*) filter (where id > 1) as many,"
    " string_agg(c, ',' order by id) from said group by v having count(*) > 0",
    "create policy p on said using (v in ('a', 'b') and id = any (array[1, -2]))",
    "alter table said alter v set default 'a', alter i set default '1 day', alter t set default"
    " '2020-01-01', alter a set default '{1,2}', alter n set default -1, alter b set default b'1'",
)  # fmt: skip


def test_another_spelling_of_the_same_schema_is_no_other_schema(house: House) -> None:
    """Postgres spells what it reads again in its own way; that must not refuse a restore."""
    house.run(*SPELLED)
    house.backup()
    assert house.restore().warnings == []
    # Once more: the spelling has settled now, or swings.
    house.backup()
    assert house.restore().warnings == []


def test_on_another_server_roles_take_what_was_dumped(house: House) -> None:
    """Disaster: a new machine has the system's roles, and not what the project made of them."""
    house.run("alter role anon set statement_timeout = '3s'")
    try:
        made = house.backup()
        house.run("alter role anon reset statement_timeout")
        asked = "select rolconfig::text from pg_roles where rolname = 'anon'"
        without = house.run(asked)
        # The same server keeps what its roles are now: they serve other databases too.
        house.restore()
        assert house.run(asked) == without
        house.tidy()
        restore(replace(house.wish(), made=replace(made, system_identifier="7")))
        assert "statement_timeout=3s" in house.run(asked)[0][0]
    finally:
        house.run("alter role anon reset statement_timeout")


def test_a_subscription_stays_with_the_old_one_and_is_told(house: House) -> None:
    house.run(
        "create subscription mirror connection 'host=127.0.0.1 port=9 dbname=x' publication p"
        " with (connect = false)",
        "alter subscription mirror set (slot_name = 'mirror')",
        "alter subscription mirror enable",
    )
    forget = ("alter subscription mirror disable", "alter subscription mirror set (slot_name ="
              " none)", "drop subscription mirror")  # fmt: skip
    made = house.backup()
    # One that fails half way leaves no database behind, which a subscription would hold.
    with pytest.raises(GavanError) as caught:
        restore(replace(house.wish(), made=replace(made, migration_head="none of ours")))
    assert caught.value.code == "GV439"
    names = [name for (name,) in house.run("select datname::text from pg_database")]
    assert not [name for name in names if "_restore_" in name]
    restored = house.restore()
    assert restored.kept is not None
    try:
        (warning,) = restored.warnings
        assert "subscriptions stayed with" in warning
        assert "mirror" in warning
        assert house.run("select subenabled from pg_subscription order by 1") == [(False,), (True,)]
    finally:
        house.run(*forget, database=restored.kept)
        house.run(*forget)


def test_tables_of_a_disk_that_is_gone_are_with_the_others(house: House) -> None:
    with short_folder() as folder:
        folder.chmod(0o755)
        place = folder / "fast"
        place.mkdir(mode=0o700)
        account = house.database.cluster.server.user
        if account is not None:
            os.chown(place, account.uid, account.gid)
        house.run(f"create tablespace fast location '{place}'")
        try:
            house.run("alter table card set tablespace fast")
            house.backup()
            assert house.restore().warnings == []
            asked = "select reltablespace <> 0 from pg_class where oid = 'card'::regclass"
            assert house.run(asked) == [(True,)]
            house.run("alter table card set tablespace pg_default")
            house.tidy()
            house.run("drop tablespace fast")
            (warning,) = house.restore().warnings
            assert "fast" in warning
            assert house.run(asked) == [(False,)]
            assert house.run("select count(*) from card") == [(10,)]
        finally:
            house.tidy()
            house.run("drop tablespace if exists fast")


def test_a_backup_of_an_older_gavan_is_brought_up_to_this_one(house: House) -> None:
    *older, newest = system_files()
    name = house.database.name
    drop_database(house.database.cluster, name)
    house.run(f"create database {name} template template0", database="template1")
    house.run(
        "create schema gavan",
        "create table gavan.system_migrations (version text primary key, name text not null,"
        " checksum text not null, applied_at timestamptz not null default now())",
    )
    for file in older:
        house.run(
            file.text, "reset role",
            "insert into gavan.system_migrations (version, name, checksum)"
            f" values ('{file.version}', '{file.name}', 'of that time')",
        )  # fmt: skip
    house.run("create table card (id int)", "insert into card values (1)")
    made = house.backup()
    house.run("delete from card")
    assert restore(replace(house.wish(), made=replace(made, tool_version="0.0.1"))).warnings == []
    assert house.run("select id from card") == [(1,)]
    asked = "select max(version) from gavan.system_migrations"
    assert house.run(asked) == [(newest.version,)]


def _make_anew(house: House, words: str) -> None:
    """Replace the database by one of other words, with the system schemas in it."""
    name = house.database.name
    drop_database(house.database.cluster, name)
    with house.database.cluster.connect() as connection:
        connection.execute(
            sql.SQL("create database {} template template0 ").format(sql.Identifier(name))
            + sql.SQL(words)
        )
    bootstrap(Secret(house.database.url(ADMIN)), {})
