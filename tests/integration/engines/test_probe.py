"""Probes against servers that hang, redirect for ever, fail or speak something else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gavan.engines.embedded.model import Probe, ProbeKind
from gavan.engines.embedded.probe import ask

Answer = Callable[[str], bytes | None]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[int]:
    """Answer every path with bytes, or with silence for None."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        said = answer(path)
        if said is None:
            await reader.read()
        else:
            writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def exit_0(_: str) -> int:
    return 0


async def why(answer: Answer, timeout_s: float = 30.0) -> str:
    async with serving(answer) as port:
        probe = Probe(kind=ProbeKind.HTTP, target="/", port=port, timeout_s=timeout_s)
        return await ask(probe, exit_0)


def status(line: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {line}", *headers, "", ""]).encode()


@pytest.mark.parametrize("line", ["200 OK", "204 No Content", "304 Not Modified"])
async def test_success_is_ready(line: str) -> None:
    assert await why(lambda _: status(line)) == ""


async def test_an_error_page_is_not_ready() -> None:
    assert await why(lambda _: status("503 Service Unavailable")) == "HTTP 503 at /"


async def test_a_server_that_hangs_costs_no_more_than_the_timeout() -> None:
    assert await why(lambda _: None, 0.5) == "no answer within 0.5 s"


async def test_a_redirect_is_followed_on_this_host() -> None:
    def answer(path: str) -> bytes:
        return status("200 OK") if path == "/b?c=1" else status("302 Found", "Location: /b?c=1")

    assert await why(answer) == ""


async def test_a_redirect_to_another_host_is_an_answer_and_not_followed() -> None:
    assert await why(lambda _: status("302 Found", "Location: http://example.com/")) == ""


async def test_redirects_for_ever_are_a_failure() -> None:
    assert "redirects" in await why(lambda _: status("302 Found", "Location: /"))


async def test_another_protocol_is_a_failure() -> None:
    assert "not HTTP" in await why(lambda _: b"SSH-2.0-OpenSSH\r\n")


async def test_nobody_there_is_said_in_words() -> None:
    async with serving(lambda _: None) as port:
        pass
    probe = Probe(kind=ProbeKind.TCP, port=port)
    assert await ask(probe, exit_0) == f"nothing listens on port {port}"


async def test_a_command_is_ready_by_exit_0() -> None:
    async def exit_3(_: str) -> int:
        return 3

    probe = Probe(kind=ProbeKind.EXEC, target="true")
    assert await ask(probe, exit_0) == ""
    assert await ask(probe, exit_3) == "exit 3"
