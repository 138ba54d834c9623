"""A logical backup: dump, row counts, objects and configuration of one moment.

Stands between the run and its parts. The dump works in a thread while rows are counted and objects
are copied; whoever fails first stops the other.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from gavan.backups.blobs import blobs_of
from gavan.backups.config_set import store_config
from gavan.backups.dump import (
    PROMISED,
    Dump,
    check_folder,
    dump_database,
    dump_globals,
    left_out,
    programs,
)
from gavan.backups.making import Content, Making
from gavan.backups.model import NO_OBJECTS, Heard, ObjectTotals, Report, RowCount, StoredFile
from gavan.backups.objects import Copied, ObjectStore
from gavan.backups.snapshot import Facts, Snapshot, open_snapshot
from gavan.backups.space import estimate, require_room, room_at
from gavan.backups.stop import Stop
from gavan.kit.size import in_bytes

TICK_S = 0.25
NAMED = 10
DUMP, ROWS, OBJECTS, CONFIG = "database", "rows", "objects", "configuration"


def make_logical(on: Making) -> Content:
    """Write the files of a logical backup into ``on.folder``; see run.py for what it raises."""
    with open_snapshot(on.url) as snapshot:
        programs(snapshot.facts.major)
        _require_room(on, snapshot)
        stop = Stop()
        stop.at_once(snapshot.cancel)
        with ThreadPoolExecutor(1, thread_name_prefix="dump") as pool:
            dump = pool.submit(_dump, on, snapshot, stop)
            try:
                rows = _rows(on, snapshot, stop)
                copied = _objects(on, snapshot, stop)
                files = dump.result()
            except BaseException:
                stop.set()
                _raise_first(dump)
                raise
        return _content(on, snapshot, [*files, *copied.files], rows, copied)


def _content(
    on: Making,
    snapshot: Snapshot,
    files: list[StoredFile],
    rows: Mapping[str, RowCount],
    copied: Copied,
) -> Content:
    facts = snapshot.facts
    on.report(CONFIG, "start", "")
    config = store_config(on.stack, on.folder, on.sealer)
    on.report(CONFIG, "ok", in_bytes(config.bytes))
    return Content(
        **_server(facts),
        files=(*files, config),
        rows=rows,
        schema_hash=facts.schema_hash,
        migration_head=facts.migration_head,
        extensions=facts.extensions,
        roles=facts.roles,
        objects=copied.totals,
        config=True,
        warnings=tuple(_warnings(snapshot, copied)),
    )


def _server(facts: Facts) -> dict[str, Any]:
    return {
        "server_version": facts.server_version,
        "system_identifier": facts.system_identifier,
        "timeline": facts.timeline,
        "lsn_start": facts.lsn,
        "lsn_end": facts.lsn,
        "database": facts.database,
        "database_bytes": facts.database_bytes,
    }


def _raise_first(dump: Future[list[StoredFile]]) -> None:
    """Raise why the dump failed: what stopped the others is then no news."""
    error = dump.exception()
    if error is not None and getattr(error, "code", "") != "GV006":
        raise error


def _require_room(on: Making, snapshot: Snapshot) -> None:
    objects = 0
    if on.stack.backup.objects:
        objects = max(0, snapshot.object_bytes() - _stored_objects(on))
    needed = estimate(
        last=on.last_bytes,
        database_bytes=snapshot.facts.database_bytes,
        new_objects=objects,
    )
    require_room(room_at(on.repository.root), needed, on.repository.root)


def _stored_objects(on: Making) -> int:
    return on.known.clear_bytes()


def _dump(on: Making, snapshot: Snapshot, stop: Stop) -> list[StoredFile]:
    facts = snapshot.facts
    on.report(DUMP, "start", f"{in_bytes(facts.database_bytes)} on the server")
    what = Dump(
        url=on.url,
        snapshot=snapshot.id,
        folder=on.folder,
        sealer=on.sealer,
        left_out=left_out(snapshot),
        stop=stop,
        heard=_ticking(on.report, DUMP, on.last_bytes),
    )
    try:
        files = dump_database(what, facts.major)
        files.append(dump_globals(on.url, facts.major, on.folder, on.sealer))
        check_folder(what, facts.major)
    except BaseException:
        on.report(DUMP, "fail", "")
        stop.set()
        raise
    on.report(DUMP, "ok", in_bytes(sum(file.bytes for file in files)))
    return files


def _rows(on: Making, snapshot: Snapshot, stop: Stop) -> dict[str, RowCount]:
    on.report(ROWS, "start", "")
    rows: dict[str, RowCount] = {}
    said = time.monotonic()
    for number, table in enumerate(snapshot.tables, start=1):
        stop.check()
        counted = None if table.title in PROMISED else snapshot.count(table)
        if counted is not None:
            rows[table.title] = counted
        if time.monotonic() - said > TICK_S:
            on.report(ROWS, "tick", f"{number} of {len(snapshot.tables)} tables")
            said = time.monotonic()
    total = sum(row.count for row in rows.values())
    on.report(ROWS, "ok", f"{total:,} in {len(rows)} tables")
    return rows


def _objects(on: Making, snapshot: Snapshot, stop: Stop) -> Copied:
    if not on.stack.backup.objects:
        return Copied(totals=NO_OBJECTS, files=[], absent=[])
    on.report(OBJECTS, "start", "")
    store = ObjectStore(
        repository=on.repository,
        blobs=blobs_of(on.stack),
        sealer=on.sealer,
        known=on.known,
        stop=stop,
        heard=_ticking(on.report, OBJECTS, None),
    )
    copied = store.copy(snapshot.objects(), on.folder)
    on.report(OBJECTS, "warn" if copied.totals.absent else "ok", _said(copied.totals))
    return copied


def _said(totals: ObjectTotals) -> str:
    text = f"{totals.count:,}, new: {in_bytes(totals.new_bytes)}"
    return f"{text}, {totals.absent} without bytes" if totals.absent else text


def _warnings(snapshot: Snapshot, copied: Copied) -> list[str]:
    warnings = []
    hidden = [table.title for table in left_out(snapshot)]
    if hidden:
        warnings.append(
            f"{len(hidden)} tables are not in it, the role may not read them: {_named(hidden)}"
        )
    if copied.totals.absent:
        warnings.append(
            f"{copied.totals.absent} objects have no bytes: {_named(copied.absent)};"
            " gavan storage sweep tells more"
        )
    return warnings


def _named(names: list[str]) -> str:
    return ", ".join([*names[:NAMED], *(["..."] if len(names) > NAMED else [])])


def _ticking(report: Report, step: str, expected: int | None) -> Heard:
    """Return what tells the bytes of a step now and then."""
    said = time.monotonic()

    def heard(done: int) -> None:
        nonlocal said
        if time.monotonic() - said < TICK_S:
            return
        said = time.monotonic()
        of = f" of about {in_bytes(expected)}" if expected else ""
        report(step, "tick", f"{in_bytes(done)}{of}")

    return heard
