"""What the gate of a release makes of containers, as docker describes them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from gavan.deploy.onhost.docker import SETTLED_S, has_restarted, is_well

NOW = time.time()


def container(*, began: float, restarts: int = 0, **state: Any) -> dict[str, Any]:
    at = datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    return {"RestartCount": restarts, "State": {"Running": True, "StartedAt": at, **state}}


def test_what_was_begun_again_before_the_release_does_not_count_against_it() -> None:
    found = container(began=NOW - 60, restarts=3, Health={"Status": "healthy"})
    assert not has_restarted(found, NOW)
    assert is_well(found)


def test_what_is_begun_again_while_the_gate_waits_has_ended() -> None:
    assert has_restarted(container(began=NOW + 0.25, restarts=1), NOW)
    assert not has_restarted(container(began=NOW + 0.25), NOW), "it was only just begun"


@pytest.mark.parametrize("at", ["2026-11-21T23:10:54Z", "2026-11-21T23:10:54.5Z"])
def test_a_moment_is_read_with_as_many_digits_as_docker_writes(at: str) -> None:
    found = container(began=NOW, restarts=1)
    found["State"]["StartedAt"] = at
    whole = datetime(2026, 11, 21, 23, 10, 54, tzinfo=UTC).timestamp()
    assert has_restarted(found, whole - 0.1)
    assert not has_restarted(found, whole + 0.5)


def test_one_without_a_check_is_well_once_it_has_run_for_a_while() -> None:
    now = time.time()
    assert not is_well(container(began=now + 60))
    assert is_well(container(began=now - SETTLED_S - 1))
    assert not is_well(container(began=now - SETTLED_S - 1, Running=False))
