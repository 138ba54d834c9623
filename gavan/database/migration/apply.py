"""Apply what is pending, and tell what is: the two questions every start of a stack asks.

Stands on the files, the history, the lock and the runner of one file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gavan.database.migration import history
from gavan.database.migration.archive import archived_versions
from gavan.database.migration.files import MigrationFile, read_migrations, sql_files
from gavan.database.migration.history import Connection
from gavan.database.migration.hollow import hollow_versions
from gavan.database.migration.leftover import left_over
from gavan.database.migration.lock import connect, migration_lock
from gavan.database.migration.parsed import Parsed, parse
from gavan.database.migration.plan import Entry, State, choose, compare, pending
from gavan.database.migration.run import Options, run_file
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

_MAY_BE_HOLLOW = (State.APPLIED, State.REFORMATTED)


def migrate(url: Secret, folder: Path, options: Options) -> list[str]:
    """Apply what is pending in ``folder`` as the role of ``url``; return the versions applied.

    All files are parsed before the first is applied. Raises GavanError: GV301-GV307 for files,
    GV308-GV310 for history, GV312 and GV313 for the lock, GV321 no connection, GV346 and GV347 for
    a server that takes no changes, GV230 for an extension that it lacks, GV333 and GV337 for what
    ``options`` choose, what its gate raises, and StatementError at file:line:column for a statement
    that failed; the files before it stay applied, nothing of its own file does.
    """
    files = read_migrations(folder)  # what is wrong with one is said before anything is asked
    with (
        migration_lock(
            url, wait_s=options.wait_s, waiting=lambda who: options.report("lock", "warn", who)
        ) as lock,
        connect(url, "migrate") as connection,
    ):
        parsed = _pending(connection, folder, files, options)
        if not parsed:
            return []
        options.gate(connection, parsed)
        history.create_tables(connection)
        applied = []
        try:
            for one in parsed:
                lock.require()
                if run_file(connection, one, options):
                    applied.append(one.file.version)
        finally:
            if applied and not connection.closed:
                connection.execute("notify pgrst, 'reload schema'")
        for line in left_over(connection) if applied else ():
            options.report("left over", "warn", line)
    return applied


def require_files(folder: Path) -> None:
    """Raise GavanError GV343 when the folder holds no migration: then "up to date" says nothing.

    The supabase CLI says it in a directory without its folder, and the job of a CI is green (D7).
    """
    if not sql_files(folder):
        raise GavanError(
            "GV343",
            f"0 local migration files in {folder}",
            hint="the right directory? the first one: gavan migrate new NAME",
            exit_code=2,
        )


def plan_up(url: Secret, folder: Path, options: Options) -> list[Parsed]:
    """Return what ``migrate`` would apply now; reads only, raises as it does before its gate."""
    files = read_migrations(folder)
    with connect(url, "plan") as connection:
        return _pending(connection, folder, files, options)


def _pending(
    connection: Connection, folder: Path, files: Sequence[MigrationFile], options: Options
) -> list[Parsed]:
    entries = compare(files, history.read_applied(connection))
    wanted = pending(entries, order=options.order, squashed=archived_versions(folder))
    chosen = choose(wanted, entries, to=options.to, phase=options.phase)
    parsed = [parse(file) for file in chosen]
    _require_extensions(connection, chosen)
    for one in parsed[1:]:
        # Of the first nothing is kept unless all of it parses: it may be parsed while it runs.
        if one.large is not None:
            one.large.find()
    return parsed


def _require_extensions(connection: Connection, files: Sequence[MigrationFile]) -> None:
    """Raise GavanError GV230 when the server lacks an extension that a file says it requires."""
    wanted = {name: file for file in reversed(files) for name in file.requires}
    if not wanted:
        return
    rows = connection.execute(
        "select name from unnest(%s::text[]) as w (name)"
        " where name not in (select name from pg_available_extensions) order by name",
        ([*wanted],),
    ).fetchall()
    for (name,) in rows:
        error = GavanError(
            "GV230",
            f"{wanted[name].path.name} requires the extension {name}, which this server does not"
            " have; nothing was applied",
            hint="install it on the server, or take an engine whose image has it",
            exit_code=3,
        )
        error.where = f"{wanted[name].path}:1:1"
        raise error


def status(url: Secret, folder: Path) -> list[Entry]:
    """Return the verdict on every version, and who applied it; reads only.

    Only here an applied version may be hollow: ``migrate`` need not look for it.
    """
    files = read_migrations(folder)
    with connect(url, "status") as connection:
        applied = history.read_applied(connection)
        hollow = hollow_versions(connection, applied)
        done = history.read_done(connection) if applied else {}
    return [
        replace(
            entry,
            state=State.HOLLOW
            if entry.version in hollow and entry.state in _MAY_BE_HOLLOW
            else entry.state,
            done=done.get(entry.version) if entry.applied else None,
        )
        for entry in compare(files, applied)
    ]
