"""A storage service that is killed at a line of its code: the program of test_kill.py.

Reads one JSON command per line, ``{"operation": …, "kill_at": …}``, and forks for each a process
that sends itself the request. A tracer counts the lines that run in the service's and providers'
code, in all threads, and sends SIGKILL at the one that is asked for. Answers with one JSON line:
how many lines ran, and the HTTP status, both null for a process that was killed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import httpx

from gavan.core.settings import read_settings
from gavan.core.storage.app import build
from gavan.core.storage.config import read_config
from gavan.kit.http_client import trust

ROOT = Path(__file__).parents[4] / "gavan"
WATCHED = (str(ROOT / "core" / "storage"), str(ROOT / "kit" / "storage"))
NEW = b"what is new"
Request = tuple[str, str, dict[str, str], bytes]


def text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def json_request(method: str, path: str, **body: Any) -> Request:
    headers = {"content-type": "application/json"}
    if body.pop("upsert", False):
        headers["x-upsert"] = "true"
    return method, path, headers, json.dumps(body).encode()


def copying(path: str, source: str, target: str, **more: Any) -> Request:
    return json_request("POST", path, bucketId="b", sourceKey=source, destinationKey=target, **more)


RESUMABLE = {
    "tus-resumable": "1.0.0",
    "upload-length": str(len(NEW)),
    "upload-metadata": f"bucketName {text('b')},objectName {text('new')}",
    "content-type": "application/offset+octet-stream",
    "x-upsert": "true",
}
PLAIN = {"content-type": "text/plain"}
OPERATIONS: dict[str, Request] = {
    "upload": ("POST", "/object/b/new", PLAIN, NEW),
    "upsert": ("PUT", "/object/b/old", PLAIN, NEW),
    "delete": ("DELETE", "/object/b/old", {}, b""),
    "delete_many": json_request("DELETE", "/object/b", prefixes=["old", "other"]),
    "copy": copying("/object/copy", "old", "new"),
    "copy_over": copying("/object/copy", "old", "other", upsert=True),
    "move": copying("/object/move", "old", "new"),
    "resumable": ("POST", "/upload/resumable", RESUMABLE, NEW),
    "resumable_over": (
        "POST",
        "/upload/resumable",
        RESUMABLE | {"upload-metadata": f"bucketName {text('b')},objectName {text('old')}"},
        NEW,
    ),
}


class Killer:
    """Counts lines; ends the process at one of them."""

    def __init__(self, kill_at: int) -> None:
        self._kill_at = kill_at
        self.lines = 0

    def start(self) -> None:
        threading.settrace(self._trace)
        sys.settrace(self._trace)

    def stop(self) -> None:
        sys.settrace(None)
        threading.settrace(None)

    def _trace(self, frame: FrameType, event: str, _arg: object) -> Any:
        if not frame.f_code.co_filename.startswith(WATCHED):
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return self._trace


async def perform(operation: str, kill_at: int) -> dict[str, int | None]:
    """Serve one request in this process, and tell what came of it."""
    settings = read_settings()
    service = build(settings, config=read_config())
    await service.start()
    killer = Killer(kill_at)
    method, path, headers, body = OPERATIONS[operation]
    authorization = f"Bearer {settings.service_role_key.reveal()}"
    try:
        transport = httpx.ASGITransport(service)
        async with httpx.AsyncClient(transport=transport, base_url="http://s") as client:
            killer.start()
            answer = await client.request(
                method, path, headers={**headers, "authorization": authorization}, content=body
            )
            killer.stop()
    finally:
        await service.stop()
    return {"lines": killer.lines, "status": answer.status_code}


def in_child(operation: str, kill_at: int) -> dict[str, int | None]:
    """Fork, perform, and return what the child tells; nothing when it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.write(writing, json.dumps(asyncio.run(perform(operation, kill_at))).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told_text = pipe.read()
    _, status = os.waitpid(child, 0)
    if told_text:
        told: dict[str, int | None] = json.loads(told_text)
        return told
    assert os.WIFSIGNALED(status), f"{operation} ended with {status}"
    assert os.WTERMSIG(status) == signal.SIGKILL
    return {"lines": None, "status": None}


def main() -> None:
    """Answer commands until the end of the input."""
    trust()  # read before the forks, for each of them
    for line in sys.stdin:
        command = json.loads(line)
        sys.stdout.write(json.dumps(in_child(command["operation"], command["kill_at"])) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
