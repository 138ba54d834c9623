"""The live status: a websocket that tells the health of this process whenever it changes."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.websockets import WebSocketState

from gavan.kit.health.answers import whole
from gavan.kit.health.monitor import Health

RESTART = 1012
"""Close code: the service restarts, come back"""


def live_router(health: Health) -> APIRouter:
    """Return the route ``/api/v1/live``; what it tells is public, as health itself."""
    router = APIRouter()

    async def tell(socket: WebSocket) -> None:
        async for status in health.changes():
            await socket.send_json(whole(health))
            if status == "draining":
                return

    async def listen(socket: WebSocket) -> None:
        while True:
            await socket.receive_text()

    @router.websocket("/api/v1/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        tasks = [asyncio.create_task(tell(socket)), asyncio.create_task(listen(socket))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        is_gone = any(isinstance(end, WebSocketDisconnect) for end in ends)
        if not is_gone and socket.application_state is WebSocketState.CONNECTED:
            await socket.close(RESTART)

    return router
