"""One command of a pipeline and the values it is given, in words of no provider.

Stands beside facts.py. Values that come from outside reach a command by its environment alone,
never as part of its text: text of an input would be run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MINUTES = 20


class Origin(StrEnum):
    """Where a value comes from when the command runs."""

    SECRET = "secret"  # noqa: S105 - a word, not a secret
    INPUT = "input"
    PLACE = "place"
    """A variable of the repository that is no secret"""
    ACTOR = "actor"
    """Who may log in to the registry of the provider"""
    TOKEN = "token"  # noqa: S105 - likewise
    """The password for that"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A value of the outside."""

    origin: Origin
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """``at``: folder from the root of the repository, None for that of the stack file."""

    name: str
    run: str
    at: str | None = None
    env: Mapping[str, str | Value] = field(default_factory=dict)
    always: bool = False
    """Also after a failure: it cleans up"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Steps that must all succeed; what they need installed is said apart."""

    name: str
    title: str
    steps: tuple[Step, ...]
    gavan: bool = False
    node: bool = False
    python: bool = False
    minutes: int = MINUTES


def secret(name: str) -> Value:
    """Return the value of a secret."""
    return Value(origin=Origin.SECRET, name=name)
