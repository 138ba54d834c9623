"""What the core process is told: read once from the environment, never from argv.

The engine writes these variables, so the core starts the same way on a laptop and in a cluster.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gavan.core.listening import Address, UnixSocket
from gavan.database.pool import Times
from gavan.kit.backup_state import VARIABLE as BACKUP_STATE
from gavan.kit.errors import GavanError
from gavan.kit.keyset import KeySet, read_key_set, shared_set
from gavan.kit.secret import Secret

SERVICES = ("rest", "auth", "storage", "realtime")
PGRST = "PGRST_"
_NUMBER = re.compile(r"\d{1,9}")
MAY_BE_FILES = frozenset({"GOTRUE_JWT_KEYS", "PGRST_DB_URI", "PGRST_JWT_SECRET"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Sizes in bytes, durations in seconds."""

    host: str
    port: int
    services: tuple[str, ...]
    authenticator_url: Secret
    """Role of the data API: NOINHERIT, may become anon, authenticated, service_role."""
    auth_admin_url: Secret
    """Owner of schema auth."""
    storage_admin_url: Secret
    """Owner of schema storage, may become anon, authenticated, service_role."""
    realtime_admin_url: Secret
    """Owner of schema realtime, may become what authenticator may: it asks the policies."""
    admin_url: Secret
    """Superuser: logical replication and partitions; it runs nothing that users have written."""
    keys: KeySet
    """What signs the tokens of users, and what verifies tokens for every service."""
    anon_key: Secret
    service_role_key: Secret
    publishable_key: Secret
    secret_key: Secret
    external_url: str
    site_url: str
    schemas: tuple[str, ...]
    extra_search_path: tuple[str, ...]
    max_rows: int | None
    pool_size: int
    max_body_bytes: int
    cors_origins: tuple[str, ...]
    log_format: str
    unix_socket: UnixSocket | None = None
    """Where to listen instead of host and port"""
    admin: Address | None = None
    """Where the admin server of the data API listens, if anywhere"""
    least_logged_status: int = 0
    """Requests that end with a lower status leave no line in the log"""
    backup_state: Path | None = None
    """The file that says how old the newest backup is, where backups are made"""
    rest: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Options of the data API by the names they have in the database (``db_max_rows``)."""

    @property
    def pool_times(self) -> Times:
        """How long connections of the pool are waited for and live; raises GavanError GV703."""
        usual = Times()
        return Times(
            acquire_s=number(self.rest, "db_pool_acquisition_timeout", int(usual.acquire_s)),
            idle_s=number(self.rest, "db_pool_max_idletime", int(usual.idle_s)),
            life_s=number(self.rest, "db_pool_max_lifetime", int(usual.life_s)),
        )

    @property
    def recovers(self) -> bool:
        """Whether to wait for a database that is lost, and not to leave that to a supervisor."""
        return not _is_off(self.rest, "db_pool_automatic_recovery")

    @property
    def prepares(self) -> bool:
        """Whether statements may be prepared: not behind a pooler in transaction mode."""
        return not _is_off(self.rest, "db_prepared_statements")

    @property
    def listens(self) -> bool:
        """Whether the database may be asked for notifications: no pooler, no replica."""
        return not _is_off(self.rest, "db_channel_enabled")


def read_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings.

    Raises:
        GavanError: GV150 names every missing variable at once; GV702 for keys that cannot be used.
    """
    required = (
        "GAVAN_DB_AUTHENTICATOR_URL",
        "GAVAN_DB_AUTH_ADMIN_URL",
        "GAVAN_DB_STORAGE_ADMIN_URL",
        "GAVAN_DB_REALTIME_ADMIN_URL",
        "GAVAN_DB_ADMIN_URL",
        "JWT_SECRET",
        "ANON_KEY",
        "SERVICE_ROLE_KEY",
        "SUPABASE_PUBLISHABLE_KEY",
        "SUPABASE_SECRET_KEY",
    )
    missing = [name for name in required if not environ.get(name)]
    if missing:
        raise GavanError(
            "GV150",
            f"the core needs {', '.join(missing)} in its environment",
            hint="start it with: gavan up",
            exit_code=2,
        )
    port = int(environ.get("GAVAN_CORE_PORT", "54321"))
    backup_state = environ.get(BACKUP_STATE, "")
    max_rows = environ.get("PGRST_DB_MAX_ROWS", "")
    return Settings(
        host=environ.get("GAVAN_CORE_HOST", "127.0.0.1"),
        port=port,
        services=_names(environ.get("GAVAN_CORE_SERVICES", ",".join(SERVICES))),
        authenticator_url=Secret(environ["GAVAN_DB_AUTHENTICATOR_URL"]),
        auth_admin_url=Secret(environ["GAVAN_DB_AUTH_ADMIN_URL"]),
        storage_admin_url=Secret(environ["GAVAN_DB_STORAGE_ADMIN_URL"]),
        realtime_admin_url=Secret(environ["GAVAN_DB_REALTIME_ADMIN_URL"]),
        admin_url=Secret(environ["GAVAN_DB_ADMIN_URL"]),
        keys=_keys(environ),
        anon_key=Secret(environ["ANON_KEY"]),
        service_role_key=Secret(environ["SERVICE_ROLE_KEY"]),
        publishable_key=Secret(environ["SUPABASE_PUBLISHABLE_KEY"]),
        secret_key=Secret(environ["SUPABASE_SECRET_KEY"]),
        external_url=environ.get("API_EXTERNAL_URL", f"http://127.0.0.1:{port}"),
        site_url=environ.get("GAVAN_SITE_URL", "http://localhost:5173"),
        backup_state=Path(backup_state) if backup_state else None,
        schemas=_names(environ.get("PGRST_DB_SCHEMAS", "public")),
        extra_search_path=_names(environ.get("PGRST_DB_EXTRA_SEARCH_PATH", "public,extensions")),
        max_rows=int(max_rows) if max_rows else None,
        pool_size=int(environ.get("PGRST_DB_POOL", "10")),
        max_body_bytes=int(environ.get("GAVAN_MAX_BODY_BYTES", str(6 * 1024 * 1024))),
        cors_origins=_names(environ.get("GAVAN_CORS_ORIGINS", "")),
        log_format=environ.get("GAVAN_LOG_FORMAT", "json"),
        rest=rest_options(environ),
    )


