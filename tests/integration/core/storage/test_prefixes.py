"""A declared bucket with ``allow_prefixes`` takes new names only below them."""

from __future__ import annotations

from pathlib import Path

import orjson

from tests.conftest import Database
from tests.integration.core.storage.conftest import running_storage
from tests.integration.core.storage.tus import begin


def test_new_objects_keep_to_the_prefixes_of_their_bucket_by_every_road(
    database: Database, tmp_path: Path
) -> None:
    declared = orjson.dumps({"built": {"allow_prefixes": ["artifacts/", "installers/"]}}).decode()
    with running_storage(database, tmp_path, {"GAVAN_STORAGE_BUCKETS": declared}) as storage:
        storage.sql("insert into storage.buckets (id, name) values ('free', 'free')")
        service = storage.service
        for place in ("built/artifacts/a", "free/a"):
            assert service.post(f"/object/{place}", content=b"x").status_code == 200
        copying = {"bucketId": "free", "sourceKey": "a", "destinationBucket": "built"}
        refused = [
            service.post("/object/built/other/a", content=b"x"),
            service.put("/object/built/artifacts", content=b"x"),
            service.post("/object/upload/sign/built/Artifacts/a"),
            service.post("/object/copy", json=copying | {"destinationKey": "other/a"}),
            service.post("/object/move", json=copying | {"destinationKey": "other/a"}),
        ]
        for answer in refused:
            assert (answer.status_code, answer.json()["code"]) == (400, "InvalidKey"), answer.url
        told = begin(service, "built", "other/a", 1)
        assert (told.status_code, told.text) == (400, "Invalid key: other/a")
        assert begin(service, "built", "installers/tus", 1).status_code == 201
        for verb in ("copy", "move"):
            key = {"destinationKey": f"installers/{verb}"}
            assert service.post(f"/object/{verb}", json=copying | key).status_code == 200
        # What is there already stays reachable.
        storage.sql("update storage.objects set name = 'old' where name = 'artifacts/a'")
        assert service.delete("/object/built/old").status_code == 200
