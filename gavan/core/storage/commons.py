"""What every room of the storage service shares."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from gavan.core.storage.buckets.emptying import Emptying
from gavan.core.storage.caller import Caller, any_caller, known_caller
from gavan.core.storage.config import StorageConfig
from gavan.core.storage.images.workers import Workers
from gavan.core.storage.store import Store
from gavan.core.storage.uploads.uploads import Uploads
from gavan.core.storage.webhooks.webhooks import Webhooks
from gavan.kit.jwt import Verifier
from gavan.kit.keyset import KeySet
from gavan.kit.secret import Secret
from gavan.kit.storage.provider import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Commons:
    """``keys`` sign and ``verifier`` verifies the tokens of callers and of signed URLs.

    ``public_url`` is the root of the stack as the world sees it; ``anon_key`` is what sessions of
    the S3 protocol sign with.
    ``is_alone``: the process serves nothing else, so it is no gateway to the service.
    """

    config: StorageConfig
    store: Store
    provider: Provider
    uploads: Uploads
    emptying: Emptying
    webhooks: Webhooks
    images: Workers
    verifier: Verifier
    keys: KeySet
    anon_key: Secret
    public_url: str
    is_alone: bool = False

    def caller(self, request: Request) -> Caller:
        """Return who asks; raise StorageError for a token that is missing or does not verify."""
        return known_caller(request, self.verifier, is_alone=self.is_alone)

    def visitor(self, request: Request) -> Caller:
        """Return who asks, a visitor without a token that verifies."""
        return any_caller(request, self.verifier)
