"""What the S3 protocol answers with."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from gavan.core.storage.s3.documents import Markup, document


def xml(name: str, *content: str | Markup) -> Response:
    """Return a document."""
    return Response(document(name, *content), media_type="application/xml")


def empty(headers: Mapping[str, str] | None = None, *, status: int = 200) -> Response:
    """Return an answer that is its headers."""
    return Response(status_code=status, headers=dict(headers or {}))
