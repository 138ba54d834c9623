"""Images made to break what reads them: small files that claim, or unpack to, far too much."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the bytes of an image."""
    made = io.BytesIO()
    image.save(made, kind, **options)
    return made.getvalue()


def png(width: int, height: int, *chunks: bytes, pixels: bytes = b"") -> bytes:
    """Return an RGB PNG that claims a size; ``pixels`` is all there is of it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(pixels, 9))]
    return b"".join([b"\x89PNG\r\n\x1a\n", *parts, chunk(b"IEND", b"")])


def chunk(kind: bytes, data: bytes) -> bytes:
    """Return one chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def profile_bomb() -> bytes:
    """Return a PNG whose colour profile unpacks to 300 MB."""
    return png(9, 9, chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(300_000_000))))


def text_bomb() -> bytes:
    """Return a PNG with 500 texts of 1 MB each."""
    text = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(1_000_000)))
    return png(9, 9, *[text] * 500, pixels=bytes(9 * 28))


def gif_with_frames(count: int, side: int) -> bytes:
    """Return a GIF of many large frames; it is small, each is of one colour."""
    frames = [Image.new("P", (side, side), index % 2) for index in range(count)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def gif_claiming(side: int) -> bytes:
    """Return a GIF whose screen is larger than its frame."""
    data = bytearray(gif_with_frames(2, 10))
    data[6:10] = struct.pack("<HH", side, side)
    return bytes(data)


def webp_canvas() -> bytes:
    """Return the head of an animated WebP of 16383 x 16383."""
    side = struct.pack("<I", 16382)[:3]
    body = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + side + side
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def bmp_claiming(side: int) -> bytes:
    """Return the head of a BMP."""
    info = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54) + info + bytes(99)


def icon_around(picture: bytes) -> bytes:
    """Return an ICO with a PNG in it."""
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(picture), 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + picture


def jpeg_claiming(side: int) -> bytes:
    """Return a JPEG whose frame header claims a size."""
    data = bytearray(encoded(Image.new("RGB", (9, 9)), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", side, side)
    return bytes(data)


def jpeg_with_scans(side: int, times: int) -> bytes:
    """Return a progressive JPEG whose last scan comes again and again."""
    data = encoded(Image.new("RGB", (side, side)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * times + data[-2:]


def exif_loop() -> bytes:
    """Return a JPEG whose EXIF directory lists itself thousands of times."""
    picture = encoded(Image.new("RGB", (40, 20)), "JPEG")
    entry = struct.pack(">HHII", 0x8769, 4, 1, 8)
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 0xFFFF) + entry * 3000
    return picture[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + picture[2:]
