"""The variables that each unit is given: few, by name, secrets revealed only here.

Stands between the stack and the processes. A unit inherits five names of the caller's
environment and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlsplit, urlunsplit

from gavan.kit.backup_state import FILE, VARIABLE
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.stack.model import App, EnvValue, S3Engine, Site, Stack

INHERITED = (
    *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TERM", "USER", "TMPDIR"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),  # whom the caller trusts, the core's calls trust too
)
POSTGRES = "postgres"
AUTHENTICATOR = "authenticator"
AUTH_ADMIN = "supabase_auth_admin"
STORAGE_ADMIN = "supabase_storage_admin"
REALTIME_ADMIN = "supabase_realtime_admin"
S3_DOOR = "/storage/v1/s3"
S3_REGION = "local"
PROVIDER_KEYS = ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")
PROVIDER = ("S3_ENDPOINT", "S3_REGION", "S3_FORCE_PATH_STYLE", *PROVIDER_KEYS)
"""Variables that name the S3 of a provider"""
QUEUE = "queue"
ADMIN = "supabase_admin"


class Keys(Protocol):
    """What the engine uses of ``gavan.secrets.keys.StackKeys``."""

    @property
    def jwt_secret(self) -> Secret: ...
    @property
    def signing_keys(self) -> Secret | None: ...
    @property
    def s3_access_key_id(self) -> Secret: ...
    @property
    def s3_secret_access_key(self) -> Secret: ...
    @property
    def anon_key(self) -> Secret: ...
    @property
    def service_role_key(self) -> Secret: ...
    @property
    def publishable_key(self) -> Secret: ...
    @property
    def secret_key(self) -> Secret: ...
    @property
    def minio_root_password(self) -> Secret: ...
    @property
    def rabbitmq_password(self) -> Secret: ...
    @property
    def realtime_db_enc_key(self) -> Secret: ...
    @property
    def realtime_secret_key_base(self) -> Secret: ...
    @property
    def pg_meta_crypto_key(self) -> Secret: ...


class Urls(Protocol):
    """Connection URLs by role: the embedded server, or an existing Postgres."""

    def url(self, role: str, *, socket: bool = False) -> Secret: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """An existing Postgres: our roles log in with the passwords that bootstrap gives them."""

    admin: Secret
    passwords: Mapping[str, Secret]

    def url(self, role: str, *, socket: bool = False) -> Secret:
        """Return the URL of a role; the given URL itself for the administrator."""
        del socket  # an existing Postgres is reached as its URL says
        if role == ADMIN:
            return self.admin
        parts = urlsplit(self.admin.reveal())
        host = parts.netloc.rpartition("@")[2]
        password = quote(self.passwords[role].reveal(), safe="")
        return Secret(
            urlunsplit(parts._replace(netloc=f"{quote(role, safe='')}:{password}@{host}"))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything that environments are made of, for one stack."""

    stack: Stack
    keys: Keys
    urls: Urls

    @property
    def core_url(self) -> str:
        return f"http://127.0.0.1:{self.stack.core.port}"


def base_env() -> dict[str, str]:
    """Return what every unit inherits of the caller's environment."""
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {"PATH": os.defpath, "PYTHONUNBUFFERED": "1", **env}


