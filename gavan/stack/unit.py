"""A unit: one thing an engine keeps running or runs once; what, never how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gavan.stack.model import Condition, Health


class UnitKind(StrEnum):
    POSTGRES = "postgres"
    MIGRATE = "migrate"
    CORE = "core"
    APP = "app"
    SITE = "site"
    PROXY = "proxy"
    CRON = "cron"
    WAL = "wal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One node of the plan.

    ``name`` is unique in a plan: that of its kind, or the app's or site's own name; the engine
    finds the section by (kind, name) in the Stack.
    """

    name: str
    kind: UnitKind
    needs: Mapping[str, Condition] = field(default_factory=dict)
    health: Health | None = None
    once: bool = False
    """True for a job: it is done when it exits 0."""
    restart: str = "always"
    stop_signal: str = "SIGTERM"
    stop_timeout_s: float = 30.0
