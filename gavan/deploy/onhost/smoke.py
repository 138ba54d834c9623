"""Questions to a release, by HTTP, websocket or as a connection; of the standard library alone.

Stands above websocket.py. The server asks itself at its loopback address, by the names that the
world uses; the client asks through DNS and TLS. Which of the two is in the ``Way``.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gavan.deploy.onhost import websocket
from gavan.deploy.onhost.failure import Failure

TIMEOUT_S = 5.0
PAUSE_S = 0.5
BODY = 512 * 1024
SHOWN = 2048
_ASSET = re.compile(r"""<(?:script|link)[^>]+?(?:src|href)=["']?([^"'> ]+\.(?:js|mjs|css))["' >]""")


@dataclass(frozen=True)
class Way:
    """How a question travels: to ``address`` (empty: where DNS leads), and whether the certificate
    must be good for its name; ``roots`` (PEM) are trusted besides those of the world."""

    address: str
    verifies: bool
    roots: str = ""

    def context(self) -> ssl.SSLContext:
        """Return how TLS judges the other end."""
        if self.verifies:
            context = ssl.create_default_context()
            if self.roots:
                context.load_verify_locations(cadata=self.roots)
            return context
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


class _Named(http.client.HTTPSConnection):
    """A connection that goes where the way leads, and shows the public name in its handshake."""

    def __init__(self, name: str, port: int, way: Way) -> None:
        self._name = name
        self._to = way.address or name
        self._ours = way.context()
        super().__init__(name, port, timeout=TIMEOUT_S, context=self._ours)

    def connect(self) -> None:
        raw = socket.create_connection((self._to, self.port), TIMEOUT_S)
        self.sock = self._ours.wrap_socket(raw, server_hostname=self._name)


def ask(question: dict[str, Any], way: Way, path: str = "") -> tuple[int, str]:
    """Return status and the beginning of the body; raises OSError as sockets do."""
    host, port = question["host"], int(question["port"])
    make = _Named(host, port, way) if question["tls"] else http.client.HTTPConnection(
        way.address or host, port, timeout=TIMEOUT_S)  # fmt: skip
    try:
        headers = {"Host": _host_header(question), "User-Agent": "gavan-smoke"}
        make.request("GET", path or question["path"], headers=headers)
        answer = make.getresponse()
        return answer.status, answer.read(BODY).decode(errors="replace")
    finally:
        make.close()


def _host_header(question: dict[str, Any]) -> str:
    usual = 443 if question["tls"] else 80
    port = "" if int(question["port"]) == usual else f":{question['port']}"
    return f"{question['host']}{port}"


def check(question: dict[str, Any], within_s: float, way: Way) -> float:
    """Ask until the answer is right and return its milliseconds.

    Raises:
        Failure: GV547 when it stays wrong.
    """

    def ask_once() -> str:
        try:
            return _wrong(question, way)
        except (OSError, http.client.HTTPException) as error:
            return f"{type(error).__name__}: {error}"

    took, said = until_right(ask_once, within_s)
    if said:
        raise Failure("GV547", f"{question['name']} does not answer as it should: "
                      f"{shown(question)}", said)  # fmt: skip
    return took


def until_right(ask_once: Callable[[], str], within_s: float) -> tuple[float, str]:
    """Ask again and again until nothing is wrong or the time is over.

    Args:
        ask_once: returns what is wrong, empty when nothing is.

    Returns:
        Milliseconds of the last answer, and what is wrong with it.
    """
    until = time.monotonic() + within_s
    while True:
        began = time.monotonic()
        said = ask_once()
        if not said or time.monotonic() > until:
            return (time.monotonic() - began) * 1000, said
        time.sleep(PAUSE_S)


def shown(question: dict[str, Any]) -> str:
    """Return what is asked, for people."""
    if question.get("kind") == "tcp":
        return f"{question['host']}:{question['port']}"
    return f"{question['host']}{question['path']}"


def _wrong(question: dict[str, Any], way: Way) -> str:
    """Return what is wrong with the answer, empty when nothing is."""
    if question.get("kind") == "tcp":
        address = (way.address or question["host"], int(question["port"]))
        socket.create_connection(address, TIMEOUT_S).close()
        return ""
    if question.get("kind") == "websocket":
        return _websocket(question, way)
    status, body = ask(question, way)
    if not question["least"] <= status <= question["most"]:
        return f"status {status}\n{body[:SHOWN]}"
    if question.get("contains") and question["contains"] not in body:
        return f"status {status}, without {question['contains']!r}\n{body[:SHOWN]}"
    return _page(question, way, body) if question.get("page") else ""


def _websocket(question: dict[str, Any], way: Way) -> str:
    """Return what is wrong with a websocket; ``key`` of the question is never shown."""
    host, path = question["host"], question["path"]
    if question.get("key"):
        path += f"&apikey={quote(question['key'], safe='')}"
    with socket.create_connection((way.address or host, int(question["port"])), TIMEOUT_S) as raw:
        if not question["tls"]:
            return websocket.ping(raw, _host_header(question), path)
        with way.context().wrap_socket(raw, server_hostname=host) as tls:
            return websocket.ping(tls, _host_header(question), path)


def _page(question: dict[str, Any], way: Way, body: str) -> str:
    """Return what is wrong with a front end: no page, or its first file is not there."""
    if "<" not in body:
        return f"no page of HTML\n{body[:SHOWN]}"
    found = _ASSET.search(body)
    if found is None or "://" in found[1] or found[1].startswith("//"):
        return ""
    base = question["path"].rpartition("/")[0]
    path = found[1] if found[1].startswith("/") else f"{base}/{found[1].removeprefix('./')}"
    status, _ = ask(question, way, path)
    return "" if status == 200 else f"its file {path} answers {status}"
