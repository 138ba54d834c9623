"""To and from a hosted project: schema storage has its shape, and data restores both ways.

``hosted/storage_shape.json`` is what the catalogue says after upstream's migrations up to 0063, but
for the table that records them, which here is granted to nobody; ``hosted/storage_data.sql`` has
the form of a data dump of such a project. What a dump does not carry are the bytes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gavan.database.embedded import ADMIN
from tests.conftest import Database
from tests.integration.core.hosted_project import hosted_project, run
from tests.integration.core.schema_shape import shape
from tests.integration.core.storage.conftest import ANNE, Storage, running_storage

HOSTED = Path(__file__).parent / "hosted"
UPSTREAM: dict[str, Any] = json.loads((HOSTED / "storage_shape.json").read_text())
TABLES = ("buckets", "objects", "s3_multipart_uploads", "s3_multipart_uploads_parts")


def rows_of(database: Database, table: str) -> list[tuple[Any, ...]]:
    with database.connect(ADMIN) as connection:
        query = f"select to_jsonb(t) from storage.{table} as t order by t.id"
        return connection.execute(query.encode()).fetchall()


def test_the_catalogue_is_the_one_that_upstreams_migrations_leave(database: Database) -> None:
    with database.connect(ADMIN) as connection:
        ours = shape(connection, "storage")
        ours["migrations"] = [
            list(row)
            for row in connection.execute(
                "select id, name, hash from storage.migrations order by id"
            ).fetchall()
        ]
    del ours["indexes"]["one_object_of_a_version"]  # 033_storage_versions.sql says why
    for part, expected in UPSTREAM.items():
        assert ours[part] == expected, part


def test_objects_of_a_hosted_project_are_here_after_a_restore(
    database: Database, tmp_path: Path
) -> None:
    run(
        database,
        "psql",
        *("-v", "ON_ERROR_STOP=1", "--quiet", "--file", str(HOSTED / "storage_data.sql")),
    )
    with running_storage(database, tmp_path) as storage:
        found = storage.service.post("/object/list/papers", json={"prefix": "2026"}).json()
        assert [entry["name"] for entry in found] == ["Tax (1).pdf"]
        info = storage.service.get("/object/info/papers/2026/Tax (1).pdf").json()
        assert (info["size"], info["metadata"]) == (1, {"year": "2025"})
        buckets = storage.service.get("/bucket").json()
        assert {one["id"]: one["public"] for one in buckets} == {"avatars": True, "papers": False}
        placeholder = storage.service.get("/object/info/papers/.emptyFolderPlaceholder")
        assert placeholder.status_code == 200, placeholder.text
        # A dump does not carry the bytes: the answer says so, and new ones take their place.
        missing = storage.service.get("/object/public/avatars/ann/Me.png")
        assert missing.json()["message"] == "The resource was not found"
        again = storage.service.put(
            "/object/avatars/ann/Me.png", content=b"new", headers={"content-type": "image/png"}
        )
        assert again.status_code == 200, again.text
        assert storage.nobody.get("/object/public/avatars/ann/Me.png").content == b"new"


def test_objects_from_here_are_in_a_hosted_project_after_a_restore(
    database: Database, tmp_path: Path
) -> None:
    with running_storage(database, tmp_path) as storage:
        fill(storage)
    file = tmp_path / "storage.sql"
    run(
        database,
        "pg_dump",
        *("--data-only", "--schema", "storage", "--exclude-table", "storage.migrations"),
        *("--file", str(file)),
    )
    with hosted_project(database, "storage", UPSTREAM) as hosted:
        run(hosted, "psql", "-v", "ON_ERROR_STOP=1", "--quiet", "--file", str(file))
        for table in TABLES[:2]:
            arrived = rows_of(hosted, table)
            assert arrived == rows_of(database, table)
            assert arrived


def fill(storage: Storage) -> None:
    """Make objects as clients do, one of them by a user."""
    made = storage.service.post("/bucket", json={"name": "notes", "file_size_limit": "1mb"})
    assert made.status_code == 200, made.text
    for name in ("a.txt", "deep/b.txt"):
        stored = storage.service.post(f"/object/notes/{name}", content=b"text")
        assert stored.status_code == 200, stored.text
    with storage.policies("for insert to authenticated with check (true)"):
        own = storage.anne.post(f"/object/notes/{ANNE}/own.txt", content=b"own")
        assert own.status_code == 200, own.text
