"""The one internal error type; each protocol renders it in its own shape at its edge."""

from __future__ import annotations

from collections.abc import Mapping


class GavanError(Exception):
    """A failure with a stable code that a client can match and a hint a person can act on.

    Args:
        code: stable identifier, e.g. ``GV120`` or ``PGRST205``. Codes are never reused.
        message: what failed and where, one sentence.
        details: why, or the raw facts.
        hint: the command or change that mends it.
        status: HTTP status for services that speak HTTP.
        exit_code: process exit code for the command line (contracts: 0-8, 124, 130).
    """

    where: str | None = None
    """``file:line:column`` of the text at fault; set by the parts that read files."""
    cause: Mapping[str, object] | None = None
    """The facts for programs: what became of a container, say."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        details: str | None = None,
        hint: str | None = None,
        status: int = 500,
        exit_code: int = 1,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details
        self.hint = hint
        self.status = status
        self.exit_code = exit_code
