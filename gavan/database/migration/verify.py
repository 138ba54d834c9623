"""Prove the migrations: replay them all on a shadow, and each down file there and back.

Stands on the shadow, the runner of one file and the catalogue. A migration that has a down file is
applied, taken back and applied again; the schema must be what it was at each of the three points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gavan.database.migration import history
from gavan.database.migration.catalogue import Difference, Schema, compare_schemas, read_schema
from gavan.database.migration.files import (
    MigrationFile,
    irreversible_reason,
    read_down,
    read_migrations,
)
from gavan.database.migration.history import Connection
from gavan.database.migration.lock import connect
from gavan.database.migration.parsed import Direction, Parsed, parse
from gavan.database.migration.replay import ALONE, add_progress, within_database
from gavan.database.migration.run import Report, run_file, silent
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A down file that does not lead back, or an up file that does not lead there twice."""

    version: str
    name: str
    direction: Direction
    path: Path
    differences: Sequence[Difference]


@dataclass(slots=True)
class Verified:
    """What was proved: versions replayed, those taken back and applied again, and what is wrong."""

    replayed: list[str] = field(default_factory=list)
    there_and_back: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """``file:line`` of statements about roles or the server, which a shadow must not repeat."""
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    up: Parsed
    down: Parsed | None


def verify(shadow: Secret, folder: Path, report: Report = silent) -> Verified:
    """Replay the migrations of ``folder`` in the empty database ``shadow``.

    Raises GavanError GV301-GV307 for files, and StatementError at file:line:column for a statement
    that fails on the way there, back, or there again.
    """
    verified = Verified()
    pairs = [_pair(file, folder, verified) for file in read_migrations(folder)]
    with connect(shadow, "verify") as connection:
        history.create_tables(connection)
        for number, pair in enumerate(pairs, start=1):
            step = pair.up.file.path.name
            report(step, "start", "")
            try:
                _replay(connection, pair, verified)
            except GavanError as error:
                report(step, "fail", "")
                add_progress(error, number, len(pairs))
                raise
            report(step, "ok", f"{number} of {len(pairs)}, {_shown(pair, verified)}")
    return verified


def _pair(file: MigrationFile, folder: Path, verified: Verified) -> _Pair:
    down = read_down(folder, file.version, file.name)
    back = None
    if isinstance(down, MigrationFile) and irreversible_reason(file.head) is None:
        parsed = parse(down, Direction.DOWN)
        back = None if parsed.is_empty else _keep(parsed, verified)
    return _Pair(up=_keep(parse(file), verified), down=back)


def _keep(parsed: Parsed, verified: Verified) -> Parsed:
    kept, left_out = within_database(parsed)
    verified.left_out += left_out
    return kept


def _replay(connection: Connection, pair: _Pair, verified: Verified) -> None:
    if pair.down is None:
        run_file(connection, pair.up, ALONE)
    else:
        before = read_schema(connection)
        run_file(connection, pair.up, ALONE)
        after = read_schema(connection)
        run_file(connection, pair.down, ALONE)
        _require_equal(connection, before, pair.down, verified)
        run_file(connection, pair.up, ALONE)
        _require_equal(connection, after, pair.up, verified)
        verified.there_and_back.append(pair.up.file.version)
    verified.replayed.append(pair.up.file.version)


def _require_equal(
    connection: Connection, wanted: Schema, parsed: Parsed, verified: Verified
) -> None:
    differences = compare_schemas(wanted, read_schema(connection))
    if differences:
        file = parsed.file
        verified.findings.append(
            Finding(
                version=file.version,
                name=file.name,
                direction=parsed.direction,
                path=file.path,
                differences=differences,
            )
        )


def _shown(pair: _Pair, verified: Verified) -> str:
    if pair.down is None:
        return "one way"
    version = pair.up.file.version
    is_bad = any(finding.version == version for finding in verified.findings)
    return "not the same afterwards" if is_bad else "there and back"
