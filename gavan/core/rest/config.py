"""How the data API behaves: the core's settings overlaid by those kept in the database.

``ALTER ROLE authenticator SET pgrst.db_max_rows = ...`` changes a running service: the overlay is
read with the schema cache and replaced with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gavan.core.settings import Settings

SYSTEM_SCHEMAS = frozenset({"pg_catalog", "information_schema"})
HOISTED_SETTINGS = (
    "statement_timeout",
    "plan_filter.statement_cost_limit",
    "default_transaction_isolation",
)


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
    """Return the configuration before the database has been asked."""
    return RestConfig(
        schemas=exposable(settings.schemas) or ("public",),
        extra_search_path=settings.extra_search_path,
        max_rows=settings.max_rows,
    )


def overlay(base: RestConfig, values: Mapping[str, str]) -> RestConfig:
    """Return ``base`` with the settings of the database; names lack the ``pgrst.`` prefix.

    Values that cannot be read are left out: a typing error must not stop the service.
    """
    changed = base
    if names := exposable(_names(values.get("db_schemas", ""))):
        changed = replace(changed, schemas=names)
    if "db_extra_search_path" in values:
        changed = replace(changed, extra_search_path=_names(values["db_extra_search_path"]))
    if values.get("db_max_rows", "").isdecimal():
        changed = replace(changed, max_rows=int(values["db_max_rows"]))
    if "db_anon_role" in values:
        changed = replace(changed, anon_role=values["db_anon_role"] or None)
    if "db_aggregates_enabled" in values:
        changed = replace(changed, aggregates=_truth(values["db_aggregates_enabled"]))
    if "db_plan_enabled" in values:
        changed = replace(changed, plans=_truth(values["db_plan_enabled"]))
    if values.get("db_tx_end", "").removesuffix("-allow-override") in {"commit", "rollback"}:
        changed = replace(changed, tx_end=values["db_tx_end"])
    return changed


def exposable(schemas: tuple[str, ...]) -> tuple[str, ...]:
    """Return the schemas without Postgres's own, which are never served."""
    return tuple(name for name in schemas if name not in SYSTEM_SCHEMAS)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _truth(text: str) -> bool:
    return text.strip().lower() in {"true", "on", "yes", "1", "t"}
