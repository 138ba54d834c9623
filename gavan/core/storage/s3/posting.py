"""A form that uploads: proven by the signature of its policy, stored as that allows.

Source: supabase/storage:src/http/routes/s3/commands/put-object.ts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from python_multipart.multipart import parse_options_header
from starlette.requests import Request
from starlette.responses import Response

from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import invalid_request, too_large
from gavan.core.storage.objects.form import Form
from gavan.core.storage.objects.incoming import check_cache_control, check_type
from gavan.core.storage.resumable.turns import Turns
from gavan.core.storage.s3 import objects
from gavan.core.storage.s3.body import Body
from gavan.core.storage.s3.credentials import Credentials
from gavan.core.storage.s3.errors import malformed_signature
from gavan.core.storage.s3.operations import check_promises
from gavan.core.storage.s3.post_policy import Allowed, check_policy, too_small
from gavan.core.storage.s3.visit import Visit

# They are read before anything is proven.
MOST_FIELDS = 50
MOST_FIELD_BYTES = 20 * 1024
OPERATION = "storage.s3.upload"


def is_form(request: Request) -> bool:
    """Say whether a request is a form."""
    kind = request.headers.get("content-type", "").lower()
    return request.method == "POST" and kind.startswith("multipart/form-data")


async def post(
    commons: Commons, turns: Turns, credentials: Credentials, request: Request
) -> Response:
    """Store the file of a form in the bucket of the path, under the key of its field.

    Raises:
        StorageError: the form is none, its policy does not allow it, or whoever signed it may not.
    """
    bucket_id, _, key = request.path_params.get("place", "").partition("/")
    if not bucket_id or key:
        raise invalid_request("A form is sent to its bucket")
    _, options = parse_options_header(request.headers["content-type"])
    form = Form(
        request.stream(),
        options.get(b"boundary", b""),
        most_fields=MOST_FIELDS,
        most_field_bytes=MOST_FIELD_BYTES,
    )
    await form.open()
    fields = _fields(form)
    caller = credentials.admit_form(request, fields)
    asked = {**fields, "bucket": bucket_id}
    allowed = check_policy(fields.get("policy", ""), asked, datetime.now(UTC))
    check_promises(fields)
    if not fields.get("key"):
        raise invalid_request("Missing key")
    check_type(fields.get("content-type", form.mime))
    check_cache_control(fields.get("cache-control", ""))
    return await objects.put(
        Visit(
            commons=commons,
            turns=turns,
            request=request,
            caller=caller,
            operation=OPERATION,
            bucket_id=bucket_id,
            key=fields["key"],
            query={},
            headers={"content-type": form.mime, **fields},
            body=Body(chunks=_bounded(form.chunks(), allowed), length=None),
        )
    )


def _fields(form: Form) -> dict[str, str]:
    fields = {name.lower(): value for name, value in form.fields.items()}
    if len(fields) != len(form.fields):
        raise malformed_signature("Duplicate form field in POST policy request")
    return fields


async def _bounded(chunks: AsyncIterator[bytes], allowed: Allowed) -> AsyncIterator[bytes]:
    """Give the bytes on, as many as a policy allows; raise StorageError for more or fewer."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if allowed.most is not None and size > allowed.most:
            raise too_large()
        yield chunk
    if size < allowed.least:
        raise too_small()
