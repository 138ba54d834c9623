"""Keys and passwords of one stack: made once at its first start, kept in `.gavan/secrets/`.

Stands on the second floor; the engine and the database read them, nothing else does. What the
variables of the stack set (JWT_SECRET, ANON_KEY, ...) stands above what was made.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from gavan.kit.errors import GavanError
from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from gavan.stack.model import Stack
from gavan.stack.scope import DEFAULT_PASSWORD

FILE_NAME = "keys.json"
ISSUER = "supabase-demo"
_TEN_YEARS_S = 10 * 365 * 24 * 3600
_PASSWORDS = (
    "authenticator_password",
    "auth_admin_password",
    "admin_password",
    "storage_admin_password",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackKeys:
    """Everything that proves who someone is in this stack."""

    jwt_secret: Secret
    anon_key: Secret
    service_role_key: Secret
    publishable_key: Secret
    secret_key: Secret
    postgres_password: Secret
    authenticator_password: Secret
    auth_admin_password: Secret
    admin_password: Secret
    storage_admin_password: Secret


def load_or_create_keys(stack: Stack) -> StackKeys:
    """Return the keys of the stack; make and store those that are missing.

    Two processes may ask at once: one makes them, both get the same. A stop half way leaves the
    old file or the new one, never a part.

    Raises:
        GavanError: GV612, the file is damaged; new passwords would lock the database out.
    """
    directory = stack.state_dir / "secrets"
    _make_directory(directory)
    with _locked(directory):
        stored = _read(directory / FILE_NAME)
        complete = _completed(stored)
        if complete != stored:
            _write(directory / FILE_NAME, complete)
    return _with_overrides(stack, complete)


def _make_directory(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    handle = os.open(directory / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read(file: Path) -> dict[str, str]:
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        return {}
    try:
        stored = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _damaged(file, "it is not JSON") from error
    if not isinstance(stored, dict) or not all(isinstance(v, str) for v in stored.values()):
        raise _damaged(file, "it is not an object of texts")
    return stored


def _damaged(file: Path, why: str) -> GavanError:
    return GavanError(
        "GV612",
        f"the keys of this stack cannot be read: {file}",
        details=f"{why}; new ones would lock everyone out of the database that is there",
        hint="restore the file, or begin anew without data: gavan down --volumes",
    )


def _completed(stored: Mapping[str, str]) -> dict[str, str]:
    """Return what is stored, with fresh values for what is not."""
    fresh = {
        "jwt_secret": secrets.token_urlsafe(40),
        "expires_at": str(int(time.time()) + _TEN_YEARS_S),
        "publishable_key": f"sb_publishable_{secrets.token_urlsafe(24)}",
        "secret_key": f"sb_secret_{secrets.token_urlsafe(24)}",
        **{name: secrets.token_urlsafe(24) for name in _PASSWORDS},
    }
    return fresh | dict(stored)


def _write(file: Path, values: Mapping[str, str]) -> None:
    # mkstemp makes the file 0600 from its first moment.
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".keys-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(orjson.dumps(dict(values), option=orjson.OPT_INDENT_2) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _with_overrides(stack: Stack, stored: Mapping[str, str]) -> StackKeys:
    jwt_secret = _variable(stack, "JWT_SECRET") or Secret(stored["jwt_secret"])
    expires_at = int(stored["expires_at"])
    made = {name: Secret(stored[name]) for name in (*_PASSWORDS, "publishable_key", "secret_key")}
    return StackKeys(
        jwt_secret=jwt_secret,
        anon_key=_variable(stack, "ANON_KEY") or _role_key("anon", jwt_secret, expires_at),
        service_role_key=_variable(stack, "SERVICE_ROLE_KEY")
        or _role_key("service_role", jwt_secret, expires_at),
        postgres_password=_variable(stack, "POSTGRES_PASSWORD") or Secret(DEFAULT_PASSWORD),
        **made,
    )


def _variable(stack: Stack, name: str) -> Secret | None:
    value = stack.env.get(name)
    if not value:
        return None
    return value if isinstance(value, Secret) else Secret(value)


def _role_key(role: str, secret: Secret, expires_at: int) -> Secret:
    # No time of issue: the same secret gives the same key at every start.
    return Secret(sign({"iss": ISSUER, "role": role, "exp": expires_at}, secret))
