"""What the proxy does to requests: a real Caddy with the lines of edge.py before an echo."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gavan.engines.compose import edge, official_routes
from gavan.engines.compose.caddy import CORE_PATHS
from gavan.engines.compose.official import REALTIME_HOST
from gavan.engines.site_files import indented
from gavan.stack.model import Proxy
from tests.ports import free_port

OPEN = Proxy(trusted=(), max_body=None, closed=("/metrics", "/api/admin/"), acme_ca="",
             acme_ca_root="")  # fmt: skip


class Echo(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", "0")))
        told = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({**told, "path": self.path}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_words: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@contextmanager
def proxied(folder: Path, proxy: Proxy, echo: int) -> Iterator[tuple[str, str]]:
    """Run Caddy; yield the address of the outside and that of the inside."""
    outside, inside = free_port(), free_port()
    passes = ["reverse_proxy {", f"\tto 127.0.0.1:{echo}", f"\timport {edge.WITHIN}", "}"]
    plain = [f"reverse_proxy 127.0.0.1:{echo}"]
    host = [*edge.named(), *edge.closed(proxy), "handle {",
            *indented([*edge.body_limit(proxy), *plain], 1), "}"]  # fmt: skip
    lines = [*edge.trusted(proxy), "}", "(through) {", "}", *edge.within(),
             f"http://:{outside} {{", *indented(host, 1), "}",
             f"http://:{inside} {{", *indented(passes, 1), "}"]  # fmt: skip
    with caddy(folder, lines, outside):
        yield f"http://127.0.0.1:{outside}", f"http://127.0.0.1:{inside}"


@contextmanager
def caddy(folder: Path, lines: list[str], port: int) -> Iterator[None]:
    """Run Caddy with lines that begin among its options; ``port`` answers when it is there."""
    file = folder / "Caddyfile"
    options = ["{", "\tadmin off", "\tauto_https off", "\tpersist_config off"]
    file.write_text("\n".join([*options, *lines]) + "\n")
    words = [str(Path(sys.executable).with_name("caddy")), "run", "--config", str(file),
             "--adapter", "caddyfile"]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env={"HOME": str(folder)})
    try:
        until = time.monotonic() + 30
        while not _answers(port):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until
        yield
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return bool(httpx.get(f"http://127.0.0.1:{port}/").status_code)
    except httpx.TransportError:
        return False


def test_what_a_client_says_of_its_address_is_thrown_away(tmp_path: Path, echo: int) -> None:
    with proxied(tmp_path, OPEN, echo) as (outside, _):
        lie = {"X-Forwarded-For": "198.51.100.9, 198.51.100.8"}
        assert httpx.get(outside, headers=lie).json()["x-forwarded-for"] == "127.0.0.1"


def test_of_a_trusted_load_balancer_the_last_address_that_is_not_its_own_counts(
    tmp_path: Path, echo: int
) -> None:
    proxy = replace(OPEN, trusted=("127.0.0.0/8", "203.0.113.0/24"))
    with proxied(tmp_path, proxy, echo) as (outside, _):
        # The client wrote the first, the first balancer saw the second, the second the third.
        sent = {"X-Forwarded-For": "198.51.100.9, 192.0.2.7, 203.0.113.5"}
        seen = httpx.get(outside, headers=sent).json()["x-forwarded-for"]
        assert seen.split(",")[0].strip() == "192.0.2.7"


def test_a_part_of_the_stack_says_for_whom_it_asks_or_for_nobody(tmp_path: Path, echo: int) -> None:
    with proxied(tmp_path, OPEN, echo) as (_, inside):
        said = httpx.get(inside, headers={"X-Forwarded-For": "192.0.2.7"}).json()
        assert said["x-forwarded-for"] == "192.0.2.7"
        assert httpx.get(inside).json().get("x-forwarded-for", "") == ""


def test_closed_paths_are_not_found_outside_and_open_inside(tmp_path: Path, echo: int) -> None:
    with proxied(tmp_path, OPEN, echo) as (outside, inside):
        for path in ("/metrics", "/metrics/x", "/api/admin", "/api/admin/reload-data"):
            assert httpx.get(outside + path).status_code == 404
            assert httpx.get(inside + path).status_code == 200
        assert httpx.get(outside + "/metricsandmore").status_code == 200


def test_a_body_that_is_too_large_is_refused_before_the_app_has_it(
    tmp_path: Path, echo: int
) -> None:
    proxy = replace(OPEN, max_body=1000)
    with proxied(tmp_path, proxy, echo) as (outside, _):
        assert httpx.post(outside, content=b"x" * 1000).status_code == 200
        assert httpx.post(outside, content=b"x" * 1001).status_code == 413


@pytest.mark.parametrize(
    ("asked", "path", "host"),
    [
        ("/rest/v1/card?select=*", "/card?select=*", ""),
        ("/graphql/v1", "/rpc/graphql", ""),
        ("/auth/v1/token?grant_type=password", "/token?grant_type=password", ""),
        ("/storage/v1/object/a/realtime/v1/b", "/object/a/realtime/v1/b", ""),
        ("/realtime/v1/websocket?apikey=k", "/socket/websocket?apikey=k", REALTIME_HOST),
        ("/realtime/v1/api/broadcast", "/api/broadcast", REALTIME_HOST),
    ],
)
def test_requests_reach_the_official_images_by_the_paths_that_those_know(
    tmp_path: Path, echo: int, asked: str, path: str, host: str
) -> None:
    port = free_port()
    blocks = [line for prefix in CORE_PATHS for line in official_routes.handle(prefix)]
    lines = ["}", "(through) {", "}", f"http://:{port} {{", *indented(blocks, 1), "}"]
    lines = [re.sub(r"\bto [a-z]+:\d+", f"to 127.0.0.1:{echo}", line) for line in lines]
    with caddy(tmp_path, lines, port):
        seen = httpx.get(f"http://127.0.0.1:{port}{asked}").json()
    assert seen["path"] == path
    assert seen["host"] == (host or f"127.0.0.1:{port}")
    assert (seen.get("content-profile") == "graphql_public") == asked.startswith("/graphql")
    if asked.startswith("/storage"):
        assert seen["x-forwarded-prefix"] == "/storage/v1"


def test_every_request_has_a_number_and_keeps_the_one_it_came_with(
    tmp_path: Path, echo: int
) -> None:
    with proxied(tmp_path, OPEN, echo) as (outside, _):
        answer = httpx.get(outside)
        assert answer.headers["x-request-id"] == answer.json()["x-request-id"] != ""
        named = httpx.get(outside, headers={"X-Request-Id": "abc-1"})
        assert (named.headers["x-request-id"], named.json()["x-request-id"]) == ("abc-1",) * 2
