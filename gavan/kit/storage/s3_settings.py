"""Where an S3 is and who may use it: the variables that the stack hands to its services."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

DEFAULT_REGION = "us-east-1"
DEFAULT_PRESIGN_S = 900
MOST_PRESIGN_S = 7 * 24 * 3600  # Signature Version 4 allows no more
_TRUTH = {"true": True, "1": True, "yes": True, "on": True} | {
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Settings:
    """An S3 and one bucket of it. ``endpoint`` empty: Amazon's own.

    ``presign_s``: how long a presigned URL is good when nobody says otherwise, in seconds.
    """

    endpoint: str
    region: str
    bucket: str
    access_key_id: str
    secret_access_key: Secret
    is_path_style: bool = True
    presign_s: int = DEFAULT_PRESIGN_S


class S3SettingsError(GavanError):
    """The variables do not name an S3; ``problems`` holds one sentence for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(
            "GV732",
            f"the S3 cannot be used: {'; '.join(problems)}",
            hint="set these variables of the environment, or [core.storage.s3] of the stack file",
            exit_code=2,
        )
        self.problems = problems


def read_s3_environ(environ: Mapping[str, str] = os.environ) -> S3Settings:
    """Return the settings of ``S3_*``; raise S3SettingsError naming every fault at once.

    Needed: S3_BUCKET_ARTIFACTS, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY. With defaults: S3_ENDPOINT
    (Amazon), S3_REGION (us-east-1), S3_FORCE_PATH_STYLE (true), S3_PRESIGN_TTL_SECONDS (900).
    """
    problems: list[str] = []

    def needed(name: str) -> str:
        text = environ.get(name, "")
        if not text:
            problems.append(f"{name} is not set")
        return text

    settings = S3Settings(
        endpoint=_endpoint(environ.get("S3_ENDPOINT", ""), problems),
        region=environ.get("S3_REGION", "") or DEFAULT_REGION,
        bucket=needed("S3_BUCKET_ARTIFACTS"),
        access_key_id=needed("S3_ACCESS_KEY_ID"),
        secret_access_key=Secret(needed("S3_SECRET_ACCESS_KEY")),
        is_path_style=_flag(environ.get("S3_FORCE_PATH_STYLE", ""), problems),
        presign_s=_seconds(environ.get("S3_PRESIGN_TTL_SECONDS", ""), problems),
    )
    if problems:
        raise S3SettingsError(tuple(problems))
    return settings


def _endpoint(text: str, problems: list[str]) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in {"http", "https"} or not parts.hostname):
        problems.append("S3_ENDPOINT is no http:// or https:// URL")
    elif parts.username or parts.password:
        problems.append("S3_ENDPOINT holds credentials: S3_ACCESS_KEY_ID and its secret are theirs")
    return text


def _flag(text: str, problems: list[str]) -> bool:
    if text and text.lower() not in _TRUTH:
        problems.append("S3_FORCE_PATH_STYLE is neither true nor false")
    return _TRUTH.get(text.lower(), True)


def _seconds(text: str, problems: list[str]) -> int:
    if not text:
        return DEFAULT_PRESIGN_S
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_PRESIGN_S:
        problems.append(f"S3_PRESIGN_TTL_SECONDS is no number from 1 to {MOST_PRESIGN_S}")
        return DEFAULT_PRESIGN_S
    return int(text)
