"""`gavan backup restore --portable FOLDER`: a backup as files that any Supabase project takes.

Stands beside the restore: writes ``roles.sql``, ``schema.sql``, ``data.sql`` and the folder
``objects``. No owners, none of the platform's own schemas but the rows of users and buckets in
them; what a project added to those (triggers, policies) goes along.
"""

from __future__ import annotations

import errno
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from gavan.backups.archive import Archive, Entry, list_file
from gavan.backups.config_back import require_empty
from gavan.backups.objects import IndexEntry, read_index
from gavan.backups.put_back import Shelf
from gavan.backups.restore import Wish, archive_of, prove, require_logical, roles_of, ticking
from gavan.database.access import OWNER
from gavan.database.bootstrap import system_files
from gavan.database.identifier import quote_identifier
from gavan.database.migration.history import CREATE_HISTORY, CREATE_SEEDS
from gavan.database.migration.split import split
from gavan.kit.size import in_bytes

# Made by the platform, as the supabase CLI leaves them out (supabase/cli: pkg/migration/dump.go).
INTERNAL = frozenset({
    "_analytics", "_realtime", "_supavisor", "auth", "cron", "dbdev", "etl", "extensions", "gavan",
    "graphql", "graphql_public", "net", "pgbouncer", "pgmq", "pgsodium", "pgsodium_masks", "pgtle",
    "realtime", "repack", "storage", "supabase_functions", "supabase_migrations", "tiger",
    "tiger_data", "topology", "vault",
})  # fmt: skip
_RESERVED = re.compile(
    r"anon|authenticated|authenticator|dashboard_user|pgbouncer|postgres|service_role"
    r"|supabase_.*|pg_.*|pgsodium_.*|pgtle_admin"
)
# Only a superuser may say these of a role, even in the negative.
_SUPERUSER_WORDS = frozenset({"superuser", "isreplication", "bypassrls"})
_ROWS = frozenset({
    "storage.buckets", "supabase_migrations.schema_migrations", "supabase_migrations.seed_files",
})  # fmt: skip
_NOT_ROWS = frozenset({"auth.schema_migrations"})
_NEVER = frozenset({
    "EVENT TRIGGER", "SUBSCRIPTION", "SUBSCRIPTION TABLE", "FOREIGN DATA WRAPPER", "SERVER",
    "USER MAPPING", "PROCEDURAL LANGUAGE", "ACCESS METHOD", "SCHEMA", "STATISTICS DATA",
})  # fmt: skip
_TRIGGER = re.compile(r"^create trigger (\w+)", re.MULTILINE)
# Words to psql, and a setting that Postgres below 17 does not know.
_HEAD_LINES = (b"\\restrict ", b"\\unrestrict ", b"SET transaction_timeout = 0;")
NAMED = 10


@dataclass(slots=True, kw_only=True)
class Written:
    """Files that were written; ``lost`` are the first objects that none of them holds."""

    backup: str
    folder: Path
    files: list[Path] = field(default_factory=list)
    objects: int = 0
    bytes: int = 0
    lost_count: int = 0
    lost: list[str] = field(default_factory=list)


def write_portable(wish: Wish, folder: Path) -> Written:
    """Write a whole logical backup into an empty folder; nothing of the stack is touched.

    Raises GavanError: GV447 the folder is not empty, GV441 the backup is damaged, GV412 no key.
    """
    require_logical(wish.made)
    prove(wish)
    require_empty(folder)
    written = Written(backup=wish.made.id, folder=folder)
    _write_sql(wish, written)
    if wish.with_objects:
        _write_objects(wish, written)
    return written


