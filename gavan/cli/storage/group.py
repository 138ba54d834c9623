"""`gavan storage ls | cp | mv | rm | sync | buckets | sweep`: objects of a running stack.

The names, flags and meanings of ls, cp, mv and rm are those of `supabase storage`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import click

from gavan.cli.context import Context
from gavan.cli.core_api import CoreApi
from gavan.cli.flags import Duration
from gavan.cli.render import Result, table
from gavan.cli.storage import copying, listing, removing, sync
from gavan.cli.storage.address import Remote, parse, parse_remote, shown
from gavan.cli.storage.buckets import list_buckets
from gavan.cli.storage.client import StorageClient
from gavan.cli.storage.declared import declared_buckets
from gavan.cli.storage.meter import Meter
from gavan.cli.storage.transfer import How, Outcome, Transfer, transfer_all
from gavan.cli.verb import VerbGroup
from gavan.kit.errors import GavanError
from gavan.kit.size import in_bytes

JOBS = 4
MOST_JOBS = 64
SLOWEST_UPLOAD_S = 3600
SHOWN = 40
DEFAULT_CACHE = "max-age=3600"

_RECURSIVE = click.option("-r", "--recursive", is_flag=True, help="A folder with all below it.")
_JOBS = click.option(
    "-j", "--jobs", type=click.IntRange(1, MOST_JOBS), default=JOBS, show_default=True,
    help="Copies at a time.",
)  # fmt: skip
_CACHE = click.option(
    "--cache-control", default=DEFAULT_CACHE, show_default=True,
    help="Header that uploaded objects are served with.",
)  # fmt: skip
_MIME = click.option("--content-type", default="", help="Type of what is uploaded; default: by "
                     "the ending of the name.")  # fmt: skip

group = VerbGroup(
    "storage",
    help="Look after the objects of a running stack. Addresses are ss:///bucket/path. Buckets are "
    "made by the stack file: [core.storage.buckets.<name>].",
    examples=[
        "gavan storage buckets",
        "gavan storage ls ss:///avatars/",
        "gavan storage cp report.pdf ss:///files/2026/report.pdf",
        "gavan storage sync ./dist ss:///web",
    ],
)


@group.verb(
    "ls",
    examples=[
        "gavan storage ls",
        "gavan storage ls ss:///files/2026/",
        "gavan storage ls -r -l ss:///files",
    ],
)
@click.argument("address", required=False, default="ss:///")
@_RECURSIVE
@click.option("-l", "--long", "is_long", is_flag=True, help="With size and time.")
def ls(context: Context, address: str, recursive: bool, is_long: bool) -> Result:
    """List buckets, or what begins with a path: folders end in a slash."""
    where = parse_remote(address)

    async def find() -> list[listing.Item]:
        async with StorageClient(CoreApi(context)) as client:
            return await listing.find(client, where, recursive=recursive)

    found = asyncio.run(find())
    return Result(
        data=[listing.as_data(item) for item in found],
        text=lambda style: listing.as_text(found, style, is_long=is_long),
    )


@group.verb(
    "cp",
    examples=[
        "gavan storage cp readme.md ss:///docs/readme.md",
        "gavan storage cp -r dist ss:///web/dist",
        "gavan storage cp -r ss:///web/dist .",
        "gavan storage cp ss:///docs/readme.md ss:///archive/readme.md",
    ],
)
@click.argument("source")
@click.argument("target")
@_RECURSIVE
@_JOBS
@_CACHE
@_MIME
@click.option("--overwrite", is_flag=True, help="Replace what is there; -r does so anyway.")
def cp(context: Context, source: str, target: str, **given: Any) -> Result:
    """Copy to, from or inside the storage of the stack."""
    how = How(
        jobs=given["jobs"],
        overwrite=given["overwrite"] or given["recursive"],
        mime=given["content_type"],
        cache_control=given["cache_control"],
    )
    done = asyncio.run(_copy(context, (parse(source), parse(target)), how, given["recursive"]))
    return _copied(done)


@group.verb(
    "mv",
    examples=[
        "gavan storage mv ss:///docs/a.md ss:///docs/b.md",
        "gavan storage mv -r ss:///docs/old ss:///archive/docs",
    ],
)
@click.argument("source")
@click.argument("target")
@_RECURSIVE
@_JOBS
def mv(context: Context, source: str, target: str, recursive: bool, jobs: int) -> Result:
    """Give objects another name; no byte is copied."""
    pair = parse_remote(source, needs_path=True), parse_remote(target)
    how = How(jobs=jobs, overwrite=False)
    return _copied(asyncio.run(_copy(context, pair, how, recursive, is_move=True)))


@group.verb(
    "rm",
    examples=[
        "gavan storage rm ss:///docs/a.md ss:///docs/b.md",
        "gavan storage rm -r ss:///docs/old",
    ],
)
@click.argument("addresses", nargs=-1, required=True)
@_RECURSIVE
def rm(context: Context, addresses: tuple[str, ...], recursive: bool) -> Result:
    """Remove objects; -r of a whole bucket removes the bucket as well, unless the file has it."""
    wanted = [parse_remote(address) for address in addresses]
    removing.check(wanted, recursive=recursive)
    core, kept = CoreApi(context), declared_buckets(context.stack)

    async def find() -> removing.Doomed:
        async with StorageClient(core) as client:
            return await removing.find(client, wanted, kept, recursive=recursive)

    async def remove(doomed: removing.Doomed) -> int:
        async with StorageClient(core) as client:
            return await removing.remove(client, doomed)

    doomed, gone = asyncio.run(find()), 0
    for one in doomed.missing:
        context.output.warn(f"{one}: there is no such object")
    if doomed.touched:
        context.confirm_loss(f"Remove {doomed.count} objects in {', '.join(doomed.touched)}?")
        gone = asyncio.run(remove(doomed))
    data = {
        "removed": gone,
        "buckets": list(doomed.buckets),
        "missing": [str(one) for one in doomed.missing],
    }
    also = f", and the bucket {', '.join(doomed.buckets)}" if doomed.buckets else ""
    return Result(
        data=data, text=f"removed {gone} objects{also}", exit_code=int(bool(doomed.missing))
    )


@group.verb(
    "sync",
    examples=[
        "gavan storage sync ./dist ss:///web --delete",
        "gavan storage sync ss:///files/2026 ./files --dry-run",
    ],
)
@click.argument("source")
@click.argument("target")
@_JOBS
@_CACHE
@click.option("--delete", is_flag=True, help="Remove at the target what the source does not have.")
@click.option("--dry-run", is_flag=True, help="Print what would be done.")
def sync_verb(context: Context, source: str, target: str, **given: Any) -> Result:
    """Copy what differs between a folder here and one in a bucket; by size and content."""
    sides = sync.sides_of(parse(source), parse(target))
    core, jobs = CoreApi(context), given["jobs"]
    plan = asyncio.run(_planned(core, sides, jobs))
    delete = plan.delete if given["delete"] else ()
    data = {
        "copied": [dict(zip(("source", "target"), one.label, strict=True)) for one in plan.copies],
        "deleted": [shown(name) for name in delete],
        "same": plan.same,
        "bytes": sum(one.size for one in plan.copies),
    }
    lines = _plan_lines(plan, delete)
    if given["dry_run"]:
        return Result(data={**data, "dry_run": True}, text="\n".join(lines))
    more = len(lines) - 1 - SHOWN
    for line in [*lines[:-1][:SHOWN], *([f"... {more} more"] if more > 0 else []), lines[-1]]:
        context.progress.message(line)
    if delete:
        context.confirm_loss(f"Remove {len(delete)} files that {source} does not have?")
    how = How(jobs=jobs, overwrite=True, cache_control=given["cache_control"])
    asyncio.run(_synced(context, core, sides, (plan, delete), how))
    text = f"{len(plan.copies)} copied, {len(delete)} removed, {plan.same} were the same"
    return Result(data=data, text=text)


@group.verb("buckets", examples=["gavan storage buckets", "gavan storage buckets --json"])
def buckets(context: Context) -> Result:
    """List buckets with what they hold; they are made and changed in the stack file."""
    found = list_buckets(context)
    rows = [
        (
            bucket["id"],
            "public" if bucket["public"] else "private",
            bucket["objects"],
            in_bytes(bucket["bytes"]),
            in_bytes(bucket["file_size_limit"]) if bucket["file_size_limit"] else "",
            " ".join(bucket["allowed_mime_types"] or ()),
            "" if bucket["declared"] else "not in the stack file",
        )
        for bucket in found
    ]
    headers = ("bucket", "access", "objects", "size", "limit", "types", "")
    none = "no buckets; declare one: [core.storage.buckets.<name>]"
    return Result(data=found, text=lambda style: table(headers, rows, style) if rows else none)


@group.verb(
    "sweep",
    examples=[
        "gavan storage sweep",
        "gavan storage sweep --delete --older-than 48h",
        "gavan storage sweep --delete --yes -p prod --confirm crm",
    ],
)
@click.option("--delete", is_flag=True, help="Remove what was found; without it, only look.")
@click.option(
    "--older-than", "safety_s", type=Duration(), default="24h", show_default=True,
    help="Pass over what is younger: it may be on its way.",
)  # fmt: skip
def sweep_verb(context: Context, delete: bool, safety_s: float) -> Result:
    """Find bytes that no row names: what a killed core or a restored database left."""
    from gavan.cli.storage import sweeping  # noqa: PLC0415 - loads the service and its providers

    found = asyncio.run(sweeping.run(context, safety_s=safety_s, delete=False))
    if delete and sweeping.has_work(found):
        if safety_s < SLOWEST_UPLOAD_S:
            context.output.warn("uploads under way lose their bytes if they are that old")
        context.confirm_loss(f"Remove what no row names? {sweeping.as_text(found)}")
        found = asyncio.run(sweeping.run(context, safety_s=safety_s, delete=True))
    if found.missing:
        names = ", ".join(found.missing_names)
        context.output.warn(f"{found.missing} rows have no bytes: {names}".rstrip(": "))
    return Result(data=sweeping.as_data(found), text=sweeping.as_text(found))


async def _copy(
    context: Context,
    pair: tuple[Remote | Path, Remote | Path],
    how: How,
    recursive: bool,
    is_move: bool = False,
) -> Outcome:
    async with StorageClient(CoreApi(context), jobs=how.jobs) as client:
        transfers: list[Transfer]
        match pair:
            case (Path() as source, Remote() as target):
                step = "upload"
                transfers = await copying.uploads(client, source, target, recursive=recursive)
            case (Remote() as origin, Path() as folder):
                step = "download"
                transfers = await copying.downloads(client, origin, folder, recursive=recursive)
            case (Remote() as origin, Remote() as target):
                step = "move" if is_move else "copy"
                transfers = await copying.remote_copies(
                    client, origin, target, recursive=recursive, is_move=is_move
                )
            case _:
                raise GavanError(
                    "GV246",
                    "both are files of this machine",
                    hint="one of them is in a bucket: ss:///bucket/path",
                    exit_code=2,
                )
        outcome = await _run(context, client, step, (transfers, how))
    outcome.raise_failures()
    return outcome


async def _run(
    context: Context, client: StorageClient, step: str, work: tuple[list[Transfer], How]
) -> Outcome:
    transfers, how = work
    size = sum(one.size for one in transfers) if step in ("upload", "download") else 0
    meter = Meter(context.progress, step, files=len(transfers), size=size)
    return await transfer_all(client, transfers, how, meter)


def _copied(outcome: Outcome) -> Result:
    size = sum(one.size for one in outcome.done)
    data = {
        "copied": [
            {"source": one.label[0], "target": one.label[1], "bytes": one.size}
            for one in outcome.done
        ],
        "bytes": size,
    }
    if len(outcome.done) == 1:
        source, target = outcome.done[0].label
        return Result(data=data, text=f"{source} -> {target}")
    return Result(data=data, text=f"{len(outcome.done)} files, {in_bytes(size)}")


async def _planned(core: CoreApi, sides: sync.Sides, jobs: int) -> sync.Plan:
    async with StorageClient(core, jobs=jobs) as client:
        return await sync.make_plan(client, sides, jobs=jobs)


async def _synced(
    context: Context,
    core: CoreApi,
    sides: sync.Sides,
    plan: tuple[sync.Plan, tuple[str, ...]],
    how: How,
) -> None:
    """Copy first, then remove: what fails before leaves both sides whole."""
    async with StorageClient(core, jobs=how.jobs) as client:
        if plan[0].copies:
            step = "upload" if sides.is_upload else "download"
            outcome = await _run(context, client, step, (list(plan[0].copies), how))
            outcome.raise_failures()
        if plan[1]:
            context.progress.start("remove", f"{len(plan[1])} files")
            await sync.remove(
                client, sides, plan[1], lambda gone: context.progress.ok("remove", f"{gone} files")
            )


def _plan_lines(plan: sync.Plan, delete: tuple[str, ...]) -> list[str]:
    copies = [f"copy    {one.label[0]} -> {one.label[1]}  {in_bytes(one.size)}"
              for one in plan.copies]  # fmt: skip
    total = in_bytes(sum(one.size for one in plan.copies))
    last = f"{len(copies)} to copy ({total}), {len(delete)} to remove, {plan.same} the same"
    return [*copies, *(f"remove  {shown(name)}" for name in delete), last]
