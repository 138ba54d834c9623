"""The processes that touch images, as the core sees them: few, bounded, gone when idle.

The bytes of a source go through the core to a worker as they come from the store; an image is never
in this process, only what was made of it. An image that overcomes its worker ends that worker, and
the next one finds another.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from gavan.core.storage.errors import StorageError
from gavan.core.storage.images.frames import (
    LENGTH,
    MEBIBYTE,
    MOST_RESULT,
    MOST_SOURCE,
    length_of,
    words,
)
from gavan.core.storage.images.transform import Transform

AT_ONCE = 2
WAITING = 32
HELD_BYTES = 128 * MEBIBYTE
"""Results on their way to clients; with more, no new image is begun"""
IMAGE_S = 15.0
WAIT_S = 15.0
START_S = 10.0
IDLE_S = 60.0
STOP_S = 2.0
_ARGV = (sys.executable, "-P", "-m", "gavan.core.storage.images.worker")
_ENVIRONMENT = ("PATH", "HOME", "PYTHONPATH", "LD_LIBRARY_PATH")
"""All that a worker is told of the environment; there are secrets in the rest"""
_REFUSED = {
    "resolution": "The source image resolution is too large to process",
    "result": "The rendered image is too large",
    "unsupported": "The source image is invalid or unsupported for rendering",
}
FORMATS = {kind: f"image/{kind}" for kind in ("avif", "gif", "jpeg", "png", "webp")}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of an image and how many they are."""

    chunks: AsyncIterable[bytes]
    size: int


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture that was made. Whoever has it gives it back to ``Workers.release``."""

    data: bytes
    mime: str


class Workers:
    """A few worker processes; none before the first image, and none soon after the last."""

    def __init__(
        self,
        *,
        image_s: float = IMAGE_S,
        idle_s: float = IDLE_S,
        held_bytes: int = HELD_BYTES,
    ) -> None:
        self._image_s = image_s
        self._held_bytes = held_bytes
        self._idle_s = idle_s
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._idle: dict[_Worker, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._held = 0

    async def render(
        self, source: Source, wanted: Transform, accepted: Sequence[str] = ()
    ) -> Rendered:
        """Return the picture that is wanted of another.

        ``accepted`` are the better formats that the client shows, the best first.

        Raises:
            StorageError: 400 for what is no image or is too large, 408 when it takes too long, 429
                when too many are waiting, 500 when no worker starts.
        """
        if source.size > MOST_SOURCE:
            raise _bad("The source image file is too large to process")
        await self._enter()
        try:
            worker = self._idle_one() or await _Worker.start()
            rendered = await self._exchange(worker, source, wanted, accepted)
        finally:
            self._slots.release()
        self._held += len(rendered.data)
        return rendered

    def release(self, rendered: Rendered) -> None:
        """Say that a picture is sent, or shall not be."""
        self._held -= len(rendered.data)

    async def close(self) -> None:
        """End every worker."""
        while self._idle:
            worker, timer = self._idle.popitem()
            timer.cancel()
            self._end(worker)
        await asyncio.gather(*self._ending)

    async def _enter(self) -> None:
        if self._waiting >= WAITING or self._held > self._held_bytes:
            raise _busy()
        self._waiting += 1
        try:
            async with asyncio.timeout(WAIT_S):
                await self._slots.acquire()
        except TimeoutError as error:
            raise _busy() from error
        finally:
            self._waiting -= 1

    async def _exchange(
        self, worker: _Worker, source: Source, wanted: Transform, accepted: Sequence[str]
    ) -> Rendered:
        """Let a worker make a picture; it is not used again unless it says all was well."""
        job = {"wanted": asdict(wanted), "accepted": list(accepted), "size": source.size}
        try:
            async with asyncio.timeout(self._image_s):
                await worker.ask(job, source.chunks)
                answer, data = await worker.answer()
        except TimeoutError as error:
            await worker.kill()
            raise _too_slow() from error
        except (ConnectionError, asyncio.IncompleteReadError, ValueError) as error:
            raise await _overcome(worker) from error
        except BaseException:
            await asyncio.shield(worker.kill())
            raise
        self._rest(worker)
        if "format" not in answer:
            raise _bad(_REFUSED.get(answer.get("refused", ""), _REFUSED["unsupported"]))
        return Rendered(data, FORMATS[answer["format"]])

    def _idle_one(self) -> _Worker | None:
        while self._idle:
            worker, timer = self._idle.popitem()
            timer.cancel()
            if worker.is_alive():
                return worker
            self._end(worker)
        return None

    def _rest(self, worker: _Worker) -> None:
        self._idle[worker] = asyncio.get_running_loop().call_later(
            self._idle_s, self._retire, worker
        )

    def _retire(self, worker: _Worker) -> None:
        if self._idle.pop(worker, None) is not None:
            self._end(worker)

    def _end(self, worker: _Worker) -> None:
        task = asyncio.get_running_loop().create_task(worker.stop())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


class _Worker:
    """One process and its two pipes."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None  # noqa: S101 - both are PIPE
        assert process.stdout is not None  # noqa: S101
        self._process = process
        self._into, self._from = process.stdin, process.stdout

    @classmethod
    async def start(cls) -> _Worker:
        """Return a worker that is ready; raise StorageError 500 when there is none."""
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *_ARGV, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(START_S):
                await worker.answer()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError) as error:
            await worker.kill()
            raise StorageError(
                500, "InternalError", "The process that renders images does not start"
            ) from error
        except BaseException:
            await asyncio.shield(worker.kill())
            raise
        return worker

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.returncode

    def is_alive(self) -> bool:
        """Ask the kernel whether it runs: this process may not have heard yet that it ended."""
        how = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            return os.waitid(os.P_PID, self._process.pid, how) is None
        except ChildProcessError:
            return False

    async def ask(self, job: dict[str, Any], chunks: AsyncIterable[bytes]) -> None:
        """Send one frame; what ``chunks`` raises goes through."""
        self._into.write(words(job))
        async for chunk in chunks:
            self._into.write(chunk)
            await self._into.drain()

    async def answer(self) -> tuple[dict[str, Any], bytes]:
        """Return what it says and the picture; raise ValueError for what is not believable."""
        length = length_of(await self._from.readexactly(LENGTH.size))
        answer: dict[str, Any] = orjson.loads(await self._from.readexactly(length))
        size = answer.get("size", 0)
        if not 0 <= size <= MOST_RESULT or answer.get("format", "png") not in FORMATS:
            raise ValueError("an answer that no worker gives")
        return answer, await self._from.readexactly(size)

    async def stop(self) -> None:
        """Let it end, as it does when its input ends."""
        self._into.close()
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


async def _overcome(worker: _Worker) -> StorageError:
    """Bury a worker that an image has ended, and return what to say of the image."""
    await worker.stop()  # not killed: the code it ended with tells why
    code = worker.exit_code
    logger.warning(
        "an image ended the process that rendered it, with code %s",
        code,
        extra={"event": "storage.image_worker"},
    )
    return _too_slow() if code == -signal.SIGXCPU else _bad(_REFUSED["unsupported"])


def _too_slow() -> StorageError:
    return StorageError(408, "InvalidRequest", "Image request timed out")


def _bad(message: str) -> StorageError:
    return StorageError(400, "InvalidRequest", message)


def _busy() -> StorageError:
    return StorageError(
        429, "SlowDown", "Too many requests", error="Too Many Requests", http_status=429
    )
