"""Where one backup has arrived: a file beside its manifest, which itself never changes.

Stands beside the manifest; absent for a backup that has one place alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from gavan.backups.layout import PLACES
from gavan.kit.storage.disk import sync_folder

OFFSITE = "offsite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How it stands at a place: ``verified_at`` (UTC, ISO) only after it was read back there.

    ``error``: why the last of ``attempts`` failed. ``target`` names the place, without its keys.
    """

    target: str
    verified_at: str | None = None
    attempts: int = 0
    error: str | None = None


def read_places(folder: Path) -> Mapping[str, Arrival]:
    """Return the arrivals by place; a damaged file counts as nothing verified."""
    try:
        said = orjson.loads((folder / PLACES).read_bytes())
        return {name: Arrival(**place) for name, place in said.items()}
    except FileNotFoundError:
        return {}
    except (orjson.JSONDecodeError, TypeError, AttributeError):
        return {OFFSITE: Arrival(target="", error=f"{PLACES} is damaged")}


def write_places(folder: Path, places: Mapping[str, Arrival]) -> None:
    """Replace the file, durably."""
    replace_file(
        folder / PLACES, orjson.dumps({name: asdict(place) for name, place in places.items()})
    )


def replace_file(path: Path, content: bytes) -> None:
    """Write a small file: a stop half way leaves the former one."""
    draft = path.with_name(f".{path.name}.new")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)
