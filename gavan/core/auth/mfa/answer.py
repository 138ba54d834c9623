"""What a client sends to prove a second factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatorAnswer:
    """What an authenticator answered; ``kind`` is ``create`` or ``request``."""

    kind: str
    credential: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The input of a verification: a code, or what an authenticator answered."""

    challenge_id: UUID
    code: str
    webauthn: AuthenticatorAnswer | None
