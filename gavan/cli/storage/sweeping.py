"""The sweep as a verb runs it: in this process, on the database and the store of blobs themselves.

The core need not run; where it does, what it is storing is younger than the safety age.
"""

from __future__ import annotations

import logging

from gavan.cli.context import Context
from gavan.cli.database import reach
from gavan.core.storage.config import StorageConfig, read_config
from gavan.core.storage.errors import StorageError
from gavan.core.storage.providers import open_provider
from gavan.core.storage.store import Store
from gavan.core.storage.sweep import Swept, sweep
from gavan.database.embedded import passwords_by_role
from gavan.database.pool import Pool
from gavan.database.session import DatabaseError, PoolTimeout
from gavan.engines.embedded.environment import STORAGE_ADMIN, External, reveal
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.kit.size import in_bytes
from gavan.secrets.keys import load_or_create_keys

CONNECTIONS = 2


async def run(context: Context, *, safety_s: float, delete: bool) -> Swept:
    """Compare blobs and rows; see ``gavan.core.storage.sweep``.

    Raises:
        GavanError: GV321, no connection to the database; GV730, the store of blobs failed.
    """
    # What the pool would log is said once, by the error.
    logging.getLogger("gavan").addHandler(logging.NullHandler())
    config, url = _place(context)
    store = Store(Pool(url, size=CONNECTIONS, application_name="gavan sweep"))
    provider = open_provider(config)
    await store.open()
    try:
        return await sweep(store, provider, safety_s=safety_s, delete=delete)
    except StorageError as error:
        raise _translated(error) from error
    finally:
        await provider.close()
        await store.close()


def as_data(swept: Swept) -> dict[str, object]:
    """Return what machines are told."""
    return {
        "deleted": swept.is_deleted,
        "blobs": swept.blobs,
        "orphans": {"count": swept.orphans, "bytes": swept.orphan_bytes},
        "unfinished": {"count": swept.unfinished, "bytes": swept.unfinished_bytes},
        "missing": {"count": swept.missing, "names": swept.missing_names},
    }


def as_text(swept: Swept) -> str:
    """Return what people are shown."""
    if not has_work(swept):
        return f"{swept.blobs} blobs, each with its row; no abandoned uploads"
    orphans = f"{swept.orphans} blobs that no row names ({in_bytes(swept.orphan_bytes)})"
    uploads = f"{swept.unfinished} abandoned uploads ({in_bytes(swept.unfinished_bytes)})"
    found = f"of {swept.blobs} blobs: {orphans}, {uploads}"
    return f"{found}: removed" if swept.is_deleted else f"{found}; remove them: --delete"


def has_work(swept: Swept) -> bool:
    """Say whether there is anything to remove."""
    return bool(swept.orphans or swept.unfinished)


def _place(context: Context) -> tuple[StorageConfig, Secret]:
    stack, access = reach(context)
    folder = str(stack.state_dir / "storage")
    environ = {"FILE_STORAGE_BACKEND_PATH": folder, **reveal(stack.core.storage)}
    if stack.database.external_url is None:
        return read_config(environ), access.url(STORAGE_ADMIN)
    passwords = passwords_by_role(load_or_create_keys(stack))
    outside = External(admin=stack.database.external_url, passwords=passwords)
    return read_config(environ), outside.url(STORAGE_ADMIN)


def _translated(error: StorageError) -> GavanError:
    """Return the failure of Postgres in the words of the command line, not of the protocol."""
    cause = error.__cause__
    if not isinstance(cause, DatabaseError | PoolTimeout):
        return error
    return GavanError(
        "GV321",
        f"the database cannot be asked: {cause.message}",
        details=cause.details,
        hint="gavan up, or gavan status",
        exit_code=3,
    )
