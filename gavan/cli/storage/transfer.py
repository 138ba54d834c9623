"""Copies as values, and many of them at a time; one that fails stops no other.

Stands between the verbs, which say what to copy, and the client.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from gavan.cli.storage.address import Remote, shown
from gavan.cli.storage.client import Body, RemoteFile, StorageClient
from gavan.cli.storage.local import Folder, LocalFile, check_text, mime_of, read
from gavan.cli.storage.meter import Meter
from gavan.cli.storage.resumable import upload as upload_resumable
from gavan.kit.errors import GavanError

RESUMABLE_BYTES = 6 * 1024 * 1024
"""From here on a broken connection does not begin anew (Supabase's own advice for uploads)"""
AGE = re.compile(r"max-age=\d+")
"""What TUS can tell of caches; any other header goes with an upload in one piece."""
SHOWN = 10
FATAL = ("GV240", "GV005")


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """What holds for every copy of one verb; ``mime`` empty: by the ending of the name."""

    jobs: int
    overwrite: bool
    mime: str = ""
    cache_control: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    source: LocalFile
    target: Remote

    @property
    def size(self) -> int:
        return self.source.size

    @property
    def label(self) -> tuple[str, str]:
        return shown(self.source.path), str(self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """``name`` below ``folder``."""

    source: Remote
    facts: RemoteFile
    folder: Folder
    name: str

    @property
    def size(self) -> int:
        return self.facts.size

    @property
    def label(self) -> tuple[str, str]:
        return str(self.source), shown(self.folder.root / self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCopy:
    source: Remote
    target: Remote
    is_move: bool = False
    size: int = 0

    @property
    def label(self) -> tuple[str, str]:
        return str(self.source), str(self.target)


Transfer = Upload | Download | RemoteCopy


@dataclass(slots=True)
class Outcome:
    """What became of the copies."""

    done: list[Transfer] = field(default_factory=list)
    failed: list[tuple[Transfer, GavanError]] = field(default_factory=list)

    def raise_failures(self) -> None:
        """Raise GavanError GV248 when something failed; the failure itself when it was the only
        copy."""
        if not self.failed:
            return
        if not self.done and len(self.failed) == 1:
            raise self.failed[0][1]
        lines = [error.message for _, error in self.failed[:SHOWN]]
        if len(self.failed) > SHOWN:
            lines.append(f"and {len(self.failed) - SHOWN} more")
        count = len(self.failed) + len(self.done)
        raise GavanError(
            "GV248",
            f"{len(self.failed)} of {count} copies failed",
            details="\n".join(lines),
            hint=self.failed[0][1].hint or "mend it and run it again",
        )


async def transfer_all(
    client: StorageClient, transfers: Sequence[Transfer], how: How, meter: Meter
) -> Outcome:
    """Make every copy, ``how.jobs`` of them at a time.

    Raises:
        GavanError: GV240, the core is gone: no further copy is tried.
    """
    outcome, waiting = Outcome(), deque(transfers)

    async def work() -> None:
        while waiting:
            transfer = waiting.popleft()
            try:
                await _make(client, transfer, how, meter)
            except GavanError as error:
                if error.code in FATAL:
                    raise
                outcome.failed.append((transfer, error))
            else:
                outcome.done.append(transfer)
                meter.finished_one()

    await together([work for _ in range(min(how.jobs, len(transfers)))])
    if outcome.failed:
        meter.fail(len(outcome.failed))
    else:
        meter.ok()
    return outcome


async def together(jobs: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Run jobs side by side; the first that fails ends the others, and its error is raised."""
    tasks = [asyncio.ensure_future(job()) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _make(client: StorageClient, transfer: Transfer, how: How, meter: Meter) -> None:
    match transfer:
        case Upload():
            await _upload(client, transfer, how, meter)
        case Download():
            await _download(client, transfer, how, meter)
        case RemoteCopy(is_move=True):
            await client.move(transfer.source, transfer.target)
        case RemoteCopy():
            await client.copy(transfer.source, transfer.target, overwrite=how.overwrite)


async def _upload(client: StorageClient, upload: Upload, how: How, meter: Meter) -> None:
    file = upload.source
    check_text(file)
    body = Body(
        chunks=read(file, meter.moved),
        size=file.size,
        mime=how.mime or mime_of(file.name),
        cache_control=how.cache_control,
        overwrite=how.overwrite,
    )
    if file.size > RESUMABLE_BYTES and AGE.fullmatch(how.cache_control):
        await upload_resumable(client, upload.target, file, body, meter.moved)
    else:
        await client.write(upload.target, body)


async def _download(client: StorageClient, download: Download, how: How, meter: Meter) -> None:
    with download.folder.writing(download.name, overwrite=how.overwrite) as writing:
        async with client.read(download.source) as chunks:
            async for data in chunks:
                writing.write(data)
                meter.moved(len(data))
        writing.modified = download.facts.modified or None
