"""How the data API behaves: the core's settings overlaid by those kept in the database.

``ALTER ROLE authenticator SET pgrst.db_max_rows = ...`` changes a running service: the overlay is
read with the schema cache and replaced with it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gavan.core.rest.options import (
    APP_SETTING,
    IN_DATABASE,
    MAY_BE_EMPTY,
    READERS,
    exposable,
    modern,
    truth,
    without_effect,
)
from gavan.core.rest.role_path import ROLE, Path
from gavan.core.settings import PGRST, Settings
from gavan.kit.errors import GavanError
from gavan.kit.jwt import CACHE_ENTRIES, VerifyKey, read_keys
from gavan.kit.secret import Secret

HOISTED_SETTINGS = (
    "statement_timeout",
    "plan_filter.statement_cost_limit",
    "default_transaction_isolation",
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestConfig:
    """Frozen for the life of one snapshot."""

    schemas: tuple[str, ...]
    extra_search_path: tuple[str, ...] = ("public",)
    max_rows: int | None = None
    anon_role: str | None = "anon"
    aggregates: bool = False
    plans: bool = False
    tx_end: str = "commit"
    safe_update: bool = True
    """Refuse UPDATE and DELETE without a filter, as pg-safeupdate does on Supabase."""
    hoisted_settings: tuple[str, ...] = HOISTED_SETTINGS
    """Settings of a function that hold for the whole transaction of a call"""
    openapi_mode: str = "follow-privileges"
    """What the root shows: what the role may touch, everything, or nothing at all"""
    public_url: str = ""
    """Where clients reach the data API"""
    server_timing: bool = False
    """Tell in a header where the time of a request went"""
    jwt_keys: tuple[VerifyKey, ...] | None = None
    """Keys of its own; None are those of whoever hands the request on"""
    jwt_audience: str | None = None
    jwt_role_path: Path = ROLE
    jwt_cache_entries: int = CACHE_ENTRIES
    in_database: bool = True
    """Whether settings are read from the database too"""
    pre_config: str | None = None
    """SQL that calls the function whose settings the database's roles may override"""
    root_spec: str | None = None
    """Name of the function that answers at the root instead of the OpenAPI document"""
    openapi_security: bool = False
    """Say in the OpenAPI document that a token may be sent"""
    cors_origins: tuple[str, ...] = ()
    """Origins that may read answers; none named is all"""
    trace_header: bytes | None = None
    """Header of the request that every answer repeats"""
    verbosity: str = "verbose"
    """``minimal`` keeps details and hints of errors back"""
    legacy_names: bool = True
    """Whether filters may name an aliased embed by its relation"""
    pre_request: str | None = None
    """SQL that calls the function run before every statement"""
    app_settings: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Pairs of ``app.settings.*`` for the functions of the database"""
    role_settings: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """Settings of ALTER ROLE for the roles a request may take"""

    @property
    def tx_override(self) -> bool:
        """Whether the client may choose how the transaction ends."""
        return self.tx_end.endswith("-allow-override")

    def rolls_back(self, asked: str | None) -> bool:
        """Whether a request that asked for ``tx=...`` ends in ROLLBACK."""
        if self.tx_override and asked is not None:
            return asked == "rollback"
        return self.tx_end.startswith("rollback")


def config_from(settings: Settings) -> RestConfig:
    """Return the configuration before the database has been asked.

    Raises GavanError GV703 naming every variable that cannot be read.
    """
    options = modern(settings.rest)
    base = RestConfig(
        schemas=exposable(settings.schemas) or ("public",),
        extra_search_path=settings.extra_search_path,
        max_rows=settings.max_rows,
        public_url=f"{settings.external_url}/rest/v1",
        app_settings=tuple(
            (f"app.settings.{name.removeprefix(APP_SETTING)}", value)
            for name, value in options.items()
            if name.startswith(APP_SETTING)
        ),
    )
    config, faults = _overlaid(base, options)
    if faults:
        wrong = [f"{PGRST}{name.upper()}: {why}" for name, why in faults.items()]
        raise GavanError("GV703", "; ".join(wrong), exit_code=2)
    return config


def warn_of_idle(settings: Settings) -> None:
    """Log the options of the environment that change nothing."""
    for name in without_effect(modern(settings.rest)):
        logger.warning("%s%s changes nothing here", PGRST, name.upper())


def overlay(base: RestConfig, values: Mapping[str, str]) -> RestConfig:
    """Return ``base`` with the settings of the database; names lack the ``pgrst.`` prefix.

    Values that cannot be read are left out: a typing error must not stop the service.
    """
    config, faults = _overlaid(
        base, {name: text for name, text in values.items() if name in IN_DATABASE}
    )
    faults = {**dict.fromkeys(values.keys() - IN_DATABASE, "it changes nothing here"), **faults}
    for name, why in faults.items():
        logger.warning("pgrst.%s is ignored: %s", name, why, extra={"event": "config.ignored"})
    return config


def _overlaid(base: RestConfig, values: Mapping[str, str]) -> tuple[RestConfig, Mapping[str, str]]:
    changes: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for name, text in values.items():
        if name not in READERS or (not text and name not in MAY_BE_EMPTY):
            continue
        attribute, read = READERS[name]
        try:
            changes[attribute] = read(text)
        except ValueError as error:
            faults[name] = str(error)
    if secret := values.get("jwt_secret"):
        try:
            is_base64 = truth(values.get("jwt_secret_is_base64") or "false")
            changes["jwt_keys"] = read_keys(Secret(secret), is_base64=is_base64)
        except ValueError as error:
            faults["jwt_secret"] = str(error)
    return (replace(base, **changes) if changes else base), faults
