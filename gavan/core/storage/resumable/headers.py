"""The headers of TUS, read strictly before anything is done (TUS 1.0.0).

Upstream's rules and texts: tus/tus-node-server:packages/server/src/validators. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers

from gavan.core.storage.resumable.answers import VERSION, refusal
from gavan.core.storage.resumable.metadata import Pairs, parse

BYTES_TYPE = "application/offset+octet-stream"
MOST_BYTES = 2**53 - 1
"""The largest integer that every client can tell exactly"""
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request says; None where it says nothing. Sizes in bytes.

    ``has_bytes``: its body belongs to the upload; ``body_bytes`` is how much it says that is.
    """

    offset: int | None
    length: int | None
    is_deferred: bool
    metadata: Pairs | None
    has_bytes: bool
    has_type: bool
    body_bytes: int | None
    is_joined: bool


def read_headers(method: str, headers: Headers) -> Asked:
    """Return what the headers say.

    Raises:
        StorageError: 412 without ``Tus-Resumable``, 400 naming those that do not fit.
    """
    said = {name: ", ".join(headers.getlist(name)) for name in headers}
    if not said.get("tus-resumable"):
        raise refusal(412, "Tus-Resumable Required\n")
    wrong = [name for name, value in said.items() if not _fits(method, name, value)]
    if wrong:
        raise refusal(400, f"Invalid {' '.join(wrong)}\n")
    metadata = said.get("upload-metadata")
    return Asked(
        offset=_number(said, "upload-offset"),
        length=_number(said, "upload-length"),
        is_deferred="upload-defer-length" in said,
        metadata=None if metadata is None else parse(metadata),
        has_bytes=said.get("content-type") == BYTES_TYPE,
        has_type="content-type" in said,
        body_bytes=_number(said, "content-length"),
        is_joined="upload-concat" in said,
    )


def _fits(method: str, name: str, value: str) -> bool:
    # Some clients set a type of their own where there are no bytes; then it does not count.
    if name == "content-type" and method != "PATCH":
        return True
    rule = _RULES.get(name)
    return rule is None or rule(value)


def _number(said: Mapping[str, str], name: str) -> int | None:
    text = said.get(name, "")
    return int(text) if text.isdecimal() and text.isascii() else None


def _is_number(value: str) -> bool:
    return _NUMBER.fullmatch(value) is not None and int(value) <= MOST_BYTES


def _is_metadata(value: str) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


_RULES: Mapping[str, Callable[[str], bool]] = {
    "upload-offset": _is_number,
    "upload-length": _is_number,
    "upload-defer-length": "1".__eq__,
    "upload-metadata": _is_metadata,
    "upload-concat": lambda value: value == "partial" or value.startswith("final;"),
    "content-type": BYTES_TYPE.__eq__,
    "content-length": _is_number,
    "x-forwarded-proto": {"http", "https"}.__contains__,
    "tus-version": VERSION.__eq__,
    "tus-resumable": VERSION.__eq__,
}
