"""`gavan backup restore --config FOLDER`: the files of the stack as they were, for a new machine.

Stands beside the restore; nothing of the stack that runs is touched. A sealed backup holds its keys
and .env files too, so that sessions and links of before stay good.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gavan.backups.config_set import NAME
from gavan.backups.restore import Wish, stored_name
from gavan.backups.streams import opened_gzip
from gavan.kit.errors import GavanError

BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """Files below ``folder``, by their paths from it."""

    backup: str
    folder: Path
    files: list[str]


def require_empty(folder: Path) -> None:
    """Make a folder for its owner alone; raise GavanError GV447 when there is something in it."""
    if folder.exists() and any(folder.iterdir()):
        raise GavanError(
            "GV447", f"{folder} is not empty", hint="name a folder that is not there", exit_code=2
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def unpack_config(wish: Wish, folder: Path) -> Unpacked:
    """Write the files of the stack into an empty folder.

    Raises GavanError: GV447 it is not empty, GV401 the backup has none, or a path leads elsewhere.
    """
    path = wish.folder / stored_name(wish.made, NAME)
    require_empty(folder)
    files = []
    with opened_gzip(path, wish.opener) as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        for member in tar:
            name = _inside(member)
            target = folder / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            source = tar.extractfile(member)
            with target.open("xb") as file:
                target.chmod(0o600)
                while source is not None and (block := source.read(BLOCK_BYTES)):
                    file.write(block)
            files.append(name.as_posix())
    return Unpacked(backup=wish.made.id, folder=folder, files=files)


def _inside(member: tarfile.TarInfo) -> PurePosixPath:
    """Return the path of a plain file; raise GavanError GV401 for whatever a stranger put there."""
    name = PurePosixPath(member.name)
    if not member.isfile() or name.is_absolute() or ".." in name.parts:
        raise GavanError(
            "GV401", f"the configuration holds {member.name!r}, which is no file of it"
        )
    return name
