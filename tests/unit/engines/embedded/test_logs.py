"""The log of one unit: lines, floods, odd bytes, rotation, a full disk, reading back."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gavan.engines.embedded import logs
from gavan.engines.embedded.logread import (
    Follower,
    Query,
    parse_since,
    plain,
    read,
    read_merged,
    units_with_logs,
)
from gavan.engines.embedded.logs import LogFile, escape


@pytest.fixture
def troubles() -> list[str]:
    return []


@pytest.fixture
def log(tmp_path: Path, troubles: list[str]) -> LogFile:
    return LogFile(tmp_path / "api.log", troubles.append)


def texts(folder: Path, query: Query | None = None) -> list[str]:
    return [line.text for line in read(folder, "api", query or Query())]


def test_lines_are_stamped_and_read_back(log: LogFile, tmp_path: Path) -> None:
    log.feed(b"one\ntw")
    log.drain()
    log.feed(b"o\n")
    log.drain()
    raw = (tmp_path / "api.log").read_text()
    assert texts(tmp_path) == ["one", "two"]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z one\n", raw)


def test_a_last_line_without_an_end_is_written_in_the_end(log: LogFile, tmp_path: Path) -> None:
    log.feed(b"half")
    log.drain()
    assert not (tmp_path / "api.log").exists()
    log.drain(final=True)
    assert texts(tmp_path) == ["half"]


def test_a_line_of_64_kib_is_not_held_back(log: LogFile, tmp_path: Path) -> None:
    log.feed(b"x" * logs.PARTIAL_BYTES)
    log.drain()
    assert texts(tmp_path) == ["x" * logs.PARTIAL_BYTES]


def test_a_flood_is_dropped_and_counted(log: LogFile, tmp_path: Path) -> None:
    chunk = b"y" * 99_999 + b"\n"
    for _ in range(100):
        log.feed(chunk)
    log.drain()
    lines = texts(tmp_path)
    kept = logs.RING_BYTES // len(chunk)
    assert lines[-1].startswith(f"[gavan] {100 - kept} lines dropped")
    assert len(lines) == kept + 1


def test_odd_bytes_are_escaped_and_colours_stay() -> None:
    assert escape(b"a\0b\x07") == b"a\\x00b\\x07"
    assert escape(b"\xff\xfe ok") == b"\\xff\\xfe ok"
    assert escape("привет\t\x1b[31mred".encode()) == "привет\t\x1b[31mred".encode()
    assert plain("\x1b[31mred\x1b[0m") == "red"


def test_the_last_lines_are_kept_in_memory(log: LogFile) -> None:
    log.feed("".join(f"line {n}\n" for n in range(50)).encode())
    assert log.last_lines() == tuple(f"line {n}" for n in range(30, 50))


def test_old_logs_are_packed_and_the_oldest_goes(
    log: LogFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "ROTATE_BYTES", 1000)
    for number in range(8):
        log.feed(f"{number}:{'z' * 1000}\n".encode())
        log.drain()
    packed = sorted(path.name for path in tmp_path.glob("*.gz"))
    assert packed == [f"api.log.{number}.gz" for number in range(1, logs.KEEP_FILES + 1)]
    assert gzip.decompress((tmp_path / "api.log.1.gz").read_bytes()).endswith(b"z\n")
    assert [text[0] for text in texts(tmp_path)] == ["3", "4", "5", "6", "7"]


def test_a_disk_that_is_full_costs_lines_and_is_told_once(
    log: LogFile, tmp_path: Path, troubles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "RETRY_DISK_S", 0.0)
    (tmp_path / "api.log").symlink_to("/dev/full")
    log.feed(b"lost\n")
    log.drain()
    (tmp_path / "api.log").unlink()
    log.feed(b"kept\n")
    log.drain()
    log.drain()
    assert troubles == ["", "No space left on device", ""]
    assert texts(tmp_path)[0] == "kept"
    assert texts(tmp_path)[1].startswith("[gavan] 1 lines dropped")


def test_a_file_that_was_moved_away_is_opened_anew(log: LogFile, tmp_path: Path) -> None:
    log.feed(b"old\n")
    log.drain()
    (tmp_path / "api.log").rename(tmp_path / "elsewhere")
    log.feed(b"new\n")
    log.drain()
    assert texts(tmp_path) == ["new"]


def test_since_grep_and_last_choose_lines(tmp_path: Path) -> None:
    stamps = ["10:00:00", "10:05:00", "10:10:00"]
    (tmp_path / "api.log").write_text("".join(f"2026-01-01T{at}.000Z at {at}\n" for at in stamps))
    since = parse_since("6m", datetime(2026, 1, 1, 10, 11, tzinfo=UTC))
    assert texts(tmp_path, Query(since=since)) == ["at 10:05:00", "at 10:10:00"]
    assert texts(tmp_path, Query(grep=re.compile("at 10:0"))) == ["at 10:00:00", "at 10:05:00"]
    assert texts(tmp_path, Query(last=1)) == ["at 10:10:00"]


def test_units_are_merged_by_time(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("2026-01-01T10:00:00.000Z 1\n2026-01-01T10:00:02.000Z 3\n")
    (tmp_path / "b.log").write_text("2026-01-01T10:00:01.000Z 2\n")
    merged = read_merged(tmp_path, units_with_logs(tmp_path), Query())
    assert [line.text for line in merged] == ["1", "2", "3"]


def test_following_survives_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    path.write_text("2026-01-01T10:00:00.000Z before\n")
    follower = Follower(tmp_path, ["api"])
    with path.open("a") as stream:
        stream.write("2026-01-01T10:00:01.000Z one\n2026-01-01T10:00:02.000Z ha")
    assert [line.text for line in follower.poll()] == ["one"]
    path.rename(tmp_path / "api.log.1")
    path.write_text("2026-01-01T10:00:03.000Z two\n")
    assert [line.text for line in follower.poll()] == ["two"]
