"""One request to the S3 protocol: who asks, for what, with which headers and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from gavan.core.storage.caller import Caller
from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import invalid_body
from gavan.core.storage.model import Metadata
from gavan.core.storage.resumable.turns import Turns
from gavan.core.storage.s3.body import Body
from gavan.core.storage.uploads.uploads import Judge

META = "x-amz-meta-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request that was let in.

    ``bucket_id`` and ``key`` are empty where the path has none. Names of ``headers`` are in lower
    case; both they and ``query`` are what the signature covers.
    """

    commons: Commons
    turns: Turns
    request: Request
    caller: Caller
    operation: str
    bucket_id: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Body

    @property
    def judge(self) -> Judge:
        """Return as whom and for what policies are asked."""
        return Judge(caller=self.caller, operation=self.operation)

    @property
    def metadata(self) -> Metadata:
        """Return what the headers ``x-amz-meta-*`` say."""
        return {
            name.removeprefix(META): value
            for name, value in self.headers.items()
            if name.startswith(META)
        }

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """Return an integer of the query; raise StorageError when it is none, or out of bounds."""
        text = self.query.get(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > len(str(most)) + 1:
            raise invalid_body(f"Querystring, {name} must be integer")
        value = int(text)
        if value < least:
            raise invalid_body(f"Querystring, {name} must be >= {least}")
        if value > most:
            raise invalid_body(f"Querystring, {name} must be <= {most}")
        return value
