"""[backup] to its frozen types; pure. Stands beside build.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gavan.kit.secret import Secret
from gavan.kit.storage.s3_settings import S3Settings
from gavan.stack.model import Backup, Drill, Encrypt, Encryption, Keep, Offsite, Pitr

Values = dict[str, Any]


def build_backup(root: Path, values: Values, *, is_written: bool) -> Backup:
    """Return the backup settings; relative paths start from ``root``.

    Args:
        is_written: whether the file has the section; without it nothing happens by itself.
    """
    pitr, drill, encrypt = values["pitr"], values["drill"], values["encrypt"]
    return Backup(
        dir=root / values["dir"],
        schedule=values["schedule"] if is_written else None,
        objects=values["objects"],
        max_age_s=values["max_age"],
        keep=Keep(**values["keep"]),
        encrypt=Encrypt(
            method=Encryption(encrypt["method"]),
            recipients=tuple(_recipient(root, text) for text in encrypt["recipients"]),
        ),
        offsite=_offsite(values["offsite"], values["rate_limit"]),
        pitr=Pitr(
            enabled=pitr["enabled"],
            window_s=pitr["window"],
            schedule=pitr["schedule"] if is_written and pitr["enabled"] else None,
        ),
        drill=Drill(schedule=drill["schedule"] if is_written else None, sql=tuple(drill["sql"])),
    )


def _recipient(root: Path, text: str) -> str:
    """Return a recipient as written; a file by its whole path."""
    return str(root / text) if text and (root / text).is_file() else text


def _offsite(values: Values | None, rate_limit: int | None) -> Offsite | None:
    if values is None or not values["bucket"]:
        return None
    return Offsite(
        s3=S3Settings(
            endpoint=values["endpoint"],
            region=values["region"],
            bucket=values["bucket"],
            access_key_id=_plain(values["key_id"]),
            secret_access_key=values["secret"] or Secret(""),
            is_path_style=values["force_path_style"],
        ),
        prefix=values["prefix"],
        storage_class=values["storage_class"],
        rate_limit=rate_limit,
    )


def _plain(value: Secret | None) -> str:
    return value.reveal() if value else ""
