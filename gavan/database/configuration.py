"""Text of postgresql.conf and pg_hba.conf, and the extension control files of one server.

Stands below the embedded server: values in, text out; only ``write_trusted_controls`` touches disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

# What Supabase lets the role postgres create (supabase/postgres: supautils privileged_extensions),
# as far as the bundled distribution has it.
TRUSTED_EXTENSIONS = frozenset(
    [
        "autoinc",
        "bloom",
        "btree_gin",
        "btree_gist",
        "citext",
        "cube",
        "dblink",
        "dict_int",
        "dict_xsyn",
        "earthdistance",
        "fuzzystrmatch",
        "hstore",
        "insert_username",
        "intarray",
        "isn",
        "lo",
        "ltree",
        "moddatetime",
        "pg_buffercache",
        "pg_prewarm",
        "pg_stat_statements",
        "pg_trgm",
        "pg_walinspect",
        "pgrowlocks",
        "pgstattuple",
        "postgres_fdw",
        "refint",
        "seg",
        "tablefunc",
        "tcn",
        "tsm_system_rows",
        "tsm_system_time",
        "unaccent",
        "vector",
    ]
)

_HBA = """# Written by gavan at every start; passwords everywhere, also on the socket.
local   all          all                 scram-sha-256
host    all          all  127.0.0.1/32   scram-sha-256
host    all          all  ::1/128        scram-sha-256
local   replication  all                 scram-sha-256
host    replication  all  127.0.0.1/32   scram-sha-256
"""
_HBA_OTHERS = """host    all          all  all            scram-sha-256
host    replication  all  all            scram-sha-256
"""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost", ""})


def render_hba(settings: Mapping[str, str]) -> str:
    """Return a whole pg_hba.conf: other machines may come where the settings have it listen."""
    addresses = settings.get("listen_addresses", "").split(",")
    is_closed = {address.strip() for address in addresses} <= _LOOPBACK
    return _HBA if is_closed else _HBA + _HBA_OTHERS


def memory_settings(limit: int) -> dict[str, str]:
    """Return the settings of a server that may use ``limit`` bytes and shares them with nobody."""
    megabytes = limit // 2**20
    return {
        "shared_buffers": f"{max(megabytes // 4, 16)}MB",
        "effective_cache_size": f"{max(megabytes * 6 // 10, 32)}MB",
        "maintenance_work_mem": f"{max(megabytes // 16, 16)}MB",
    }


def render_conf(
    *,
    port: int,
    socket_dir: Path,
    extension_dirs: tuple[Path, ...],
    max_connections: int,
    settings: Mapping[str, str],
) -> str:
    """Return a whole postgresql.conf for a laptop; ``settings`` of the stack file come last."""
    values = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(socket_dir),
        "max_connections": str(max_connections),
        "superuser_reserved_connections": "3",
        "password_encryption": "scram-sha-256",
        "huge_pages": "off",
        "shared_buffers": "48MB",
        "work_mem": "4MB",
        "maintenance_work_mem": "64MB",
        "autovacuum_max_workers": "2",
        "max_worker_processes": "8",
        "max_parallel_workers": "2",
        # No helper processes for reads: three fewer residents on a laptop's SSD.
        "io_method": "sync",
        "jit": "off",
        "wal_level": "logical",
        "max_wal_senders": "8",
        "max_replication_slots": "8",
        # A forgotten slot must not fill the disk.
        "max_slot_wal_keep_size": "1GB",
        "min_wal_size": "64MB",
        "max_wal_size": "512MB",
        "random_page_cost": "1.1",
        "shared_preload_libraries": "pg_stat_statements",
        "extension_control_path": os.pathsep.join([*map(str, extension_dirs), "$system"]),
        "timezone": "UTC",
        "log_timezone": "UTC",
        # As Supabase has it; the locale C alone would choose "simple", which stems nothing.
        "default_text_search_config": "pg_catalog.english",
        "datestyle": "ISO, MDY",
        "log_destination": "stderr",
        "logging_collector": "off",
        # No time in it: the engine stamps every line of every unit.
        "log_line_prefix": "[%p] %q%u@%d ",
        "log_checkpoints": "off",
        "lc_messages": "C",
    }
    if not os.access("/dev/shm", os.W_OK):  # noqa: S108 - a probe, nothing is written there
        values["dynamic_shared_memory_type"] = "mmap"
    values.update(settings)
    lines = [f"{name} = {_literal(value)}" for name, value in values.items()]
    return "# Written by gavan at every start; own settings: [database.settings].\n" + "".join(
        f"{line}\n" for line in lines
    )


def write_trusted_controls(source: Path, target: Path) -> None:
    """Write control files into ``target/extension`` that let role postgres create extensions.

    A control file found earlier in ``extension_control_path`` wins; ``directory`` points back to
    the scripts of the distribution in ``source``, so a dump still says only CREATE EXTENSION.
    """
    folder = target / "extension"
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(TRUSTED_EXTENSIONS):
        original = source / "extension" / f"{name}.control"
        if not original.is_file():
            continue
        kept = [
            line
            for line in original.read_text(encoding="utf-8").splitlines()
            if not re.match(r"\s*(trusted|superuser|directory)\s*=", line)
        ]
        kept += ["trusted = true", f"directory = {_literal(str(original.parent))}"]
        path = folder / f"{name}.control"
        path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")


def _literal(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n")
    return f"'{escaped}'"
