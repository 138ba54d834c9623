"""What a webhook is told of objects, in upstream's words.

supabase/storage:src/storage/events: an insert is a Post, a replacement a Put, whatever verb and
protocol asked for it. Who the tenant is, and when it is told, is added when it is (delivery.py).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import orjson

from gavan.core.storage.caller import Origin
from gavan.core.storage.model import REGION, Metadata

VERSION = "v1"
Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An object as events speak of it; without ``metadata`` when that is too large to be told."""

    bucket_id: str
    name: str
    version: str
    metadata: Metadata | None


def told_metadata(text: bytes | str | None) -> Metadata | None:
    """Return the column ``metadata`` as events tell it: SQL of a user may have written anything."""
    try:
        document = orjson.loads(text or b"null")
    except orjson.JSONDecodeError:  # nested too deep
        return None
    return document if isinstance(document, dict) else None


def created(
    action: str,
    subject: Subject,
    origin: Origin,
    *,
    upload_type: str,
    former: Subject | None = None,
) -> Event:
    """Return that there is an object, by ``Post``, ``Put``, ``Copy`` or ``Move``.

    ``former`` is what it was before it was moved; ``upload_type`` is the protocol.
    """
    payload = _payload(subject, origin) | {"uploadType": upload_type}
    if former is not None:
        payload["oldObject"] = {
            "name": former.name,
            "bucketId": former.bucket_id,
            "version": former.version,
            "reqId": origin.request_id,
        }
    return _event(f"ObjectCreated:{action}", payload)


def removed(action: str, subject: Subject, origin: Origin) -> Event:
    """Return that there is an object no more, by ``Delete`` or ``Move``."""
    return _event(f"ObjectRemoved:{action}", _payload(subject, origin))


def _payload(subject: Subject, origin: Origin) -> dict[str, Any]:
    payload = {
        "name": subject.name,
        "bucketId": subject.bucket_id,
        "version": subject.version,
        "metadata": subject.metadata,
        "reqId": origin.request_id,
    }
    return payload if origin.trace_id is None else payload | {"sbReqId": origin.trace_id}


def _event(name: str, payload: dict[str, Any]) -> Event:
    return {
        "type": name,
        "region": REGION,
        "$version": VERSION,
        "applyTime": time.time_ns() // 1_000_000,
        "payload": payload,
    }
