"""The unmodified tus-js-client works against the core, also when the core is killed under it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.conftest import HERE
from tests.conftest import Database
from tests.live import Live, running_core
from tests.ports import free_port

KILLED_AT = 1024 * 1024
SIZE = 40 * 64 * 1024


@pytest.mark.slow
def test_tus_js_client_works_unmodified(run_node: Callable[[str], None]) -> None:
    run_node("tus.test.mjs")


@pytest.mark.slow
def test_an_upload_goes_on_when_the_core_was_killed(
    node: str, database: Database, tmp_path: Path
) -> None:
    port = free_port()
    with database.connect("supabase_admin") as connection:
        connection.execute("insert into storage.buckets (id, name) values ('b', 'b')")
    with running_core(database, tmp_path / "first.log", port=port) as live:
        client = _client(node, live)
        try:
            assert client.stdout is not None
            for line in client.stdout:
                if int(line.split()[1]) >= KILLED_AT:
                    os.kill(live.pid, signal.SIGKILL)
                    break
        except BaseException:
            client.kill()
            raise
    with running_core(database, tmp_path / "second.log", port=port):
        output, errors = client.communicate(timeout=60)
    assert client.returncode == 0, errors
    *told, done = output.splitlines()
    accepted = [int(line.split()[1]) for line in told]
    assert accepted == sorted(set(accepted))
    assert accepted[-1] == SIZE
    with database.connect("supabase_admin") as connection:
        row = connection.execute(
            "select metadata->>'eTag', (metadata->>'size')::int from storage.objects"
        ).fetchone()
    assert row == (f'"{done.split()[1]}"', SIZE)


def _client(node: str, live: Live) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [node, str(HERE / "tus_restart.mjs")],
        env={
            "PATH": os.environ["PATH"],
            "SUPABASE_URL": live.url,
            "SUPABASE_SERVICE_KEY": live.service_key,
            "BUCKET": "b",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
