"""Files that only their owner may read, written whole or not at all.

Stands under the keys of a stack; nothing else writes into ``.gavan/secrets/``.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gavan.kit.errors import GavanError


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Make the folder private and keep other processes out of it until the block ends."""
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    handle = os.open(directory / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_private(file: Path, content: bytes) -> None:
    """Replace a file: a stop half way leaves the old one or the new one, never a part."""
    # mkstemp makes the file 0600 from its first moment.
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".keys-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def damaged(file: Path, why: str, harm: str) -> GavanError:
    """Return the refusal to make new keys in the place of a file that cannot be read."""
    return GavanError(
        "GV612",
        f"the keys of this stack cannot be read: {file}",
        details=f"{why}; {harm}",
        hint="restore the file, or begin anew without data: gavan down --volumes",
    )
