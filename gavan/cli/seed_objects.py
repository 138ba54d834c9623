"""What buckets hold from the start, for the verbs that bring a stack up or seed it."""

from __future__ import annotations

from gavan.cli.context import Context
from gavan.cli.storage.declared import declared_objects
from gavan.stack.model import Stack


def seed_objects(context: Context, stack: Stack) -> int:
    """Upload the objects that differ, on the profiles that are seeded; return how many those were.

    Raises:
        GavanError: a path cannot be read, or the service refuses an object.
    """
    is_seeded = stack.profile.name in stack.database.seed.profiles
    wanted = declared_objects(stack) if "storage" in stack.core.services else {}
    if not wanted or not is_seeded:
        return 0
    from gavan.cli.storage.seeding import upload_objects  # noqa: PLC0415 - loads an HTTP client

    return upload_objects(context, wanted)