def job_env(around: Surroundings) -> dict[str, str]:
    """Return the environment of `gavan migrate up`, which reads the stack file once more."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GAVAN_")}
    return {
        **inherited,
        "PYTHONUNBUFFERED": "1",
        "GAVAN_DB_ADMIN_URL": around.urls.url(ADMIN, socket=True).reveal(),
        "GAVAN_DB_URL": around.urls.url(POSTGRES, socket=True).reveal(),
    }


def core_env(around: Surroundings) -> dict[str, str]:
    """Return the environment that gavan/core/settings.py reads."""
    stack, keys = around.stack, around.keys
    core = stack.core
    env = {
        "GAVAN_CORE_HOST": "127.0.0.1",
        "GAVAN_CORE_PORT": str(core.port),
        "GAVAN_CORE_SERVICES": ",".join(core.services),
        "GAVAN_DB_AUTHENTICATOR_URL": around.urls.url(AUTHENTICATOR, socket=True).reveal(),
        "GAVAN_DB_AUTH_ADMIN_URL": around.urls.url(AUTH_ADMIN, socket=True).reveal(),
        "GAVAN_DB_STORAGE_ADMIN_URL": around.urls.url(STORAGE_ADMIN, socket=True).reveal(),
        "GAVAN_DB_REALTIME_ADMIN_URL": around.urls.url(REALTIME_ADMIN, socket=True).reveal(),
        "GAVAN_DB_ADMIN_URL": around.urls.url(ADMIN, socket=True).reveal(),
        "FILE_STORAGE_BACKEND_PATH": str(stack.state_dir / "storage"),
        "S3_PROTOCOL_ACCESS_KEY_ID": keys.s3_access_key_id.reveal(),
        "S3_PROTOCOL_ACCESS_KEY_SECRET": keys.s3_secret_access_key.reveal(),
        "JWT_SECRET": keys.jwt_secret.reveal(),
        "GOTRUE_JWT_KEYS": keys.signing_keys.reveal() if keys.signing_keys else "",
        "ANON_KEY": keys.anon_key.reveal(),
        "SERVICE_ROLE_KEY": keys.service_role_key.reveal(),
        "SUPABASE_PUBLISHABLE_KEY": keys.publishable_key.reveal(),
        "SUPABASE_SECRET_KEY": keys.secret_key.reveal(),
        "API_EXTERNAL_URL": around.core_url,
        "GAVAN_SITE_URL": core.site_url,
        "PGRST_DB_SCHEMAS": ",".join(core.schemas),
        "PGRST_DB_EXTRA_SEARCH_PATH": ",".join(core.extra_search_path),
        "PGRST_DB_MAX_ROWS": str(core.max_rows) if core.max_rows else "",
        "GAVAN_CORS_ORIGINS": ",".join(stack.profile.cors),
        # Mail of a stack that holds no real data never leaves the machine.
        "GAVAN_INBOX_DIR": "" if stack.profile.protected else str(stack.state_dir / "inbox"),
        "GAVAN_LOG_FORMAT": stack.profile.logs,
        VARIABLE: str(stack.state_dir / FILE) if stack.backup.schedule is not None else "",
        # glibc keeps an arena per thread; two are enough for a process with one busy thread.
        "MALLOC_ARENA_MAX": "2",
    }
    return {**base_env(), **core_options(stack), **env}


def core_options(stack: Stack) -> dict[str, str]:
    """Return what the sections of the core say, by the names that its services know."""
    core = stack.core
    rest = {f"PGRST_{name.upper()}": value for name, value in core.rest.items()}
    auth = {f"GOTRUE_{name}": value for name, value in core.auth.items()}
    realtime = {f"REALTIME_{name.upper()}": value for name, value in core.realtime.items()}
    return {**reveal(rest), **reveal(auth), **reveal(core.storage), **reveal(realtime)}


def provided(around: Surroundings) -> dict[str, str]:
    """Return the well-known names (contracts/operations.md 2.6) that every app is given."""
    keys = around.keys
    service = keys.service_role_key.reveal()
    url = around.urls.url(POSTGRES).reveal()
    kind = "production" if around.stack.profile.protected else "development"
    return {
        "SUPABASE_URL": around.core_url,
        "SUPABASE_ANON_KEY": keys.anon_key.reveal(),
        "SUPABASE_SERVICE_KEY": service,
        "SUPABASE_SERVICE_ROLE_KEY": service,
        "SUPABASE_PUBLISHABLE_KEY": keys.publishable_key.reveal(),
        "SUPABASE_SECRET_KEY": keys.secret_key.reveal(),
        "SUPABASE_DB_URL": url,
        "DATABASE_URL": url,
        "DATA_BACKEND": "supabase",
        "ENV": around.stack.profile.name,
        "NODE_ENV": kind,
        "LOG_LEVEL": "info",
    }


def s3_env(around: Surroundings) -> dict[str, str]:
    """Return where apps find an S3 and by which keys: the core's own, or the provider's.

    What an app signs for a browser must name the host that the browser asks: the public endpoint.
    Raises GavanError GV150 when the provider's keys are not set.
    """
    if around.stack.storage.engine is not S3Engine.S3:
        return s3_door(around)
    known = reveal({name: around.stack.env.get(name, "") for name in PROVIDER})
    given = {name: text for name, text in known.items() if text}
    if missing := [name for name in PROVIDER_KEYS if name not in given]:
        raise GavanError(
            "GV150",
            f'[storage] engine = "s3" needs {", ".join(missing)}, which nobody set',
            hint=f"write it to {around.stack.root / '.env.local'}",
            exit_code=2,
        )
    ends = {"S3_PUBLIC_ENDPOINT": known["S3_ENDPOINT"]} if known["S3_ENDPOINT"] else {}
    return {**ends, "S3_FORCE_PATH_STYLE": "true", **presigning(around.stack), **given}


def presigning(stack: Stack) -> dict[str, str]:
    return {"S3_PRESIGN_TTL_SECONDS": str(stack.storage.presign_ttl)}


def s3_door(around: Surroundings) -> dict[str, str]:
    """Return the S3 door of the core; nothing for a core without one."""
    core = around.stack.core
    if "storage" not in core.services or core.storage.get("S3_PROTOCOL_ENABLED") == "false":
        return {}
    return {
        "S3_ENDPOINT": f"{around.core_url}{S3_DOOR}",
        "S3_PUBLIC_ENDPOINT": f"{around.core_url}{S3_DOOR}",
        "S3_REGION": S3_REGION,
        "S3_ACCESS_KEY_ID": around.keys.s3_access_key_id.reveal(),
        "S3_SECRET_ACCESS_KEY": around.keys.s3_secret_access_key.reveal(),
        "S3_FORCE_PATH_STYLE": "true",
        **presigning(around.stack),
    }


def app_env(around: Surroundings, app: App) -> dict[str, str]:
    """Return an app's environment; raise GavanError GV150 for a secret that nobody set."""
    known = around.stack.env
    missing = [name for name in app.secrets if name not in known]
    if missing:
        raise GavanError(
            "GV150",
            f"app {app.name} needs {', '.join(missing)}, which nobody set",
            hint=f"write it to {around.stack.root / '.env.local'}",
            exit_code=2,
        )
    own: dict[str, str] = {"WORKERS": str(app.workers)}
    if app.port is not None:
        own["PORT"] = str(app.port)
    listed = {name: known.get(name, value) for name, value in app.env.items()}
    secrets = {name: known[name] for name in app.secrets}
    given = {**provided(around), **s3_env(around), **_broker(around.stack, app)}
    return {**base_env(), **given, **own, **reveal(listed), **reveal(secrets)}


def _broker(stack: Stack, app: App) -> dict[str, str]:
    """Return where an app that needs a broker finds it."""
    url = stack.queue.external_url
    return {"AMQP_URL": url.reveal()} if url is not None and QUEUE in app.needs else {}


def site_env(around: Surroundings, site: Site) -> dict[str, str]:
    """Return what a site's build or dev server is given; everything in it is public."""
    prefix = site.env_prefix
    public = {
        f"{prefix}SUPABASE_URL": around.core_url,
        f"{prefix}SUPABASE_ANON_KEY": around.keys.anon_key.reveal(),
        f"{prefix}SUPABASE_PUBLISHABLE_KEY": around.keys.publishable_key.reveal(),
    }
    return {**base_env(), **public, "PORT": str(site.port), **site.env}


def reveal(values: Mapping[str, EnvValue]) -> dict[str, str]:
    """Return variables as a process gets them."""
    return {
        name: value.reveal() if isinstance(value, Secret) else value
        for name, value in values.items()
    }
