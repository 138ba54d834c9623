"""kill -9 at the lines of every operation: the object is the old or the new one, whole.

And the webhook will be told of it exactly when it is the new one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from gavan.core.storage.store import Store
from gavan.core.storage.sweep import sweep
from gavan.database.pool import Pool
from gavan.kit.secret import Secret
from gavan.kit.storage.blob import blob_key
from gavan.kit.storage.files import Files
from tests.conftest import Cluster, Database, cloning
from tests.integration.core.storage.killed import NEW
from tests.live import core_environment
from tests.ports import free_port
from tests.servers import wait_until

POINTS = 6
"""Lines of each operation at which it is killed here, from the first to the last that runs"""
OLD, OTHER = b"what was there", b"another object"
Contents = dict[str, bytes]
BEFORE: Contents = {"old": OLD, "other": OTHER}
AFTER: dict[str, list[Contents]] = {
    "upload": [{**BEFORE, "new": NEW}],
    "upsert": [{**BEFORE, "old": NEW}],
    "delete": [{"other": OTHER}],
    "delete_many": [{}],
    "copy": [{**BEFORE, "new": OLD}],
    "copy_over": [{"old": OLD, "other": OLD}],
    "move": [{"new": OLD, "other": OTHER}],
    "resumable": [{**BEFORE, "new": NEW}],
    "resumable_over": [{**BEFORE, "old": NEW}],
}
EVENTS = {
    "upload": ["ObjectCreated:Post"],
    "upsert": ["ObjectCreated:Put"],
    "delete": ["ObjectRemoved:Delete"],
    "delete_many": ["ObjectRemoved:Delete", "ObjectRemoved:Delete"],
    "copy": ["ObjectCreated:Copy"],
    "copy_over": ["ObjectCreated:Copy"],
    "move": ["ObjectRemoved:Move", "ObjectCreated:Move"],
    "resumable": ["ObjectCreated:Post"],
    "resumable_over": ["ObjectCreated:Put"],
}


@dataclass
class House:
    """A database, a folder of blobs, and the program that is killed."""

    database: Database
    folder: Path
    program: subprocess.Popen[str]

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.database.connect("supabase_admin") as admin:
            admin.execute("select set_config('storage.allow_delete_query', 'true', false)")
            cursor = admin.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def furnish(self) -> None:
        """Have BEFORE and nothing else."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.sql("delete from storage.objects")
        self.sql("delete from gavan.storage_jobs")
        for name, data in BEFORE.items():
            version = str(uuid4())
            path = self.folder / blob_key(version)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            metadata = {"size": len(data), "eTag": f'"{hashlib.md5(data).hexdigest()}"'}
            self.sql(
                "insert into storage.objects (bucket_id, name, version, metadata)"
                " values ('b', %s, %s, %s)",
                name,
                version,
                json.dumps(metadata),
            )

    def perform(self, operation: str, kill_at: int) -> dict[str, int | None]:
        """Perform it in a process that is killed; return when Postgres has seen that too."""
        assert self.program.stdin is not None
        assert self.program.stdout is not None
        self.program.stdin.write(f'{{"operation": "{operation}", "kill_at": {kill_at}}}\n')
        self.program.stdin.flush()
        told: dict[str, int | None] = json.loads(self.program.stdout.readline())
        wait_until(lambda: not self._sessions())
        return told

    def _sessions(self) -> int:
        [[count]] = self.sql(
            "select count(*) from pg_stat_activity"
            " where datname = current_database() and application_name = 'gavan-storage'"
        )
        return int(count)

    def contents(self) -> Contents:
        """Return what readers get; every row has its bytes, of the size and digest it tells."""
        found: Contents = {}
        for name, version, metadata in self.sql(
            "select name, version, metadata from storage.objects"
        ):
            data = (self.folder / blob_key(version)).read_bytes()
            assert metadata["size"] == len(data)
            assert metadata["eTag"] == f'"{hashlib.md5(data).hexdigest()}"'
            found[name] = data
        return found

    def events(self) -> list[str]:
        """Return what the webhook is going to be told."""
        jobs = self.sql("select payload from gavan.storage_jobs order by id")
        return [event["type"] for (events,) in jobs for event in events]

    def blobs(self) -> set[str]:
        return {path.name for path in self.folder.glob("[0-9a-f][0-9a-f]/*")}

    def versions(self) -> set[str]:
        return {row[0] for row in self.sql("select version from storage.objects")}

    def resumable(self) -> set[str]:
        return {path.name for path in self.folder.glob("tus/*")}


@pytest.fixture(scope="module")
def house(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("k")
    with cloning(cluster) as clone:
        database = clone()
        program = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.core.storage.killed"],
            cwd=Path(__file__).parents[4],
            env=core_environment(database, folder, free_port())
            | {"WEBHOOK_URL": f"http://127.0.0.1:{free_port()}"},  # where nobody listens
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        house = House(database, folder / "storage", program)
        house.sql("insert into storage.buckets (id, name) values ('b', 'b')")
        yield house
        program.communicate(timeout=60)


@pytest.fixture
async def sweeping(house: House) -> AsyncIterator[tuple[Store, Files]]:
    url = Secret(house.database.url("supabase_storage_admin"))
    store, files = Store(Pool(url, size=1, application_name="test")), Files(house.folder)
    await store.open()
    yield store, files
    await files.close()
    await store.close()


@pytest.mark.parametrize("operation", AFTER)
async def test_an_operation_that_is_killed_was_done_or_not_begun(
    house: House, sweeping: tuple[Store, Files], operation: str
) -> None:
    house.furnish()
    lines = house.perform(operation, 0)["lines"]
    assert lines is not None
    assert house.contents() in AFTER[operation]
    assert house.events() == EVENTS[operation]
    assert house.blobs() == house.versions()
    for point in range(POINTS):
        await kill(house, sweeping, operation, 1 + point * (lines - 1) // (POINTS - 1))


async def kill(house: House, sweeping: tuple[Store, Files], operation: str, kill_at: int) -> None:
    house.furnish()
    house.perform(operation, kill_at)
    assert house.contents() in [BEFORE, *AFTER[operation]], f"{operation} at {kill_at}"
    expected = EVENTS[operation] if house.contents() != BEFORE else []
    assert house.events() == expected, f"{operation} at {kill_at}"
    lost = house.blobs() - house.versions() - house.resumable()
    swept = await sweep(*sweeping, safety_s=-60, delete=True)
    assert (swept.orphans, swept.missing) == (len(lost), 0), f"{operation} at {kill_at}"
    assert house.blobs() - house.resumable() == house.versions() - house.resumable()
    assert house.contents() in [BEFORE, *AFTER[operation]]
