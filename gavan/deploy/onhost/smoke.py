"""Questions to the release through the proxy, as people ask it.

Stands above failure.py. They are asked from the server itself at its own address; the name in the
question is the public one.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from typing import Any

from gavan.deploy.onhost.failure import Failure

TIMEOUT_S = 5.0
PAUSE_S = 0.5
BODY = 2048


class _Named(http.client.HTTPSConnection):
    """A connection to this server that shows the public name in its handshake."""

    def __init__(self, name: str, port: int) -> None:
        # The certificate is judged by those who come from outside; its authority may be our own.
        self._context_of_ours = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context_of_ours.check_hostname = False
        self._context_of_ours.verify_mode = ssl.CERT_NONE
        self._name = name
        super().__init__("127.0.0.1", port, timeout=TIMEOUT_S, context=self._context_of_ours)

    def connect(self) -> None:
        raw = socket.create_connection((self.host, self.port), TIMEOUT_S)
        self.sock = self._context_of_ours.wrap_socket(raw, server_hostname=self._name)


def ask(question: dict[str, Any]) -> tuple[int, str]:
    """Return status and the beginning of the body; raises OSError as sockets do."""
    host, port = question["host"], int(question["port"])
    make = _Named(host, port) if question["tls"] else http.client.HTTPConnection(
        "127.0.0.1", port, timeout=TIMEOUT_S)  # fmt: skip
    try:
        make.request("GET", question["path"], headers={"Host": host, "User-Agent": "gavan-smoke"})
        answer = make.getresponse()
        return answer.status, answer.read(BODY).decode(errors="replace")
    finally:
        make.close()


def check(question: dict[str, Any], within_s: float) -> float:
    """Ask until the answer is right and return its milliseconds; raise Failure GV547 if it stays
    wrong."""
    until = time.monotonic() + within_s
    while True:
        began = time.monotonic()
        try:
            status, body = ask(question)
            said = f"status {status}\n{body}"
            if question["least"] <= status <= question["most"]:
                return (time.monotonic() - began) * 1000
        except (OSError, http.client.HTTPException) as error:
            said = f"{type(error).__name__}: {error}"
        if time.monotonic() > until:
            raise Failure("GV547", f"{question['name']} does not answer as it should: "
                          f"{question['host']}{question['path']}", said)  # fmt: skip
        time.sleep(PAUSE_S)