def _keys(environ: Mapping[str, str]) -> KeySet:
    secret, kid = Secret(environ["JWT_SECRET"]), environ.get("GOTRUE_JWT_KEY_ID", "")
    keys = _from_file("GOTRUE_JWT_KEYS", environ.get("GOTRUE_JWT_KEYS", ""))
    if not keys:
        return shared_set(secret, kid=kid)
    try:
        return read_key_set(Secret(keys), legacy=secret, legacy_kid=kid)
    except ValueError as error:
        raise GavanError(
            "GV702",
            f"GOTRUE_JWT_KEYS cannot be used: {error}",
            hint="a JSON list of JWKs is expected, one of them with sign in its key_ops",
            exit_code=2,
        ) from error


def number(options: Mapping[str, str], name: str, default: int) -> int:
    """Return a whole number of the options; raise GavanError GV703 for other words."""
    text = options.get(name) or str(default)
    if not _NUMBER.fullmatch(text):
        raise GavanError("GV703", f"{PGRST}{name.upper()} is not a number", exit_code=2)
    return int(text)


def _is_off(options: Mapping[str, str], name: str) -> bool:
    return options.get(name, "").strip().lower() in {"false", "off", "no", "0"}


def rest_options(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the ``PGRST_*`` variables, without the prefix and in lower case.

    A value ``@path`` is the text of that file, as secrets are mounted into containers. Raises
    GavanError GV703 for a file that cannot be read.
    """
    names = [name for name in environ if name.startswith(PGRST)]
    return {name.removeprefix(PGRST).lower(): _from_file(name, environ[name]) for name in names}


def _from_file(name: str, value: str) -> str:
    if name not in MAY_BE_FILES or not value.startswith("@"):
        return value
    try:
        # A secret may be any bytes: those that are no text come back as they were when encoded so.
        return Path(value[1:]).read_text(encoding="utf-8", errors="surrogateescape").strip("\n")
    except OSError as error:
        raise GavanError(
            "GV703", f"{name} names a file that cannot be read", details=str(error), exit_code=2
        ) from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
