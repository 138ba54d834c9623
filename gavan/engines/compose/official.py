"""[core] engine = "supabase": the services of the official images in place of the core.

Stands beside services.py; pure. Facts: names of images and their variables are those of Supabase's
own compose file for self-hosting (supabase/supabase, docker/docker-compose.yml), versions those
that its command line pins (supabase/cli, pkg/config/templates/Dockerfile, June 2026). Generated
and validated by our tests, not run by them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gavan.engines.compose.addresses import public_url, site_url
from gavan.engines.compose.rules import Service, check, foreign, limits
from gavan.engines.compose.values import DATABASE_HOST, DATABASE_PORT, optional, plain, required
from gavan.stack.model import Container, EnvValue, Stack

IMAGES = {
    "postgres": "supabase/postgres:17.6.1.132",
    "rest": "postgrest/postgrest:v14.12",
    "auth": "supabase/gotrue:v2.189.0",
    "realtime": "supabase/realtime:v2.102.1",
    "storage": "supabase/storage-api:v1.60.2",
    "imgproxy": "darthsim/imgproxy:v3.8.0",
    "meta": "supabase/postgres-meta:v0.96.6",
    "studio": "supabase/studio:2026.05.25-sha-65c570e",
}
STUDIO = "studio"
"""The compose profile of what only people look into; it has no route and no port"""
TENANT = "realtime-dev"
REALTIME_HOST = f"{TENANT}.supabase-realtime"
"""Its first label is the name of the tenant that it makes for itself"""
EXPIRES_S = "3600"
ROLES = """\
\\set secret `echo "$POSTGRES_PASSWORD"`
alter user authenticator with password :'secret';
alter user supabase_auth_admin with password :'secret';
alter user supabase_storage_admin with password :'secret';
"""
SETTINGS = """\
\\set secret `echo "$JWT_SECRET"`
\\set seconds `echo "$JWT_EXP"`
\\set name `echo "$POSTGRES_DB"`
alter database :"name" set "app.settings.jwt_secret" to :'secret';
alter database :"name" set "app.settings.jwt_exp" to :'seconds';
"""
REALTIME = """\
create schema if not exists _realtime;
alter schema _realtime owner to supabase_admin;
"""
_SCRIPTS = {
    "supabase-roles": ("init-scripts/99-roles.sql", ROLES),
    "supabase-settings": ("init-scripts/99-jwt.sql", SETTINGS),
    "supabase-realtime": ("migrations/99-realtime.sql", REALTIME),
}
_MUTE = ("rest",)
_MEBIBYTE = 2**20
_LIMITS = {
    "rest": Container(memory=128 * _MEBIBYTE, cpus=0.3),
    "auth": Container(memory=128 * _MEBIBYTE, cpus=0.3),
    "realtime": Container(memory=512 * _MEBIBYTE, cpus=0.4),
    "storage": Container(memory=256 * _MEBIBYTE, cpus=0.3),
    "imgproxy": Container(memory=256 * _MEBIBYTE, cpus=0.3),
    "meta": Container(memory=192 * _MEBIBYTE, cpus=0.2),
    "studio": Container(memory=512 * _MEBIBYTE, cpus=0.3),
}


def names(stack: Stack) -> tuple[str, ...]:
    """Return the services that stay, but for the database."""
    asked = [name for name in ("rest", "auth", "realtime") if name in stack.core.services]
    return (*asked, *(("storage", "imgproxy") if "storage" in stack.core.services else ()))


def ready(stack: Stack) -> dict[str, dict[str, str]]:
    """Return what waits for the core waits for; the images of some have nothing to ask with."""
    return {
        name: {"condition": f"service_{'started' if name in _MUTE else 'healthy'}"}
        for name in names(stack)
    }


def memory(stack: Stack) -> dict[str, int]:
    """Return the most bytes of each of them."""
    return {name: _LIMITS[name].memory for name in names(stack)}


def scripts() -> dict[str, dict[str, str]]:
    """Return what the database runs when it is new, as the ``configs`` of a compose file."""
    return {name: {"content": text} for name, (_, text) in _SCRIPTS.items()}


def services(stack: Stack) -> Iterator[tuple[str, Service]]:
    """Yield the services of the core, and what people may look into with."""
    made = {
        "rest": _rest(stack), "auth": _auth(stack), "realtime": _realtime(stack),
        "storage": _storage(stack), "imgproxy": _imgproxy(),
    }  # fmt: skip
    for name in names(stack):
        yield name, made[name]
    yield "meta", {**_meta(stack), "profiles": [STUDIO]}
    yield STUDIO, {**_studio(stack), "profiles": [STUDIO]}


def postgres(stack: Stack) -> Service:
    """Return the database, whose image makes roles and schemas when it is new."""
    return {
        "image": IMAGES["postgres"],
        "command": ["postgres", "-c", "config_file=/etc/postgresql/postgresql.conf",
                    "-c", "log_min_messages=fatal"],
        "environment": {
            "POSTGRES_HOST": "/var/run/postgresql",
            "PGPORT": str(DATABASE_PORT),
            "POSTGRES_PORT": str(DATABASE_PORT),
            "PGPASSWORD": required("POSTGRES_PASSWORD"),
            "POSTGRES_PASSWORD": required("POSTGRES_PASSWORD"),
            "PGDATABASE": stack.database.name,
            "POSTGRES_DB": stack.database.name,
            "JWT_SECRET": required("JWT_SECRET"),
            "JWT_EXP": EXPIRES_S,
        },
        "configs": [
            {"source": name, "target": f"/docker-entrypoint-initdb.d/{path}"}
            for name, (path, _) in _SCRIPTS.items()
        ],
        # The second one holds the key of what pgsodium has encrypted.
        "volumes": ["postgres-data:/var/lib/postgresql/data",
                    "postgres-config:/etc/postgresql-custom"],
        **foreign("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"),
        **limits(stack.database.container),
        "shm_size": "128m",
        "stop_signal": "SIGINT",
        "stop_grace_period": "60s",
        "networks": ["data"],
        "healthcheck": check(["pg_isready", "-U", "postgres", "-h", "localhost"], start_s=300),
    }  # fmt: skip


def _texts(values: Mapping[str, EnvValue], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield what the stack file says to a service; a secret comes by a variable."""
    for name, value in plain(values, prefix).items():
        yield name, str(value)


