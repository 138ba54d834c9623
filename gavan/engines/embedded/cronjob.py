"""Run one cron job once: a statement, a command or a request; an exception says why it failed.

Each returns a few facts for the log line. Drivers are imported by the kind of job that needs one.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import Any

from gavan.engines.embedded.cronfile import environment_of
from gavan.stack.model import Cron

OUTPUT_BYTES = 4096


class JobError(Exception):
    """A job that ran and failed, in one sentence."""


async def run_once(job: Cron, db_url: str) -> dict[str, Any]:
    """Run a job to its end; cancelling stops what it started."""
    if job.sql is not None:
        return await _sql(job.sql, db_url)
    if job.command is not None:
        return await _command(job.command, environment_of(job))
    return await _http(job.http or "", job.timeout_s)


async def _sql(statement: str, url: str) -> dict[str, Any]:
    import psycopg  # noqa: PLC0415 - 8 MB that only a stack with SQL jobs pays

    try:
        connection = await psycopg.AsyncConnection.connect(
            url, autocommit=True, application_name="gavan cron"
        )
        async with connection:
            cursor = await connection.execute(statement)
            return {"rows": cursor.rowcount}
    except psycopg.Error as error:
        raise JobError(str(error).strip()) from error


async def _command(command: str, environment: dict[str, str]) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", command, stdin=asyncio.subprocess.DEVNULL, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        tail = await _tail(process.stdout)
        code = await process.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if code:
        raise JobError(f"exit {code}: {tail}")
    return {"output": tail}


async def _tail(stream: asyncio.StreamReader | None) -> str:
    held = b""
    while stream is not None and (chunk := await stream.read(65536)):
        held = (held + chunk)[-OUTPUT_BYTES:]
    return held.decode("utf-8", "replace").strip()


async def _http(url: str, timeout_s: float) -> dict[str, Any]:
    return {"status": await asyncio.to_thread(_post, url, timeout_s)}


def _post(url: str, timeout_s: float) -> int:
    import urllib.error  # noqa: PLC0415 - as above
    import urllib.request  # noqa: PLC0415

    if not url.startswith(("http://", "https://")):
        raise JobError(f"not an http URL: {url}")
    request = urllib.request.Request(url, data=b"", method="POST")  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:  # noqa: S310
            return int(response.status)
    except urllib.error.HTTPError as error:
        raise JobError(f"HTTP {error.code}") from error
    except OSError as error:
        raise JobError(str(error)) from error
