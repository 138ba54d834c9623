"""One change of an app under constant load: by a release of ours, and by compose alone.

Both run on one server, from the same images, behind the same Caddy. The change is a variable of the
app, LABEL, which its answers tell: the first new one is the end of the switch.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.constant_load import Load, Question, Target
from tests.distance import far_away
from tests.hosts.jetty import HOST, PLAIN_PORT, Jetty

DELAY_S = 0.03
RATE = 50.0
WARM = 100
"""Requests before the command begins, and after it has ended"""
_PLAIN = "/opt/plain"
_COMPOSE = """
name: plain
services:
  proxy:
    image: {caddy}
    command: [caddy, run, --config, /etc/caddy/Caddyfile, --adapter, caddyfile]
    ports: ["{port}:443"]
    volumes: ["./Caddyfile:/etc/caddy/Caddyfile:ro"]
  api:
    image: {api}
    environment: {{LABEL: "${{LABEL:?}}", PORT: "8000"}}
    init: true
"""
_CADDYFILE = """
{{
    skip_install_trust
}}
{host} {{
    tls internal
    handle_path /v1/* {{
        reverse_proxy api:8000
    }}
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One command: seconds to the first new answer and to its end, and what the load met."""

    switched_s: float
    whole_s: float
    asked: int
    failed: int


class _Watched(Load):
    """A load that knows when a label was first told."""

    def __init__(self, target: Target, label: str) -> None:
        self.label = f'"{label}"'.encode()
        self.seen_at = 0.0
        self.seen = asyncio.Event()
        super().__init__(target, [
            Question(method="GET", path="/v1/", judge=self._is_right),
            Question(method="POST", path="/v1/", judge=self._is_right, body=lambda _: b"cargo"),
        ], rate=RATE)  # fmt: skip

    def _is_right(self, status: int, body: bytes) -> bool:
        if not self.seen.is_set() and self.label in body:
            self.seen_at = time.monotonic()
            self.seen.set()
        return status == 200


async def turn(jetty: Jetty, words: Sequence[str], label: str, port: int = 443) -> Turn:
    """Run a command under load until it has ended and ``label`` is told.

    Raises RuntimeError when the command fails.
    """
    async with far_away(jetty.address, port, DELAY_S) as here:
        load = _Watched(Target(address="127.0.0.1", port=here, name=HOST), label)
        asking = asyncio.create_task(load.run())
        try:
            await load.until_asked(WARM)
            began = time.monotonic()
            process = await asyncio.create_subprocess_exec(
                *words, cwd=jetty.root, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            said, _ = await process.communicate()
            whole_s = time.monotonic() - began
            if process.returncode:
                raise RuntimeError(said.decode(errors="replace"))
            await load.seen.wait()
            await load.until_asked(WARM)
        finally:
            load.end.set()
            await asking
    return Turn(switched_s=load.seen_at - began, whole_s=whole_s, asked=load.asked,
                failed=len(load.failed))  # fmt: skip


@contextmanager
def plain(jetty: Jetty) -> Iterator[None]:
    """Have the app run beside the stack under compose alone, label ``plain``."""
    images = jetty.on_host(
        "for part in api-blue api-green proxy; do docker ps --format '{{.Image}}'"
        " --filter name=jetty-prod-$part-; done"
    ).split()
    compose = _COMPOSE.format(caddy=images[-1], api=images[0], port=PLAIN_PORT)
    files = {"compose.yml": compose, "Caddyfile": _CADDYFILE.format(host=HOST)}
    for name, text in files.items():
        jetty.on_host(f"mkdir -p {_PLAIN}; cat > {_PLAIN}/{name} <<'END'\n{text}\nEND")
    jetty.on_host(" ".join([*plain_words(jetty, "plain")[2:], "--wait"]))
    try:
        yield
    finally:
        jetty.on_host(f"cd {_PLAIN} && LABEL=plain docker compose down --timeout 1")


def plain_words(jetty: Jetty, label: str) -> list[str]:
    """Return the command that changes the label by compose alone."""
    change = f"cd {_PLAIN} && LABEL={label} docker compose up -d"
    return ["ssh", f"root@{jetty.address}", change]
