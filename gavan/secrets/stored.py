"""What was made once for one stack, kept in `.gavan/secrets/keys.json`: texts by name.

Stands under the keys and the passwords, which read it; what the variables of the stack set stands
above what was made.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path

import orjson

from gavan.kit.secret import Secret
from gavan.secrets.files import damaged, locked, write_private
from gavan.stack.model import Stack

FILE_NAME = "keys.json"
HARM = "new ones would lock everyone out of the database that is there"
PASSWORDS = (
    "authenticator_password",
    "auth_admin_password",
    "admin_password",
    "storage_admin_password",
    "realtime_admin_password",
)
"""Of the roles that log in to the database; that of the owner has a default."""
OF_CONTAINERS = {
    "minio_root_password": 16,
    "rabbitmq_password": 16,
    "realtime_db_enc_key": 8,
    "realtime_secret_key_base": 32,
    "pg_meta_crypto_key": 16,
}
"""Of servers that run in containers only, by their bytes; each is two digits"""
_TEN_YEARS_S = 10 * 365 * 24 * 3600


def load_or_make(stack: Stack) -> dict[str, str]:
    """Return what is stored for the stack; make and store what is missing.

    Two processes may ask at once: one makes it, both get the same. A stop half way leaves the
    old file or the new one, never a part.

    Raises:
        GavanError: GV612, the file is damaged; new passwords would lock the database out.
    """
    directory = stack.state_dir / "secrets"
    with locked(directory):
        stored = _read(directory / FILE_NAME)
        complete = completed(stored)
        if complete != stored:
            content = orjson.dumps(complete, option=orjson.OPT_INDENT_2) + b"\n"
            write_private(directory / FILE_NAME, content)
    return complete


def completed(stored: Mapping[str, str]) -> dict[str, str]:
    """Return what is stored, with fresh values for what is not."""
    fresh = {
        "jwt_secret": secrets.token_urlsafe(40),
        "expires_at": str(int(time.time()) + _TEN_YEARS_S),
        "publishable_key": f"sb_publishable_{secrets.token_urlsafe(24)}",
        "secret_key": f"sb_secret_{secrets.token_urlsafe(24)}",
        "s3_access_key_id": secrets.token_hex(16),
        "s3_secret_access_key": secrets.token_hex(32),
        **{name: secrets.token_urlsafe(24) for name in PASSWORDS},
        **{name: secrets.token_hex(size) for name, size in OF_CONTAINERS.items()},
    }
    return fresh | dict(stored)


def variable(stack: Stack, name: str) -> Secret | None:
    """Return what the variables of the stack set; None where they do not."""
    value = stack.env.get(name)
    if not value:
        return None
    return value if isinstance(value, Secret) else Secret(value)


def _read(file: Path) -> dict[str, str]:
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        return {}
    try:
        stored = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise damaged(file, "it is not JSON", HARM) from error
    if not isinstance(stored, dict) or not all(isinstance(v, str) for v in stored.values()):
        raise damaged(file, "it is not an object of texts", HARM)
    return stored
