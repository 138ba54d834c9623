"""A history that says more than the schema shows."""

from __future__ import annotations

from gavan.database.migration.apply import status
from gavan.database.migration.parsed import Direction
from gavan.database.migration.repair import repair
from gavan.database.migration.run import Options
from tests.migrations import Migrations


def states(migrations: Migrations) -> list[str]:
    return [str(entry.state) for entry in status(migrations.url, migrations.folder)]


def test_a_version_of_which_nothing_is_there_is_hollow_and_run_again(
    migrations: Migrations,
) -> None:
    migrations.write("000_a.sql", "create table a (id int); insert into a values (1);")
    migrations.write("010_b.sql", "create schema app; create table app.b (id int);\n"
                     "create function app.f() returns int language sql return 1;")  # fmt: skip
    migrations.write("020_c.sql", "create table c (id int); create view v as select * from c;")
    migrations.write("030_d.sql", "comment on table a is 'makes nothing of its own';")
    migrations.up()
    assert states(migrations) == ["applied"] * 4
    migrations.connection.execute("drop schema app cascade; drop view v")
    # Gone in part is drift: `diff` names it.
    assert states(migrations) == ["applied", "hollow", "applied", "applied"]
    repair(migrations.url, migrations.folder, ["010"], Direction.DOWN, Options())
    assert migrations.up(order="include-all") == ["010"]
    assert states(migrations) == ["applied"] * 4


def test_what_later_versions_took_away_is_not_missed(migrations: Migrations) -> None:
    migrations.write("000_a.sql", "create table a (id int); create type m as enum ('x');")
    migrations.write("010_b.sql", "drop table a; alter type m rename to n;")
    migrations.write("020_c.sql", 'create table "Odd. name" (id int);')
    migrations.write("030_d.sql", 'alter table "Odd. name" set schema extensions;')
    migrations.up()
    assert states(migrations) == ["applied"] * 4
