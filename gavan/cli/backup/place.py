"""The second place of a stack, for the verbs that ask it directly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gavan.backups.place import Place, open_place
from gavan.kit.errors import GavanError
from gavan.stack.model import Stack


@contextmanager
def second_place(stack: Stack) -> Iterator[Place]:
    """Yield the place; raise GavanError GV415 when the stack has none."""
    if stack.backup.offsite is None:
        raise GavanError(
            "GV415",
            "this stack has no second place for backups",
            hint="name one in [backup.offsite]",
            exit_code=2,
        )
    with open_place(stack.backup.offsite) as place:
        yield place
