"""What every container of a stack is held to: rights, limits, logs, how its health is asked.

Stands at the bottom of the compose engine, beside values.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gavan.stack.model import Container

Service = dict[str, Any]
TMP = "/tmp"  # noqa: S108 - in a container of its own
LOGGING = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}


def closed() -> Service:
    """Return the rules of a container of ours: no root, no writing, no new rights."""
    return {
        "restart": "unless-stopped",
        "init": True,
        "read_only": True,
        "tmpfs": [TMP],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": LOGGING,
    }


def foreign(*capabilities: str) -> Service:
    """Return the rules of an image of others, which begins as root with a few of its rights."""
    rules = {name: rule for name, rule in closed().items() if name not in ("read_only", "tmpfs")}
    return {**rules, "cap_add": list(capabilities)}


def limits(container: Container) -> Service:
    """Return what a container may take."""
    return {"mem_limit": container.memory, "cpus": container.cpus, "pids_limit": 512}


def check(words: Sequence[str], *, start_s: int) -> Service:
    """Return a health check that is asked often until it is well for the first time."""
    return {
        "test": ["CMD", *words],
        "interval": "5s",
        # A question starts a Python; on a busy server that takes a while.
        "timeout": "10s",
        "retries": 3,
        "start_period": f"{start_s}s",
        "start_interval": "500ms",
    }
