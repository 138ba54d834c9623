"""What health is made of: questions, their last answers, and the facts of this release.

Stands at the bottom of the room; monitor.py asks, answers.py words it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

EVERY_S = 5.0
TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A question to something this process needs.

    Args:
        name: how answers call it; ``s3`` makes the field ``s3_ready``.
        ask: returns when all is well, raises whatever is wrong.
        required: without it this process cannot serve; else it is only degraded.
        every_s: seconds between the end of one question and the next.
        timeout_s: seconds after which an answer counts as none.
    """

    name: str
    ask: Callable[[], Awaitable[object]]
    required: bool = True
    every_s: float = EVERY_S
    timeout_s: float = TIMEOUT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The last answer to a question. ``at``: when, on the clock of ``time.monotonic``.

    ``error`` names the class of the failure alone: what it says may speak of hosts.
    """

    ok: bool
    ms: int
    at: float
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What runs here, told to whoever asks: nothing of it is secret."""

    version: str = ""
    commit: str = ""
    release: str = ""
    env: str = ""
    data_backend: str = ""


def read_about(environ: Mapping[str, str] = os.environ) -> About:
    """Return the facts that the engines hand to every app.

    GAVAN_RELEASE is the tag of the image; ``sha-<commit>`` names the commit too. VERSION, where
    the app sets it, is its own version; else the release stands for it.
    """
    release = environ.get("GAVAN_RELEASE", "")
    return About(
        version=environ.get("VERSION", "") or release,
        commit=release.removeprefix("sha-") if release.startswith("sha-") else "",
        release=release,
        env=environ.get("ENV", ""),
        data_backend=environ.get("DATA_BACKEND", ""),
    )
