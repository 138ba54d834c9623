"""What the storage service is told: supabase/storage's own variables, and S3_* for the store.

Read once from the environment; the stack's plan writes it from ``[core.storage]``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.kit.storage.s3_settings import S3Settings, S3SettingsError, read_s3_environ
from gavan.kit.web_address import is_web_address

MEBIBYTE = 1024 * 1024
_TRUE = frozenset({"true", "1", "yes", "on"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredBucket:
    """A bucket of the stack file; ``allow_prefixes`` empty: any name."""

    id: str
    is_public: bool = False
    file_size_limit: int | None = None
    allowed_mime_types: tuple[str, ...] | None = None
    allow_prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookConfig:
    """Who is told of objects; ``api_key`` is sent as a bearer, none when it is empty.

    The address is a secret too: those of many services hold a token.
    """

    url: Secret
    api_key: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageConfig:
    """Sizes in bytes, durations in seconds. ``s3`` None: blobs are files below ``folder``.

    ``webhook`` None: nobody is told of objects.
    """

    folder: Path | None
    s3: S3Settings | None = None
    size_limit: int = 50 * MEBIBYTE
    upload_url_s: int = 7200
    resumable_s: int = 3600
    renders_images: bool = True
    empty_requires_service_role: bool = True
    speaks_s3: bool = True
    s3_key_id: str = ""
    s3_secret: Secret = field(default_factory=lambda: Secret(""))
    buckets: tuple[DeclaredBucket, ...] = ()
    webhook: WebhookConfig | None = None

    def prefixes(self, bucket_id: str) -> tuple[str, ...]:
        """Return what names of new objects of a bucket begin with; empty: anything."""
        return next((one.allow_prefixes for one in self.buckets if one.id == bucket_id), ())


def read_config(environ: Mapping[str, str] = os.environ) -> StorageConfig:
    """Return the configuration; raise GavanError GV702 naming what is missing or does not fit."""
    problems: list[str] = []

    def number(name: str, default: int) -> int:
        text = environ.get(name, "") or str(default)
        if not text.isdecimal():
            problems.append(f"{name} is not a number")
            return default
        return int(text)

    def flag(name: str, default: bool) -> bool:
        text = environ.get(name, "").strip().lower()
        return text in _TRUE if text else default

    def needed(name: str) -> str:
        text = environ.get(name, "")
        if not text:
            problems.append(f"{name} is not set")
        return text

    is_s3 = environ.get("STORAGE_BACKEND", "file") == "s3"
    config = StorageConfig(
        folder=None if is_s3 else Path(needed("FILE_STORAGE_BACKEND_PATH")),
        s3=_s3(environ, problems) if is_s3 else None,
        size_limit=number("UPLOAD_FILE_SIZE_LIMIT", 50 * MEBIBYTE),
        upload_url_s=number("UPLOAD_SIGNED_URL_EXPIRATION_TIME", 7200),
        resumable_s=number("TUS_URL_EXPIRY_MS", 3_600_000) // 1000,
        renders_images=flag("IMAGE_TRANSFORMATION_ENABLED", True),
        empty_requires_service_role=flag("GAVAN_STORAGE_EMPTY_REQUIRES_SERVICE_ROLE", True),
        speaks_s3=flag("S3_PROTOCOL_ENABLED", True),
        s3_key_id=environ.get("S3_PROTOCOL_ACCESS_KEY_ID", ""),
        s3_secret=Secret(environ.get("S3_PROTOCOL_ACCESS_KEY_SECRET", "")),
        buckets=tuple(
            _declared(name, table)
            for name, table in orjson.loads(environ.get("GAVAN_STORAGE_BUCKETS") or "{}").items()
        ),
        webhook=_webhook(environ, problems),
    )
    if problems:
        raise GavanError(
            "GV702",
            f"the storage service is told what it cannot use: {'; '.join(problems)}",
            hint="these come from [core.storage] of the stack file",
            exit_code=2,
        )
    return config


def _s3(environ: Mapping[str, str], problems: list[str]) -> S3Settings | None:
    try:
        return read_s3_environ(environ)
    except S3SettingsError as error:
        problems.extend(error.problems)
        return None


def _webhook(environ: Mapping[str, str], problems: list[str]) -> WebhookConfig | None:
    url = environ.get("WEBHOOK_URL", "")
    if not url:
        return None
    if not is_web_address(url):
        problems.append("WEBHOOK_URL is not an http or https address")
    return WebhookConfig(url=Secret(url), api_key=Secret(environ.get("WEBHOOK_API_KEY", "")))


def _declared(name: str, table: Mapping[str, Any]) -> DeclaredBucket:
    types = table.get("allowed_mime_types")
    return DeclaredBucket(
        id=name,
        is_public=bool(table.get("public", False)),
        file_size_limit=table.get("file_size_limit"),
        allowed_mime_types=None if types is None else tuple(types),
        allow_prefixes=tuple(table.get("allow_prefixes", ())),
    )
