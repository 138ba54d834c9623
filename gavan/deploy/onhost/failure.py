"""Why a release stops.

Stands at the bottom of the runner.
"""

from __future__ import annotations


class Failure(Exception):
    """A step that failed: a stable code, one sentence, the facts behind it."""

    def __init__(self, code: str, message: str, details: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
