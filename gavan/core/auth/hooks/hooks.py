"""The door through which every flow asks the stack's own code."""

from __future__ import annotations

from typing import Any, Protocol

from gavan.core.auth.store import Connection


class Hooks(Protocol):
    """Functions of Postgres and HTTP endpoints, by the names of gavan.core.auth.config.hooks."""

    def has(self, name: str) -> bool:
        """Return whether a hook is configured."""

    async def call(
        self, name: str, payload: dict[str, Any], connection: Connection | None = None
    ) -> dict[str, Any] | None:
        """Return what a hook answered, None when it is not configured.

        Args:
            connection: the transaction that a function of Postgres runs in; a new one without it.

        Raises:
            AuthError: when the hook refuses, fails or does not answer in time.
        """
