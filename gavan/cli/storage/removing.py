"""What `rm` finds to remove, and its removal; between them the verb asks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gavan.cli.storage.address import Remote
from gavan.cli.storage.client import StorageClient
from gavan.kit.errors import GavanError


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """``paths`` by bucket; ``buckets`` go too once they are empty; ``missing`` were not there."""

    paths: dict[str, tuple[str, ...]]
    buckets: tuple[str, ...]
    missing: tuple[Remote, ...]

    @property
    def count(self) -> int:
        """How many objects."""
        return sum(map(len, self.paths.values()))

    @property
    def touched(self) -> list[str]:
        """The buckets that lose something."""
        return sorted({*self.buckets, *(name for name, paths in self.paths.items() if paths)})


def check(wanted: Sequence[Remote], *, recursive: bool) -> None:
    """Raise GavanError GV246 for what is not removed so."""
    for remote in wanted:
        if not remote.bucket or (remote.is_folder and not recursive):
            mend = "a folder is removed with -r" if remote.bucket else "name a bucket"
            raise GavanError("GV246", f"{remote} is no object", hint=mend, exit_code=2)


async def find(
    client: StorageClient, wanted: Sequence[Remote], kept: Collection[str], *, recursive: bool
) -> Doomed:
    """Look up what is to be removed.

    Args:
        kept: buckets that stay, empty, when all of them is wanted.
    """
    paths: dict[str, dict[str, None]] = {remote.bucket: {} for remote in wanted}
    missing: list[Remote] = []
    for remote in wanted:
        found = await _paths(client, remote, recursive=recursive)
        paths[remote.bucket].update(dict.fromkeys(found))
        if not found and remote.path:
            missing.append(remote)
    whole = [remote.bucket for remote in wanted if not remote.path and remote.bucket not in kept]
    return Doomed(
        paths={bucket: tuple(found) for bucket, found in paths.items()},
        buckets=tuple(dict.fromkeys(whole)),
        missing=tuple(missing),
    )


async def remove(client: StorageClient, doomed: Doomed) -> int:
    """Remove objects, then buckets; return how many objects there were."""
    gone = 0
    for bucket, paths in doomed.paths.items():
        gone += len(await client.remove(bucket, paths))
    for bucket in doomed.buckets:
        await client.remove_bucket(bucket)
    return gone


async def _paths(client: StorageClient, remote: Remote, *, recursive: bool) -> list[str]:
    if not remote.is_folder and await client.find(remote) is not None:
        return [remote.path]
    if not recursive:
        return []
    return [file.name async for file in client.objects(remote.as_folder)]