def _url(stack: Stack, role: str) -> str:
    place = f"{DATABASE_HOST}:{DATABASE_PORT}/{stack.database.name}"
    return f"postgres://{role}:{required('POSTGRES_PASSWORD')}@{place}"


def _rest(stack: Stack) -> Service:
    environment = {
        "PGRST_DB_URI": _url(stack, "authenticator"),
        "PGRST_DB_SCHEMAS": ",".join((*stack.core.schemas, "graphql_public")),
        "PGRST_DB_MAX_ROWS": str(stack.core.max_rows),
        "PGRST_DB_EXTRA_SEARCH_PATH": ",".join(stack.core.extra_search_path),
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_JWT_SECRET": required("JWT_SECRET"),
        "PGRST_DB_USE_LEGACY_GUCS": "false",
        "PGRST_APP_SETTINGS_JWT_SECRET": required("JWT_SECRET"),
        "PGRST_APP_SETTINGS_JWT_EXP": EXPIRES_S,
        **{f"PGRST_{name.upper()}": text for name, text in _texts(stack.core.rest, "PGRST_")},
    }
    return _service("rest", environment, networks=["app", "data"], command=["postgrest"])


def _auth(stack: Stack) -> Service:
    environment = {
        "GOTRUE_API_HOST": "0.0.0.0",  # noqa: S104 - inside the network of the stack
        "GOTRUE_API_PORT": "9999",
        "API_EXTERNAL_URL": f"{public_url(stack.core.host)}/auth/v1",
        "GOTRUE_DB_DRIVER": "postgres",
        "GOTRUE_DB_DATABASE_URL": _url(stack, "supabase_auth_admin"),
        "GOTRUE_SITE_URL": site_url(stack),
        "GOTRUE_URI_ALLOW_LIST": "",
        "GOTRUE_DISABLE_SIGNUP": "false",
        "GOTRUE_JWT_ADMIN_ROLES": "service_role",
        "GOTRUE_JWT_AUD": "authenticated",
        "GOTRUE_JWT_DEFAULT_GROUP_NAME": "authenticated",
        "GOTRUE_JWT_EXP": EXPIRES_S,
        "GOTRUE_JWT_SECRET": required("JWT_SECRET"),
        "GOTRUE_EXTERNAL_EMAIL_ENABLED": "true",
        "GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED": "false",
        "GOTRUE_EXTERNAL_PHONE_ENABLED": "false",
        "GOTRUE_MAILER_AUTOCONFIRM": "false",
        "GOTRUE_SMS_AUTOCONFIRM": "false",
        "GOTRUE_SMTP_HOST": optional("GOTRUE_SMTP_HOST"),
        "GOTRUE_SMTP_PORT": optional("GOTRUE_SMTP_PORT", "587"),
        "GOTRUE_SMTP_USER": optional("GOTRUE_SMTP_USER"),
        "GOTRUE_SMTP_PASS": optional("GOTRUE_SMTP_PASS"),
        "GOTRUE_SMTP_ADMIN_EMAIL": optional("GOTRUE_SMTP_ADMIN_EMAIL"),
        "GOTRUE_SMTP_SENDER_NAME": optional("GOTRUE_SMTP_SENDER_NAME"),
        "GOTRUE_RATE_LIMIT_HEADER": "X-Forwarded-For",
        **{
            f"GOTRUE_MAILER_URLPATHS_{name}": "/auth/v1/verify"
            for name in ("INVITE", "CONFIRMATION", "RECOVERY", "EMAIL_CHANGE")
        },
        **{f"GOTRUE_{name}": text for name, text in _texts(stack.core.auth, "GOTRUE_")},
    }
    question = ["wget", "--no-verbose", "--tries=1", "--spider", "http://localhost:9999/health"]
    return _service("auth", environment, networks=["app", "data"], question=question)


