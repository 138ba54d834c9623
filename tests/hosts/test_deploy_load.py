"""A release and its way back on a real server: under requests, websockets, an upload of 1 GiB."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from bench.deploy.measure import plain, plain_words, turn
from tests.constant_load import Load, Question, Target
from tests.distance import far_away
from tests.hosts.jetty import DRAIN_S, HOST, PLAIN_PORT, Jetty, jetty_on_a_server
from tests.hosts.traffic import PATIENCE_S, RESTART, Sockets, Upload

pytestmark = [pytest.mark.usefixtures("docker_engine"), pytest.mark.timeout(900)]
DELAY_S = 0.03
"""Each way; on a way without time nothing is ever under way, so nothing could be lost on it"""
HEARTBEAT = '{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What clients met while a command ran; ``drain_at`` is when the old slots were given time."""

    load: Load
    sockets: tuple[Sockets, Sockets]
    upload: Upload
    code: int
    said: str
    drain_at: float
    data: dict[str, Any]

    def problems(self) -> list[str]:
        """Return all that should not have happened."""
        found = [str(one) for one in self.load.failed]
        for kind in self.sockets:
            found += kind.failed
            found += [f"a socket ended with {code} {at - self.drain_at:.3f} s into the drain"
                      for at, code in kind.closed
                      if code != RESTART or at < self.drain_at + DRAIN_S]  # fmt: skip
            if len(kind.closed) != kind.number:
                found.append(f"{len(kind.closed)} of {kind.number} sockets were sent away")
        if self.code:
            found.append(f"exit {self.code}: {self.said}")
        return found


@pytest.fixture(scope="module")
def jetty(
    tmp_path_factory: pytest.TempPathFactory, docker_engine: dict[str, str]
) -> Iterator[Jetty]:
    del docker_engine
    with jetty_on_a_server(tmp_path_factory.mktemp("jetty")) as found:
        yield found


def questions(anon: str, service: str, first: int) -> list[Question]:
    """Return GET and POST to the app and to the core; each POST to the core makes its own row."""
    writing = {"apikey": service, "Authorization": f"Bearer {service}",
               "Content-Type": "application/json", "Prefer": "return=representation"}  # fmt: skip

    def row(number: int) -> bytes:
        return json.dumps({"id": first + number}).encode()

    return [
        Question(method="GET", path="/v1/", judge=lambda status, _: status == 200),
        Question(method="POST", path="/rest/v1/arrival", body=row,
                 headers=writing,
                 judge=lambda status, body: status == 201 and b'"id"' in body),
        Question(method="POST", path="/v1/", body=lambda _: b"cargo" * 100,
                 judge=lambda status, body: status == 200 and b'"bytes": 500' in body),
        Question(method="GET", path="/rest/v1/berth", headers={"apikey": anon},
                 judge=lambda status, body: (status, body) == (200, b'[{"name":"east"}]')),
    ]  # fmt: skip


