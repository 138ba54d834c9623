"""The generated Caddyfile: slots change under constant load and no request is lost; ports outside.

The clients are 60 ms away, as over the internet. There a reload of Caddy would cost some three
requests at 50 per second: those that are on their way when it closes their connection.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gavan.engines.compose import caddy
from gavan.engines.compose.services import HEALTH_PORT, SLOTS_FOLDER
from gavan.stack.load import load_stack
from tests.constant_load import Load, Question, Target
from tests.distance import far_away
from tests.ports import free_port
from tests.servers import wait_until

CADDY = str(Path(sys.executable).with_name("caddy"))
DELAY_S = 0.03
APP = """
import os

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    body = os.environ["SLOT"].encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""
STACK = """
[stack]
name = "pier"

[core]
port = {core}

[apps.api]
dir = "."
command = "python main.py"
port = {inside}
routes = [{{ host = "api", path = "/v1" }}]

[profiles.prod]
domain = "pier.test"
"""


class Pier:
    """Caddy with the generated file, and slots as processes of this machine."""

    def __init__(self, root: Path, **variables: str) -> None:
        self.root = root
        self.http, self.https = free_port(), free_port()
        (root / "slots").mkdir()
        (root / "main.py").write_text(APP)
        (root / "gavan.toml").write_text(STACK.format(core=free_port(), inside=free_port()))
        text = caddy.render(load_stack(root / "gavan.toml", environ={}, profile="prod"))
        moved = {SLOTS_FOLDER: root / "slots", caddy.RUN_FOLDER: root,
                 f":{HEALTH_PORT}": f":{free_port()}"}  # fmt: skip
        for there, here in moved.items():
            text = text.replace(there, str(here))
        (root / "Caddyfile").write_text(text)
        self.env = {"HOME": str(root), "PATH": os.environ["PATH"], "DOMAIN": "pier.test",
                    "CADDY_GLOBAL": f"http_port {self.http}\n\thttps_port {self.https}",
                    **variables}  # fmt: skip
        self.slots: list[subprocess.Popen[bytes]] = []
        words = [CADDY, "run", "--config", str(root / "Caddyfile"), "--adapter", "caddyfile"]
        with (root / "caddy.log").open("wb") as log:
            self.proxy = subprocess.Popen(words, env=self.env, stdout=log, stderr=log)

    def start(self, name: str) -> int:
        """Start a slot and return its port."""
        port = free_port()
        words = ["uvicorn", "main:app", "--port", str(port), "--log-level", "warning"]
        self.slots.append(subprocess.Popen([sys.executable, "-m", *words], cwd=self.root,
                                           env={**os.environ, "SLOT": name}))  # fmt: skip
        wait_until(lambda: _status(f"http://127.0.0.1:{port}/") == 200)
        return port

    def turn_to(self, port: int) -> None:
        draft = self.root / "slots" / ".api.partial"
        draft.write_text(f"127.0.0.1:{port}")
        draft.replace(self.root / "slots" / "api")

    def route_anew(self) -> subprocess.Popen[bytes]:
        """Begin to have Caddy read other routes, with a mark of their own."""
        file = self.root / "Caddyfile"
        file.write_text(file.read_text().replace(self.mark(), "0123abc"))
        words = ["reload", "--config", str(file), "--adapter", "caddyfile"]
        return subprocess.Popen([CADDY, *words, "--address", f"unix/{self.root}/admin.sock"],
                                env=self.env, stderr=subprocess.DEVNULL)  # fmt: skip

    def mark(self) -> str:
        (found,) = set(re.findall(r"\.left-([0-9a-f]+)", (self.root / "Caddyfile").read_text()))
        return str(found)

    def end(self) -> None:
        self.proxy.kill()
        self.proxy.wait(20)
        for process in self.slots:
            process.terminate()
            process.wait(60)


def _status(url: str, host: str = "localhost") -> int:
    try:
        request = urllib.request.Request(url, headers={"Host": host})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Pier]]:
    piers = []

    def begin(**variables: str) -> Pier:
        piers.append(Pier(tmp_path, **variables))
        return piers[-1]

    yield begin
    for pier in piers:
        pier.end()


