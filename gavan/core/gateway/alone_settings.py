"""What the data API alone is told: PostgREST's variables, with PostgREST's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gavan.core.listening import ANY_HOST, Address, UnixSocket
from gavan.core.rest.options import modern, names
from gavan.core.settings import PGRST, Settings, number, rest_options
from gavan.kit.errors import GavanError
from gavan.kit.keyset import shared_set
from gavan.kit.secret import Secret

PORT = 3000
POOL_SIZE = 10
MAX_BODY_BYTES = 50 * 1024 * 1024
ALL_IPV4 = "0.0.0.0"  # noqa: S104
ALL_ADDRESSES = {"*": ANY_HOST, "*4": ALL_IPV4, "!4": ALL_IPV4, "*6": ANY_HOST, "!6": "::"}
LEAST_LOGGED = {"crit": 1000, "error": 500, "warn": 400, "info": 0, "debug": 0}
"""Status from which a request leaves a line, by level"""
NOTHING = Secret("")


def read_alone(environ: Mapping[str, str]) -> Settings:
    """Return the settings of ``PGRST_*``; the URL of the database may lack what ``PG*`` says.

    Raises GavanError GV703 or GV152 for a variable that cannot be read.
    """
    options = modern(rest_options(environ))
    host = _host(options, "server_host", "!4")
    port = number(options, "server_port", PORT)
    return Settings(
        host=host,
        port=port,
        services=("rest",),
        authenticator_url=Secret(options.get("db_uri", "")),
        auth_admin_url=NOTHING,
        storage_admin_url=NOTHING,
        realtime_admin_url=NOTHING,
        admin_url=NOTHING,
        keys=shared_set(NOTHING),
        anon_key=NOTHING,
        service_role_key=NOTHING,
        publishable_key=NOTHING,
        secret_key=NOTHING,
        external_url="",
        site_url="",
        schemas=("public",),
        extra_search_path=("public",),
        max_rows=None,
        pool_size=max(1, number(options, "db_pool", POOL_SIZE)),
        max_body_bytes=int(environ.get("GAVAN_MAX_BODY_BYTES", str(MAX_BODY_BYTES))),
        cors_origins=names(options.get("server_cors_allowed_origins", "")),
        log_format=environ.get("GAVAN_LOG_FORMAT", "json"),
        least_logged_status=_least_logged(options),
        unix_socket=_unix_socket(options, "server_unix_socket"),
        admin=_admin(options, port),
        # Nobody may come without a token unless a role is named, and what a client may do without
        # a filter is for pg-safeupdate to say.
        rest={
            "db_anon_role": "",
            "db_safe_update": "false",
            "openapi_server_proxy_uri": f"http://{ALL_IPV4 if host == ANY_HOST else host}:{port}/",
            **options,
        },
    )


def _host(options: Mapping[str, str], name: str, default: str) -> str:
    host = options.get(name) or default
    return ALL_ADDRESSES.get(host, host)


def _least_logged(options: Mapping[str, str]) -> int:
    level = options.get("log_level") or "error"
    if level not in LEAST_LOGGED:
        known = ", ".join(LEAST_LOGGED)
        raise GavanError("GV703", f"{PGRST}LOG_LEVEL is none of {known}", exit_code=2)
    return LEAST_LOGGED[level]


def _unix_socket(options: Mapping[str, str], name: str) -> UnixSocket | None:
    path = options.get(name)
    if not path:
        return None
    mode = options.get(f"{name}_mode") or "660"
    # As PostgREST: the owner must be able to connect.
    if not mode.isdecimal() or set(mode) & {"8", "9"} or not 0o600 <= int(mode, 8) <= 0o777:
        raise GavanError(
            "GV703", f"{PGRST}{name.upper()}_MODE is no mode from 600 to 777", exit_code=2
        )
    return UnixSocket(Path(path), int(mode, 8))


def _admin(options: Mapping[str, str], server_port: int) -> Address | None:
    unix = _unix_socket(options, "admin_server_unix_socket")
    if unix is not None:
        return Address(unix=unix)
    if not options.get("admin_server_port"):
        return None
    port = number(options, "admin_server_port", 0)
    if port == server_port:
        raise GavanError("GV703", "the admin server cannot have the port of the API", exit_code=2)
    host = _host(options, "admin_server_host", options.get("server_host") or "!4")
    return Address(host=host, port=port)
