"""Replacing a database while clients use it, killed at any moment, or held by somebody."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest

from gavan.backups import swap as module
from gavan.backups.swap import discard, kept_databases, name_before, swap
from gavan.database.embedded import ADMIN
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests.conftest import Database, drop_database
from tests.servers import wait_until

AT = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)
SWAPPING = """
import sys
from gavan.backups.swap import swap
from gavan.kit.secret import Secret
swap(Secret(sys.stdin.readline().strip()), sys.argv[1], sys.argv[2])
"""


@contextmanager
def pair(factory: Callable[[], Database]) -> Iterator[tuple[Database, Database, str]]:
    """Give an old and a new database that say which they are, and a name to keep the old by."""
    old, new = factory(), factory()
    for database, word in ((old, "old"), (new, "new")):
        with database.connect() as connection:
            connection.execute("create table says (word text)")
            connection.execute("insert into says values (%s)", (word,))
    kept = name_before(old.name, AT)
    try:
        yield old, new, kept
    finally:
        for name in sorted(names(old) - {old.name, new.name}):
            if name.startswith(old.name):
                drop_database(old.cluster, name)
        ensure(old)
        ensure(new)


def names(database: Database) -> set[str]:
    with database.cluster.connect() as connection:
        return {row[0] for row in connection.execute("select datname from pg_database")}


def ensure(database: Database) -> None:
    """Make what the fixture wants to drop."""
    if database.name not in names(database):
        with database.cluster.connect() as connection:
            connection.execute(f"create database {database.name}")


def says(database: Database, name: str | None = None) -> str:
    with database.cluster.connect("postgres", name or database.name) as connection:
        row = connection.execute("select word from says").fetchone()
    assert row is not None
    return str(row[0])


def test_the_new_one_has_the_name_and_the_old_one_is_kept(
    database_factory: Callable[[], Database],
) -> None:
    with pair(database_factory) as (old, new, kept):
        admin = Secret(old.url(ADMIN))
        assert swap(admin, new.name, kept).kept == kept
        assert (says(old), says(old, kept)) == ("new", "old")
        assert kept_databases(admin) == [kept]
        discard(admin, [kept])
        assert kept_databases(admin) == []


def test_it_works_where_there_is_no_old_one(database_factory: Callable[[], Database]) -> None:
    with pair(database_factory) as (old, new, kept):
        drop_database(old.cluster, old.name)
        assert swap(Secret(old.url(ADMIN)), new.name, kept).kept is None
        assert says(old) == "new"


def test_clients_that_come_again_at_once_do_not_stop_it(
    database_factory: Callable[[], Database],
) -> None:
    with pair(database_factory) as (old, new, kept):
        over = threading.Event()
        heard: list[str] = []

        def hammer() -> None:
            while not over.is_set():
                try:
                    heard.append(says(old))
                except psycopg.OperationalError:
                    continue  # disconnected, in whatever words; it comes again

        threads = [threading.Thread(target=hammer) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: "old" in heard)
            swap(Secret(old.url(ADMIN)), new.name, kept)
            wait_until(lambda: heard[-1] == "new")
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert heard == sorted(heard, reverse=True), "never the old one again"


def test_our_own_slots_go_with_the_swap_and_others_are_named(
    database_factory: Callable[[], Database],
) -> None:
    with pair(database_factory) as (old, new, kept):
        ours, theirs = f"supabase_realtime_replication_slot_{old.name}", f"theirs_{old.name}"
        with old.connect(ADMIN) as connection:
            for slot in (ours, theirs):
                connection.execute(
                    "select pg_create_logical_replication_slot(%s, 'pgoutput')", (slot,)
                )
        assert swap(Secret(old.url(ADMIN)), new.name, kept).slots == [theirs]
        discard(Secret(old.url(ADMIN)), [kept])


def test_what_cannot_be_disconnected_leaves_all_as_it_was(
    database_factory: Callable[[], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEADLINE_S", 0.0)
    with pair(database_factory) as (old, new, kept):
        with new.connect() as holder:
            holder.execute("select 1")
            with pytest.raises(GavanError) as caught:
                swap(Secret(old.url(ADMIN)), new.name, kept)
            assert caught.value.code == "GV434"
            assert "other session" in (caught.value.details or "")
        assert (says(old), says(new)) == ("old", "new")


def test_killed_between_the_two_renames_nothing_has_changed(
    database_factory: Callable[[], Database],
) -> None:
    with pair(database_factory) as (old, new, kept), new.connect() as holder:
        holder.execute("select 1")
        process = _start(old, new.name, kept)
        # The first is done and holds its lock; the second waits for the client of the new one.
        wait_until(lambda: _renaming(old, new.name))
        process.kill()
        process.wait()
        wait_until(lambda: not _renaming(old, new.name))
        assert (says(old), says(new)) == ("old", "new")


def test_killed_at_any_moment_there_is_one_whole_database_of_the_name(
    database_factory: Callable[[], Database],
) -> None:
    with pair(database_factory) as (old, new, kept):
        begun = time.monotonic()
        _start(old, new.name, kept).wait(60)
        took_s = time.monotonic() - begun
        assert (says(old), says(old, kept)) == ("new", "old")
        other = kept
        for step in range(5):
            process = _start(old, other, target := name_before(old.name, AT.replace(minute=step)))
            time.sleep(took_s * step / 4)  # the moment is what is tried here
            process.send_signal(signal.SIGKILL)
            process.wait()
            wait_until(lambda: not _renaming(old, ""))
            if target in names(old):
                other = target
            assert {says(old), says(old, other)} == {"old", "new"}
        assert kept_databases(Secret(old.url(ADMIN))) == [other]


def _start(old: Database, fresh: str, kept: str) -> subprocess.Popen[str]:
    """Begin a swap in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", SWAPPING, fresh, kept], stdin=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(old.url(ADMIN) + "\n")
    process.stdin.close()
    return process


def _renaming(database: Database, name: str) -> bool:
    """Say whether a swap renames this database now, or is connected at all."""
    with database.cluster.connect() as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity where application_name like 'gavan-swap%%'"
            " and starts_with(query, %s)",
            (f'alter database "{name}"' if name else "",),
        ).fetchone()
    return bool(row and row[0])
