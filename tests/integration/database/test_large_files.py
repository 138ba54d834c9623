"""Large files go through the runner piece by piece and end as all others do.

What counts as large, and a piece, is less here than elsewhere, so that the tests take little time.
"""

from __future__ import annotations

import subprocess
import sys
from itertools import count

import pytest

from gavan.database.migration import bulk, files, history, large
from gavan.database.migration.apply import plan_up, status
from gavan.database.migration.errors import StatementError
from gavan.database.migration.parsed import Direction
from gavan.database.migration.plan import State
from gavan.database.migration.repair import repair
from gavan.database.migration.run import Options
from gavan.database.migration.seed import seed
from gavan.database.migration.split import split
from gavan.database.migration.verify import verify
from gavan.kit.errors import GavanError
from tests.migrations import Migrations

HEAD = "-- доска\ncreate table board (id int primary key, note text);\n"
SIZE = 200_000
# Its own peak, in kB, as the kernel saw it since the program began.
RUNNER = (
    "import re, sys; from pathlib import Path; from gavan.kit.secret import Secret;"
    "from gavan.database.migration.apply import migrate, status;"
    "from gavan.database.migration.run import Options;"
    "url, folder = Secret(sys.stdin.read()), Path(sys.argv[1]);"
    "done = migrate(url, folder, Options()) if sys.argv[2] == 'up' else status(url, folder);"
    "print(len(done), re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
)


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGE_BYTES", SIZE)
    monkeypatch.setattr(history, "LARGE_BYTES", SIZE)
    monkeypatch.setattr(large, "WINDOW_BYTES", 20_000)
    monkeypatch.setattr(bulk, "GROUP_BYTES", 5_000)


def rows(size: int = SIZE, *, after: dict[int, str] | None = None) -> str:
    """Return more than ``size`` characters of inserts; ``after`` holds what follows a row."""
    lines: list[str] = []
    length = 0
    for number in count():
        if length > size:
            return "".join(lines)
        line = f"insert into board values ({number}, 'it''s; \"{number}\"\n(ж');\n"
        lines.append(line + (after or {}).get(number, ""))
        length += len(lines[-1])
    raise AssertionError("count has no end")


def states(migrations: Migrations) -> list[State]:
    return [one.state for one in status(migrations.url, migrations.folder)]


def place(text: str, needle: str) -> str:
    at = text.index(needle)
    return f"{text.count(chr(10), 0, at) + 1}:{at - text.rindex(chr(10), 0, at)}"


def test_a_large_file_is_applied_recorded_and_recognised(migrations: Migrations) -> None:
    text = HEAD + rows()
    migrations.write("000_a.sql", text)
    migrations.write("010_b.sql", "create table after_it (id int);")
    assert migrations.up() == ["000", "010"]
    assert migrations.ask("select count(*) from board") == [(text.count("insert"),)]
    (row,) = migrations.ask(
        "select name, statements from supabase_migrations.schema_migrations where version = '000'"
    )
    assert row == ("a", [one.text for one in split(text)])
    assert migrations.up() == []
    assert states(migrations) == [State.APPLIED, State.APPLIED]
    migrations.write("000_a.sql", text.replace("(7, 'it", "(7, 'at"))
    assert states(migrations) == [State.CHANGED, State.APPLIED]
    # Written by another tool: our log does not know it, the statements decide.
    migrations.write("000_a.sql", f"{text}\n\n")
    assert states(migrations) == [State.APPLIED, State.APPLIED]
    migrations.write("000_a.sql", HEAD)
    assert states(migrations) == [State.CHANGED, State.APPLIED]


@pytest.mark.parametrize(
    ("fault", "code", "needle"),
    [
        ("insert into board values (5, 'again');\n", "GV311", "insert into board values (5, 'a"),
        ("insert into board values (-1, nope);\n", "GV311", "nope"),
        ("create table column (id int);\n", "GV361", "column"),
        ("create index concurrently i on board (note);\n", "GV356", "create index"),
        ("select 1;\ncommit;\n", "GV311", "commit"),
    ],
)
def test_a_fault_is_told_at_its_place_and_nothing_stays(
    migrations: Migrations, fault: str, code: str, needle: str
) -> None:
    text = HEAD + rows(after={3_001: fault})
    migrations.write("000_a.sql", text)
    with pytest.raises(StatementError) as caught:
        migrations.up()
    assert caught.value.code == code
    assert str(caught.value.where).endswith(f"000_a.sql:{place(text, needle)}")
    assert needle in (caught.value.details or "")
    assert migrations.tables() == []
    assert migrations.versions() == []


