"""Make one picture of another with Pillow; runs in the worker process and nowhere else.

What comes in is hostile until it is pixels. Only decoders for what browsers show are registered
(no TIFF, no PostScript, nothing that starts a program); the size a file claims is judged before its
pixels are read. What goes out has no metadata, stands upright, and is in sRGB.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)

from gavan.core.storage.images.frames import MOST_PIXELS, MOST_RESULT
from gavan.core.storage.images.geometry import Size, plan
from gavan.core.storage.images.transform import Transform

ORIENTATION = 0x0112
"""The EXIF tag that tells how a camera was held"""
MODERN_SIDE = 16_383
"""The longest side that WebP can hold"""
MODERN_PIXELS = 25_000_000
"""More are not encoded as WebP or AVIF within the memory and time that there is"""
QUALITY = {"JPEG": 80, "WEBP": 80, "AVIF": 63}
AVIF_SPEED = 8
"""As small as speed 6 and ten times as fast, measured on photographs of 2000 pixels"""
_PLUGINS = (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    IcoImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)
_SOURCES = ("AVIF", "BMP", "GIF", "ICO", "JPEG", "PNG", "WEBP")
_ORIGINS = {"AVIF": "AVIF", "GIF": "GIF", "JPEG": "JPEG", "MPO": "JPEG", "WEBP": "WEBP"}
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = frozenset({5, 6, 7, 8})
_SRGB = ImageCms.createProfile("sRGB")


class Refused(Exception):
    """A picture that is not made; ``reason`` is ``resolution`` or ``result``: too large."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Picture:
    """``format`` is that of the bytes, in lower case."""

    data: bytes
    format: str


def render(data: bytes, wanted: Transform, accepted: Sequence[str]) -> Picture:
    """Return the picture that is wanted of the bytes of another; of an animation, its first frame.

    Args:
        accepted: the better formats that the client shows, the best first; they count when no
            format is wanted.

    Raises:
        Refused: too many pixels or bytes.
        Exception: whatever the decoders make of bytes that are no picture.
    """
    with _open(data) as source:
        turn = _orientation(source)
        aim = plan(_turned(source.size, turn), wanted)
        size = _turned(aim.size, turn)
        source.draft(None, (size[0] * 2, size[1] * 2))
        image = _in_srgb(_scaled(_plain(source), size))
    if turn in _UPRIGHT:
        image = image.transpose(_UPRIGHT[turn])
    if aim.is_cut:
        image = image.crop(aim.box)
    target = _target(source.format or "", image.size, wanted, accepted)
    return Picture(_saved(image, target, wanted.quality), target.lower())


def register() -> None:
    """Know the decoders above and no others; from now on nothing is imported."""
    Image.OPEN = {name: Image.OPEN[name] for name in _SOURCES}
    Image.init = lambda: False
    Image.preinit = lambda: None
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def _open(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=_SOURCES)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Refused("resolution") from error
    if image.width * image.height > MOST_PIXELS:
        raise Refused("resolution")
    return image


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - broken metadata does not spoil the picture
        return 1


def _turned(size: Size, turn: int) -> Size:
    return (size[1], size[0]) if turn in _LYING else size


def _plain(image: Image.Image) -> Image.Image:
    """Return the picture without a palette, and with transparency as a channel."""
    has_key = "transparency" in image.info
    if image.mode == "PA" or (image.mode in {"P", "RGB"} and has_key):
        return image.convert("RGBA")
    if image.mode == "P":
        return image.convert("RGB")
    if image.mode == "1" or (image.mode == "L" and has_key):
        return image.convert("LA" if has_key else "L")
    return image


def _scaled(image: Image.Image, size: Size) -> Image.Image:
    if image.size == size:
        image.load()
        return image
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _in_srgb(image: Image.Image) -> Image.Image:
    """Return the picture in sRGB or in grey, eight bits a channel."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    profile = image.info.get("icc_profile")
    if image.mode in {"RGB", "RGBA", "CMYK"} and profile:
        target = "RGBA" if image.mode == "RGBA" else "RGB"
        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            made = ImageCms.profileToProfile(image, given, _SRGB, outputMode=target)
        except (ImageCms.PyCMSError, OSError, ValueError):
            made = None  # a profile that is broken, or for other channels, says nothing
        if made is not None:
            return made
    return image if image.mode in {"L", "LA", "RGB", "RGBA"} else image.convert("RGB")


def _target(source: str, size: Size, wanted: Transform, accepted: Sequence[str]) -> str:
    is_small = max(size) <= MODERN_SIDE and size[0] * size[1] <= MODERN_PIXELS
    if wanted.format in {"avif", "webp"}:
        if not is_small:
            raise Refused("resolution")
        return wanted.format.upper()
    if wanted.format == "" and accepted and is_small:
        return accepted[0].upper()
    return _ORIGINS.get(source, "PNG")


def _saved(image: Image.Image, target: str, quality: int | None) -> bytes:
    if image.mode == "LA" and target in {"AVIF", "WEBP"}:
        image = image.convert("RGBA")
    image.info = {}  # nothing of the camera, the place or the author goes on
    options: dict[str, int] = {}
    if target in QUALITY:
        options["quality"] = quality or QUALITY[target]
    if target == "AVIF":
        options |= {"speed": AVIF_SPEED, "max_threads": 1}
    made = io.BytesIO()
    image.save(made, target, **options)
    if made.tell() > MOST_RESULT:
        raise Refused("result")
    return made.getvalue()
