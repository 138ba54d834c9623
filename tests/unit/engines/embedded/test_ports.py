"""Busy ports: who has them, which one is free instead, what is remembered."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gavan.engines.embedded import ports
from gavan.kit.errors import GavanError


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which this process listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_names_process_and_pid(taken: int) -> None:
    busy = ports.busy_ports({"core.port": taken})
    assert busy == {"core.port": taken}
    with pytest.raises(GavanError) as caught:
        ports.refuse_busy(busy)
    assert caught.value.exit_code == 4
    assert f"pid {os.getpid()}" in (caught.value.details or "")


def test_another_port_is_free_and_wanted_by_nobody_else(taken: int) -> None:
    wanted = {"core.port": taken, "apps.api.port": taken + 1}
    others = ports.other_ports({"core.port": taken}, wanted)
    assert others["core.port"] > taken + 1
    assert ports.is_free(others["core.port"])


def test_chosen_ports_are_remembered_and_forgotten(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    ports.record_ports(tmp_path, {"core.port": 5})
    assert ports.recorded_ports(tmp_path) == {"core.port": 5}
    ports.record_ports(tmp_path, {})
    assert ports.recorded_ports(tmp_path) == {}


def test_a_broken_memory_is_no_memory(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    ports.ports_file(tmp_path).write_text("[1")
    assert ports.recorded_ports(tmp_path) == {}
