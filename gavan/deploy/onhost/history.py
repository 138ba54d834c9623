"""The log of releases: lines that are only added, each with the digest of the one before.

Stands above files.py; the client reads and proves the same file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FIRST = "0" * 64


def digest_of(line: dict[str, Any]) -> str:
    """Return the digest of a line, over everything in it but the digest itself."""
    body = {name: value for name, value in line.items() if name != "hash"}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines; one that a power cut left half written is not among them."""
    try:
        return parse(path.read_text(encoding="utf-8").splitlines())
    except FileNotFoundError:
        return []


def parse(lines: Iterable[str]) -> list[dict[str, Any]]:
    found = []
    for text in lines:
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(line, dict):
            found.append(line)
    return found


def append(path: Path, line: dict[str, Any]) -> None:
    """Add a line, on the disk when this returns; a release is added once."""
    there = read(path)
    if any(old.get("id") == line["id"] and old.get("action") == line["action"] for old in there):
        return
    whole = {"v": 1, **line, "prev_hash": there[-1].get("hash", "") if there else FIRST}
    whole["hash"] = digest_of(whole)
    text = json.dumps(whole, sort_keys=True, ensure_ascii=False)
    with path.open("ab+") as file:
        # What a power cut left half written stays a line of its own.
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            text = text if file.read(1) == b"\n" else f"\n{text}"
        file.write(f"{text}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def broken(lines: list[dict[str, Any]], live: str = "") -> str:
    """Return what is wrong with the chain in a sentence, empty when it holds.

    Args:
        live: the release that serves, whose line must be there: a chain that lost its end holds.
    """
    before = FIRST
    for number, line in enumerate(lines, start=1):
        if line.get("prev_hash") != before:
            return f"line {number} ({line.get('id')}) does not follow the one before it"
        if line.get("hash") != digest_of(line):
            return f"line {number} ({line.get('id')}) was changed after it was written"
        before = line["hash"]
    if live and live not in {line.get("id") for line in lines}:
        return f"the line of {live}, which serves, is missing"
    return ""


def good(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the releases that came to serve, oldest first."""
    return [line for line in lines if line.get("id") and line.get("result") == "ok"
            and line.get("action") != "migrate"]  # fmt: skip
