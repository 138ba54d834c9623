"""What `cp` and `mv` mean by a source and a target, as the supabase CLI understands them.

Stands between the verbs and the transfers; looks at both sides, changes nothing.
"""

from __future__ import annotations

from pathlib import Path

from gavan.cli.storage.address import Remote
from gavan.cli.storage.client import RemoteFile, StorageClient
from gavan.cli.storage.local import Folder, is_folder, local_file, walk
from gavan.cli.storage.transfer import Download, RemoteCopy, Transfer, Upload
from gavan.kit.errors import GavanError

PLACEHOLDER = ".emptyFolderPlaceholder"
"""Last part of the name of an object by which Supabase's console keeps a folder"""


async def uploads(
    client: StorageClient, source: Path, target: Remote, *, recursive: bool
) -> list[Transfer]:
    """Return the copies from this machine.

    A target that ends in a slash, a bucket, or with ``-r`` a folder that is there, keeps the name
    of the source below it.
    """
    _need_bucket(target)
    if not (recursive and is_folder(source)):
        file = local_file(source)
        inside = target.is_folder or (recursive and await _is_only_folder(client, target))
        return [Upload(source=file, target=target.below(file.name) if inside else target)]
    keeps = source.name not in ("", ".", "..") and await _is_there(client, target)
    top = target.below(source.name) if keeps else target
    return [Upload(source=file, target=top.below(file.name)) for file in walk(source)]


async def downloads(
    client: StorageClient, source: Remote, target: Path, *, recursive: bool
) -> list[Transfer]:
    """Return the copies to this machine; a folder that is there keeps the name of the source."""
    _need_bucket(source)
    exact = None if source.is_folder else await client.find(source)
    if exact is not None:
        inside = is_folder(target)
        folder, name = (target, source.name) if inside else (target.parent, target.name)
        return [Download(source=source, facts=exact, folder=Folder(folder), name=name)]
    found = [file async for file in client.objects(source.as_folder)] if recursive else []
    if not found:
        raise missing(source, recursive=recursive)
    keeps = is_folder(target) and source.name not in (".", "..")
    return below(source.as_folder, found, Folder(target / source.name if keeps else target))


def below(source: Remote, found: list[RemoteFile], folder: Folder) -> list[Transfer]:
    """Return the copies of objects into a folder; what only keeps a folder is left out."""
    start = len(source.path)
    return [
        Download(
            source=Remote(source.bucket, file.name), facts=file, folder=folder,
            name=file.name[start:],
        )
        for file in found
        if file.name.rpartition("/")[2] != PLACEHOLDER
    ]  # fmt: skip


async def remote_copies(
    client: StorageClient, source: Remote, target: Remote, *, recursive: bool, is_move: bool
) -> list[Transfer]:
    """Return the copies, or moves, inside the service."""
    for remote in (source, target):
        _need_bucket(remote)
    exact = None if source.is_folder else await client.find(source)
    if exact is not None:
        to = target.below(source.name) if target.is_folder else target
        return [RemoteCopy(source=source, target=to, is_move=is_move, size=exact.size)]
    top = source.as_folder
    found = [file async for file in client.objects(top)] if recursive else []
    if not found:
        raise missing(source, recursive=recursive)
    if target.bucket == top.bucket and target.as_folder.path.startswith(top.path):
        raise GavanError(
            "GV246",
            f"{target} lies in {source}",
            details="a folder cannot go into itself",
            hint="name another target",
            exit_code=2,
        )
    start = len(top.path)
    return [
        RemoteCopy(source=Remote(top.bucket, file.name), target=target.below(file.name[start:]),
                   is_move=is_move, size=file.size)
        for file in found
    ]  # fmt: skip


def missing(where: Remote, *, recursive: bool) -> GavanError:
    """Return the error of an object that is not there."""
    return GavanError(
        "GV245",
        f"{where}: Object not found",
        hint=f"look: gavan storage ls {where}" + ("" if recursive else ", or copy a folder: -r"),
    )


async def _is_there(client: StorageClient, folder: Remote) -> bool:
    """Say whether a folder has objects, or is a bucket."""
    return not folder.path or await client.first(folder.as_folder) is not None


async def _is_only_folder(client: StorageClient, target: Remote) -> bool:
    return await _is_there(client, target) and await client.find(target) is None


def _need_bucket(remote: Remote) -> None:
    if not remote.bucket:
        raise GavanError(
            "GV246",
            f"{remote} names no bucket",
            hint="write it like ss:///bucket/path; buckets: gavan storage buckets",
            exit_code=2,
        )
