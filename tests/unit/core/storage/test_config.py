"""The variables of the storage service."""

from __future__ import annotations

import pytest

from gavan.core.storage.config import read_config
from gavan.kit.errors import GavanError


def test_blobs_are_files_unless_an_s3_is_named() -> None:
    config = read_config({"FILE_STORAGE_BACKEND_PATH": "/srv/blobs"})
    assert str(config.folder) == "/srv/blobs"
    assert config.s3 is None


def test_faults_of_the_s3_stand_beside_those_of_the_service() -> None:
    with pytest.raises(GavanError) as told:
        read_config({"STORAGE_BACKEND": "s3", "UPLOAD_FILE_SIZE_LIMIT": "much"})
    assert told.value.code == "GV702"
    for name in ("UPLOAD_FILE_SIZE_LIMIT", "S3_BUCKET_ARTIFACTS", "S3_SECRET_ACCESS_KEY"):
        assert name in told.value.message
