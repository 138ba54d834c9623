"""What is known of the request under way by those who are far from it: mails, hooks, limits.

Set once per request by the service; a context variable because neither the store nor a mail is
the place to carry a client's address through.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """``ip`` is empty when it is not known, ``external_url`` when the configured one counts."""

    ip: str = ""
    external_url: str = ""


_asked: ContextVar[Asked] = ContextVar("asked", default=Asked())  # noqa: B039 - frozen


def begin(asked: Asked) -> None:
    """Remember, until the task of this request ends."""
    _asked.set(asked)


def client_ip() -> str:
    """Return the address of whoever asks, empty when it is not known."""
    return _asked.get().ip


def external_url(configured: str) -> str:
    """Return the root of this service as whoever asks sees it; links of mails begin with it."""
    return _asked.get().external_url or configured
