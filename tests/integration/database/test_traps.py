"""The situations that teams meet with migrations, each as it happens to them.

Others of the kind have their place elsewhere: CONCURRENTLY and crashes in test_outside_transaction,
squashed rows in test_squash, down files beside up files in tests/unit/database/test_adopt_files.py,
the supabase CLI in turn and at the same time in tests/clients.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gavan.database.migration.apply import migrate, status
from gavan.database.migration.errors import StatementError
from gavan.database.migration.lock import KEY
from gavan.database.migration.plan import State, difference
from gavan.database.migration.run import Options
from gavan.database.migration.seed import seed
from gavan.database.migration.take_back import plan_down
from gavan.kit.errors import GavanError
from tests.conftest import Database
from tests.migrations import Migrations
from tests.servers import wait_until

# As the design wrote it, up to and behind the reserved word.
SEED_000 = """create extension if not exists pgcrypto;

create table if not exists board(
  id uuid primary key default gen_random_uuid(),
  name text not null
);
create table if not exists column(
  id uuid primary key default gen_random_uuid(),
  board_id uuid references board(id) on delete cascade,
  name text not null
);
create table if not exists card(
  id uuid primary key default gen_random_uuid(),
  column_id uuid references column(id) on delete cascade
);
"""


def test_a_reserved_word_in_the_first_file_leaves_nothing_half_applied(
    migrations: Migrations,
) -> None:
    migrations.write("000_init.sql", SEED_000)
    migrations.write("010_more.sql", "create table more (id int);")
    with pytest.raises(GavanError) as caught:
        migrations.up()
    assert caught.value.code == "GV361"
    assert caught.value.where == f"{migrations.folder / '000_init.sql'}:7:28"
    assert migrations.tables() == []
    migrations.write("000_init.sql", SEED_000.replace("column(", '"column"('))
    assert migrations.up() == ["000", "010"]
    assert migrations.tables() == ["board", "card", "column", "more"]


def test_a_seed_hashes_passwords_with_pgcrypto(migrations: Migrations, tmp_path: Path) -> None:
    migrations.write(
        "000_a.sql",
        "create extension if not exists pgcrypto with schema extensions;\n"
        "create table account (id int primary key, password text);",
    )
    migrations.up()
    path = tmp_path / "seed.sql"
    path.write_text("insert into account values (1, crypt('secret', gen_salt('bf')));")
    seed(migrations.url, [path], root=tmp_path)
    assert migrations.ask("select password = crypt('secret', password) from account") == [(True,)]


def test_an_edited_file_is_shown_with_its_difference_and_stops_later_files(
    migrations: Migrations,
) -> None:
    migrations.write("010_a.sql", "create table a (id int);")
    migrations.write("020_b.sql", "create table b (id int);\ncreate index b_id on b (id);")
    migrations.up()
    edited = migrations.folder / "020_b.sql"
    edited.write_text("create table b (id int);\ncreate unique index b_id on b (id);")
    migrations.write("030_c.sql", "create table c (id int);")
    with pytest.raises(GavanError) as caught:
        migrations.up()
    assert (caught.value.code, caught.value.where) == ("GV308", f"{edited}:1:1")
    changed = status(migrations.url, migrations.folder)[1]
    assert changed.state is State.CHANGED
    assert difference(changed).splitlines()[-2:] == [
        "-create index b_id on b (id)",
        "+create unique index b_id on b (id)",
    ]
    edited.write_text("create table b (id int);\n\n-- as it was\ncreate index b_id on b (id);")
    assert migrations.up() == ["030"]


def test_a_merged_file_that_is_older_is_out_of_order_until_somebody_decides(
    migrations: Migrations,
) -> None:
    migrations.write("010_a.sql", "create table a (id int);")
    migrations.write("020_b.sql", "create table b (id int);")
    migrations.up()
    migrations.write("015_c.sql", "create table c (id int);")
    with pytest.raises(GavanError) as caught:
        migrations.up()
    assert caught.value.code == "GV310"
    assert migrations.tables() == ["a", "b"]
    assert migrations.up(order="include-all") == ["015"]
    assert migrations.versions() == ["010", "015", "020"]


def test_an_index_that_failed_half_way_is_dropped_and_resumed_with_one_row_of_history(
    migrations: Migrations,
) -> None:
    migrations.write("000_a.sql", "create table a (id int);\ninsert into a values (1), (1);")
    migrations.write(
        "010_i.sql",
        "-- gavan: no-transaction\ninsert into a values (2);\n"
        "create unique index concurrently if not exists a_id on a (id);\n"
        "insert into a values (3);",
    )
    with pytest.raises(StatementError) as caught:
        migrations.up()
    assert (caught.value.where or "").endswith("010_i.sql:3:1")
    invalid = "select count(*) from pg_index where not indisvalid"
    assert migrations.ask(invalid) == [(1,)]
    migrations.connection.execute("delete from a where id = 1")
    # IF NOT EXISTS would have taken the invalid one for good.
    assert migrations.up() == ["010"]
    assert migrations.ask(invalid) == [(0,)]
    assert migrations.ask("select id from a order by id") == [(2,), (3,)]
    assert migrations.versions() == ["000", "010"]


def test_traffic_goes_on_while_a_migration_waits_behind_a_long_report(
    migrations: Migrations, database: Database
) -> None:
    """The report ends only after many others have read: behind a lock that waits on, none would."""
    migrations.write("000_a.sql", "create table a (id int); insert into a values (1);")
    migrations.up()
    migrations.write("010_b.sql", "alter table a add column n int;")
    waits: list[str] = []
    served = threading.Event()

    def hear(step: str, state: str, detail: str) -> None:
        if state == "warn":
            waits.append(detail)

    def serve(report: psycopg.Connection[Any]) -> None:
        with database.connect() as reader:
            while len(waits) < 2:
                reader.execute("select * from a")
            report.execute("rollback")
            served.set()

    with database.connect() as report:
        report.execute("begin")
        report.execute("select 'a report that takes hours', count(*) from a")
        pid = report.info.backend_pid
        traffic = threading.Thread(target=serve, args=(report,))
        traffic.start()
        options = Options(lock_timeout="1500ms", retries=8, report=hear)
        assert migrate(migrations.url, migrations.folder, options) == ["010"]
        traffic.join(60)
    assert served.is_set()
    # A look at who blocks takes a connection: on a busy machine the first one may come too late.
    assert any(f"backend {pid} " in wait and "takes hours" in wait for wait in waits)


def test_of_two_runners_the_second_goes_on_when_the_first_is_killed_with_the_lock(
    migrations: Migrations,
) -> None:
    migrations.write("000_a.sql", "create table a (id int);")
    migrations.write("010_b.sql", "create table b (id int);\nselect pg_sleep(60);")
    script = (
        "import os; from pathlib import Path; from gavan.kit.secret import Secret;"
        "from gavan.database.migration.apply import migrate;"
        "from gavan.database.migration.run import Options;"
        "migrate(Secret(os.environ['URL']), Path(os.environ['FOLDER']), Options())"
    )
    around = os.environ | {"URL": migrations.url.reveal(), "FOLDER": str(migrations.folder)}
    first = subprocess.Popen([sys.executable, "-c", script], env=around)
    sleeping = "select count(*) from pg_stat_activity where query like 'select pg_sleep%'"
    wait_until(lambda: migrations.ask(sleeping) == [(1,)])
    # What the second one reads: the same file, as it should have been.
    other = migrations.folder / "fixed"
    other.mkdir()
    (other / "000_a.sql").write_text("create table a (id int);")
    (other / "010_b.sql").write_text("create table b (id int);")
    heard: list[str] = []
    done: list[str] = []

    def second() -> None:
        options = Options(wait_s=60.0, report=lambda step, state, detail: heard.append(step))
        done.extend(migrate(migrations.url, other, options))

    runner = threading.Thread(target=second)
    runner.start()
    wait_until(lambda: "lock" in heard)
    first.send_signal(signal.SIGKILL)
    first.wait(60)
    runner.join(60)
    assert not runner.is_alive()
    assert done == ["010"]
    assert migrations.versions() == ["000", "010"]
    locks = f"select count(*) from pg_locks where objid = {KEY & 0xFFFFFFFF} and granted"
    wait_until(lambda: migrations.ask(locks) == [(0,)])


def test_a_down_file_that_fails_in_the_middle_leaves_an_exact_state_and_the_next_command(
    migrations: Migrations,
) -> None:
    for number in (0, 10, 20):
        name = f"{number:03}_t.sql"
        migrations.write(name, f"create table t{number} (id int);", f"drop table t{number};")
    migrations.up()
    down = migrations.folder / "down/010_t.sql"
    down.write_text("drop table t10;\ndrop table nothing;")
    with pytest.raises(StatementError) as caught:
        migrations.down(3)
    assert caught.value.where == f"{down}:2:1"
    assert "taken back: 020; newest still applied: 010_t" in (caught.value.details or "")
    assert "gavan migrate down" in (caught.value.hint or "")
    assert migrations.tables() == ["t0", "t10"]
    assert migrations.versions() == ["000", "010"]
    down.write_text("drop table t10;")
    plan = plan_down(migrations.url, migrations.folder, count=2)
    assert [parsed.file.version for parsed in plan] == ["010", "000"]
    assert migrations.down(2) == ["010", "000"]
