"""What Pillow makes of pictures: turned upright, in sRGB, without metadata, in the right format."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageCms

from gavan.core.storage.images.picture import ORIENTATION, Picture, Refused, render
from gavan.core.storage.images.transform import Transform

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return the bytes of an image."""
    made = io.BytesIO()
    image.save(made, kind, **options)
    return made.getvalue()


def opened(picture: Picture) -> Image.Image:
    """Return the image of a picture, decoded."""
    image = Image.open(io.BytesIO(picture.data))
    image.load()
    return image


def quarters() -> Image.Image:
    """Return 80 x 40: red and green above, blue and white below."""
    image = Image.new("RGB", (80, 40))
    for place, colour in (((0, 0), RED), ((40, 0), GREEN), ((0, 20), BLUE), ((40, 20), WHITE)):
        image.paste(colour, (*place, place[0] + 40, place[1] + 20))
    return image


def colour_at(image: Image.Image, place: tuple[int, int]) -> tuple[int, ...]:
    """Return the colour rounded to full or none, so that lossy formats compare."""
    pixel = image.convert("RGB").getpixel(place)
    assert isinstance(pixel, tuple)
    return tuple(255 if value > 127 else 0 for value in pixel)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_stands_upright_however_the_camera_was_held(turn: int, kind: str) -> None:
    upright = quarters()
    lying = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[turn]
    exif = Image.Exif()
    exif[ORIENTATION] = turn

    made = opened(render(encoded(lying, kind, exif=exif), Transform(width=40), ()))

    assert made.size == (40, 20)
    corners = [colour_at(made, place) for place in ((5, 4), (34, 4), (5, 15), (34, 15))]
    assert corners == [RED, GREEN, BLUE, WHITE]


def test_the_cut_is_taken_from_what_is_seen() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    lying = encoded(quarters().transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)

    made = opened(render(lying, Transform(width=20, height=20, gravity="ea"), ()))

    assert made.size == (20, 20)
    assert [colour_at(made, (10, 4)), colour_at(made, (10, 15))] == [GREEN, WHITE]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_what_the_camera_wrote_is_left_behind(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "who and where"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = encoded(quarters(), kind, exif=exif, icc_profile=profile)

    picture = render(source, Transform(), ())

    assert b"who and where" in source
    assert b"who and where" not in picture.data
    assert not {"exif", "icc_profile", "xmp", "comment"} & opened(picture).info.keys()


def swapping_profile() -> bytes:
    """Return an RGB profile whose red primary is blue and whose blue is red."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_come_out_as_srgb(mode: str) -> None:
    source = encoded(Image.new(mode, (20, 20), "red"), "PNG", icc_profile=swapping_profile())

    assert colour_at(opened(render(source, Transform(width=10), ())), (5, 5)) == BLUE


@pytest.mark.parametrize("profile", [b"no profile", swapping_profile()[:-400], b"\0" * 5000])
def test_a_broken_profile_says_nothing(profile: bytes) -> None:
    source = encoded(Image.new("RGB", (20, 20), "red"), "JPEG", icc_profile=profile)

    assert colour_at(opened(render(source, Transform(width=10), ())), (5, 5)) == RED


def test_ink_becomes_light() -> None:
    source = encoded(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "JPEG")

    made = opened(render(source, Transform(width=10), ()))

    assert made.mode == "RGB"
    assert colour_at(made, (5, 5)) == RED


@pytest.mark.parametrize("kind", ["origin", "webp", "avif"])
@pytest.mark.parametrize("mode", ["P", "LA", "RGBA"])
def test_transparency_stays(mode: str, kind: str) -> None:
    image = Image.new("RGBA", (40, 40), (255, 255, 255, 255))
    image.paste((0, 0, 0, 0), (0, 0, 20, 40))
    source = encoded(image.convert(mode), "PNG")

    made = opened(render(source, Transform(width=20, format=kind), ())).convert("RGBA")

    alpha = made.getchannel("A")
    assert (alpha.getpixel((4, 10)), alpha.getpixel((15, 10))) == (0, 255)


def test_sixteen_bits_of_grey_become_eight() -> None:
    source = encoded(Image.new("I;16", (20, 20), 0x8000), "PNG")

    made = opened(render(source, Transform(width=10), ()))

    assert (made.mode, made.getpixel((5, 5))) == ("L", 0x80)


@pytest.mark.parametrize(
    ("kind", "wanted", "accepted", "made"),
    [
        ("JPEG", "", (), "jpeg"),
        ("JPEG", "", ("avif", "webp"), "avif"),
        ("PNG", "", ("webp",), "webp"),
        ("PNG", "origin", ("webp",), "png"),
        ("WEBP", "origin", ("avif",), "webp"),
        ("AVIF", "", (), "avif"),
        ("GIF", "", (), "gif"),
        ("BMP", "", (), "png"),
        ("ICO", "", (), "png"),
        ("JPEG", "webp", (), "webp"),
        ("JPEG", "avif", ("webp",), "avif"),
    ],
)
def test_the_format_is_the_wanted_one_else_an_accepted_one_else_that_of_the_source(
    kind: str, wanted: str, accepted: tuple[str, ...], made: str
) -> None:
    picture = render(encoded(quarters(), kind), Transform(format=wanted), accepted)

    assert picture.format == made
    assert (opened(picture).format or "").lower() == made


def test_a_side_that_webp_cannot_hold_stays_in_its_format_unless_webp_is_wanted() -> None:
    source = encoded(Image.new("L", (17_000, 4)), "PNG")

    assert render(source, Transform(), ("webp",)).format == "png"
    with pytest.raises(Refused, match="resolution"):
        render(source, Transform(format="webp"), ())


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_shown(kind: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in (RED, GREEN, BLUE)]
    source = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)

    made = opened(render(source, Transform(width=10), ()))

    assert getattr(made, "n_frames", 1) == 1
    assert colour_at(made, (5, 5)) == RED


def test_less_quality_is_fewer_bytes() -> None:
    noise = encoded(Image.effect_noise((300, 300), 80).convert("RGB"), "PNG")

    for kind in ("webp", "avif"):
        small, large = (
            len(render(noise, Transform(format=kind, quality=quality), ()).data)
            for quality in (20, 95)
        )
        assert small < large / 2
