"""Where every pixel goes: the size a picture is scaled to, and the box that is cut out of it.

Pure arithmetic, after imgproxy, which upstream asks (imgproxy/imgproxy:processing): a picture is
never enlarged, and with one side given the other follows.
"""

from __future__ import annotations

from dataclasses import dataclass

from gavan.core.storage.images.transform import FOCAL_POINT, Transform

Size = tuple[int, int]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """Scale to ``size``, then cut ``box`` (left, top, right, bottom) out of it."""

    size: Size
    box: Box

    @property
    def is_cut(self) -> bool:
        """Whether the box is less than everything."""
        return self.box != (0, 0, *self.size)


def plan(source: Size, wanted: Transform) -> Plan:
    """Return the plan for a picture of ``source`` pixels, as it is looked at."""
    across, down = _shrinks(source, wanted)
    size = max(1, round(source[0] / across)), max(1, round(source[1] / down))
    if wanted.resize != "cover":
        return Plan(size, (0, 0, *size))
    cut = min(wanted.width or size[0], size[0]), min(wanted.height or size[1], size[1])
    left, top = _corner(size, cut, wanted)
    return Plan(size, (left, top, left + cut[0], top + cut[1]))


def _shrinks(source: Size, wanted: Transform) -> tuple[float, float]:
    """Return by how much each side shrinks; both at least 1."""
    across = source[0] / wanted.width if wanted.width else 1.0
    down = source[1] / wanted.height if wanted.height else 1.0
    if wanted.resize != "fill":
        if not wanted.width:
            across = down
        elif not wanted.height:
            down = across
        else:
            choose = max if wanted.resize == "contain" else min
            across = down = choose(across, down)
    least = min(across, down, 1.0)
    return across / least, down / least


def _corner(size: Size, cut: Size, wanted: Transform) -> tuple[int, int]:
    """Return left and top of the cut, always within the picture."""
    x, y = wanted.x_offset or 0.0, wanted.y_offset or 0.0
    if wanted.gravity == FOCAL_POINT:
        left, top = round(size[0] * x) - cut[0] // 2, round(size[1] * y) - cut[1] // 2
    else:
        left = _along(size[0], cut[0], _pixels(size[0], x), _pull(wanted.gravity, "we", "ea"))
        top = _along(size[1], cut[1], _pixels(size[1], y), _pull(wanted.gravity, "no", "so"))
    return _within(left, size[0] - cut[0]), _within(top, size[1] - cut[1])


def _pull(gravity: str, near: str, far: str) -> int:
    """Return -1, 0 or 1: to which edge of one axis a compass word such as ``noea`` pulls."""
    points = {gravity[:2], gravity[2:]}
    return (far in points) - (near in points)


def _along(side: int, cut: int, offset: int, pull: int) -> int:
    if pull < 0:
        return offset
    if pull > 0:
        return side - cut - offset
    return (side - cut + 1) // 2 + offset


def _pixels(side: int, offset: float) -> int:
    """Return an offset in pixels; less than one is a share of the side."""
    return round(offset if abs(offset) >= 1 else side * offset)


def _within(value: int, most: int) -> int:
    return max(0, min(value, most))