def test_a_constraint_that_is_checked_last_points_at_the_last_statement(
    migrations: Migrations,
) -> None:
    late = "create table late (id int references board deferrable initially deferred);\n"
    text = HEAD + late + "insert into late values (-1);\n" + rows()
    migrations.write("000_a.sql", text)
    with pytest.raises(StatementError, match="foreign key") as caught:
        migrations.up()
    last = text.count("\n") - 1
    assert str(caught.value.where).endswith(f"000_a.sql:{last}:1")


def test_nothing_is_applied_before_a_later_large_file_is_known_to_parse(
    migrations: Migrations,
) -> None:
    migrations.write("000_a.sql", HEAD)
    migrations.write("010_b.sql", rows() + "selekt 1;\n")
    with pytest.raises(StatementError, match="selekt"):
        migrations.up()
    assert migrations.tables() == []


def test_repair_writes_the_row_that_up_would_write(migrations: Migrations) -> None:
    migrations.write("000_a.sql", HEAD + rows())
    for _ in range(2):
        repair(migrations.url, migrations.folder, ["000"], Direction.UP, Options())
    assert migrations.tables() == []
    # Its row is that of the file, and nothing of the file was run.
    assert states(migrations) == [State.HOLLOW]


def test_a_shadow_gets_a_large_file_without_what_is_of_the_whole_server(
    migrations: Migrations,
) -> None:
    migrations.write("000_a.sql", HEAD + rows(after={9: "create role never_made;\n"}))
    verified = verify(migrations.url, migrations.folder)
    assert verified.replayed == ["000"]
    assert [one.rsplit(":", 1)[1] for one in verified.left_out] == [str(2 + 2 * 10 + 1)]
    assert migrations.ask("select count(*) from pg_roles where rolname = 'never_made'") == [(0,)]


def test_a_plan_counts_its_statements(migrations: Migrations) -> None:
    text = HEAD + rows()
    migrations.write("000_a.sql", text)
    (parsed,) = plan_up(migrations.url, migrations.folder, Options())
    assert parsed.large is not None
    assert len(parsed.statements) == 1 + text.count("insert")


def test_memory_does_not_grow_with_the_file(migrations: Migrations) -> None:
    """24 MB here, to be quick; bench/migrate has the larger ones."""
    with (migrations.folder / "000_a.sql").open("w") as stream:
        stream.write(HEAD)
        for number in range(120_000):
            stream.write(f"insert into board values ({number}, '{'x' * 160}');\n")
    peaks = {}
    for verb in ("up", "status"):
        done = subprocess.run(
            [sys.executable, "-c", RUNNER, str(migrations.folder), verb],
            input=migrations.url.reveal(),
            capture_output=True,
            text=True,
            check=True,
        )
        number, peak_kb = map(int, done.stdout.split())
        assert number == 1
        peaks[verb] = peak_kb / 1000
    # Python with its libraries takes 45 MB of these.
    assert max(peaks.values()) < 90, peaks


def test_a_change_while_it_is_read_is_refused(
    migrations: Migrations, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = HEAD + rows()
    migrations.write("000_a.sql", text)
    (parsed,) = plan_up(migrations.url, migrations.folder, Options())
    assert parsed.large is not None
    parsed.large.find()
    migrations.write("000_a.sql", text.replace("(7, 'it", "(7, 'at"))
    with pytest.raises(GavanError) as caught:
        parsed.large.checksum()
    assert caught.value.code == "GV349"


def test_a_large_seed_runs_once(migrations: Migrations) -> None:
    migrations.write("000_a.sql", HEAD)
    migrations.up()
    path = migrations.folder / "seed.txt"
    path.write_text(rows(), encoding="utf-8")
    for wanted in (["seed.txt"], []):
        assert seed(migrations.url, [path], root=migrations.folder) == wanted
    assert migrations.ask("select count(*) from board") == [(rows().count("insert"),)]


def test_a_large_file_without_a_transaction_is_journalled_statement_by_statement(
    migrations: Migrations,
) -> None:
    text = f"-- gavan: no-transaction\n{HEAD}-- {'x' * SIZE}\nselect 1;\nvacuum board;\n"
    migrations.write("000_a.sql", text)
    assert migrations.up() == ["000"]
    assert migrations.ask("select max(statement_no) from gavan.migration_log") == [(3,)]
