"""What has to be copied and removed so that one side holds what the other does.

Stands between the verb `sync` and the transfers; looks at both sides, changes nothing. Two files
are the same when they have one size and one content: by the MD5 that the ETag of an object is,
or, where it was put together of parts and so is none, by which side is the younger.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gavan.cli.storage.address import Remote
from gavan.cli.storage.client import RemoteFile, StorageClient
from gavan.cli.storage.copying import PLACEHOLDER, missing
from gavan.cli.storage.local import Folder, LocalFile, md5_of, unusable, walk
from gavan.cli.storage.transfer import Download, Transfer, Upload, together
from gavan.kit.errors import GavanError

CLOCK_S = 0.001
"""The service tells milliseconds."""
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """``delete`` are names at the target that the source does not have."""

    copies: tuple[Transfer, ...]
    delete: tuple[str, ...]
    same: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The two folders, whichever way the copies go."""

    here: Path
    there: Remote
    is_upload: bool

    def copy(self, local: LocalFile | None, remote: RemoteFile | None, name: str) -> Transfer:
        """Return the copy of one name."""
        if self.is_upload and local is not None:
            return Upload(source=local, target=self.there.below(name))
        if remote is None:
            raise ValueError(name)
        source = Remote(self.there.bucket, remote.name)
        return Download(source=source, facts=remote, folder=Folder(self.here), name=name)


async def make_plan(client: StorageClient, sides: Sides, *, jobs: int) -> Plan:
    """Compare both sides.

    Raises:
        GavanError: GV247, the folder to upload is not there; GV245, there is nothing to download,
            or as the client.
    """
    local = _local(sides)
    remote = await _remote(client, sides.there)
    if not remote and not sides.is_upload:
        # A misspelt bucket lists nothing: with --delete all that is here would go.
        raise missing(sides.there, recursive=True)
    source: Mapping[str, object] = local if sides.is_upload else remote
    target: Mapping[str, object] = remote if sides.is_upload else local
    same = await _same(local, remote, sides, jobs)
    return Plan(
        copies=tuple(
            sides.copy(local.get(name), remote.get(name), name)
            for name in sorted(source)
            if name not in same
        ),
        delete=tuple(sorted(set(target) - set(source))),
        same=len(same),
    )


def _local(sides: Sides) -> dict[str, LocalFile]:
    if not sides.here.is_dir():
        if sides.is_upload:
            raise unusable(sides.here, "it is no folder")
        return {}
    return {file.name: file for file in walk(sides.here)}


async def _remote(client: StorageClient, top: Remote) -> dict[str, RemoteFile]:
    start = len(top.as_folder.path)
    found = {file.name[start:]: file async for file in client.objects(top.as_folder)}
    return {name: file for name, file in found.items() if name.rpartition("/")[2] != PLACEHOLDER}


async def _same(
    local: Mapping[str, LocalFile], remote: Mapping[str, RemoteFile], sides: Sides, jobs: int
) -> set[str]:
    """Return the names whose content is the same on both sides; files are read for that."""
    waiting = deque(name for name in local if name in remote)
    same: set[str] = set()

    async def work() -> None:
        while waiting:
            name = waiting.popleft()
            try:
                found = await asyncio.to_thread(is_same, local[name], remote[name], sides)
            except OSError as error:
                raise unusable(local[name].path, error.strerror or str(error)) from error
            if found:
                same.add(name)

    await together([work for _ in range(min(jobs, len(waiting)))])
    return same


def is_same(local: LocalFile, remote: RemoteFile, sides: Sides) -> bool:
    """Say whether nothing has to be copied; the file is read when only its content can tell."""
    if local.size != remote.size:
        return False
    if _MD5.fullmatch(remote.etag):
        return md5_of(local.path) == remote.etag
    source, target = (local, remote) if sides.is_upload else (remote, local)
    return source.modified <= target.modified + CLOCK_S


async def remove(
    client: StorageClient, sides: Sides, names: tuple[str, ...], tell: Callable[[int], None]
) -> None:
    """Remove what a plan says from the target.

    Args:
        tell: called with how many are gone.
    """
    if sides.is_upload:
        paths = [sides.there.below(name).path for name in names]
        tell(len(await client.remove(sides.there.bucket, paths)))
        return
    folder, gone = Folder(sides.here), 0
    for name in names:
        folder.remove(name)
        gone += 1
    tell(gone)


def sides_of(source: Path | Remote, target: Path | Remote) -> Sides:
    """Return the sides of a sync; raise GavanError GV246 unless one is here and one there."""
    if isinstance(source, Path) and isinstance(target, Remote) and target.bucket:
        return Sides(here=source, there=target, is_upload=True)
    if isinstance(source, Remote) and isinstance(target, Path) and source.bucket:
        return Sides(here=target, there=source, is_upload=False)
    raise GavanError(
        "GV246",
        "one side of a sync is a folder here, the other one is in a bucket",
        details=f"they are {source} and {target}",
        hint="gavan storage sync ./dist ss:///web/dist",
        exit_code=2,
    )
