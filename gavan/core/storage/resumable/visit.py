"""Who comes to an upload: by a token of auth, whom the policies bind, or by a signed URL."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from gavan.core.storage.caller import SERVICE, Caller, Origin, origin_of
from gavan.core.storage.commons import Commons
from gavan.core.storage.errors import StorageError
from gavan.core.storage.objects.signing import Scope, read_token
from gavan.core.storage.resumable.states import State
from gavan.core.storage.uploads.uploads import Judge

CREATE, PART, DELETE = "create", "part", "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """``caller`` None: the token of a signed URL speaks, and the policies spoke at its signing."""

    caller: Caller | None
    owner: str | None
    is_upsert: bool
    origin: Origin

    def judge(self, action: str) -> Judge | None:
        """Return whom the policies are asked about."""
        if self.caller is None:
            return None
        return Judge(caller=self.caller, operation=f"storage.tus.upload.{action}")

    def may_touch(self, state: State) -> bool:
        """Say whether an upload is the visitor's own; the service role may touch any.

        Stricter than upstream, where whoever may write the object may go on with an upload of it
        and becomes its owner.
        """
        is_service = self.caller is not None and self.caller.role == SERVICE
        return is_service or self.owner == state.owner


def visit(
    commons: Commons, request: Request, caller: Caller | None, bucket: str, name: str
) -> Visit:
    """Return who comes.

    Raises:
        StorageError: without a caller, when ``x-signature`` is not good for this object.
    """
    if caller is not None:
        is_upsert = request.headers.get("x-upsert") == "true"
        return Visit(caller=caller, owner=caller.sub, is_upsert=is_upsert, origin=caller.origin)
    token = request.headers.get("x-signature")
    if not token:
        raise StorageError(400, "InvalidSignature", "Missing x-signature header")
    claims = read_token(commons, token, Scope.UPLOAD, bucket, name)
    return Visit(
        caller=None,
        owner=claims["owner"],
        is_upsert=claims["upsert"],
        origin=origin_of(request),
    )
