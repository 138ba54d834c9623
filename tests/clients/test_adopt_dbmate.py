"""A project that the real dbmate has migrated is taken over, and goes on without it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from gavan.database.migration.adopt import adopt_history
from gavan.database.migration.adopt_files import plan_files, write_files
from gavan.database.migration.apply import migrate, status
from gavan.database.migration.run import Options
from gavan.database.migration.take_back import plan_down, take_back
from gavan.kit.secret import Secret
from tests.conftest import Database

DBMATE = Path(__file__).parent / "supabase_cli/node_modules/.bin/dbmate"
HOW = Options(wait_s=10.0)
FILES = {
    "20260101000000_init.sql": (
        "-- migrate:up\ncreate table board (id int primary key, name text);\n"
        "insert into board values (1, 'kept');\n\n-- migrate:down\ndrop table board;\n"
    ),
    "20260102000000_index.sql": (
        "-- migrate:up transaction:false\ncreate index concurrently board_name on board (name);\n\n"
        "-- migrate:down transaction:false\ndrop index concurrently board_name;\n"
    ),
    "20260103000000_later.sql": (
        "-- migrate:up\nalter table board add column n int;\n\n"
        "-- migrate:down\nalter table board drop column n;\n"
    ),
}


def dbmate(database: Database, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [DBMATE, "--no-dump-schema", "--migrations-dir", folder, *arguments],
        env=os.environ | {"DATABASE_URL": f"{database.url()}?sslmode=disable"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_files_and_history_of_dbmate_become_ours(
    cli_node: str, database: Database, tmp_path: Path
) -> None:
    theirs, ours = tmp_path / "db/migrations", tmp_path / "supabase/migrations"
    theirs.mkdir(parents=True)
    first, second, third = FILES
    for name in (first, second):
        (theirs / name).write_text(FILES[name])
    dbmate(database, theirs, "migrate")
    (theirs / third).write_text(FILES[third])
    assert "Pending: 1" in dbmate(database, theirs, "status")

    write_files(plan_files(theirs, ours), ours)
    url = Secret(database.url())
    assert adopt_history(url, ours, HOW) == ("dbmate", [first[:14], second[:14]])
    assert [str(entry.state) for entry in status(url, ours)] == ["applied", "applied", "pending"]
    assert migrate(url, ours, HOW) == [third[:14]]
    assert take_back(url, plan_down(url, ours, count=3), HOW) == [
        third[:14], second[:14], first[:14],
    ]  # fmt: skip
    assert migrate(url, ours, HOW) == [name[:14] for name in FILES]
    with database.connect() as connection:
        rows = connection.execute("select id, name, n from board").fetchall()
        assert rows == [(1, "kept", None)]
