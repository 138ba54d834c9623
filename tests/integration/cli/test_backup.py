"""`gavan backup` on a stack that runs: its verbs, its schedule, and before migrations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli_stack import LiveStack
from tests.servers import wait_until
from tests.supervised import short_folder

MORE = (
    '[profiles.real]\nprotected = true\n[backup]\nschedule = "0 0 1 1 *"\n'
    "[backup.keep]\ndaily = 1\nweekly = 0\nmonthly = 0\nmin = 1\n"
)


AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudl09wcqskj4m7"


class Stack(LiveStack):
    def migration(self, version: str, sql: str) -> None:
        folder = self.root / "supabase" / "migrations"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{version}_m.sql").write_text(sql)

    def backup(self, *argv: str, code: int = 0) -> Any:
        return self.gavan("backup", *argv, code=code)["data"]

    def ids(self) -> list[str]:
        return [one["id"] for one in self.backup("list")]

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A protected stack that was brought up once."""
    with short_folder() as folder:
        made = Stack(folder, MORE)
        (folder / ".env.real").write_text("")
        (folder / ".env.real").chmod(0o600)
        made.migration("010", "create table public.card (id int primary key);"
                              "alter table public.card enable row level security;")  # fmt: skip
        made.up("-p", "real", code=0)
        try:
            yield made
        finally:
            made.gavan("down", "-p", "real", "--volumes", "--yes", "--confirm", "faults")


def test_a_first_start_needs_no_backup(stack: Stack) -> None:
    assert stack.ids() == []
    assert stack.gavan("status")["data"]["backup"]["verdict"] == "none"


def test_the_verbs_tell_of_a_backup(stack: Stack) -> None:
    made = stack.backup("run")
    assert made["state"] == "ok"
    assert made["manifest"]["rows"]["public.card"] == {"count": 0, "exact": True}
    assert made["manifest"]["migration_head"] == "010"
    listed = stack.backup("list")[-1]
    assert (listed["id"], listed["state"]) == (made["id"], "ok")
    shown = stack.backup("show", made["id"][:15])
    assert shown["signature"] == "ours"
    checked = stack.backup("verify")
    assert (checked["verified"], checked["problems"]) == ([made["id"]], {made["id"]: []})
    status = stack.gavan("status")["data"]["backup"]
    assert (status["verdict"], status["newest"]) == ("ok", made["id"])
    assert stack.gavan("backup", "show", "1999", code=1)["error"]["code"] == "GV400"
    assert stack.gavan("backup", "fetch", code=2)["error"]["code"] == "GV415"


def test_damage_exits_5_and_names_the_file(stack: Stack) -> None:
    made = stack.backup("run")
    path = stack.root / "backups" / made["id"] / "globals.sql.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    problems = stack.backup("verify", made["id"], code=5)["problems"][made["id"]]
    assert [problem["file"] for problem in problems] == [f"{made['id']}/globals.sql.gz"]
    path.write_bytes(whole)


def test_pruning_asks_and_keeps_what_is_marked(stack: Stack) -> None:
    first, second = stack.backup("run")["id"], stack.backup("run")["id"]
    stack.backup("keep", first, "--reason", "before the move")
    planned = stack.backup("prune", "--dry-run")["decisions"]["here"]
    assert {one["id"]: one["stays"] for one in planned}[first] is True
    assert second in stack.ids()
    refused = stack.gavan("-p", "real", "backup", "prune", code=6)
    assert refused["error"]["code"] == "GV004"
    stack.gavan("-p", "real", "backup", "prune", "--yes", "--confirm", "faults")
    assert set(stack.ids()) == {first, second}
    stack.backup("keep", first, "--off")
    stack.gavan("-p", "real", "backup", "run", "--prune")
    assert first not in stack.ids()
    assert len(stack.ids()) == 1


def test_a_migration_of_real_data_is_preceded_by_a_backup(stack: Stack) -> None:
    stack.migration("020", "alter table public.card add column title text;")
    before = stack.ids()
    done = stack.gavan("-p", "real", "migrate", "up")["data"]
    assert done["applied"] == ["020"]
    assert [one for one in stack.ids() if one not in before] == [done["backup"]]
    assert stack.backup("show", done["backup"])["manifest"]["migration_head"] == "010"
    [(logged,)] = stack.ask("select backup_id from gavan.migration_log where version = '020'")
    assert logged == done["backup"]
    assert "backup" not in stack.gavan("-p", "real", "migrate", "up")["data"]


def test_a_migration_without_a_backup_needs_a_reason(stack: Stack) -> None:
    stack.migration("030", "alter table public.card add column note text;")
    folder = stack.root / "backups"
    (stack.root / "aside").mkdir()
    folder.rename(stack.root / "aside" / "backups")
    folder.write_text("in the way")
    refused = stack.gavan("-p", "real", "migrate", "up", code=1)
    assert refused["error"]["code"] == "GV416"
    assert stack.ask("select count(*) from gavan.migration_log where version = '030'") == [(0,)]
    done = stack.gavan("-p", "real", "migrate", "up", "--skip-backup", "the disk is broken")
    assert done["data"]["applied"] == ["030"]
    assert any("the disk is broken" in warning for warning in done["warnings"])
    folder.unlink()
    (stack.root / "aside" / "backups").rename(folder)


def test_taking_back_real_data_is_preceded_by_a_backup(stack: Stack) -> None:
    down = stack.root / "supabase" / "migrations" / "down"
    down.mkdir(exist_ok=True)
    (down / "030_m.sql").write_text("alter table public.card drop column note;")
    done = stack.gavan("-p", "real", "migrate", "down", "--yes", "--confirm", "faults")["data"]
    assert done["taken_back"] == ["030"]
    assert done["backup"] in stack.ids()


def test_the_schedule_makes_backups_by_itself_and_makes_up_for_missed_ones() -> None:
    with short_folder() as folder:
        stack = Stack(folder, '[backup]\nschedule = "@every 3s"\n')
        stack.up()
        try:
            wait_until(lambda: stack.ids() != [], 60)
            assert stack.units()["cron"]["state"] == "running"
            # A schedule of now: the jobs of the stack file say so in the log of the unit.
            lines = stack.start("logs", "cron")
            out, _ = lines.communicate(timeout=60)
            assert '"job": "gavan:backup"' in out
        finally:
            stack.gavan("down", "--volumes", "--yes")


def test_without_the_section_nothing_is_scheduled(tmp_path: Path) -> None:
    from gavan.engines.embedded.own_jobs import own_jobs
    from gavan.stack.load import load_stack
    from gavan.stack.plan import plan_units

    file = tmp_path / "gavan.toml"
    sealed = f'[backup.encrypt]\nmethod = "age"\nrecipients = ["{AGE}"]\n'
    rehearsed = '[backup.drill]\nschedule = "0 5 * * 0"\n'
    timed = "[backup.pitr]\nenabled = true\n"
    heard = '[notify.n]\ntype = "ntfy"\ntarget = "secret://N_TARGET"\n'
    wanted = (
        ("", 0), ("[backup]\n", 2), (sealed, 1), (sealed + rehearsed, 2), (sealed + timed, 2),
        ("[backup]\n" + heard, 3), (heard, 0),
    )  # fmt: skip
    for text, jobs in wanted:
        file.write_text(f'[stack]\nname = "s"\n{text}')
        found = load_stack(file, environ={"N_TARGET": "http://127.0.0.1:9/topic"})
        assert len(own_jobs(found)) == jobs
        assert ("cron" in [unit.name for unit in plan_units(found)]) is (jobs > 0)
        assert all(job.catch_up for job in own_jobs(found))
