"""Open the store of blobs that the configuration names; boto3 is loaded only for an S3."""

from __future__ import annotations

import importlib

from gavan.core.storage.config import StorageConfig
from gavan.kit.storage.provider import Provider


def open_provider(config: StorageConfig) -> Provider:
    """Return the provider; nothing is read or written yet."""
    made: Provider
    if config.folder is not None:
        made = importlib.import_module("gavan.kit.storage.files").Files(config.folder)
    else:
        made = importlib.import_module("gavan.kit.storage.s3").S3(config.s3)
    return made
