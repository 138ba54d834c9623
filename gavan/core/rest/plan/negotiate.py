"""Which of the wanted media types the answer takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gavan.core.rest.errors import no_media_type
from gavan.core.rest.parse.accept import ANY, JSON, MediaType
from gavan.core.rest.plan.model import Body, Explain, Format
from gavan.core.rest.schema_cache import Media, Medias

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
UNPARAMETRIC = frozenset({"application/octet-stream", "application/x-www-form-urlencoded"})
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
BUILT_IN = {
    "*/*": ARRAY,
    "application/json": ARRAY,
    "text/csv": Format(body=Body.CSV, content_type="text/csv" + CHARSET),
    "application/geo+json": Format(
        body=Body.GEOJSON, content_type="application/geo+json" + CHARSET
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an answer can be made into beside the media types known everywhere.

    Args:
        plans: whether EXPLAIN may be asked for.
        own: media types of this relation or function, for its rows as they are.
        of_any: media types of any rows.
    """

    plans: bool
    own: Medias = field(default_factory=dict)
    of_any: Medias = field(default_factory=dict)


def negotiate(accepted: Sequence[MediaType], offer: Offer) -> Format:
    """Return the first wanted type, best first, that can be made; raise PGRST107."""
    for media in accepted:
        if media.name in PLAN_TYPES:
            found = _plan_format(media, offer) if offer.plans else None
        else:
            found = _format(media, offer)
        if found is not None:
            return found
    raise no_media_type([_shown(media) for media in accepted])


def _shown(media: MediaType) -> str:
    """Return how a type is named in errors: those known by name, plans with what they are for."""
    if media.name in PLAN_TYPES:
        return _plan_name(media)
    return media.name if media.name in WITH_CHARSET | UNPARAMETRIC else str(media)


def check_root(accepted: Sequence[MediaType]) -> None:
    """Raise PGRST107 unless the OpenAPI document is among the wanted types."""
    if not any(media.name in ROOT_TYPES for media in accepted):
        raise no_media_type([_shown(media) for media in accepted])


def _format(media: MediaType, offer: Offer) -> Format | None:
    """Return how a type is made: by the relation, by anything of the user's, by ourselves."""
    stripped = media.get("nulls") == "stripped"
    if media.name in OBJECT_TYPES:
        name = "application/vnd.pgrst.object+json"
        if stripped:
            return _json(Body.OBJECT, name)
        return Format(body=Body.OBJECT, content_type=name + CHARSET)
    if media.name in ARRAY_TYPES and stripped:
        return _json(Body.ARRAY, "application/vnd.pgrst.array+json")
    name = JSON.name if media.name in ARRAY_TYPES else media.name
    if offer.own or offer.of_any:
        own = offer.own.get(ANY.name) or offer.own.get(name) or offer.of_any.get(name)
        if own is not None:
            return _own_format(own)
    return BUILT_IN.get(name)


def _own_format(own: Media) -> Format:
    # A handler of any type names its own in response.headers; until then it is just bytes.
    name = "application/octet-stream" if own.name == ANY.name else own.name
    charset = CHARSET if name in WITH_CHARSET else ""
    return Format(
        body=Body.BYTES if own.is_binary else Body.TEXT,
        content_type=name + charset,
        aggregate=own.function,
        row_type=own.row_type,
    )


def _json(body: Body, name: str) -> Format:
    return Format(body=body, content_type=f"{name};nulls=stripped{CHARSET}", strip_nulls=True)


def _plan_format(media: MediaType, offer: Offer) -> Format | None:
    name, _, parameter = (media.get("for") or JSON.name).partition(";")
    parameters = (("nulls", "stripped"),) if "nulls=stripped" in parameter else ()
    inner = _format(MediaType(name.strip(), parameters), offer)
    if inner is None:
        return None
    options = _plan_options(media)
    explain = Explain(format=PLAN_TYPES[media.name], options=options)
    return replace(inner, content_type=_plan_name(media) + CHARSET, explain=explain)


def _plan_options(media: MediaType) -> tuple[str, ...]:
    asked = (media.get("options") or "").split("|")
    return tuple(option for option in PLAN_OPTIONS if option in asked)


def _plan_name(media: MediaType) -> str:
    """Return a plan type in full: what it is a plan for, and the options known of those asked."""
    wanted = media.get("for") or JSON.name
    name = wanted.partition(";")[0]
    shown_type = SHORT_TYPES.get(name.strip(), name.strip()) + wanted[len(name) :]
    options = _plan_options(media)
    shown = f"; options={'|'.join(options)}" if options else ""
    return f'application/vnd.pgrst.plan+{PLAN_TYPES[media.name]}; for="{shown_type}"{shown}'
