"""The shadow that a verb of `gavan migrate` asks for, beside the database of the stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gavan.database.access import Access
from gavan.database.migration.run import Report
from gavan.database.migration.shadow import shadow_database
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret


@contextmanager
def shadow_of(access: Access, report: Report) -> Iterator[Secret]:
    """Yield the URL of a shadow beside the database; raise GavanError GV332 where none can be."""
    if access.admin is None:
        raise GavanError(
            "GV332",
            "this server is not ours to make a shadow database on",
            hint="use a profile with the embedded engine (-p dev), or give GAVAN_DB_ADMIN_URL",
            exit_code=2,
        )
    report("shadow", "start", "")
    with shadow_database(access.admin, access.owner, access.passwords) as shadow:
        report("shadow", "ok", "an empty database with the system schemas")
        yield shadow
