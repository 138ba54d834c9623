"""Somebody who follows the how-to pages: types their commands word by word into a shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port
from tests.servers import wait_until
from tests.stacks.running_stack import REPOSITORY, clean_environment

PAGES = REPOSITORY / "docs/how-to"
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
# The supabase CLI in turn with ours is driven by tests/clients; here nothing is downloaded.
SKIPPED = ("npx ", "export SUPABASE_DB_URL=")
UP = f"gavan up{' --create-user' if os.geteuid() == 0 else ''}"
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


@contextmanager
def newcomers() -> Iterator[Callable[..., Newcomer]]:
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
