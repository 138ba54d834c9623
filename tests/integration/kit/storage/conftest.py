"""The two providers, empty; every test of test_provider.py holds for both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from gavan.kit.storage.files import Files
from gavan.kit.storage.provider import Provider
from gavan.kit.storage.s3 import S3
from gavan.kit.storage.s3_client import Bucket
from tests.rclone_s3 import RunningS3, running_s3

Opening = Callable[[], Provider]
"""Opens the same store once more, as a process does that is started again"""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningS3]:
    """An S3 for the tests of a module."""
    with running_s3(tmp_path_factory.mktemp("s3") / "served") as s3:
        yield s3


@pytest.fixture(params=["files", "s3"])
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opening]:
    """Return what opens an empty store."""
    if request.param == "files":
        yield lambda: Files(tmp_path / "blobs")
        return
    s3: RunningS3 = request.getfixturevalue("s3")
    yield lambda: S3(s3.settings)
    bucket = Bucket(s3.settings)
    pages = bucket.pages("list_objects_v2", "")
    bucket.delete([entry["Key"] for page in pages for entry in page.get("Contents", [])])
    for page in bucket.pages("list_multipart_uploads", ""):
        for upload in page.get("Uploads", []):
            bucket.abort(upload["Key"], upload["UploadId"])
    bucket.close()


@pytest.fixture
async def provider(opening: Opening) -> AsyncIterator[Provider]:
    """An empty store."""
    provider = opening()
    yield provider
    await provider.close()
