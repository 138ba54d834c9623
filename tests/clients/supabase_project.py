"""A project of the supabase CLI and the database that it and `gavan migrate` share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gavan.database.migration.apply import migrate
from gavan.database.migration.run import Options
from gavan.kit.secret import Secret
from tests.conftest import Database

CLI = Path(__file__).parent / "supabase_cli"
MAJORS = ("supabase", "supabase-3")
TABLE = "supabase_migrations.schema_migrations"
HISTORY = f"select version, name, statements from {TABLE} order by 1"


@dataclass(frozen=True, slots=True)
class Project:
    """A directory the supabase CLI understands, and the database it is pushed to."""

    root: Path
    database: Database
    node: str
    major: str

    @property
    def folder(self) -> Path:
        return self.root / "supabase" / "migrations"

    @property
    def url(self) -> Secret:
        return Secret(self.database.url())

    def with_major(self, major: str) -> Project:
        return replace(self, major=major)

    def supabase(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the CLI on the database; the caller judges its exit code."""
        return self.supabase_alone(*arguments, "--db-url", self.database.url() + "?sslmode=disable")

    def supabase_alone(
        self, *arguments: str, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command that needs no database; ``variables`` are more of the environment."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "SUPABASE_TELEMETRY_DISABLED": "1",
            "DO_NOT_TRACK": "1",
            "NO_COLOR": "1",
            **(variables or {}),
        }
        entry = CLI / "node_modules" / self.major / "dist" / "supabase.js"
        return subprocess.run(
            [self.node, str(entry), *arguments],
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
        return migrate(self.url, self.folder, Options())

    def history(self) -> list[tuple[str, str, list[str]]]:
        """Return the rows of the CLI's table, none where nobody made it yet."""
        with self.database.connect() as connection:
            made = connection.execute("select to_regclass(%s)", (TABLE,)).fetchone()
            if made == (None,):
                return []
            return connection.execute(HISTORY.encode()).fetchall()


def listed(output: str) -> dict[str, tuple[bool, bool]]:
    """Read the table of `migration list`: version -> whether there is a file, whether applied."""
    rows = [
        [cell.strip(" `") for cell in line.replace("│", "|").split("|")]
        for line in output.splitlines()
    ]
    return {
        row[0] or row[1]: (bool(row[0]), bool(row[1]))
        for row in rows
        if len(row) == 3 and (row[0] or row[1]).isdigit()
    }