def _realtime(stack: Stack) -> Service:
    environment = {
        "PORT": "4000",
        "DB_HOST": DATABASE_HOST,
        "DB_PORT": str(DATABASE_PORT),
        "DB_USER": "supabase_admin",
        "DB_PASSWORD": required("POSTGRES_PASSWORD"),
        "DB_NAME": stack.database.name,
        "DB_AFTER_CONNECT_QUERY": "SET search_path TO _realtime",
        "DB_ENC_KEY": required("REALTIME_DB_ENC_KEY"),
        "API_JWT_SECRET": required("JWT_SECRET"),
        "METRICS_JWT_SECRET": required("JWT_SECRET"),
        "SECRET_KEY_BASE": required("REALTIME_SECRET_KEY_BASE"),
        "ERL_AFLAGS": "-proto_dist inet_tcp",
        "DNS_NODES": "''",
        "RLIMIT_NOFILE": "10000",
        "APP_NAME": "realtime",
        "SEED_SELF_HOST": "true",
        "RUN_JANITOR": "true",
        "DISABLE_HEALTHCHECK_LOGGING": "true",
        "ANON_KEY": required("ANON_KEY"),
    }
    question = [
        *("sh", "-c"),
        'curl -sSfL --head -o /dev/null -H "Authorization: Bearer $ANON_KEY"'
        f" http://localhost:4000/api/tenants/{TENANT}/health",
    ]
    service = _service("realtime", environment, networks=[], question=question)
    return {**service, "networks": {"app": {"aliases": [REALTIME_HOST]}, "data": None}}


def _storage(stack: Stack) -> Service:
    environment = {
        "ANON_KEY": required("ANON_KEY"),
        "SERVICE_KEY": required("SERVICE_ROLE_KEY"),
        "POSTGREST_URL": "http://rest:3000",
        "AUTH_JWT_SECRET": required("JWT_SECRET"),
        "PGRST_JWT_SECRET": required("JWT_SECRET"),
        "DATABASE_URL": _url(stack, "supabase_storage_admin"),
        "STORAGE_PUBLIC_URL": public_url(stack.core.host),
        "REQUEST_ALLOW_X_FORWARDED_PATH": "true",
        "FILE_SIZE_LIMIT": str(stack.core.storage.get("UPLOAD_FILE_SIZE_LIMIT", 50 * _MEBIBYTE)),
        "TUS_URL_PATH": "/upload/resumable",
        "TENANT_ID": "stub",
        "REGION": "stub",
        "GLOBAL_S3_BUCKET": "stub",
        "ENABLE_IMAGE_TRANSFORMATION": "true",
        "IMGPROXY_URL": "http://imgproxy:5001",
        "S3_PROTOCOL_ACCESS_KEY_ID": required("S3_PROTOCOL_ACCESS_KEY_ID"),
        "S3_PROTOCOL_ACCESS_KEY_SECRET": required("S3_PROTOCOL_ACCESS_KEY_SECRET"),
        "STORAGE_BACKEND": "file",
        "FILE_STORAGE_BACKEND_PATH": "/var/lib/storage",
        **_objects(stack),
    }
    question = ["wget", "--no-verbose", "--tries=1", "--spider", "http://localhost:5000/status"]
    return {
        **_service("storage", environment, networks=["app", "data"], question=question),
        "volumes": ["storage-data:/var/lib/storage"],
    }


