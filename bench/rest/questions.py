"""The four questions that are measured, what is wanted of the answers, and who is asked how fast.

Nothing here knows a server: ``dialects`` says how each one is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

KEY = "@key@"
"""Stands for a random key in a path or a body"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """Wanted ratios of requests per second at 16 connections, one process."""

    limit: float
    postgrest: float
    fastapi: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One kind of request; ``keys`` is how many different ones there are."""

    name: str
    keys: int
    goals: Goals

    def at(self, connections: int) -> str:
        """Return the title of its figures."""
        return f"{self.name}, {connections} connection{'s' if connections > 1 else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A question in the words of one server."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None


ROW = Question(
    name="row by key",
    keys=100_000,
    goals=Goals(limit=0.45, postgrest=1.3, fastapi=6),
)
EMBED = Question(
    name="100 rows with embed",
    keys=99_900,
    goals=Goals(limit=0.60, postgrest=1.0, fastapi=7),
)
INSERT = Question(
    name="insert returning",
    keys=1,
    goals=Goals(limit=0.50, postgrest=1.0, fastapi=5),
)
LIST = Question(
    name="list, exact count",
    keys=1000,
    goals=Goals(limit=0.45, postgrest=1.2, fastapi=7),
)
QUESTIONS = (ROW, EMBED, INSERT, LIST)
GOAL_CONNECTIONS = 16
EMBED_ROWS = 100
LIST_ROWS = 20
EVENT = {"kind": "bench", "payload": {"a": 1, "b": [1, 2, 3]}}
"""What is inserted"""
