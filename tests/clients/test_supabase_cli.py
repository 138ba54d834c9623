"""The real supabase CLI and `gavan migrate` on one database: the same history from both sides."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from gavan.database.migration.apply import migrate, status
from gavan.database.migration.plan import State
from gavan.database.migration.run import Options
from gavan.database.migration.seed import seed
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests.conftest import Database

CLI = Path(__file__).parent / "supabase_cli"
MAJORS = ("supabase", "supabase-3")

FILES = {
    "000_init.sql": "-- доска\ncreate table board (id int primary key, name text);\n\n-- end\n",
    "010_function.sql": (
        "create function one() returns int language sql as $$ select 1; $$;\n"
        "create function two() returns text language plpgsql as $fn$\n"
        "begin\n  return 'a;b' || $$;$$; -- not the end;\nend\n$fn$;\n"
    ),
    "020_comments.sql": "/* a /* nested; */ comment; */\ninsert into board values (1, 'x;''y');;\n",
    "030_rule.sql": (
        "create table audit (id int);\n"
        "create rule r as on insert to audit do also (select 1; select 2);\n"
        "comment on table audit is 'a;b';\nselect 1 as \"semi;colon\""
    ),
}
HISTORY = "select version, name, statements from supabase_migrations.schema_migrations order by 1"


@dataclass(frozen=True, slots=True)
class Project:
    """A directory the supabase CLI understands, and the database it is pushed to."""

    root: Path
    database: Database
    cli: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return self.root / "supabase" / "migrations"

    def write(self, *names: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (self.folder / name).write_text(FILES[name], encoding="utf-8")

    def supabase(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "SUPABASE_TELEMETRY_DISABLED": "1",
            "DO_NOT_TRACK": "1",
            "NO_COLOR": "1",
        }
        return subprocess.run(
            [*self.cli, *arguments, "--db-url", self.database.url() + "?sslmode=disable"],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def push(self, *arguments: str) -> str:
        done = self.supabase("db", "push", "--yes", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def gavan(self) -> list[str]:
        return migrate(Secret(self.database.url()), self.folder, Options())

    def history(self) -> list[tuple[str, str, list[str]]]:
        with self.database.connect() as connection:
            return connection.execute(HISTORY.encode()).fetchall()


@pytest.fixture
def project_factory(cli_node: str, tmp_path: Path) -> Callable[[str, Database], Project]:
    numbers = itertools.count()

    def make(major: str, database: Database) -> Project:
        root = tmp_path / f"p{next(numbers)}"
        root.mkdir()
        entry = CLI / "node_modules" / major / "dist" / "supabase.js"
        return Project(root, database, (cli_node, str(entry)))

    return make


@pytest.fixture(params=MAJORS)
def project(
    request: pytest.FixtureRequest,
    project_factory: Callable[[str, Database], Project],
    database: Database,
) -> Project:
    return project_factory(request.param, database)


def test_the_history_is_equal_whoever_applied_it(
    project: Project, database_factory: Callable[[], Database]
) -> None:
    project.write(*FILES)
    project.push()
    by_cli = project.history()
    ours = Project(project.root, database_factory(), project.cli)
    assert ours.gavan() == ["000", "010", "020", "030"]
    assert ours.history() == by_cli
    states = {entry.state for entry in status(Secret(project.database.url()), project.folder)}
    assert states == {State.APPLIED}


@pytest.mark.parametrize("turns", ["gcgc", "cgcg", "ggcc", "ccgg"])
def test_any_interleaving_ends_with_the_same_history(project: Project, turns: str) -> None:
    for name, turn in zip(FILES, turns, strict=True):
        project.write(name)
        if turn == "c":
            project.push()
        else:
            assert project.gavan() == [name.split("_")[0]]
    assert [row[0] for row in project.history()] == ["000", "010", "020", "030"]
    assert project.gavan() == []
    assert "up to date" in project.push()


def test_migration_list_of_the_cli_sees_what_gavan_applied(project: Project) -> None:
    project.write("000_init.sql")
    project.gavan()
    project.write("010_function.sql")
    done = project.supabase("migration", "list")
    assert done.returncode == 0, done.stderr
    cells = [
        [cell.strip(" `") for cell in line.replace("│", "|").split("|")]
        for line in done.stdout.splitlines()
    ]
    rows = {cells[0]: cells[1] for cells in cells if cells and cells[0].isdigit()}
    assert rows == {"000": "000", "010": ""}, done.stdout


def test_both_refuse_a_migration_out_of_order(project: Project) -> None:
    project.write("000_init.sql", "020_comments.sql")
    project.gavan()
    project.write("010_function.sql")
    refused = project.supabase("db", "push", "--yes")
    assert refused.returncode != 0
    assert "--include-all" in refused.stdout + refused.stderr
    with pytest.raises(GavanError) as caught:
        project.gavan()
    assert caught.value.code == "GV310"
    project.push("--include-all")
    assert project.gavan() == []


def test_a_seed_run_by_gavan_is_known_to_the_cli(project: Project) -> None:
    project.write("000_init.sql")
    file = project.root / "supabase" / "seed.sql"
    file.write_text("insert into board values (1, 'Default');")
    project.gavan()
    assert seed(Secret(project.database.url()), [file], root=project.root) == ["supabase/seed.sql"]
    project.push("--include-seed")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with project.database.connect() as connection:
        rows = connection.execute("select path, hash from supabase_migrations.seed_files")
        assert rows.fetchall() == [("supabase/seed.sql", digest)]
        assert connection.execute("select count(*) from board").fetchone() == (1,)


def test_db_query_of_the_cli_reads_the_database(project: Project) -> None:
    project.write("000_init.sql")
    project.gavan()
    done = project.supabase("db", "query", "select 41 + 1 as answer", "-o", "json", "--yes")
    assert done.returncode == 0, done.stderr
    assert '"answer": 42' in json.dumps(json.loads(done.stdout)), done.stdout


@pytest.mark.parametrize(
    "command",
    ["db advisors", "inspect db table-stats", "inspect db outliers", "gen types typescript"],
)
def test_the_cli_looks_into_the_database(project: Project, command: str) -> None:
    project.write("000_init.sql")
    project.gavan()
    done = project.supabase(*command.split())
    assert done.returncode == 0, done.stdout + done.stderr
    if command.startswith("gen types"):
        assert '"board": {' in done.stdout


def test_a_push_during_a_run_of_gavan_ends_with_one_history(project: Project) -> None:
    project.write(*FILES)
    (project.folder / "005_slow.sql").write_text("select pg_sleep(0.5);")
    with ThreadPoolExecutor(1) as executor:
        running = executor.submit(project.supabase, "db", "push", "--yes")
        applied: list[str] | None
        try:
            applied = project.gavan()
        except GavanError:
            applied = None
        pushed = running.result()
    assert applied is not None or pushed.returncode == 0, pushed.stderr
    project.gavan()
    assert [row[0] for row in project.history()] == ["000", "005", "010", "020", "030"]
    with project.database.connect() as connection:
        assert connection.execute("select count(*) from board").fetchone() == (1,)
