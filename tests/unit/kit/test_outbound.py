"""Calls to addresses that others name reach the public internet or nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gavan.kit.outbound import (
    AnswerTooLarge,
    Call,
    Outbound,
    PublicOnly,
    Unreachable,
    is_public,
)
from tests.local_http import Heard, Reply, local_server


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "fec0::1",
        "::127.0.0.1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a9fe:a9fe",
        "ff02::1",
    ],
)
def test_an_address_of_a_private_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


async def call(outbound: Outbound, url: str) -> bytes:
    call_of = Call(method="GET", url=url)
    answer = await outbound.send(call_of, timeout_s=5, most_bytes=1000)
    return answer.body


def guarded(*addresses: str, exempt: tuple[str, ...] = ()) -> Outbound:
    async def look_up(host: str, port: int) -> list[str]:
        return list(addresses)

    return Outbound(PublicOnly(exempt, look_up))


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("93.184.216.34", "10.0.0.1"), ()])
async def test_a_name_that_leads_inside_is_not_called(addresses: tuple[str, ...]) -> None:
    """SSRF: one private address among the public ones is enough to refuse."""
    with local_server(lambda _heard: Reply()) as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(Unreachable):
            await call(guarded(*addresses), f"http://hooks.example.com:{port}/")
        assert server.heard == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "2130706433", "0x7f000001", "localhost"])
async def test_this_machine_is_not_called_however_it_is_written(host: str) -> None:
    with local_server(lambda _heard: Reply()) as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(Unreachable):
            await call(Outbound(PublicOnly()), f"http://{host}:{port}/")
        assert server.heard == []


async def test_a_listed_name_of_this_machine_is_called() -> None:
    with local_server(lambda _heard: Reply(body=b"here")) as server:
        assert await call(guarded(exempt=("127.0.0.1",)), server.url) == b"here"


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    def answer(heard: Heard) -> Reply:
        return Reply(status=302, headers={"location": "/inside"}, body=b"gone")

    outbound = Outbound()
    with local_server(answer) as server:
        assert await call(outbound, server.url) == b"gone"
        assert [heard.path for heard in server.heard] == ["/"]
    await outbound.close()


async def test_an_answer_over_the_limit_is_not_read_to_its_end() -> None:
    outbound = Outbound()
    large = Reply(body=b"x" * 1001)
    with local_server(lambda _heard: large) as server, pytest.raises(AnswerTooLarge):
        await call(outbound, server.url)
    await outbound.close()


def test_a_core_that_calls_nobody_does_not_load_the_client() -> None:
    """Memory and time to ready: most stacks never make a call or send a mail."""
    code = (
        "import sys, gavan.core.auth.app, gavan.core.storage.app;"
        "sys.exit(bool({'httpx', 'httpcore', 'aiosmtplib'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
