"""The S3 protocol at /storage/v1/s3: a request is proven, told what it is, and answered in XML.

Buckets stand in the path, as upstream; there are no host names of buckets.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import SERVER_FAULT, StorageError, invalid_request, provider_error
from gavan.core.storage.paths import REST
from gavan.core.storage.resumable.turns import Turns
from gavan.core.storage.s3 import posting
from gavan.core.storage.s3.answers import empty
from gavan.core.storage.s3.body import body_of
from gavan.core.storage.s3.credentials import Credentials
from gavan.core.storage.s3.errors import NOT_IMPLEMENTED, render
from gavan.core.storage.s3.operations import find_operation
from gavan.core.storage.s3.signature import Signable, path_forms
from gavan.core.storage.s3.visit import Visit
from gavan.kit.storage.provider import ProviderError

METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE"]
MOST_QUERY_FIELDS = 100
_USUAL_PORTS = frozenset({"80", "443"})
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Edge:
    """The endpoints of the S3 protocol."""

    commons: Commons
    credentials: Credentials
    turns: Turns

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/s3", self.answer, methods=METHODS),
            Route(f"/s3/{REST}", self.answer, methods=METHODS),
        ]

    async def answer(self, request: Request) -> Response:
        """Answer any request below ``/s3``; refusals are XML with their real status."""
        try:
            return await self._answer(request)
        except (StorageError, ProviderError) as error:
            refusal = provider_error(error) if isinstance(error, ProviderError) else error
            if refusal.status >= SERVER_FAULT and refusal.code != NOT_IMPLEMENTED:
                request_id = request.scope.get("gavan.request_id", "")
                logger.exception(refusal.message, extra={"request_id": request_id})
            place = request.path_params.get("place", "")
            return render(refusal, place, has_body=request.method != "HEAD")

    async def _answer(self, request: Request) -> Response:
        if posting.is_form(request):
            return await posting.post(self.commons, self.turns, self.credentials, request)
        signable = signable_of(request, urlsplit(self.commons.public_url))
        admitted = self.credentials.admit(request, signable)
        bucket_id, _, key = request.path_params.get("place", "").partition("/")
        depth = 2 if key else 1 if bucket_id else 0
        query = dict(signable.query)
        operation = find_operation(request.method, depth, query, signable.headers)
        if operation is None:
            return empty(status=404)
        return await operation.run(
            Visit(
                commons=self.commons,
                turns=self.turns,
                request=request,
                caller=admitted.caller,
                operation=f"storage.s3.{operation.name}",
                bucket_id=bucket_id,
                key=key,
                query=query,
                headers=signable.headers,
                body=body_of(signable, admitted.claim, admitted.key, request.stream()),
            )
        )


def signable_of(request: Request, public: SplitResult) -> Signable:
    """Return a request as its signature sees it; raise StorageError for a query without end.

    ``public`` is the root of the stack as the world sees it: clients sign its host and path, also
    when a proxy in between tells another host and takes the path off.
    """
    scope = request.scope
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    raw_path = (scope.get("root_path", "") + scope["raw_path"].decode("latin-1")) or "/"
    # What a proxy took off the path comes from the settings alone: with a prefix of his own, who
    # has a URL for an object of his could make it one for another, whose path ends like it.
    paths = [raw_path, public.path.rstrip("/") + raw_path]
    try:
        query = parse_qsl(
            scope["query_string"].decode("latin-1"),
            keep_blank_values=True,
            max_num_fields=MOST_QUERY_FIELDS,
        )
    except ValueError as error:
        raise invalid_request("The query has too many fields") from error
    return Signable(
        method=request.method,
        paths=_once(form for path in paths for form in path_forms(path)),
        hosts=_once((*_forwarded_host(headers), headers.get("host", ""), public.netloc)),
        query=tuple(query),
        headers=headers,
    )


def _forwarded_host(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the host that a proxy says its client asked for.

    Anybody may send these headers, as upstream takes them from anybody. What is gained is that a
    request signed for another host passes here; only one who has a key of this stack can sign.
    """
    host, port = headers.get("x-forwarded-host", ""), headers.get("x-forwarded-port", "")
    if not host:
        return ()
    if not port.isdigit() or port in _USUAL_PORTS:
        return (host,)
    return (host, f"{host.partition(':')[0]}:{port}")


def _once(forms: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(form for form in forms if form))
