"""Replay migrations on a shadow: what of them may run there, and the schema they lead to.

Stands under ``verify`` and ``drift``, above the runner of one file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gavan.database.migration import history
from gavan.database.migration.catalogue import Schema, read_schema
from gavan.database.migration.files import MigrationFile
from gavan.database.migration.large import SINGLE, LargeStatements
from gavan.database.migration.lock import connect
from gavan.database.migration.parsed import Parsed, parse
from gavan.database.migration.run import Options, Report, run_file
from gavan.database.migration.server_wide import is_server_wide
from gavan.database.migration.split import place
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

# Nobody else is on a shadow: nothing to wait for, nothing to try again.
ALONE = Options(lock_timeout="0", retries=0)


def within_database(parsed: Parsed) -> tuple[Parsed, list[str]]:
    """Return the file without what reaches beyond its database, and ``file:line`` of that.

    The shadow shares its server, and so its roles, with the real database.
    """
    if parsed.large is not None:
        return _large_within_database(parsed, parsed.large)
    kept, left_out = [], []
    for statement in parsed.statements:
        if is_server_wide(statement):
            line, _ = place(parsed.file.text, statement.first)
            left_out.append(f"{parsed.file.path}:{line}")
        else:
            kept.append(statement)
    return replace(parsed, statements=kept), left_out


def _large_within_database(parsed: Parsed, large: LargeStatements) -> tuple[Parsed, list[str]]:
    numbers = [number for number in large.numbers(SINGLE) if is_server_wide(large.at(number))]
    left_out = [f"{parsed.file.path}:{large.first_place(number)[0]}" for number in numbers]
    return replace(parsed, statements=large.without(numbers)), left_out


def replay(shadow: Secret, files: Sequence[MigrationFile], report: Report) -> Schema:
    """Apply ``files`` in the empty database ``shadow``; return the schema that they make.

    Raises StatementError at file:line:column for a statement that fails there.
    """
    step = "replay"
    report(step, "start", "")
    parsed = [within_database(parse(file))[0] for file in files]
    with connect(shadow, "replay") as connection:
        history.create_tables(connection)
        for number, one in enumerate(parsed, start=1):
            try:
                run_file(connection, one, ALONE)
            except GavanError as error:
                report(step, "fail", one.file.path.name)
                add_progress(error, number, len(parsed))
                raise
        report(step, "ok", f"{len(parsed)} on a shadow database")
        return read_schema(connection)


def add_progress(error: GavanError, number: int, total: int) -> None:
    """Say in a failure that it happened on the shadow, and how far that got."""
    facts = f"on a shadow database, at migration {number} of {total}; the real one is untouched"
    error.details = "\n".join(filter(None, [error.details, facts]))
