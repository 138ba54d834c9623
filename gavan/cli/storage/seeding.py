"""Upload what buckets shall hold from the start: `objects_path`, as `supabase seed buckets` does.

Stands under `up`, `dev`, `seed` and `db reset`. What differs is replaced; what the folder does not
have stays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from gavan.cli.context import Context
from gavan.cli.core_api import CoreApi
from gavan.cli.storage import sync
from gavan.cli.storage.address import Remote
from gavan.cli.storage.client import StorageClient
from gavan.cli.storage.local import is_folder, local_file
from gavan.cli.storage.meter import Meter
from gavan.cli.storage.transfer import How, Transfer, Upload, transfer_all

JOBS = 5
CACHE = "max-age=3600"
READY_S = 30.0
LOOK_S = 0.1


def upload_objects(context: Context, wanted: Mapping[str, Path]) -> int:
    """Bring buckets to what their folders, or single files, hold; return how many were uploaded.

    Raises:
        GavanError: GV247, a path is not there or cannot be read; GV240, nothing answers; GV248, or
            that of the one object, when the service refuses some.
    """
    core = CoreApi(context)
    _wait_until_ready(core)
    return asyncio.run(_upload(context, core, wanted))


def _wait_until_ready(core: CoreApi) -> None:
    """Return when storage answers, or may never: a core is up before its services are."""
    until = time.monotonic() + READY_S
    while core.call("GET", "/health/ready").status_code != 200 and time.monotonic() < until:
        time.sleep(LOOK_S)


async def _upload(context: Context, core: CoreApi, wanted: Mapping[str, Path]) -> int:
    how = How(jobs=JOBS, overwrite=True, cache_control=CACHE)
    async with StorageClient(core, jobs=JOBS) as client:
        copies: list[Transfer] = []
        for bucket, path in wanted.items():
            copies += await _missing(client, Remote(bucket, ""), path)
        if not copies:
            return 0
        size = sum(one.size for one in copies)
        meter = Meter(context.progress, "objects", files=len(copies), size=size)
        outcome = await transfer_all(client, copies, how, meter)
    outcome.raise_failures()
    return len(outcome.done)


async def _missing(client: StorageClient, bucket: Remote, path: Path) -> list[Transfer]:
    """Return the uploads that a bucket needs to hold what a folder, or the one file, holds."""
    sides = sync.Sides(here=path, there=bucket, is_upload=True)
    if not is_folder(path):
        file = local_file(path)
        there = await client.find(bucket.below(file.name))
        is_same = there is not None and await asyncio.to_thread(sync.is_same, file, there, sides)
        return [] if is_same else [Upload(source=file, target=bucket.below(file.name))]
    plan = await sync.make_plan(client, sides, jobs=JOBS)
    return list(plan.copies)
