"""What may be asked of an image, and how headers and signed URLs write it.

The names, bounds and spellings are upstream's, where they go on to imgproxy
(supabase/storage:src/http/schemas/transformations.ts, src/storage/renderer/image.ts). Its gravity
``sm``, which looks for what is interesting, does not exist here. The process that touches images
knows this file too, so it imports nothing of the service.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_SIDE = 2000
FOCAL_POINT = "fp"
RESIZE = {"cover": "fill", "contain": "fit", "fill": "force"}
"""Ways to fit a box, with imgproxy's words for them"""
FORMATS = ("origin", "avif", "webp")
GRAVITIES = ("no", "so", "ea", "we", "noea", "nowe", "soea", "sowe", "ce", FOCAL_POINT)
QUALITIES = (20, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """Sides and quality None: not asked for. ``gravity`` empty: the middle."""

    height: int | None = None
    width: int | None = None
    resize: str = "cover"
    format: str = ""
    quality: int | None = None
    gravity: str = ""
    x_offset: float | None = None
    y_offset: float | None = None

    @property
    def header(self) -> str:
        """The value of ``X-Transformations``; empty when nothing is asked for."""
        return ",".join(self._parts(f"resizing_type:{RESIZE[self.resize]}"))

    @property
    def claim(self) -> str:
        """The claim ``transformations`` of a signed URL; empty when nothing is asked for."""
        return ",".join(self._parts(f"resize:{self.resize}"))

    def _parts(self, resizing: str) -> list[str]:
        parts = [
            f"{name}:{value}" for name in ("height", "width") if (value := getattr(self, name))
        ]
        if parts:
            parts.append(resizing)
        if self.quality:
            parts.append(f"quality:{self.quality}")
        if self.format not in {"", "origin"}:
            parts.append(f"format:{self.format}")
        if self.gravity:
            offsets = (self.x_offset, self.y_offset)
            is_plain = offsets == (None, None)
            tail = "" if is_plain else "".join(f":{_short(value or 0.0)}" for value in offsets)
            parts.append(f"gravity:{self.gravity}{tail}")
        return parts


def _short(number: float) -> str:
    """Return a number as JavaScript writes it: ``12`` for 12.0."""
    return str(int(number)) if number.is_integer() else repr(number)
