"""Which of the wanted media types the answer takes."""

from __future__ import annotations

from collections.abc import Sequence

from gavan.core.rest.errors import no_media_type
from gavan.core.rest.parse.accept import ANY, MediaType
from gavan.core.rest.plan.model import Body, Explain, Format
from gavan.core.rest.schema_cache import Media

ARRAY_TYPES = frozenset({"application/vnd.pgrst.array", "application/vnd.pgrst.array+json"})
OBJECT_TYPES = frozenset({"application/vnd.pgrst.object", "application/vnd.pgrst.object+json"})
SHORT_TYPES = {
    "application/vnd.pgrst.array": "application/vnd.pgrst.array+json",
    "application/vnd.pgrst.object": "application/vnd.pgrst.object+json",
}
PLAN_TYPES = {
    "application/vnd.pgrst.plan": "text",
    "application/vnd.pgrst.plan+text": "text",
    "application/vnd.pgrst.plan+json": "json",
}
PLAN_OPTIONS = ("analyze", "verbose", "settings", "buffers", "wal")
ROOT_TYPES = frozenset({"*/*", "application/json", "application/openapi+json"})
CHARSET = "; charset=utf-8"
WITH_CHARSET = frozenset(
    {
        "application/geo+json",
        "application/json",
        "application/openapi+json",
        "text/csv",
        "text/plain",
        "text/xml",
    }
)

ARRAY = Format(body=Body.ARRAY, content_type="application/json" + CHARSET)


def negotiate(accepted: Sequence[MediaType], *, plans: bool, own: Media | None = None) -> Format:
    """Return the first wanted type that can be made; raise PGRST107.

    Args:
        accepted: wanted types, best first.
        plans: whether EXPLAIN may be asked for.
        own: what the called function makes by itself.
    """
    for media in accepted:
        if own is not None and _fits(own, media):
            return _own_format(own)
        found = _plan_format(media) if plans and media.name in PLAN_TYPES else _format(media)
        if found is not None:
            return found
    raise no_media_type([str(media) for media in accepted])


def check_root(accepted: Sequence[MediaType]) -> None:
    """Raise PGRST107 unless the OpenAPI document is among the wanted types."""
    if not any(media.name in ROOT_TYPES for media in accepted):
        raise no_media_type([str(media) for media in accepted])


def _format(media: MediaType) -> Format | None:
    stripped = media.get("nulls") == "stripped"
    if media.name in {"*/*", "application/json"}:
        return ARRAY
    if media.name in ARRAY_TYPES:
        return _json(Body.ARRAY, "application/vnd.pgrst.array+json") if stripped else ARRAY
    if media.name in OBJECT_TYPES:
        name = "application/vnd.pgrst.object+json"
        if stripped:
            return _json(Body.OBJECT, name)
        return Format(body=Body.OBJECT, content_type=name + CHARSET)
    if media.name == "text/csv":
        return Format(body=Body.CSV, content_type="text/csv" + CHARSET)
    return None


def _fits(own: Media, media: MediaType) -> bool:
    if media.name in PLAN_TYPES:
        return False
    return ANY.name in {own.name, media.name} or own.name == media.name


def _own_format(own: Media) -> Format:
    # A function of any type names its own in response.headers; until then it is just bytes.
    name = "application/octet-stream" if own.name == ANY.name else own.name
    charset = CHARSET if name in WITH_CHARSET else ""
    body = Body.BYTES if own.is_binary else Body.TEXT
    return Format(body=body, content_type=name + charset)


def _json(body: Body, name: str) -> Format:
    return Format(body=body, content_type=f"{name};nulls=stripped{CHARSET}", strip_nulls=True)


def _plan_format(media: MediaType) -> Format | None:
    wanted = media.get("for") or "application/json"
    name, _, parameter = wanted.partition(";")
    parameters = (("nulls", "stripped"),) if "nulls=stripped" in parameter else ()
    inner = _format(MediaType(name.strip(), parameters))
    if inner is None:
        return None
    shown_type = SHORT_TYPES.get(name.strip(), name.strip()) + wanted[len(name) :]
    asked = (media.get("options") or "").split("|")
    options = tuple(option for option in PLAN_OPTIONS if option in asked)
    kind = PLAN_TYPES[media.name]
    shown = f"; options={'|'.join(options)}" if options else ""
    return Format(
        body=inner.body,
        strip_nulls=inner.strip_nulls,
        content_type=f'application/vnd.pgrst.plan+{kind}; for="{shown_type}"{shown}{CHARSET}',
        explain=Explain(format=kind, options=options),
    )
