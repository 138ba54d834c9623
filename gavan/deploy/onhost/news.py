"""Telling people how a release ended: by `gavan notify` in a container of the stack.

Stands above docker.py. On the server, so that it happens whoever is gone by then, and so that the
secrets of the channels are nowhere else. Whatever goes wrong here is in the log of the runner only.
"""

from __future__ import annotations

import sys
from typing import Any

from gavan.deploy.onhost.docker import Compose
from gavan.deploy.onhost.failure import Failure
from gavan.deploy.onhost.files import Place, read_json

_EVENTS = {"ok": "deploy.released", "rolled_back": "deploy.rolled_back", "failed": "deploy.failed"}


def tell(place: Place, outcome: str, reason: Failure | None) -> None:
    """Tell how a release ended, if anybody is to be told."""
    plan = place.plan()
    if not plan.get("notify") or outcome not in _EVENTS:
        return
    words = ["run", "--rm", "--no-deps", "-T", "notify", "gavan", "-q", "notify", "send",
             _EVENTS[outcome], "--title", _title(plan, outcome), "--text", _text(plan, reason),
             "--about", plan["id"]]  # fmt: skip
    live = Place(place.root, str(read_json(place.live_file).get("release", "")))
    # A release that failed may not even have its image here; then the one that serves tells it.
    for one in dict.fromkeys((place, live)):
        try:
            done = Compose(one, one.plan()).attempt(*words)
        except (Failure, KeyError, OSError) as error:
            _log(f"nobody was told: {error!r}")
            continue
        _log(f"{done.stdout}{done.stderr}".strip())
        if done.returncode in (0, 1):
            return


def _log(text: str) -> None:
    # The runner ends without the goodbyes of Python, so nothing may wait in a buffer.
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _title(plan: dict[str, Any], outcome: str) -> str:
    stack, tag = plan["stack"], plan["tag"]
    if outcome == "ok":
        word = "rolled back to" if plan["action"] == "rollback" else "released"
        return f"{stack}: {word} {tag}"
    if outcome == "rolled_back":
        return f"{stack}: {tag} failed, the release before it serves"
    return f"{stack}: {tag} failed"


def _text(plan: dict[str, Any], reason: Failure | None) -> str:
    why = f"{reason.code} {reason.message}\n" if reason else ""
    return f"{why}release {plan['id']} by {plan['by']} ({plan['profile']})"
