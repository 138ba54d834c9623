"""``Accept`` and ``Content-Type``: media types, their parameters and their order of preference."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_PARAMETER = re.compile(r';\s*([\w!#$%&\'*+.^`|~-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;,\s]*)')
_TYPE = re.compile(r"\s*([^;,\s]+)")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A lower-case ``type/subtype`` and its parameters without q."""

    name: str
    parameters: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """Return a parameter."""
        return next((value for key, value in self.parameters if key == name), None)

    def __str__(self) -> str:
        return self.name + "".join(f";{key}={value}" for key, value in self.parameters)


MAX_REMEMBERED = 512
ANY = MediaType("*/*")
JSON = MediaType("application/json")


def parse_accept(value: str) -> tuple[MediaType, ...]:
    """Return the wanted types, best first: by q, then more parameters, then fewer wildcards."""
    # What is remembered must be short: anybody may send 256 headers of a hundred kilobytes.
    return _accepted(value) if len(value) <= MAX_REMEMBERED else _accepted.__wrapped__(value)


def parse_content_type(value: str) -> MediaType:
    """Return the type of a body; none given is JSON."""
    return _content(value) if len(value) <= MAX_REMEMBERED else _content.__wrapped__(value)


@lru_cache(maxsize=256)
def _accepted(value: str) -> tuple[MediaType, ...]:
    ranked = []
    for part in _split(value):
        media, quality = _media(part)
        if media is not None:
            rank = (-quality, -len(media.parameters), media.name.count("*"))
            ranked.append((rank, media))
    ranked.sort(key=lambda pair: pair[0])
    return tuple(media for _, media in ranked) or (ANY,)


@lru_cache(maxsize=256)
def _content(value: str) -> MediaType:
    media, _ = _media(value)
    return media or JSON


def _split(value: str) -> list[str]:
    """Split on commas outside quotes."""
    parts, start, quoted = [], 0, False
    for index, char in enumerate(value):
        if char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            parts.append(value[start:index])
            start = index + 1
    parts.append(value[start:])
    return parts


def _media(part: str) -> tuple[MediaType | None, float]:
    found = _TYPE.match(part)
    if found is None:
        return None, 0
    quality = 1.0
    parameters = []
    for key, raw in _PARAMETER.findall(part[found.end() :]):
        value = raw[1:-1] if raw.startswith('"') else raw
        if key.lower() == "q":
            quality = _quality(value)
        else:
            parameters.append((key.lower(), value))
    return MediaType(found[1].lower(), tuple(parameters)), quality


def _quality(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return 1.0
