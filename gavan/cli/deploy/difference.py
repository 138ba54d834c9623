"""What a plan changes on the server, in lines for people; none when it is as it would be.

Stands under `gavan deploy`; pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gavan.engines.compose.services import PROXY


def changes(plan: dict[str, Any], seen: dict[str, Any]) -> list[str]:
    """Return what differs from the release that serves; ``seen`` is what runner.look found."""
    before: dict[str, Any] = seen["plans"].get(seen["live"].get("release"), {})
    return [*_images(plan, before), *_names(plan, before), *_files(plan, before),
            *_come_and_go(plan, before), *_migrations(plan, before)]  # fmt: skip


def _images(plan: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    old = {one["part"]: one for one in before.get("images", [])}
    for one in plan["images"]:
        was = old.pop(one["part"], None)
        if was is None:
            yield f"image {one['part']}: {one['reference']}, new"
        elif was["id"] != one["id"]:
            yield f"image {one['part']}: {was['reference']} -> {one['reference']}"
    for part in old:
        yield f"image {part}: no more"


def _names(plan: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    if not before:
        return
    old, new = set(before.get("env_names", [])), set(plan["env_names"])
    said = [f"+{name}" for name in sorted(new - old)] + [f"-{name}" for name in sorted(old - new)]
    if said:
        yield f"variables: {' '.join(said)}"


def _files(plan: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    if not before or before.get("config_hash") == plan["config_hash"]:
        return
    if "services" not in before:
        yield "how it runs: the compose file or the routes"
        return
    old, new = before["services"], plan["services"]
    other = sorted(name for name in old if name in new and old[name] != new[name])
    if other:
        yield f"how it runs: {', '.join(other)}"
    if PROXY in other:
        yield "the proxy begins anew: every connection ends, and none is taken for some seconds"
    elif before["routes"] != plan["routes"]:
        yield "routes: the proxy is reloaded, a few requests that arrive in that moment may be lost"


def _come_and_go(plan: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    """Yield what the stack has that was not there, and what it had; data stay on the disk."""
    if not before:
        return
    old, new = _running(before), _running(plan)
    if came := sorted(new - old):
        yield f"comes: {', '.join(came)}"
    if gone := sorted(old - new):
        yield f"goes: {', '.join(gone)}, stopped once the release serves"


def _running(plan: dict[str, Any]) -> set[str]:
    return {*plan.get("parts", {}), *plan.get("singles", []), *plan.get("data", [])}


def _migrations(plan: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    known = set(before.get("migrations", []))
    # A server without a release has no old code that could miss anything.
    later = set(plan["contract"]) if before else set()
    new = [name for name in plan["migrations"] if name not in known]
    now = [name for name in new if name not in later]
    if now:
        yield f"migrations: {', '.join(now)}"
    waiting = [name for name in new if name in later]
    if waiting:
        yield f"migrations that wait for gavan deploy --contract: {', '.join(waiting)}"