async def under_load(jetty: Jetty, *verb: str, before: Callable[[], None] = lambda: None) -> Found:
    """Run a command of gavan while clients are busy, and return what they met.

    ``before`` is done while the upload is on its way to where it waits for the switch.
    """
    key, service = jetty.key("ANON_KEY"), jetty.key("SERVICE_ROLE_KEY")
    first, end = round(time.time() * 1000), asyncio.Event()
    sockets = (
        Sockets(url=f"wss://{HOST}/v1/", address=jetty.address, say="ahoy", judge=bool),
        Sockets(url=f"wss://{HOST}/realtime/v1/websocket?apikey={key}&vsn=1.0.0",
                address=jetty.address, say=HEARTBEAT, judge=lambda said: '"status":"ok"' in said),
    )  # fmt: skip
    upload = Upload(address=jetty.address, host=HOST, path=f"/storage/v1/object/hold/{first}",
                    token=service)  # fmt: skip
    async with far_away(jetty.address, 443, DELAY_S) as port:
        target = Target(address="127.0.0.1", port=port, name=HOST)
        load = Load(target, questions(key, service, first))
        clients = [asyncio.create_task(one) for one in
                   (load.run(), *(kind.run(end) for kind in sockets))]  # fmt: skip
        sending = asyncio.create_task(asyncio.to_thread(upload.run))
        await asyncio.to_thread(before)
        await asyncio.to_thread(upload.is_held.wait)
        process = await asyncio.create_subprocess_exec(
            *jetty.words(*verb), cwd=jetty.root, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        said = b""
        async for line in process.stderr:
            said += line
            if b" switch ok" in line:
                upload.may_end.set()
        upload.may_end.set()
        result = json.loads(await process.stdout.read() or b"{}")
        code = await process.wait()
        await sending
        await asyncio.gather(*(kind.come_back() for kind in sockets))
        end.set()
        load.end.set()
        await asyncio.gather(*clients)
    data = result.get("data") or {}
    return Found(load=load, sockets=sockets, upload=upload, code=code, said=said.decode(),
                 drain_at=jetty.began(data.get("release", ""), "drain"), data=data)  # fmt: skip


def stored(jetty: Jetty, upload: Upload) -> str:
    """Return the digest of the object as the server has it, and remove its bytes."""
    file = jetty.on_host(f"find /opt/jetty/storage-data -type f -size {upload.size}c").split()
    assert len(file) == 1, file
    return jetty.on_host(f"sha256sum {file[0]}; rm {file[0]}").split()[0]


def arrivals(found: Found) -> set[int]:
    """Return the rows that clients were told they made."""
    told = (json.loads(body) for body in found.load.answered if body.startswith(b'[{"id"'))
    return {rows[0]["id"] for rows in told}


def rows_from(jetty: Jetty, first: int) -> int:
    """Return how many rows there are from an id on, as the data API counts them."""
    key = jetty.key("SERVICE_ROLE_KEY")
    headers = {"Host": HOST, "apikey": key, "Authorization": f"Bearer {key}",
               "Prefer": "count=exact"}  # fmt: skip
    with httpx.Client(verify=False, timeout=PATIENCE_S) as client:
        answer = client.get(f"https://{jetty.address}/rest/v1/arrival?id=gte.{first}&limit=1",
                            headers=headers, extensions={"sni_hostname": HOST})  # fmt: skip
    return int(answer.headers["content-range"].rpartition("/")[2])


def prove(jetty: Jetty, found: Found, label: str) -> None:
    """Prove that no client met anything of a release but the new label."""
    assert found.problems() == []
    assert found.load.begun_anew == 0, "the proxy was not begun anew"
    assert found.upload.status == "HTTP/1.1 200 OK"
    assert stored(jetty, found.upload) == found.upload.digest
    told = arrivals(found)
    assert rows_from(jetty, min(told)) == len(told)
    assert f'{{"label": "{label}", "bytes": 0}}'.encode() in found.load.answered
    assert label in found.sockets[0].heard
    assert found.data["switch_ms"] is not None


async def test_a_deploy_loses_no_request_no_upload_and_no_socket_before_its_time(
    jetty: Jetty,
) -> None:
    found = await under_load(jetty, "deploy", before=lambda: jetty.commit("two", 510))
    prove(jetty, found, "two")
    assert {"core-green", "api-green"} <= jetty.running()
    assert not {"core-blue", "api-blue"} & jetty.running()


async def test_a_rollback_loses_nothing_either(jetty: Jetty) -> None:
    prove(jetty, await under_load(jetty, "rollback"), "one")
    assert {"core-blue", "api-blue"} <= jetty.running()
    assert not {"core-green", "api-green"} & jetty.running()


async def test_the_same_change_by_compose_alone_loses_requests_so_the_load_sees_losses(
    jetty: Jetty,
) -> None:
    with plain(jetty):
        found = await turn(jetty, plain_words(jetty, "three"), "three", PLAIN_PORT)
    assert 0 < found.failed < found.asked
