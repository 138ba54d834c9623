"""Put the storage service together: what the rooms share, and the routes of all of them."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.routing import Route

from gavan.core.settings import Settings
from gavan.core.storage.buckets.emptying import Emptying
from gavan.core.storage.buckets.routes import BucketsEdge
from gavan.core.storage.commons import Commons
from gavan.core.storage.config import StorageConfig
from gavan.core.storage.images.rendering import RenderingEdge
from gavan.core.storage.images.workers import Workers
from gavan.core.storage.listing.routes import ListingEdge
from gavan.core.storage.objects.copying import CopyingEdge
from gavan.core.storage.objects.deleting import DeletingEdge
from gavan.core.storage.objects.reading import ReadingEdge
from gavan.core.storage.objects.sign_urls import SignUrlsEdge
from gavan.core.storage.objects.writing import WritingEdge
from gavan.core.storage.resumable.routes import ResumableEdge
from gavan.core.storage.resumable.turns import Turns
from gavan.core.storage.resumable.tus import Tus
from gavan.core.storage.routes import Edge
from gavan.core.storage.s3.credentials import credentials_of
from gavan.core.storage.s3.routes import S3Edge
from gavan.core.storage.store import Store
from gavan.core.storage.uploads.uploads import Uploads
from gavan.core.storage.webhooks.webhooks import Webhooks
from gavan.database.pool import Pool
from gavan.kit.jwt import Verifier
from gavan.kit.storage.provider import Provider

CONNECTIONS = 6


def furnish(
    config: StorageConfig, settings: Settings, verifier: Verifier, provider: Provider
) -> Commons:
    """Return what the rooms share; nothing is opened."""
    pool = Pool(settings.storage_admin_url, size=CONNECTIONS, application_name="gavan-storage")
    store = Store(pool)
    host = urlsplit(settings.external_url).netloc
    webhooks = Webhooks(store, config.webhook, host)
    uploads = Uploads(store, provider, config, webhooks)
    return Commons(
        config=config,
        store=store,
        provider=provider,
        uploads=uploads,
        emptying=Emptying(store, uploads, webhooks),
        webhooks=webhooks,
        images=Workers(),
        verifier=verifier,
        keys=settings.keys,
        anon_key=settings.anon_key,
        public_url=settings.external_url,
        is_alone=settings.services == ("storage",),
    )


def routes_of(commons: Commons, turns: Turns) -> list[Route]:
    """Return every route of the service; the narrow ones before those that take any path.

    Reading, which is asked for most, stands first: nobody else has a GET below ``/object``.
    """
    return [
        *ReadingEdge(commons=commons).routes(),
        *Edge(commons=commons).routes(),
        *_s3(commons, turns),
        *ListingEdge(commons=commons).routes(),
        *CopyingEdge(commons=commons).routes(),
        *BucketsEdge(commons=commons).routes(),
        *SignUrlsEdge(commons=commons).routes(),
        *DeletingEdge(commons=commons).routes(),
        *WritingEdge(commons=commons).routes(),
        *ResumableEdge(commons=commons, tus=Tus(commons, turns)).routes(),
        *RenderingEdge(commons=commons).routes(),
    ]


def _s3(commons: Commons, turns: Turns) -> list[Route]:
    """Return the routes of S3 clients, none where that door is closed."""
    if not commons.config.speaks_s3:
        return []
    return S3Edge(commons=commons, credentials=credentials_of(commons), turns=turns).routes()
