"""Does a stack fit its server: the sum of the limits, with one slot twice for a release.

Stands beside document.py; pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from gavan.engines.compose import official
from gavan.engines.compose.addresses import is_slotted
from gavan.engines.compose.jobs import MIGRATE_LIMITS, clock_limits, has_clock
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


def overlap_of(stack: Stack) -> int:
    """Return the bytes that a release takes for a moment: its largest second slot, or the job."""
    slots = [stack.core.container.memory]
    slots += [app.container.memory for app in stack.apps if is_slotted(app)]
    slots += [site.container.memory for site in stack.sites]
    return max(*slots, MIGRATE_LIMITS.memory)


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
        details=" + ".join([*rows, f"{overlap // MEBIBYTE} MiB for the second slot of a release"]),
        hint='give a part less ([apps.<name>] memory = "256MiB"), or say what the server has: '
        '[deploy] memory = "8GiB"',
        exit_code=2,
    )