@asynccontextmanager
async def constant_load(pier: Pier) -> AsyncIterator[Load]:
    """Ask from afar for the length of the block, by GET and POST in turn."""
    questions = [
        Question(method=method, path="/v1/x", judge=lambda status, _body: status == 200,
                 body=lambda number: b"cargo %d" % number if number % 2 else b"")
        for method in ("GET", "POST")
    ]  # fmt: skip
    async with far_away("127.0.0.1", pier.http, DELAY_S) as port:
        target = Target(address="127.0.0.1", port=port, name="api.pier.test", tls=False)
        load = Load(target, questions, rate=100.0, least=30)
        asking = asyncio.create_task(load.run())
        try:
            yield load
        finally:
            load.end.set()
            await asking


async def answered(load: Load, slot: bytes, more: int = 50) -> None:
    """Wait until a slot has answered that many more."""
    wanted = load.answered[slot] + more
    await asyncio.to_thread(wait_until, lambda: load.answered[slot] >= wanted)


async def test_a_part_turns_to_another_slot_and_no_connection_ends(
    start: Callable[..., Pier],
) -> None:
    pier = start(CADDY_SCHEME="http://")
    pier.turn_to(pier.start("first"))
    wait_until(lambda: _status(f"http://127.0.0.1:{pier.http}/v1/x", "api.pier.test") == 200)
    async with constant_load(pier) as load:
        await answered(load, b"first")
        for name in ("second", "third"):
            pier.turn_to(await asyncio.to_thread(pier.start, name))
            await answered(load, name.encode())
            before = pier.slots[-2]
            before.terminate()
            await asyncio.to_thread(before.wait, 20)
        await answered(load, b"third")
    assert [str(one) for one in load.failed] == []
    assert load.begun_anew == 0


def test_clients_are_asked_to_leave_former_routes_and_are_served_until_they_did(
    start: Callable[..., Pier],
) -> None:
    pier = start(CADDY_SCHEME="http://")
    pier.turn_to(pier.start("first"))
    wait_until(lambda: _status(f"http://127.0.0.1:{pier.http}/v1/x", "api.pier.test") == 200)
    kept = http.client.HTTPConnection("127.0.0.1", pier.http, timeout=20)

    def ask() -> tuple[int, str | None]:
        kept.request("GET", "/v1/x", headers={"Host": "api.pier.test"})
        answer = kept.getresponse()
        answer.read()
        return answer.status, answer.getheader("connection")

    assert ask() == (200, None)
    (pier.root / "slots" / f".left-{pier.mark()}").touch()
    reading = pier.route_anew()
    assert ask() == (200, "close")
    # Those of the former routes and those of the new ones are answered alike meanwhile.
    while reading.poll() is None:
        assert ask()[0] == 200
    assert reading.returncode == 0
    assert ask() == (200, None)
    kept.close()


def test_http_leads_to_the_https_port_that_people_see(start: Callable[..., Pier]) -> None:
    pier = start(CADDY_TLS="tls internal", PUBLIC_PORT=":8443")
    words = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", "-H"]

    def leads(host: str) -> str:
        url = f"http://127.0.0.1:{pier.http}/v1/x?a=b"
        return subprocess.run([*words, f"Host: {host}", url], capture_output=True, text=True,
                              check=False).stdout  # fmt: skip

    wait_until(lambda: leads("api.pier.test").startswith("308"))
    assert leads("api.pier.test") == "308 https://api.pier.test:8443/v1/x?a=b"
    assert leads("elsewhere.test") == "200 "


def test_what_the_proxy_cannot_pass_on_is_answered_502_and_its_cause_is_in_the_log(
    start: Callable[..., Pier],
) -> None:
    pier = start(CADDY_SCHEME="http://")
    (pier.root / "slots" / "api").write_text("nobody:here")
    wait_until(lambda: _status(f"http://127.0.0.1:{pier.http}/v1/x", "api.pier.test") == 502)
    cause = '"error":"making dial info: '
    wait_until(lambda: cause in (pier.root / "caddy.log").read_text())
