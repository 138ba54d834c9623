"""All that two databases must have in common when one is the copy of the other."""

from __future__ import annotations

import subprocess
from typing import Any

from gavan.database.embedded import ADMIN
from gavan.database.migration.catalogue import read_schema
from gavan.database.programs import libpq_environment, program
from gavan.kit.secret import Secret
from tests.conftest import Cluster

# What the reader of schemas leaves out, because a migration does not make it.
_BESIDE = {
    "large objects": "select loid, pageno, data from pg_largeobject order by 1, 2",
    "rights on large objects": "select oid, lomowner::regrole, lomacl from pg_largeobject_metadata",
    "sequences": "select schemaname, sequencename, last_value from pg_sequences order by 1, 2",
    "event triggers": "select evtname, evtowner::regrole, evtenabled, evttags"
    " from pg_event_trigger order by 1",
    "publications": "select pubname, pubowner::regrole, puballtables from pg_publication"
    " order by 1",
    "published": "select * from pg_publication_tables order by 1, 2, 3",
    "extensions": "select extname, extversion, extnamespace::regnamespace, extowner::regrole"
    " from pg_extension order by 1",
    "owners": "select c.oid::regclass::text, relowner::regrole from pg_class c where relkind in"
    " ('r', 'v', 'm', 'S', 'p') and relnamespace::regnamespace::text not like 'pg\\_%' order by 1",
    "statistics": "select stxname, pg_get_statisticsobjdef(oid) from pg_statistic_ext order by 1",
    "not null": "select conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
    " from pg_constraint where contype = 'n' order by 1, 2",
    "members of extensions": "select pg_describe_object(refclassid, refobjid, refobjsubid),"
    " count(*) from pg_depend where deptype = 'e' group by 1 order by 1",
    "applied": "select version, checksum from gavan.system_migrations order by 1",
    "settings": "select setrole::regrole, setconfig from pg_db_role_setting as s"
    " join pg_database as d on d.oid = s.setdatabase where datname = current_database()"
    " order by 1",
    "rights on the database": "select a.grantor::regrole, a.grantee::regrole::text,"
    " a.privilege_type"
    " from pg_database, aclexplode(datacl) as a where datname = current_database() order by 2, 3",
    "owner": "select datdba::regrole, datconnlimit, encoding, datlocprovider, datlocale"
    " from pg_database where datname = current_database()",
    "comment": "select description from pg_shdescription"
    " join pg_database as d on d.oid = objoid where datname = current_database()",
    "lower": "select proleakproof from pg_proc where oid = 'pg_catalog.lower(text)'::regprocedure",
}


def schema_text(cluster: Cluster, name: str) -> dict[str, Any]:
    """Return what pg_dump says of every object: whatever else a catalogue has is in it."""
    done = subprocess.run(
        [program("pg_dump"), "--schema-only", "--restrict-key=same"],
        env=libpq_environment(Secret(cluster.url(ADMIN, name))),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    said: dict[str, Any] = {}
    for block in done.stdout.split("\n--\n-- Name: "):
        # The day's partitions of the messages come and go by themselves.
        if "messages_2" not in block:
            title, *lines = block.splitlines()
            # Rights are listed by the numbers of the roles, which are another server's.
            said[f"pg_dump of {title}"] = sorted([*said.get(f"pg_dump of {title}", []), *lines])
    return said


def catalogues(cluster: Cluster, name: str) -> dict[str, Any]:
    """Return everything, with the rows of every table."""
    with cluster.connect(ADMIN, name) as connection:
        found: dict[str, Any] = dict(read_schema(connection))
        connection.execute("set search_path = ''")
        for part, query in _BESIDE.items():
            rows = connection.execute(query.encode()).fetchall()
            found[part] = [row for row in rows if "realtime.messages_2" not in str(row[0])]
        tables = connection.execute(
            "select c.oid::regclass::text from pg_class as c join pg_namespace as n"
            " on n.oid = relnamespace where relkind in ('r', 'm') and nspname not like 'pg\\_%'"
            " and nspname <> 'information_schema' and not (nspname = 'realtime' and relispartition)"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(f"select t::text from {table} as t order by 1").fetchall()
            found[f"rows of {table}"] = rows
    return found | schema_text(cluster, name)


def differences(left: dict[str, Any], right: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what is not the same in both."""
    keys = sorted({*left, *right}, key=str)
    return {
        str(key): (left.get(key), right.get(key)) for key in keys if left.get(key) != right.get(key)
    }
