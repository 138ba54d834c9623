"""What each channel was told last, so that it hears a thing once and hears of its end.

Stands above event.py. One small file in the state folder, under a lock; where it cannot be written,
everything is told: to hear twice is better than not at all.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gavan.notify.event import Event

AGAIN_S = 20 * 3600.0
"""Less than a day: what fails every night is told every day."""
FORGET_S = 30 * 86400.0
Known = dict[str, dict[str, Any]]


@contextmanager
def remembered(file: Path) -> Iterator[Known]:
    """Give what is known, alone; what the block makes of it is kept."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield {}
        return
    with os.fdopen(handle, "r+", encoding="utf-8") as text:
        fcntl.flock(text, fcntl.LOCK_EX)
        known = _read(text.read())
        yield known
        text.seek(0)
        text.truncate()
        json.dump(known, text)


def _read(text: str) -> Known:
    try:
        found = json.loads(text or "{}")
    except ValueError:  # a power cut
        return {}
    return found if isinstance(found, dict) else {}


def is_news(known: Known, channel: str, event: Event, now: float) -> bool:
    """Say whether a channel was not told this within the last hours; a clock may jump back."""
    last = known.get(_key(channel, event))
    return last is None or last["event"] != event.name or abs(now - last["at"]) > AGAIN_S


def is_end(known: Known, channel: str, event: Event) -> bool:
    """Say whether a good event is the end of something bad that the channel was told."""
    last = known.get(_key(channel, event))
    return not event.name.is_bad and last is not None and last["bad"]


def keep(known: Known, channel: str, event: Event, now: float) -> None:
    """Note that a channel was told, and forget what is long ago."""
    for key in [key for key, told in known.items() if now - told["at"] > FORGET_S]:
        del known[key]
    known[_key(channel, event)] = {"event": event.name, "bad": event.name.is_bad, "at": now}


def _key(channel: str, event: Event) -> str:
    return f"{channel}/{event.name.family}/{event.about}"
