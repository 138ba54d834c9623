"""Why a release stops.

Stands at the bottom of the runner.
"""

from __future__ import annotations

from typing import Any


class Failure(Exception):
    """A step that failed: a stable code, one sentence, the facts behind it, for people as
    ``details`` and, of a container, for programs as ``cause``."""

    def __init__(
        self, code: str, message: str, details: str = "", cause: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.cause = cause
