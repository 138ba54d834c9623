"""The receiver of a webhook as a real HTTP server, and what it was told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.integration.core.storage.conftest import OPTIONS, Storage
from tests.local_http import Answer, Heard, LocalServer, Reply, local_server
from tests.servers import wait_until

TOKEN, API_KEY = "a-token-in-the-address", "the-key-of-the-webhook"


@dataclass
class Receiver:
    """``answer`` may be changed while it runs, as ``status`` may, which it gives by default."""

    status: int = 200
    answer: Answer | None = None
    server: LocalServer = field(default_factory=lambda: LocalServer(""))

    def reply(self, heard: Heard) -> Reply:
        return self.answer(heard) if self.answer else Reply(status=self.status)

    @property
    def options(self) -> dict[str, str]:
        """Return the variables of a core that tells it."""
        return OPTIONS | {
            "WEBHOOK_URL": f"{self.server.url}/objects?token={TOKEN}",
            "WEBHOOK_API_KEY": API_KEY,
        }

    def letters(self) -> list[dict[str, Any]]:
        return [json.loads(heard.body) for heard in self.server.heard]

    def events(self) -> list[dict[str, Any]]:
        return [letter["event"] for letter in self.letters()]

    def told_by(self, storage: Storage) -> list[dict[str, Any]]:
        """Return the events since the last call, when all that are there are told."""
        wait_until(lambda: not jobs(storage))
        events = self.events()
        self.server.heard.clear()
        return events


def jobs(storage: Storage) -> list[list[dict[str, Any]]]:
    """Return the events that are still to be told."""
    query = "select payload from gavan.storage_jobs where kind = 'webhook' order by id"
    return [row[0] for row in storage.sql(query)]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Listen until the block ends."""
    made = Receiver()
    with local_server(made.reply) as server:
        made.server = server
        yield made
