"""Something to tell. Stands at the bottom of notify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gavan.kit.event import EventName

LONGEST_TEXT = 1500
"""Characters; the rest is in the logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event.

    Args:
        name: what happened.
        title: one line, such as ``crm: backup failed``.
        text: why, and what to do; its first 1,500 characters are sent.
        about: what it happened to, such as the id of a release or a kind of backup. The same event
            about the same thing is told once in 20 hours; a good event about what was bad before
            is told as its end.
        data: facts for programs, sent by webhooks only.
    """

    name: EventName
    title: str
    text: str = ""
    about: str = ""
    data: Mapping[str, str | int | float | bool] = field(default_factory=dict)
