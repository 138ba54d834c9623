"""The bare library ``websockets``: what one client says all others hear, written from its example.

Its asyncio server, uvloop, no compression; ``broadcast`` is the library's own fan-out.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

everybody: set[ServerConnection] = set()


async def relay(client: ServerConnection) -> None:
    everybody.add(client)
    try:
        async for message in client:
            broadcast(everybody - {client}, message)
    finally:
        everybody.discard(client)


async def main(port: int) -> None:
    async with serve(relay, "127.0.0.1", port, compression=None, ping_interval=None):
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
