"""The process that touches images: ``python -m gavan.core.storage.images.worker``.

Started by the core and by nothing else. It reads frames from its standard input and answers on its
standard output, one after the other, until the input ends. A decoder that is overcome by an image
finds little here: no environment, no file to open, no program to start, bounded memory and time.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import orjson
from PIL import AvifImagePlugin

from gavan.core.storage.images.frames import LENGTH, MEBIBYTE, length_of, words
from gavan.core.storage.images.picture import Refused, register, render
from gavan.core.storage.images.transform import Transform

MEMORY = 1024 * MEBIBYTE
"""Bytes of address space: 50 megapixels with a profile need three quarters of it"""
CPU_S = 10
NICENESS = 5


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked for in one frame."""

    data: bytes
    wanted: Transform
    accepted: Sequence[str]


def main() -> None:
    """Answer frames until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the core ends this process, not the terminal
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What a library prints must not be taken for an answer.
    os.dup2(2, 1)
    confine()
    _send(outgoing, {"ready": True})
    while (job := _receive(incoming)) is not None:
        _answer(job, outgoing)


def confine() -> None:
    """Give up what decoding does not need; there is no way back but for root."""
    register()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    os.nice(NICENESS)
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_AS, MEMORY),
    ):
        resource.setrlimit(what, (most, most))


def _answer(job: Job, outgoing: BinaryIO) -> None:
    _allow_seconds(CPU_S)
    try:
        picture = render(job.data, job.wanted, job.accepted)
    except Refused as refused:
        _send(outgoing, {"refused": refused.reason})
    except MemoryError:
        _send(outgoing, {"refused": "resolution"})
    except Exception:  # noqa: BLE001 - decoders raise anything; no picture is an answer, not a fault
        _send(outgoing, {"refused": "unsupported"})
    else:
        _send(outgoing, {"format": picture.format, "size": len(picture.data)}, picture.data)


def _allow_seconds(seconds: int) -> None:
    """Let the kernel end this process when it computes longer than that."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    until = int(spent.ru_utime + spent.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))


def _receive(incoming: BinaryIO) -> Job | None:
    """Return the next frame, None when there is no whole one."""
    head = incoming.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    asked: dict[str, Any] = orjson.loads(incoming.read(length_of(head)))
    data = incoming.read(asked["size"])
    if len(data) < asked["size"]:
        return None
    return Job(data, Transform(**asked["wanted"]), asked["accepted"])


def _send(outgoing: BinaryIO, answer: dict[str, Any], data: bytes = b"") -> None:
    outgoing.write(words(answer))
    outgoing.write(data)
    outgoing.flush()


if __name__ == "__main__":
    main()
