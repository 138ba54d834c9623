"""`gavan migrate`, `seed` and `db` as a person types them, on a stack file of one line."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from gavan.cli.main import main
from gavan.database.bootstrap import bootstrap
from gavan.database.embedded import ADMIN, Server, prepare
from gavan.database.forecast.gate import lint_gate
from gavan.database.migration.lock import migration_lock
from gavan.database.reset import recreate
from gavan.secrets.keys import load_or_create_keys
from gavan.stack.load import load_stack
from tests.ports import free_port
from tests.servers import running

Run = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """A stack file whose own Postgres runs, with the keys of that stack."""
    root = Path(tempfile.mkdtemp(prefix="gv-", dir="/tmp"))
    root.chmod(0o755)
    (root / "gavan.toml").write_text(
        '[stack]\nname = "board"\n'
        f'[database]\nport = {free_port()}\nsettings = {{ fsync = "off" }}\n'
        '[database.seed]\nfiles = ["supabase/seed.sql"]\nmock = ["supabase/mock.sql"]\n'
    )
    write_files(root)
    stack = load_stack(root / "gavan.toml", environ={})
    server = prepare(stack, load_or_create_keys(stack), create_user=True)
    try:
        with running(server, root / "postgres.log"):
            yield Home(root, server)
    finally:
        shutil.rmtree(root)


@pytest.fixture
def stack(home: Home) -> Path:
    """The directory of the stack, as before its first migration."""
    shutil.rmtree(home.root / "supabase")
    write_files(home.root)
    recreate(home.server.url(ADMIN))
    bootstrap(home.server.url(ADMIN), home.server.passwords)
    return home.root


@pytest.fixture
def run(stack: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(stack)

    def call(*arguments: str) -> tuple[int, Any]:
        code = main(["--json", *arguments])
        printed = json.loads(capsys.readouterr().out)
        return code, printed["error"] or printed["data"]

    return call


@dataclass(frozen=True, slots=True)
class Home:
    root: Path
    server: Server

    def names(self) -> list[str]:
        url = self.server.url("postgres").reveal()
        with psycopg.connect(url) as connection:
            return [row[0] for row in connection.execute("select name from board order by id")]


def write_files(root: Path) -> None:
    folder = root / "supabase" / "migrations"
    folder.mkdir(parents=True)
    (folder / "000_init.sql").write_text("create table board (id int primary key, name text);\n")
    (root / "supabase" / "seed.sql").write_text("insert into board values (1, 'Default');\n")
    (root / "supabase" / "mock.sql").write_text("insert into board values (2, 'Mock');\n")


def test_new_up_and_status(run: Run, stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("migrate", "up") == (0, {"applied": ["000"]})
    assert run("migrate", "up") == (0, {"applied": []})
    code, made = run("migrate", "new", "Add due date")
    assert (code, Path(made["path"]).name) == (0, "010_add_due_date.sql")
    monkeypatch.setattr("sys.stdin", io.StringIO("select 'привет';\n"))
    code, piped = run("migrate", "new", "piped", "--from-stdin")
    assert Path(piped["path"]).read_text() == "select 'привет';\n"
    Path(piped["path"]).unlink()
    code, rows = run("migrate", "status", "--exit-code")
    assert code == 5
    assert [(row["version"], row["state"]) for row in rows] == [
        ("000", "applied"),
        ("010", "pending"),
    ]
    assert [bool(row["applied_by"]) for row in rows] == [True, False]
    assert rows[0]["tool"].startswith("gavan ")


def test_a_migration_is_planned_and_taken_back(run: Run, stack: Path) -> None:
    run("migrate", "up")
    code, made = run("migrate", "new", "labels", "--down")
    Path(made["path"]).write_text("-- labels\ncreate table label (id int);\n")
    assert Path(made["down"]) == stack / "supabase/migrations/down/010_labels.sql"
    Path(made["down"]).write_text("drop table label;\n")
    code, steps = run("migrate", "plan", "--exit-code")
    assert code == 5
    text = "-- labels\ncreate table label (id int)"
    statement = {"line": 2, "text": text, "loses": [], "locks": []}
    assert [(one["direction"], one["statements"]) for one in steps] == [("up", [statement])]
    assert [(one["code"], one["level"]) for one in steps[0]["findings"]] == [
        ("GV363", "error"), ("GV365", "warning"),
    ]  # fmt: skip
    run("migrate", "up")
    code, steps = run("migrate", "plan", "--down", "1")
    assert steps[0]["statements"][0]["loses"] == ["table label"]
    assert steps[0]["statements"][0]["locks"] == [
        {"table": "public.label", "mode": "ACCESS EXCLUSIVE", "rewrites": False, "rows": 0,
         "bytes": 0},
    ]  # fmt: skip
    code, error = run("migrate", "down")
    assert (code, error["code"]) == (6, "GV004")
    assert run("migrate", "down", "1", "--to", "000")[1]["code"] == "GV329"
    assert run("migrate", "down", "--yes") == (0, {"taken_back": ["010"]})
    assert run("migrate", "down", "--to", "000") == (0, {"taken_back": []})
    assert run("migrate", "status")[1][1]["state"] == "pending"


def test_migrations_are_verified_on_a_shadow(run: Run, stack: Path) -> None:
    code, proved = run("migrate", "verify")
    assert (code, proved["one_way"], proved["findings"]) == (0, ["000"], [])
    folder = stack / "supabase/migrations/down"
    folder.mkdir()
    (folder / "000_init.sql").write_text("alter table board rename to boards;")
    (stack / "supabase/migrations/000_init.sql").write_text(
        "create table if not exists board (id int);"
    )
    code, proved = run("migrate", "verify")
    assert code == 5
    assert proved["findings"][0]["code"] == "GV330"
    assert proved["findings"][0]["differences"][0]["name"] == "public.boards.id"
    assert run("migrate", "status")[1][0]["state"] == "pending"


def test_drift_baseline_and_repair(run: Run, stack: Path) -> None:
    run("migrate", "up")
    assert run("migrate", "diff") == (0, {"sql": [], "findings": []})
    run("db", "query", "alter table board add column by_hand int")
    code, found = run("migrate", "diff")
    assert code == 5
    assert [(one["code"], one["name"]) for one in found["findings"]] == [
        ("GV334", "public.board.by_hand")
    ]
    assert found["sql"] == ["alter table public.board add column by_hand integer"]
    code, written = run("migrate", "diff", "-f", "by hand")
    assert (code, Path(written["path"]).name) == (0, "010_by_hand.sql")
    assert written["mark"] == "gavan migrate repair 010 --status applied"
    assert written["statements"] == found["sql"]
    Path(written["path"]).unlink()
    assert run("migrate", "repair", "000", "--status", "reverted")[1]["code"] == "GV004"
    code, done = run("migrate", "repair", "000", "--status", "reverted", "--yes")
    assert (code, done) == (0, {"versions": ["000"], "status": "reverted"})
    code, found = run("migrate", "baseline", "000", "--yes")
    assert (code, found["marked"], len(found["findings"])) == (5, [], 1)
    run("db", "query", "alter table board drop column by_hand")
    assert run("migrate", "baseline", "000", "--yes")[1]["marked"] == ["000"]
    assert run("migrate", "up") == (0, {"applied": []})


def test_a_protected_profile_wants_the_name_of_the_stack(
    run: Run, stack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = stack / "supabase/migrations/down"
    folder.mkdir()
    (folder / "000_init.sql").write_text("drop table board;")
    run("migrate", "up")
    protected = ("--set", "profiles.dev.protected=true")
    code, error = run("migrate", "down", "--yes", *protected)
    assert (code, error["code"]) == (6, "GV004"), error
    code, done = run("migrate", "down", "--yes", "--confirm", "board", *protected)
    assert (code, done["taken_back"]) == (0, ["000"])


def test_a_failing_migration_says_where(run: Run, stack: Path) -> None:
    path = stack / "supabase/migrations/010_bad.sql"
    path.write_text("create table t (\n  a nosuchtype\n);")
    code, error = run("migrate", "up")
    assert code == 1
    assert error["where"].endswith("010_bad.sql:2:5")


def test_the_job_of_the_engine_migrates_and_seeds(run: Run, home: Home) -> None:
    code, done = run("migrate", "up", "--bootstrap")
    assert code == 0
    assert done["migrations"] == ["000"]
    assert done["seeds"] == ["supabase/seed.sql", "supabase/mock.sql"]
    assert home.names() == ["Default", "Mock"]
    assert run("migrate", "up", "--bootstrap")[1]["seeds"] == []


def test_seed_runs_mock_data_only_when_asked(run: Run, home: Home) -> None:
    run("migrate", "up")
    assert run("seed")[1]["ran"] == ["supabase/seed.sql"]
    assert run("seed", "--mock")[1]["ran"] == ["supabase/mock.sql"]
    assert home.names() == ["Default", "Mock"]


def test_query_prints_rows_and_errors(run: Run) -> None:
    assert run("db", "query", "select 1 as one, null as none") == (0, [{"one": 1, "none": None}])
    code, error = run("db", "query", "select * from nowhere")
    assert code == 1
    assert "nowhere" in error["message"]


def test_url_is_that_of_the_role(run: Run, home: Home) -> None:
    assert run("db", "url") == (0, {"url": home.server.url("postgres").reveal()})
    assert run("db", "url", "--role", "supabase_admin") == (
        0,
        {"url": home.server.url(ADMIN).reveal()},
    )
    assert run("db", "url", "--role", "nobody")[1]["code"] == "GV317"


def test_reset_asks_and_then_starts_anew(run: Run, home: Home) -> None:
    run("migrate", "up", "--bootstrap")
    run("db", "query", "insert into board values (3, 'Lost')")
    code, error = run("db", "reset")
    assert (code, error["code"]) == (6, "GV004")
    assert home.names() == ["Default", "Mock", "Lost"]
    code, done = run("db", "reset", "--yes")
    assert code == 0, done
    assert home.names() == ["Default", "Mock"]


def test_a_disk_without_room_is_said_before_anything_is_applied(run: Run, stack: Path) -> None:
    run("migrate", "up")
    with (stack / "supabase/migrations/010_rows.sql").open("wb") as file:
        file.truncate(shutil.disk_usage(stack).free // 2)  # no byte of it is on the disk
    code, error = run("migrate", "up")
    assert (code, error["code"]) == (1, "GV348"), error
    assert [row["state"] for row in run("migrate", "status")[1]] == ["applied", "pending"]


def test_a_superuser_is_told_of_where_data_are_real(stack: Path, home: Home) -> None:
    loaded = load_stack(stack / "gavan.toml", environ={})
    real = replace(loaded, profile=replace(loaded.profile, protected=True))
    heard: list[tuple[str, str, str]] = []
    gate = lint_gate(real, lambda *said: heard.append(said))
    for role, told in (("postgres", []), (ADMIN, ["role"])):
        with psycopg.connect(home.server.url(role).reveal()) as connection:
            gate(connection, [])
        assert [step for step, _, _ in heard] == told


def test_the_lint_stops_a_protected_profile_and_only_tells_the_others(
    run: Run, stack: Path, home: Home
) -> None:
    protected = ("--set", "profiles.dev.protected=true")
    code, error = run("migrate", "up", *protected)
    assert (code, error["code"]) == (5, "GV363"), error
    assert error["where"].endswith("000_init.sql:1:14")
    assert run("migrate", "status")[1][0]["state"] == "pending"
    path = stack / "supabase/migrations/000_init.sql"
    path.write_text(path.read_text() + "alter table board enable row level security;\n")
    assert run("migrate", "up", *protected)[1]["applied"] == ["000"]
    (path.parent / "010_index.sql").write_text("create index on board (name);")
    assert run("migrate", "up", *protected)[1]["applied"] == ["010"]


def test_a_database_on_another_machine_counts_as_protected(
    run: Run, stack: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stack / "supabase/migrations/down"
    folder.mkdir()
    (folder / "000_init.sql").write_text("drop table board;")
    run("migrate", "up")
    # A name, as of another machine, that leads to the server of this test.
    elsewhere = make_conninfo(
        home.server.url("postgres").reveal(), host="db.example.com", hostaddr="127.0.0.1"
    )
    monkeypatch.setenv("GAVAN_DB_URL", elsewhere)
    code, error = run("migrate", "down", "--yes")
    assert (code, error["code"]) == (6, "GV004"), error
    code, done = run("migrate", "down", "--yes", "--confirm", "board")
    assert (code, done["taken_back"]) == (0, ["000"])
    assert run("migrate", "up")[1]["code"] == "GV363"
    assert run("seed", "--mock")[1]["code"] == "GV316"


def test_the_holder_of_the_lock_is_shown_and_ended(run: Run, home: Home) -> None:
    assert run("migrate", "unlock") == (0, {"holder": None, "ended": []})
    url = home.server.url("postgres")
    with migration_lock(url, wait_s=0, waiting=lambda who: None):
        assert run("migrate", "unlock")[1]["code"] == "GV004"
        code, done = run("migrate", "unlock", "--yes")
        assert (code, done["ended"]) == (0, [done["holder"]["pid"]])
        assert done["holder"]["application"].startswith("gavan-migrate-lock/")
        assert run("migrate", "up")[0] == 0


def test_many_migrations_become_one_after_a_question(run: Run, stack: Path, home: Home) -> None:
    folder = stack / "supabase/migrations"
    (folder / "010_more.sql").write_text("insert into board values (1, 'Kept');")
    run("migrate", "up")
    assert run("migrate", "squash")[1]["code"] == "GV004"
    assert run("migrate", "squash", "--yes") == (0, {"squashed": ["000", "010"]})
    assert [path.name for path in folder.glob("*.sql")] == ["010_squashed.sql"]
    assert run("migrate", "status", "--exit-code")[0] == 0
    recreate(home.server.url(ADMIN))
    bootstrap(home.server.url(ADMIN), home.server.passwords)
    assert run("migrate", "up") == (0, {"applied": ["010"]})
    assert home.names() == ["Kept"]


def test_files_of_another_tool_are_adopted_after_a_question(
    run: Run, stack: Path, home: Home
) -> None:
    source = stack / "db"
    source.mkdir(exist_ok=True)
    (source / "1_label.up.sql").write_text("create table label (id int);")
    (source / "1_label.down.sql").write_text("drop table label;")
    folder = stack / "supabase/migrations"
    (folder / "000_init.sql").unlink()
    assert run("migrate", "adopt", str(source))[1]["code"] == "GV004"
    table = "create table schema_migrations (version bigint primary key, dirty bool)"
    rows = "insert into schema_migrations values (1, false)"
    run("db", "query", f"{table}; {rows}; create table label (id int)")
    code, done = run("migrate", "adopt", str(source), "--yes")
    assert (code, done["tool"], done["marked"]) == (0, "golang-migrate", ["1"])
    assert sorted(Path(path).name for path in done["files"]) == ["1_label.sql", "1_label.sql"]
    assert run("migrate", "up") == (0, {"applied": []})
    assert run("migrate", "down", "--yes") == (0, {"taken_back": ["1"]})


def test_no_migration_file_at_all_is_no_success(run: Run, stack: Path) -> None:
    """CI in the wrong directory: the supabase CLI says "up to date" there, and exits 0."""
    (stack / "supabase/migrations/000_init.sql").unlink()
    code, error = run("migrate", "up")
    assert (code, error["code"]) == (2, "GV343")
    assert error["message"].startswith("0 local migration files in ")


def test_a_missing_file_is_found_on_the_branch_that_has_it(run: Run, stack: Path) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"]
        done = subprocess.run(["git", *who, *words], cwd=stack, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    folder = stack / "supabase/migrations"
    git("init", "-q", "-b", "main")
    git("add", "supabase")
    git("commit", "-qm", "one")
    git("checkout", "-qb", "labels")
    (folder / "010_label.sql").write_text("create table label (id int);\n")
    git("add", "supabase")
    git("commit", "-qm", "two")
    commit = git("rev-parse", "--short", "HEAD")
    run("migrate", "up")
    git("checkout", "-q", "main")
    row = run("migrate", "status")[1][1]
    assert (row["version"], row["state"]) == ("010", "missing")
    line = f"git -C {folder} checkout {commit} -- 010_label.sql"
    assert row["mend"].startswith(f"{line}; ")
    subprocess.run(line.split(), check=True)
    assert run("migrate", "status", "--exit-code")[0] == 0
    shutil.rmtree(stack / ".git")
