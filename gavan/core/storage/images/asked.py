"""Read what a query, the body of a signing or a signed URL asks of an image."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from gavan.core.storage.errors import StorageError, invalid_body
from gavan.core.storage.images.transform import (
    FOCAL_POINT,
    FORMATS,
    GRAVITIES,
    MOST_SIDE,
    QUALITIES,
    RESIZE,
    Transform,
)

_TOGETHER: tuple[tuple[str, ...], ...] = (
    ("height",),
    ("width",),
    ("resize",),
    ("format",),
    ("quality",),
    ("gravity", "x_offset", "y_offset"),
)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_MOST_DIGITS = 32


def read_transform(values: Mapping[str, Any], where: str) -> Transform:
    """Return what a query or the ``transform`` of a body asks for; other names are passed over.

    Args:
        values: text, or what JSON makes of numbers; a list for what was given more than once.
        where: how messages name the place, as ``querystring`` or ``body/transform``.

    Raises:
        StorageError: 400 naming the value that does not fit, in the words of upstream's schema.
    """
    given = _Given(values, where)
    gravity = given.word("gravity", GRAVITIES)
    is_focal = gravity == FOCAL_POINT
    return Transform(
        height=_side(given.integer("height", 0, None)),
        width=_side(given.integer("width", 0, None)),
        resize=given.word("resize", tuple(RESIZE)) or "cover",
        format=given.word("format", FORMATS),
        quality=given.integer("quality", *QUALITIES),
        gravity=gravity,
        x_offset=given.offset("x_offset", is_focal=is_focal),
        y_offset=given.offset("y_offset", is_focal=is_focal),
    )


def claimed_transform(text: str, word: str = "") -> Transform:
    """Return what the claims ``transformations`` and ``format`` of a signed URL ask for.

    They were checked when they were signed; what cannot be read in them does not count.
    """
    values: dict[str, Any] = {"format": word}
    for part in text.split(","):
        name, _, value = part.partition(":")
        if name == "gravity":
            value, *offsets = value.split(":")
            values |= zip(("x_offset", "y_offset"), offsets, strict=False)
        values[name] = value
    kept: dict[str, Any] = {}
    for names in _TOGETHER:
        group = {name: values[name] for name in names if values.get(name)}
        if _fits(group):
            kept |= group
    return read_transform(kept, "token")


def _fits(values: Mapping[str, Any]) -> bool:
    try:
        read_transform(values, "token")
    except StorageError:
        return False
    return True


class _Given:
    """Values as they came; every reader raises StorageError for one that does not fit."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values = values
        self._where = where

    def integer(self, name: str, least: int, most: int | None) -> int | None:
        """Return a whole number within bounds, None when there is none."""
        value = self._number(name, "integer")
        if value is None:
            return None
        if not value.is_integer():
            raise self._refused(name, "must be integer")
        if value < least:
            raise self._refused(name, f"must be >= {least}")
        if most is not None and value > most:
            raise self._refused(name, f"must be <= {most}")
        return int(value)

    def offset(self, name: str, *, is_focal: bool) -> float | None:
        """Return an offset; a focal point needs both, as shares of the sides."""
        value = self._number(name, "number")
        if not is_focal:
            return value
        if value is None:
            raise invalid_body(f"{self._where} must have required property '{name}'")
        if value < 0:
            raise self._refused(name, "must be >= 0")
        if value > 1:
            raise self._refused(name, "must be <= 1")
        return value

    def word(self, name: str, allowed: tuple[str, ...]) -> str:
        """Return one of the words; empty when there is none."""
        value = self._values.get(name)
        if value is None:
            return ""
        if value not in allowed:
            raise self._refused(name, "must be equal to one of the allowed values")
        return str(value)

    def _number(self, name: str, kind: str) -> float | None:
        value = self._values.get(name)
        if value is None:
            return None
        is_text = isinstance(value, str) and len(value) <= _MOST_DIGITS
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_read = is_number or (is_text and _NUMBER.fullmatch(value))
        number = float(value) if is_read else math.nan
        if not math.isfinite(number):
            raise self._refused(name, f"must be {kind}")
        return number

    def _refused(self, name: str, message: str) -> StorageError:
        return invalid_body(f"{self._where}/{name} {message}")


def _side(value: int | None) -> int | None:
    """Return the side within its bounds; nought stands for none."""
    return min(value, MOST_SIDE) if value else None
