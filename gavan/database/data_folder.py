"""The folder of the data of a server, and how another one takes its name.

Stands under the embedded server and the program of the container. Former data are never removed.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from gavan.kit.errors import GavanError
from gavan.kit.storage.disk import sync_folder

NEXT = "data_next"
"""Beside the data of a server in a container: what it takes instead when it begins"""
_EXCHANGE = 2
_AT_CWD = -100


def exchange(data_dir: Path, fresh: Path, kept: Path) -> None:
    """Give ``fresh`` the name of the data folder; the former one gets the name ``kept``.

    The two change names in one step of the file system: whoever is killed leaves one of them under
    the name, whole, and the former one never under a name that the next recovery clears away. The
    server must not run. Raises GavanError GV457, with nothing changed.
    """
    fresh.rename(kept)
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.renameat2(_AT_CWD, os.fsencode(kept), _AT_CWD, os.fsencode(data_dir), _EXCHANGE)
    if done != 0:
        error = os.strerror(ctypes.get_errno())
        kept.rename(fresh)
        raise GavanError(
            "GV457",
            f"the folders {fresh} and {data_dir} cannot change names: {error}",
            details="nothing was changed",
            hint="this file system cannot exchange two names (ext4, xfs, btrfs and tmpfs can)",
        )
    sync_folder(data_dir.parent)


def kept_name(data_dir: Path, now: datetime) -> Path:
    """Return what the former data are called from now on."""
    return data_dir.with_name(f"{data_dir.name}_before_{now.astimezone(UTC):%Y%m%dT%H%M%SZ}")


def leave_for_next_start(folder: Path, data_dir: Path) -> Path:
    """Lay a proved folder where the server takes it from at its next start; return that place.

    One that was left there before and never taken is not anybody's data: it goes.
    """
    place = data_dir.with_name(NEXT)
    if place.exists():
        unwanted = place.with_name(f".{NEXT}-unwanted")
        place.rename(unwanted)
        shutil.rmtree(unwanted)
    folder.rename(place)
    sync_folder(place.parent)
    return place


def take_next(data_dir: Path) -> Path | None:
    """Put what was left for this start in place of the data; return what the former are called.

    The server must not run; whoever is killed meanwhile leaves whole data under the name.
    Raises GavanError GV457, with nothing changed.
    """
    place = data_dir.with_name(NEXT)
    if not place.is_dir():
        return None
    kept = kept_name(data_dir, datetime.now(UTC))
    exchange(data_dir, place, kept)
    return kept
