"""What a plan says of a database: sizes of the tables it locks, and findings where they matter."""

from __future__ import annotations

import pytest

from gavan.database.forecast.look import Forecast, look
from gavan.database.lint.run import Rules, Sources
from gavan.database.migration.apply import plan_up
from gavan.database.migration.files import LARGE_BYTES
from gavan.database.migration.run import Options
from tests.migrations import Migrations

RULES = Rules(levels={code: "error" for code in ("GV350", "GV352", "GV353")}, exposed=("public",))


@pytest.fixture
def grown(migrations: Migrations) -> Migrations:
    """One large table and one small one."""
    migrations.write(
        "000_a.sql",
        "create table large (id int primary key, n int); create table small (id int);"
        "create table empty (id int);"
        "insert into large select g, g from generate_series(1, 20000) as g;"
        "insert into small values (1);",
    )
    migrations.up()
    migrations.connection.execute("analyze")
    return migrations


def forecast(migrations: Migrations) -> Forecast:
    plan = plan_up(migrations.url, migrations.folder, Options())
    paths = sorted(migrations.folder.glob("*.sql"))
    return look(migrations.connection, plan, Sources(ups=paths), RULES)


def test_locked_tables_are_told_with_their_sizes(grown: Migrations) -> None:
    grown.write(
        "010_b.sql",
        "create table young (id int);\n"
        "alter table young add column n int;\n"
        "alter table large alter column n type bigint;\n"
        "create index on small (id);",
    )
    held = [
        [(one.taken.table[1], str(one.taken.mode), one.taken.rewrites, one.size.rows) for one in of]
        for of in forecast(grown).held[0]
    ]
    assert held == [
        [],
        [],
        [("large", "ACCESS EXCLUSIVE", True, 20000)],
        [("small", "SHARE", False, 1)],
    ]
    size = forecast(grown).held[0][2][0].size
    assert size.size_bytes == grown.ask("select pg_total_relation_size('large')")[0][0]


@pytest.mark.parametrize(
    ("sql", "codes"),
    [
        ("create index on large (n);", ["GV353"]),
        ("create index on small (id);", []),
        ("alter table large add column a int not null;", ["GV352"]),
        ("alter table small add column a int not null;", ["GV352"]),
        ("alter table empty add column a int not null;", []),
        ("alter table large add column u uuid default gen_random_uuid();", ["GV352"]),
        ("alter table small add column u uuid default gen_random_uuid();", []),
        ("drop table small;", ["GV350"]),
        ("create type mood as enum ('a'); drop type public.other_mood;", ["GV350"]),
    ],
)
def test_the_lint_knows_the_tables(grown: Migrations, sql: str, codes: list[str]) -> None:
    grown.write("010_b.sql", sql)
    assert [finding.code for finding in forecast(grown).findings] == codes


def test_tables_of_earlier_pending_files_are_nobodys_yet(grown: Migrations) -> None:
    grown.write("010_b.sql", "create table young (id int);")
    grown.write("020_c.sql", "create index on young (id); drop table young;")
    assert forecast(grown).findings == ()


def test_a_file_of_rows_is_not_judged(grown: Migrations) -> None:
    grown.write("010_b.sql", f"drop table small;\n-- {'x' * LARGE_BYTES}")
    seen = forecast(grown)
    assert list(seen.findings) == []
    assert seen.held == [[]]


def test_a_partitioned_table_has_the_rows_of_its_parts(migrations: Migrations) -> None:
    migrations.write(
        "000_a.sql",
        "create table p (id int) partition by range (id);"
        "create table p1 partition of p for values from (0) to (100);"
        "create table p2 partition of p for values from (100) to (200);"
        "insert into p select generate_series(0, 149);",
    )
    migrations.up()
    migrations.connection.execute("analyze")
    migrations.write("010_b.sql", "alter table p add column n int;")
    assert [one.size.rows for one in forecast(migrations).held[0][0]] == [150]
