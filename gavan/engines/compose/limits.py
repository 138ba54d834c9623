"""Does a stack fit its server: the sum of the limits, with every slot twice for a release.

Stands beside document.py; pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from gavan.engines.compose import official
from gavan.engines.compose.addresses import is_slotted
from gavan.engines.compose.jobs import MIGRATE_LIMITS, WAL_LIMITS, clock_limits, has_clock, has_wal
from gavan.engines.compose.outside import BROKER, S3, has_broker, has_s3
from gavan.engines.compose.services import PROXY_LIMITS
from gavan.kit.errors import GavanError
from gavan.stack.model import Stack

MEBIBYTE = 2**20


def memory_of(stack: Stack) -> dict[str, int]:
    """Return the most bytes of every service that stays, by its name."""
    return dict(_staying(stack))


def _staying(stack: Stack) -> Iterator[tuple[str, int]]:
    if stack.database.external_url is None:
        yield "postgres", stack.database.container.memory
    if has_s3(stack):
        yield S3, stack.storage.container.memory
    if has_broker(stack):
        yield BROKER, stack.queue.container.memory
    if stack.core.is_official:
        yield from official.memory(stack).items()
    else:
        yield "core", stack.core.container.memory
    for app in stack.apps:
        yield app.name, app.container.memory
    for site in stack.sites:
        yield site.name, site.container.memory
    yield "proxy", PROXY_LIMITS.memory
    if has_clock(stack):
        yield "cron", clock_limits(stack).memory
    if has_wal(stack):
        yield "wal", WAL_LIMITS.memory


def overlap_of(stack: Stack) -> int:
    """Return the bytes that a release takes for a while: the new slots, which all run beside the
    old ones until these have drained, or the job before them."""
    if not stack.deploy.overlap:
        return MIGRATE_LIMITS.memory
    slots = [] if stack.core.is_official else [stack.core.container.memory]
    slots += [app.container.memory for app in stack.apps if is_slotted(app)]
    slots += [site.container.memory for site in stack.sites]
    return max(sum(slots), MIGRATE_LIMITS.memory)


def check_memory(stack: Stack) -> None:
    """Raise GavanError GV146 with the sum when the limits do not fit [deploy] memory."""
    staying, overlap = memory_of(stack), overlap_of(stack)
    total = sum(staying.values()) + overlap
    if total <= stack.deploy.memory:
        return
    rows = [f"{name} {amount // MEBIBYTE} MiB" for name, amount in staying.items()]
    raise GavanError(
        "GV146",
        f"the stack may take {total // MEBIBYTE} MiB, its server gives "
        f"{stack.deploy.memory // MEBIBYTE} MiB",
        details=" + ".join([*rows, f"{overlap // MEBIBYTE} MiB during a release"]),
        hint=" ".join(_mends(stack, sum(staying.values()))),
        exit_code=2,
    )


def _mends(stack: Stack, staying: int) -> Iterator[str]:
    yield 'give a part less ([apps.<name>] memory = "256MiB"), or say what the server has:'
    yield '[deploy] memory = "8GiB"'
    if stack.deploy.overlap and staying + MIGRATE_LIMITS.memory <= stack.deploy.memory:
        yield "; or [deploy] overlap = false: a release then replaces each part in its place, away"
        yield "for the seconds that it takes to start"
