"""The manifest of a backup as a file: whole, or not a backup.

Stands beside the model. The file has a digest over what it says, and an HMAC by a key of the stack:
the digest finds damage on any machine, the HMAC finds a hand that changed both on this one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from gavan.backups.layout import MANIFEST
from gavan.backups.model import (
    VERSION,
    Kind,
    Manifest,
    ObjectTotals,
    RowCount,
    Sealed,
    State,
    StoredFile,
)
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

MOST_BYTES = 64 * 1024 * 1024
"""A hundred thousand tables take a quarter of it; who writes there shall not fill our memory."""
_PURPOSE = b"gavan backup manifest 1"
_SHA = re.compile(r"[0-9a-f]{64}")


def signing_key(password: Secret) -> bytes:
    """Return the key that signs manifests, made of the superuser's password of the stack."""
    return hmac.digest(password.reveal().encode(), _PURPOSE, "sha256")


def write(manifest: Manifest, folder: Path, key: bytes) -> None:
    """Write the manifest into ``folder``, synced: the last file of a backup."""
    said = dataclasses.asdict(manifest)
    said["started"], said["ended"] = _moment(manifest.started), _moment(manifest.ended)
    text = _canonical(said)
    whole = {
        "manifest": said,
        "sha256": hashlib.sha256(text).hexdigest(),
        "signature": {"key": _key_id(key), "hmac": hmac.digest(key, text, "sha256").hex()},
    }
    with (folder / MANIFEST).open("xb") as file:
        file.write(orjson.dumps(whole, option=orjson.OPT_INDENT_2) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path) -> Manifest:
    """Return the manifest of a backup's folder.

    Raises GavanError GV401 that says what is wrong with the file: missing, cut, changed, newer.
    """
    manifest, _ = _read(folder)
    return manifest


def check_signature(folder: Path, key: bytes) -> str | None:
    """Return a warning when other keys than ours signed the manifest; None when ours did.

    Raises GavanError: GV401 as ``read``; GV402, our key is named, but did not sign this.
    """
    manifest, whole = _read(folder)
    signature = whole.get("signature") or {}
    if signature.get("key") != _key_id(key):
        return f"{manifest.id} was signed with the keys of another stack, or of another time"
    wanted = hmac.digest(key, _canonical(whole["manifest"]), "sha256").hex()
    if not hmac.compare_digest(wanted, str(signature.get("hmac"))):
        raise GavanError(
            "GV402",
            f"{folder / MANIFEST} was changed by somebody who made its digest fit",
            details="its signature does not fit what it says",
            hint="use another backup: gavan backup list",
        )
    return None


def _read(folder: Path) -> tuple[Manifest, dict[str, Any]]:
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _damaged(path, f"it is larger than {MOST_BYTES} bytes")
        whole = orjson.loads(path.read_bytes())
        said = whole["manifest"]
        digest = hashlib.sha256(_canonical(said)).hexdigest()
    except FileNotFoundError:
        raise _damaged(path, "it is missing") from None
    except OSError as error:
        raise _damaged(path, f"it cannot be read: {error.strerror}") from error
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise _damaged(path, "it is cut off, or was written over") from error
    if whole.get("sha256") != digest:
        raise _damaged(path, "it is not what it was when it was written")
    if said.get("version") != VERSION:
        raise _damaged(path, "a newer gavan wrote it; update: pip install --upgrade gavan")
    try:
        return _built(said), whole
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, "something is missing in it, or is not what it must be") from error


def _damaged(path: Path, why: str) -> GavanError:
    return GavanError(
        "GV401",
        f"the manifest {path} cannot be used: {why}",
        hint="use another backup: gavan backup list",
    )


def _built(said: Mapping[str, Any]) -> Manifest:
    made = {
        "kind": Kind(said["kind"]),
        "result": State(said["result"]),
        "started": datetime.fromisoformat(said["started"]),
        "ended": datetime.fromisoformat(said["ended"]),
        "rows": {name: RowCount(**row) for name, row in said["rows"].items()},
        "files": tuple(_file(**file) for file in said["files"]),
        "objects": ObjectTotals(**said["objects"]),
        "encryption": Sealed(
            method=said["encryption"]["method"],
            recipients=tuple(said["encryption"]["recipients"]),
        ),
        **{name: tuple(said[name]) for name in ("extensions", "roles", "warnings")},
    }
    return Manifest(**{**said, **made})


def _file(path: str, bytes: int, sha256: str) -> StoredFile:
    """Return a file of the folder; raise ValueError for a path that leads out of it.

    Whoever writes to the folder, or to the second place, makes the digest of a manifest fit.
    """
    name = PurePosixPath(path)
    is_inside = name.parts and not name.is_absolute() and ".." not in name.parts
    if not is_inside or "\0" in path or not _SHA.fullmatch(sha256) or bytes < 0:
        raise ValueError(path)
    return StoredFile(path=path, bytes=bytes, sha256=sha256)


def _canonical(said: object) -> bytes:
    """Return the one spelling of a document, whatever order and space its file has."""
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _key_id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:16]
