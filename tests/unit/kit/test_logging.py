"""Log lines: their fields, and what must never stand in them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from gavan.kit.jwt import sign
from gavan.kit.logging import LINE_BYTES, configure, mask, timestamp
from gavan.kit.secret import Secret

SECRET = Secret("a-shared-secret-of-at-least-32-bytes!")
TOKEN = sign({"role": "service_role"}, SECRET)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    made = io.StringIO()
    configure("core", stream=made)
    yield made
    root.handlers[:], root.level = handlers, level


def line(stream: io.StringIO) -> dict[str, Any]:
    (only,) = stream.getvalue().splitlines()
    made: dict[str, Any] = json.loads(only)
    return made


def test_a_record_is_one_json_line_with_its_extra_fields(stream: io.StringIO) -> None:
    logging.getLogger("x").warning("slow %s", "query", extra={"event": "slow", "ms": 12})
    got = line(stream)
    assert got["level"] == "WARN"
    assert (got["msg"], got["event"], got["ms"], got["service"]) == (
        "slow query",
        "slow",
        12,
        "core",
    )


def test_a_stack_stays_one_record(stream: io.StringIO) -> None:
    try:
        int("postgresql://app:hunter2@db/x")
    except ValueError:
        logging.getLogger("x").exception("failed")
    error = line(stream)["error"]
    assert error["type"] == "ValueError"
    assert "Traceback" in error["stack"]
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        f"token {TOKEN}",
        "Authorization: Bearer opaque-token-value",
        "key sb_secret_abcDEF123",
        "postgresql://u:p@ss@host/db",
        "conninfo host=x password=p@ss",
    ],
)
def test_a_secret_in_a_message_is_masked(text: str) -> None:
    masked = mask(text)
    assert "********" in masked
    for value in (TOKEN, "opaque-token-value", "abcDEF123", "p@ss"):
        assert value not in masked
    assert "ss@" not in masked


def test_secrets_in_extra_fields_are_masked(stream: io.StringIO) -> None:
    logging.getLogger("x").info("made", extra={"key": SECRET, "auth": f"Bearer {TOKEN}"})
    assert SECRET.reveal() not in stream.getvalue()
    assert TOKEN not in stream.getvalue()


def test_a_huge_line_is_cut_and_says_so(stream: io.StringIO) -> None:
    logging.getLogger("x").info("x" * 100_000)
    assert line(stream)["truncated"] is True
    assert len(stream.getvalue()) < LINE_BYTES


def test_control_characters_cannot_forge_a_line(stream: io.StringIO) -> None:
    logging.getLogger("x").info("a\nb", extra={"path": "/x\r\n{}"})
    assert line(stream)["path"] == "/x\r\n{}"


def test_time_is_rfc_3339_with_milliseconds() -> None:
    assert timestamp(1_800_000_000.1239) == "2027-01-15T08:00:00.123Z"
