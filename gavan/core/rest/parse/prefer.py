"""``Prefer``: what the client wishes, and which of it is echoed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

FAMILIES: dict[str, frozenset[str]] = {
    "resolution": frozenset({"merge-duplicates", "ignore-duplicates"}),
    "return": frozenset({"minimal", "headers-only", "representation"}),
    "count": frozenset({"exact", "planned", "estimated"}),
    "missing": frozenset({"default", "null"}),
    "handling": frozenset({"strict", "lenient"}),
    "tx": frozenset({"commit", "rollback"}),
}
_INTEGER = re.compile(r"-?\d{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """One member per family; the first token of a family wins."""

    resolution: str | None = None
    returning: str | None = None
    count: str | None = None
    missing: str | None = None
    handling: str | None = None
    tx: str | None = None
    timezone: str | None = None
    max_affected: int | None = None
    unknown: tuple[str, ...] = ()

    @property
    def strict(self) -> bool:
        """Unknown tokens are errors and max-affected counts."""
        return self.handling == "strict"


NO_PREFERENCES = Preferences()


def parse_prefer(values: Iterable[str]) -> Preferences:
    """Return the preferences of all ``Prefer`` headers; never raises, unknown tokens are kept."""
    tokens = [token.strip() for value in values for token in value.split(",")]
    found: dict[str, str] = {}
    unknown = []
    for token in tokens:
        if not token:
            continue
        family, _, value = token.partition("=")
        if value in FAMILIES.get(family, ()) or _is_open(family, value):
            found.setdefault(family, value)
        else:
            unknown.append(token)
    limit = found.get("max-affected", "")
    return Preferences(
        resolution=found.get("resolution"),
        returning=found.get("return"),
        count=found.get("count"),
        missing=found.get("missing"),
        handling=found.get("handling"),
        tx=found.get("tx"),
        timezone=found.get("timezone"),
        max_affected=int(limit) if _INTEGER.fullmatch(limit) else None,
        unknown=tuple(unknown),
    )


def _is_open(family: str, value: str) -> bool:
    return family in {"timezone", "max-affected"} and bool(value)
