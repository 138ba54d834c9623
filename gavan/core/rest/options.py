"""The options of the data API by PostgREST's names: one table for environment and database.

``PGRST_DB_MAX_ROWS`` and ``ALTER ROLE authenticator SET pgrst.db_max_rows`` are both
``db_max_rows`` here. Stands under config.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from gavan.core.rest.role_path import claim_path
from gavan.database.identifier import quote_identifier

SYSTEM_SCHEMAS = frozenset({"pg_catalog", "information_schema"})
APP_SETTING = "app_settings_"
TX_ENDS = frozenset({"commit", "commit-allow-override", "rollback", "rollback-allow-override"})
OPENAPI_MODES = frozenset({"follow-privileges", "ignore-privileges", "disabled"})
TRUE = frozenset({"true", "on", "yes", "1", "t"})
FALSE = frozenset({"false", "off", "no", "0", "f"})
VERBOSITIES = frozenset({"verbose", "minimal"})
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]*")
_HEADER = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)


def names(text: str) -> tuple[str, ...]:
    """Return the parts of a list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def exposable(schemas: tuple[str, ...]) -> tuple[str, ...]:
    """Return the schemas without Postgres's own, which are never served."""
    return tuple(name for name in schemas if name not in SYSTEM_SCHEMAS)


def truth(text: str) -> bool:
    """Return the truth of a word; raise ValueError for other words."""
    word = text.strip().lower()
    if word not in TRUE | FALSE:
        raise ValueError("it is neither true nor false")
    return word in TRUE


def _schemas(text: str) -> tuple[str, ...]:
    found = names(text)
    if exposable(found) != found:
        raise ValueError(f"{' and '.join(sorted(SYSTEM_SCHEMAS))} are never served")
    if not found:
        raise ValueError("it names no schema")
    return found


def _rows(text: str) -> int:
    if not text.strip().isdecimal():
        raise ValueError("it is not a number of rows")
    return int(text)


def _one_of(choices: frozenset[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"it is none of {', '.join(sorted(choices))}")
        return text

    return read


def _text(text: str) -> str | None:
    return text or None


def _audience(text: str) -> str | None:
    # As the JWT standard has it: with a colon in it, it must be an address.
    if ":" in text and not _ADDRESS.fullmatch(text):
        raise ValueError("it should be a string or a valid URI")
    return text or None


def _call(text: str) -> str | None:
    """Return the SQL that calls a function of no arguments, by its name with or without schema."""
    schema, dot, name = text.rpartition(".")
    if not text:
        return None
    parts = (schema, name) if dot else (name,)
    return f"select {'.'.join(map(quote_identifier, parts))}()"


def _unqualified(text: str) -> str | None:
    # The function lies in the schema of the request, whatever schema stands before it.
    return text.rpartition(".")[2] or None


def _header(text: str) -> bytes | None:
    if text and not _HEADER.fullmatch(text):
        raise ValueError("it is no name of a header")
    return text.lower().encode() or None


def _count(text: str) -> int:
    if not text.strip().isdecimal():
        raise ValueError("it is not a number")
    return int(text)


READERS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "db_schemas": ("schemas", _schemas),
    "db_extra_search_path": ("extra_search_path", names),
    "db_max_rows": ("max_rows", _rows),
    "db_anon_role": ("anon_role", _text),
    "db_config": ("in_database", truth),
    "db_aggregates_enabled": ("aggregates", truth),
    "db_plan_enabled": ("plans", truth),
    "db_tx_end": ("tx_end", _one_of(TX_ENDS)),
    "db_safe_update": ("safe_update", truth),
    "db_pre_request": ("pre_request", _call),
    "db_pre_config": ("pre_config", _call),
    "db_root_spec": ("root_spec", _unqualified),
    "db_hoisted_tx_settings": ("hoisted_settings", names),
    "openapi_mode": ("openapi_mode", _one_of(OPENAPI_MODES)),
    "openapi_server_proxy_uri": ("public_url", str),
    "openapi_security_active": ("openapi_security", truth),
    "client_error_verbosity": ("verbosity", _one_of(VERBOSITIES)),
    "url_use_legacy_target_names": ("legacy_names", truth),
    "server_cors_allowed_origins": ("cors_origins", names),
    "server_timing_enabled": ("server_timing", truth),
    "server_trace_header": ("trace_header", _header),
    "jwt_cache_max_entries": ("jwt_cache_entries", _count),
    "jwt_aud": ("jwt_audience", _audience),
    "jwt_role_claim_key": ("jwt_role_path", claim_path),
}
"""Field of the configuration and reader, by name; readers raise ValueError"""
MAY_BE_EMPTY = frozenset(
    {
        "db_anon_role",
        "db_extra_search_path",
        "db_pre_config",
        "db_pre_request",
        "db_root_spec",
        "jwt_aud",
        "server_cors_allowed_origins",
        "server_trace_header",
    }
)
ALIASES: Mapping[str, str] = {
    "db_pool_timeout": "db_pool_max_idletime",
    "db_schema": "db_schemas",
    "max_rows": "db_max_rows",
    "pre_request": "db_pre_request",
    "root_spec": "db_root_spec",
    "role_claim_key": "jwt_role_claim_key",
    "secret_is_base64": "jwt_secret_is_base64",
}
"""Older names of PostgREST; the newer one wins"""
KEYS = frozenset({"jwt_secret", "jwt_secret_is_base64"})
IN_DATABASE = frozenset(READERS) - {"db_config"} | KEYS
"""What may stand in the database"""
AT_START = frozenset(
    {
        "admin_server_host",
        "admin_server_port",
        "admin_server_unix_socket",
        "admin_server_unix_socket_mode",
        "db_channel",
        "db_channel_enabled",
        "db_pool",
        "db_pool_acquisition_timeout",
        "db_pool_automatic_recovery",
        "db_pool_max_idletime",
        "db_pool_max_lifetime",
        "db_prepared_statements",
        "db_uri",
        "log_level",
        "server_host",
        "server_port",
        "server_unix_socket",
        "server_unix_socket_mode",
    }
)
"""Read by whoever starts the service; a change needs a new start"""


def modern(values: Mapping[str, str]) -> dict[str, str]:
    """Return the options with older names replaced by today's."""
    renamed = {ALIASES[name]: text for name, text in values.items() if name in ALIASES}
    return {**renamed, **{name: text for name, text in values.items() if name not in ALIASES}}


def without_effect(values: Mapping[str, str]) -> list[str]:
    """Return the names that change nothing here, sorted; ``app.settings`` are no options."""
    known = READERS.keys() | KEYS | AT_START
    return sorted(name for name in values if name not in known and not name.startswith(APP_SETTING))
