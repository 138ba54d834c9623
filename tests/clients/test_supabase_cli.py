"""The real supabase CLI and `gavan migrate` on one database: the same history from both sides."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from gavan.database.migration.seed import seed
from gavan.kit.errors import GavanError
from tests.clients.supabase_project import Project, listed

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


def write(project: Project, *names: str) -> None:
    for name in names:
        (project.folder / name).write_text(FILES[name], encoding="utf-8")


def test_migration_list_of_the_cli_sees_what_gavan_applied(project: Project) -> None:
    write(project, "000_init.sql")
    project.gavan()
    write(project, "010_function.sql")
    done = project.supabase("migration", "list")
    assert done.returncode == 0, done.stderr
    assert listed(done.stdout) == {"000": (True, True), "010": (True, False)}, done.stdout


def test_both_refuse_a_migration_out_of_order(project: Project) -> None:
    write(project, "000_init.sql", "020_comments.sql")
    project.gavan()
    write(project, "010_function.sql")
    refused = project.supabase("db", "push", "--yes")
    assert refused.returncode != 0
    assert "--include-all" in refused.stdout + refused.stderr
    with pytest.raises(GavanError) as caught:
        project.gavan()
    assert caught.value.code == "GV310"
    project.push("--include-all")
    assert project.gavan() == []


def test_a_seed_run_by_gavan_is_known_to_the_cli(project: Project) -> None:
    write(project, "000_init.sql")
    file = project.root / "supabase" / "seed.sql"
    file.write_text("insert into board values (1, 'Default');")
    project.gavan()
    assert seed(project.url, [file], root=project.root) == ["supabase/seed.sql"]
    project.push("--include-seed")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with project.database.connect() as connection:
        rows = connection.execute("select path, hash from supabase_migrations.seed_files")
        assert rows.fetchall() == [("supabase/seed.sql", digest)]
        assert connection.execute("select count(*) from board").fetchone() == (1,)


def test_db_query_of_the_cli_reads_the_database(project: Project) -> None:
    write(project, "000_init.sql")
    project.gavan()
    done = project.supabase("db", "query", "select 41 + 1 as answer", "-o", "json", "--yes")
    assert done.returncode == 0, done.stderr
    assert '"answer": 42' in json.dumps(json.loads(done.stdout)), done.stdout


@pytest.mark.parametrize(
    "command",
    ["db advisors", "inspect db table-stats", "inspect db outliers", "gen types typescript"],
)
def test_the_cli_looks_into_the_database(project: Project, command: str) -> None:
    write(project, "000_init.sql")
    project.gavan()
    done = project.supabase(*command.split())
    assert done.returncode == 0, done.stdout + done.stderr
    if command.startswith("gen types"):
        assert '"board": {' in done.stdout


def test_a_push_during_a_run_of_gavan_ends_with_one_history(project: Project) -> None:
    write(project, *FILES)
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
