"""What `ls` finds and how it is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gavan.cli.render import Style, table
from gavan.cli.storage.address import Remote, shown
from gavan.cli.storage.client import RemoteFile, StorageClient
from gavan.kit.size import in_bytes

Item = str | RemoteFile
"""A folder or bucket, which ends in a slash; or an object"""


async def find(client: StorageClient, where: Remote, *, recursive: bool) -> list[Item]:
    """Return what begins with a path: one level of it, or all objects however deep.

    An address without a slash behind the bucket begins all buckets that begin so, as in the
    supabase CLI, unless one has exactly this name.
    """
    if where.path:
        return await _in_bucket(client, where, recursive=recursive)
    names = [str(bucket["id"]) for bucket in await client.buckets()]
    if where.bucket in names:
        return await _in_bucket(client, where, recursive=recursive)
    names = [name for name in names if name.startswith(where.bucket)]
    if not recursive:
        return [f"{name}/" for name in names]
    found: list[Item] = []
    for name in names:
        async for file in client.objects(Remote(name, "")):
            found.append(replace(file, name=f"{name}/{file.name}"))
    return found


async def _in_bucket(client: StorageClient, where: Remote, *, recursive: bool) -> list[Item]:
    if recursive:
        return [file async for file in client.objects(where)]
    return [item async for item in client.entries(where)]


def as_data(item: Item) -> dict[str, Any]:
    """Return what machines are told."""
    if isinstance(item, str):
        return {"name": item}
    return {
        "name": item.name,
        "bytes": item.size,
        "modified": _moment(item.modified),
        "etag": item.etag,
        "content_type": item.mime,
    }


def as_text(found: list[Item], style: Style, *, is_long: bool) -> str:
    """Return what people are shown: a name a line, or a table."""
    if not is_long:
        return "\n".join(shown(_name(item)) for item in found)
    rows = [
        ("", "", shown(item))
        if isinstance(item, str)
        else (in_bytes(item.size), _moment(item.modified), shown(item.name))
        for item in found
    ]
    return table(("size", "modified", "name"), rows, style)


def _name(item: Item) -> str:
    return item if isinstance(item, str) else item.name


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