def portable_entries(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries that a project of its own makes of a dump; pure."""
    own = {e.name for e in entries if e.kind == "SCHEMA"} - INTERNAL | {"public"}
    system = _system_triggers()
    return [entry for entry in entries if _is_portable(entry, own, system)]


def _write_sql(wish: Wish, written: Written) -> None:
    report, folder = wish.report, written.folder
    report("sql", "start", "")
    heard = ticking(report, "sql", str)
    archive = archive_of(wish.folder, wish.made, wish.opener, wish.jobs, heard)
    entries = archive.entries()
    # In the order in which they are to be loaded.
    written.files.append(write_roles(roles_of(wish.folder, wish.made, wish.opener), folder))
    written.files += write_sql(
        archive, entries, portable_entries(entries), folder, head=[*CREATE_HISTORY, *CREATE_SEEDS]
    )
    report("sql", "ok", in_bytes(sum(path.stat().st_size for path in written.files)))


def write_sql(
    archive: Archive,
    entries: Sequence[Entry],
    kept: Sequence[Entry],
    folder: Path,
    *,
    head: Sequence[str] = (),
) -> list[Path]:
    """Write ``schema.sql``, beginning with ``head``, and ``data.sql`` of the ``kept`` entries."""
    schema, data = folder / "schema.sql", folder / "data.sql"
    own = sorted({e.name for e in entries if e.kind == "SCHEMA"} - INTERNAL)
    schemas = [f"CREATE SCHEMA IF NOT EXISTS {quote_identifier(name)}" for name in own]
    _write(archive, schema, [e for e in kept if not e.has_data], [*schemas, *head])
    _write(
        archive, data, [e for e in kept if e.has_data], ["SET session_replication_role = replica"]
    )
    return [schema, data]


def write_roles(text: str, folder: Path) -> Path:
    """Write ``roles.sql``: of a dump of globals the project's own roles."""
    path = folder / "roles.sql"
    path.write_text("".join(_roles(text)), "utf-8")
    return path


def _write(archive: Archive, path: Path, entries: Sequence[Entry], head: Sequence[str]) -> None:
    with list_file(entries) as name, tempfile.TemporaryFile() as raw, path.open("wb") as target:
        archive.write(raw, "--no-owner", "--use-list", name, "--file", "-")
        raw.seek(0)
        target.write("".join(f"{statement};\n" for statement in head).encode())
        _copy_without_words_to_psql(raw, target)
        target.write(b"RESET ALL;\n")


def _copy_without_words_to_psql(source: IO[bytes], target: IO[bytes]) -> None:
    # A row never begins like that: pg_dump doubles its backslashes.
    for line in source:
        if not line.startswith(_HEAD_LINES):
            target.write(line)


def _is_portable(entry: Entry, own: set[str], system: frozenset[str]) -> bool:
    if entry.kind in _NEVER:
        return False
    if entry.schema == "-":
        return _is_portable_without_schema(entry, own)
    if entry.schema in own:
        # Default rights of the superuser's own objects are the platform's.
        return entry.kind != "DEFAULT ACL" or entry.owner == OWNER
    if entry.kind in ("TABLE DATA", "SEQUENCE SET"):
        is_of_users = entry.schema == "auth" and entry.title not in _NOT_ROWS
        return is_of_users or entry.title in _ROWS
    table, _, name = entry.name.partition(" ")
    if entry.schema not in INTERNAL or not table:
        return False
    return entry.kind == "POLICY" or (entry.kind == "TRIGGER" and name not in system)


def _is_portable_without_schema(entry: Entry, own: set[str]) -> bool:
    match entry.kind:
        case "EXTENSION":
            return True
        case "PUBLICATION":
            return entry.owner == OWNER and not entry.name.startswith("supabase_")
        case "ACL" | "COMMENT":
            kind, _, name = entry.name.partition(" ")
            return kind == "SCHEMA" and name in own and entry.kind == "ACL"
        case "BLOBS" | "BLOB METADATA" | "CAST" | "DEFAULT ACL":
            return entry.kind != "DEFAULT ACL" or entry.owner == OWNER
    return False


def _system_triggers() -> frozenset[str]:
    """Return the triggers that our system schemas have by themselves, as Supabase's do."""
    return frozenset(name for file in system_files() for name in _TRIGGER.findall(file.text))


def _roles(text: str) -> Iterator[str]:
    """Yield the statements of a dump of globals that make the project's own roles."""
    from pglast.stream import RawStream  # noqa: PLC0415 - slow to load

    for statement in split(text):
        tree = None if statement.is_comment else _own_role(statement.own_tree())
        if tree is not None:
            yield f"{RawStream()(tree)};\n"


def _own_role(tree: Any) -> Any:
    """Return the tree of a statement about a role of the project, as its owner may say it."""
    match type(tree).__name__:
        case "CreateRoleStmt" if not _RESERVED.fullmatch(tree.role):
            return tree
        case "AlterRoleStmt" if not _RESERVED.fullmatch(tree.role.rolename):
            tree.options = tuple(o for o in tree.options if o.defname not in _SUPERUSER_WORDS)
            return tree
        case "AlterRoleSetStmt" if tree.role and not _RESERVED.fullmatch(tree.role.rolename):
            return tree
        case "GrantRoleStmt" if not _RESERVED.fullmatch(tree.grantee_roles[0].rolename):
            tree.grantor = None
            return tree
    return None


def _write_objects(wish: Wish, written: Written) -> None:
    wish.report("objects", "start", "")
    total = wish.made.objects.count
    heard = ticking(wish.report, "objects", lambda done: f"{done} of {total}")
    shelf = Shelf(repository=wish.repository, opener=wish.opener)
    for entry in read_index(wish.folder, wish.made.files, wish.opener):
        if entry.blob is None or not _write_object(shelf, entry, written.folder / "objects"):
            written.lost_count += 1
            written.lost += [f"{entry.bucket}/{entry.name}"] if len(written.lost) < NAMED else []
            continue
        written.objects += 1
        written.bytes += entry.blob.bytes
        heard(written.objects)
    wish.report("objects", "warn" if written.lost_count else "ok", f"{written.objects} of {total}")


def _write_object(shelf: Shelf, entry: IndexEntry, root: Path) -> bool:
    """Write an object under its name; False when no file can have it."""
    path = _path(root, entry)
    if path is None:
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            shelf.fill(entry, file)
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        return False  # an object named like the folder of others
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False
    return True


def _path(root: Path, entry: IndexEntry) -> Path | None:
    """Return where an object goes; None for a name that would lead out of the folder."""
    path = root / entry.bucket / entry.name
    is_inside = path.resolve().is_relative_to(root.resolve()) and "\0" not in entry.name
    return path if is_inside and path != root / entry.bucket else None
