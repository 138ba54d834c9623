"""A folder of migrations and the database that they go to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psycopg

from gavan.database.migration.apply import migrate
from gavan.database.migration.run import Options
from gavan.database.migration.take_back import plan_down, take_back
from gavan.kit.secret import Secret

Shadow = Callable[[], AbstractContextManager[Secret]]
"""Makes an empty database of the same server."""


class Migrations:
    """A folder of migrations and the database they go to."""

    def __init__(self, folder: Path, url: Secret) -> None:
        self.folder = folder
        self.url = url
        self.connection = psycopg.connect(url.reveal(), autocommit=True)
        self.heard: list[tuple[str, str, str]] = []

    def write(self, name: str, sql: str, down: str | None = None) -> None:
        (self.folder / name).write_text(sql, encoding="utf-8")
        if down is not None:
            (self.folder / "down").mkdir(exist_ok=True)
            (self.folder / "down" / name).write_text(down, encoding="utf-8")

    def up(self, **options: Any) -> list[str]:
        return migrate(self.url, self.folder, self._options(options))

    def down(self, count: int = 1, *, to: str | None = None, **options: Any) -> list[str]:
        plan = plan_down(self.url, self.folder, count=count, to=to)
        return take_back(self.url, plan, self._options(options))

    def _options(self, given: dict[str, Any]) -> Options:
        values: dict[str, Any] = {"wait_s": 10.0} | given
        report = lambda step, state, detail: self.heard.append((step, state, detail))  # noqa: E731
        return Options(**({"report": report} | values))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql.encode()).fetchall()

    def versions(self) -> list[str]:
        rows = self.ask("select version from supabase_migrations.schema_migrations order by 1")
        return [row[0] for row in rows]

    def tables(self) -> list[str]:
        return [row[0] for row in self.ask("select tablename from pg_tables"
                                           " where schemaname = 'public' order by 1")]  # fmt: skip
