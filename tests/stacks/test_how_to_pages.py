"""The commands of the how-to pages about the schema, run word by word as a newcomer would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gavan.database.embedded import ADMIN
from tests.conftest import Database
from tests.ports import free_port
from tests.servers import wait_until
from tests.stacks.running_stack import REPOSITORY, clean_environment

PAGES = REPOSITORY / "docs/how-to"
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
# The supabase CLI in turn with ours is driven by tests/clients; here nothing is downloaded.
SKIPPED = ("npx ", "export SUPABASE_DB_URL=")
UP = f"gavan up{' --create-user' if os.geteuid() == 0 else ''}"
ANN = (
    "insert into auth.users (id, email, encrypted_password)"
    " values (gen_random_uuid(), 'ann@example.com', 'x')"
)
# Whatever is edited gets a line more, as by a person.
EDITOR = "#!/bin/sh\nfor file; do echo \"comment on table labels is 'mended';\" >> $file; done\n"


def commands(page: str) -> list[str]:
    """Return the lines of the shell of a page, without what is said beside them."""
    text = "".join(BLOCK.findall((PAGES / page).read_text("utf-8")))
    lines = [re.sub(r"\s+# .*", "", line) for line in text.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith(SKIPPED)]


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Somebody who types into a shell, in a folder, and says yes to every question."""

    folder: Path
    environment: Mapping[str, str]

    def types(self, line: str, *, exit_code: int = 0) -> str:
        done = subprocess.run(
            ["bash", "-c", UP if line == "gavan up" else line],
            cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, text=True,
            capture_output=True, timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == exit_code, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def follows(self, lines: Sequence[str], fails: Mapping[str, int] | None = None) -> None:
        """Type every line; ``fails`` are those that say no here, with the exit code."""
        assert set(fails or ()) <= set(lines)
        for line in lines:
            self.types(line, exit_code=(fails or {}).get(line, 0))
            if line == "gavan init":
                choose_ports(self.folder)

    def asks(self, sql: str) -> str:
        return self.types(f'gavan db query "{sql}" --role supabase_admin')

    def writes_table(self, version: str, table: str) -> None:
        """Write a migration that makes a table, and its way back."""
        folder, name = self.folder / "supabase/migrations", f"{version}_{table}.sql"
        (folder / "down").mkdir(parents=True, exist_ok=True)
        up = f"create table {table} (id bigint primary key);\n"
        (folder / name).write_text(f"{up}alter table {table} enable row level security;\n")
        (folder / "down" / name).write_text(f"drop table if exists {table};\n")


def choose_ports(folder: Path) -> None:
    with (folder / "gavan.toml").open("a") as file:
        file.write(f"[database]\nport = {free_port()}\n[core]\nport = {free_port()}\n")


@pytest.fixture
def newcomer() -> Iterator[Callable[[str], Newcomer]]:
    """Somebody in a new folder below one that is removed at the end, with all that runs there."""
    base = Path(tempfile.mkdtemp(prefix="gh-"))
    base.chmod(0o755)  # Postgres runs as another user when the tests run as root
    editor = base / "editor"
    editor.write_text(EDITOR)
    editor.chmod(0o755)
    made: list[Newcomer] = []

    def come(name: str, **more: str) -> Newcomer:
        environment = {**clean_environment(), "EDITOR": str(editor), "GAVAN_YES": "1", **more}
        (base / name).mkdir()
        made.append(Newcomer(base / name, environment))
        return made[-1]

    yield come
    for one in made:
        one.types("gavan down")

    def is_gone() -> bool:
        shutil.rmtree(base, ignore_errors=True)
        return not base.exists()

    wait_until(is_gone)


@pytest.fixture
def hosted(database_factory: Callable[[], Database]) -> Iterator[Database]:
    """A hosted project: its owner is no superuser, and may keep triggers out of the way."""
    made = database_factory()
    with made.connect(ADMIN) as connection:
        connection.execute("grant set on parameter session_replication_role to postgres")
        yield made
        connection.execute("revoke set on parameter session_replication_role from postgres")


@pytest.mark.timeout(600)
def test_a_schema_is_changed_and_a_migration_taken_back(
    newcomer: Callable[[str], Newcomer],
) -> None:
    one = newcomer("board")
    one.types("gavan init")
    choose_ports(one.folder)
    one.writes_table("000", "board")
    one.writes_table("010", "card")
    one.writes_table("020", "labels")
    for number in range(3, 7):
        one.writes_table(f"0{number}0", f"later{number}")
    one.types("gavan up")

    # 060, then three more, then all but those up to 020; the last lines take 020 itself.
    one.follows(commands("take-back-a-migration.md"))
    assert "mended" in one.asks("select obj_description('labels'::regclass)")

    adopted = one.folder / "db/migrations/900_adopted.up.sql"
    adopted.parent.mkdir(parents=True)
    adopted.write_text("create table adopted ();")
    # This database is no older than its migrations, as the page says of it: it has more than 020.
    one.follows(
        commands("change-the-schema.md"),
        fails={"gavan migrate baseline 020": 5},
    )
    assert "adopted" in one.asks("select to_regclass('adopted')::text")


@pytest.mark.timeout(600)
def test_a_stack_moves_to_hosted_supabase_and_back(
    newcomer: Callable[..., Newcomer], hosted: Database
) -> None:
    url = f"{hosted.url()}?sslmode=disable"
    lines = commands("move-to-hosted-supabase.md")
    back = lines.index("gavan init")

    here = newcomer("here", SUPABASE_DB_URL=url)
    here.types("gavan init")
    choose_ports(here.folder)
    here.writes_table("000", "board")
    here.types("gavan up")
    here.asks(ANN)
    here.asks("insert into board values (7)")
    here.follows(lines[:back])
    here.types("gavan down")
    with hosted.connect() as connection:
        assert connection.execute("select id from board").fetchall() == [(7,)]
        history = connection.execute("select version from supabase_migrations.schema_migrations")
        assert history.fetchall() == [("000",)]

    there = newcomer("there", SUPABASE_DB_URL=url)
    there.follows(lines[back:])
    dumped = {path.name for path in (there.folder / "back").iterdir()}
    assert dumped == {"roles.sql", "schema.sql", "data.sql"}
    assert "ann@example.com" in there.asks("select email from auth.users")
    assert "7" in there.asks("select id from board")
    assert "applied" in there.types("gavan migrate status --exit-code")
