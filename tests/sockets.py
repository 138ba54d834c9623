"""A socket that takes the number of one that was closed, as the kernel gives numbers out again."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

HEARD_S = 30.0
FAR = 500


@asynccontextmanager
async def is_heard_at(number: int) -> AsyncIterator[None]:
    """Have the loop watch a socket of this number in the block; it must still do so at its end.

    Whoever has the loop forget a number that is no longer its own makes its new owner deaf.
    """
    loop = asyncio.get_running_loop()
    ours, theirs = (_moved(end) for end in socket.socketpair())
    try:
        os.dup2(ours, number)
        heard = asyncio.Event()
        loop.add_reader(number, heard.set)
        try:
            yield
            os.write(theirs, b"x")
            async with asyncio.timeout(HEARD_S):
                await heard.wait()
        finally:
            loop.remove_reader(number)
            os.close(number)
    finally:
        os.close(ours)
        os.close(theirs)


def _moved(end: socket.socket) -> int:
    """Give a socket a number out of the way."""
    with end:
        return fcntl.fcntl(end.fileno(), fcntl.F_DUPFD_CLOEXEC, FAR)
