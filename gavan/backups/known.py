"""What was stored, and what arrived elsewhere, so that it is not read or sent again.

A cache beside the backups, in SQLite: losing it costs time and room, never a backup. Names of
objects are not in it; versions are, which say nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import orjson

FILE = "known.sqlite"
_TABLES = (
    "create table if not exists stored (version text, sealing text, stored text, stored_bytes int,"
    " clear text, bytes int, primary key (version, sealing)) without rowid",
    "create index if not exists stored_clear on stored (clear, sealing)",
    "create table if not exists arrived (place text, key text, sha256 text,"
    " primary key (place, key)) without rowid",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlob:
    """Bytes of a version: digest and size as they are stored, and in clear."""

    stored: str
    stored_bytes: int
    clear: str
    bytes: int


class Known:
    """The cache of one folder of backups; a damaged one is begun anew."""

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        try:
            self._base = self._open(path)
        except sqlite3.DatabaseError:
            path.unlink(missing_ok=True)
            self._base = self._open(path)

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        # Used by one thread at a time, and not always by the one that opened it.
        base = sqlite3.connect(path, check_same_thread=False)
        try:
            # Losing the last moments costs nothing but reading again.
            base.execute("pragma synchronous = off")
            for statement in _TABLES:
                base.execute(statement)
            base.commit()
        except BaseException:
            base.close()
            raise
        return base

    def blobs(self, versions: Iterable[str], sealing: str) -> dict[str, StoredBlob]:
        """Return what is known of versions under a sealing; their files may be gone since."""
        return self._found(
            "select version, stored, stored_bytes, clear, bytes from stored"
            " where sealing = ? and version in (select value from json_each(?))",
            (sealing, _listed(versions)),
        )

    def same_bytes(self, clear: Iterable[str], sealing: str) -> dict[str, StoredBlob]:
        """Return, by their clear digests, bytes that other versions brought before."""
        return self._found(
            "select clear, stored, stored_bytes, clear, bytes from stored"
            " where sealing = ? and clear in (select value from json_each(?))",
            (sealing, _listed(clear)),
        )

    def _found(self, query: str, values: tuple[str, str]) -> dict[str, StoredBlob]:
        return {
            str(name): StoredBlob(stored=stored, stored_bytes=size, clear=clear, bytes=clear_size)
            for name, stored, size, clear, clear_size in self._base.execute(query, values)
        }

    def remember(self, sealing: str, blobs: Iterable[tuple[str, StoredBlob]]) -> None:
        """Keep what versions are stored as."""
        self._base.executemany(
            "insert or replace into stored values (?, ?, ?, ?, ?, ?)",
            [(v, sealing, b.stored, b.stored_bytes, b.clear, b.bytes) for v, b in blobs],
        )
        self._base.commit()

    def clear_bytes(self) -> int:
        """Return how large the objects are that were stored, before they were sealed."""
        row = self._base.execute("select coalesce(sum(bytes), 0) from stored").fetchone()
        return int(row[0])

    def forget(self, digests: Iterable[str]) -> None:
        """Drop stored bytes that were removed."""
        self._base.executemany("delete from stored where stored = ?", [(d,) for d in digests])
        self._base.commit()

    def has_arrived(self, place: str, key: str, sha256: str) -> bool:
        """Say whether these bytes were read back at a place under this key."""
        row = self._base.execute(
            "select 1 from arrived where place = ? and key = ? and sha256 = ?",
            (place, key, sha256),
        ).fetchone()
        return row is not None

    def arrived(self, place: str, arrivals: Iterable[tuple[str, str]]) -> None:
        """Keep the keys and digests of what was read back at a place."""
        self._base.executemany(
            "insert or replace into arrived values (?, ?, ?)",
            [(place, key, sha256) for key, sha256 in arrivals],
        )
        self._base.commit()

    def close(self) -> None:
        self._base.close()


def _listed(names: Iterable[str]) -> str:
    return orjson.dumps(list(names)).decode()