def _objects(stack: Stack) -> dict[str, str]:
    """Return where the bytes are when [core.storage] provider is "s3"."""
    if stack.core.storage.get("STORAGE_BACKEND") != "s3":
        return {}
    return {
        "STORAGE_BACKEND": "s3",
        "STORAGE_S3_BUCKET": required("S3_BUCKET_ARTIFACTS"),
        "GLOBAL_S3_BUCKET": required("S3_BUCKET_ARTIFACTS"),
        "STORAGE_S3_ENDPOINT": optional("S3_ENDPOINT"),
        "STORAGE_S3_REGION": optional("S3_REGION", "us-east-1"),
        "REGION": optional("S3_REGION", "us-east-1"),
        "STORAGE_S3_FORCE_PATH_STYLE": optional("S3_FORCE_PATH_STYLE", "true"),
        "AWS_ACCESS_KEY_ID": required("S3_ACCESS_KEY_ID"),
        "AWS_SECRET_ACCESS_KEY": required("S3_SECRET_ACCESS_KEY"),
    }


def _imgproxy() -> Service:
    environment = {
        "IMGPROXY_BIND": ":5001",
        "IMGPROXY_LOCAL_FILESYSTEM_ROOT": "/",
        "IMGPROXY_USE_ETAG": "true",
        "IMGPROXY_ENABLE_WEBP_DETECTION": "true",
    }
    return {
        **_service("imgproxy", environment, networks=["data"], question=["imgproxy", "health"]),
        "volumes": ["storage-data:/var/lib/storage"],
        "depends_on": {},
    }


def _meta(stack: Stack) -> Service:
    environment = {
        "PG_META_PORT": "8080",
        "PG_META_DB_HOST": DATABASE_HOST,
        "PG_META_DB_PORT": str(DATABASE_PORT),
        "PG_META_DB_NAME": stack.database.name,
        "PG_META_DB_USER": "supabase_admin",
        "PG_META_DB_PASSWORD": required("POSTGRES_PASSWORD"),
        "CRYPTO_KEY": required("PG_META_CRYPTO_KEY"),
    }
    return _service("meta", environment, networks=["data"])


def _studio(stack: Stack) -> Service:
    environment = {
        "HOSTNAME": "::",
        "STUDIO_PG_META_URL": "http://meta:8080",
        "POSTGRES_HOST": DATABASE_HOST,
        "POSTGRES_PORT": str(DATABASE_PORT),
        "POSTGRES_DB": stack.database.name,
        "POSTGRES_PASSWORD": required("POSTGRES_PASSWORD"),
        "PG_META_CRYPTO_KEY": required("PG_META_CRYPTO_KEY"),
        "DEFAULT_ORGANIZATION_NAME": stack.name,
        "DEFAULT_PROJECT_NAME": stack.name,
        "SUPABASE_URL": f"http://proxy:{stack.core.port}",
        "SUPABASE_PUBLIC_URL": public_url(stack.core.host),
        "SUPABASE_ANON_KEY": required("ANON_KEY"),
        "SUPABASE_SERVICE_KEY": required("SERVICE_ROLE_KEY"),
        "AUTH_JWT_SECRET": required("JWT_SECRET"),
        "NEXT_PUBLIC_ENABLE_LOGS": "false",
    }
    code = (
        "fetch('http://localhost:3000/api/platform/profile')"
        ".then((r) => {if (r.status !== 200) throw new Error(r.status)})"
    )
    return _service(STUDIO, environment, networks=["app", "data"], question=["node", "-e", code])


def _service(
    name: str, environment: dict[str, str], *, networks: list[str],
    command: list[str] | None = None, question: list[str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return what the services have in common: they keep nothing, and need no right of root."""
    return {
        "image": IMAGES[name],
        **({"command": command} if command else {}),
        "environment": environment,
        **foreign(),
        **limits(_LIMITS[name]),
        "networks": networks,
        "depends_on": {DATABASE_HOST: {"condition": "service_healthy"}},
        **({"healthcheck": check(question, start_s=60)} if question else {}),
    }
