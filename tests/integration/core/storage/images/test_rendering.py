"""Pictures over HTTP: who may, how they look, what the headers say; over a live core."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from PIL import Image

from tests.conftest import Cluster, cloning
from tests.integration.core.storage.conftest import Storage, running_storage, token_of
from tests.integration.core.storage.images.hostile import encoded, png
from tests.servers import wait_until

ALL = "for all to authenticated using (true) with check (true)"
UNSUPPORTED = "The source image is invalid or unsupported for rendering"


def photograph() -> bytes:
    """Return 400 x 200, red on the left and blue on the right."""
    image = Image.new("RGB", (400, 200), "red")
    image.paste("blue", (200, 0, 400, 200))
    return encoded(image, "JPEG", quality=95)


def put(storage: Storage, bucket: str, name: str, data: bytes, mime: str, **headers: str) -> None:
    """Store an object, in place of another."""
    sent = {"content-type": mime, "cache-control": "max-age=77", "x-upsert": "true", **headers}
    answer = storage.service.post(f"/object/{bucket}/{name}", content=data, headers=sent)
    assert answer.status_code == 200, answer.text


def picture(answer: httpx.Response) -> Image.Image:
    """Return the picture of an answer."""
    assert answer.status_code == 200, answer.text
    image = Image.open(io.BytesIO(answer.content))
    image.load()
    assert answer.headers["content-type"] == f"image/{(image.format or '').lower()}"
    assert answer.headers["content-length"] == str(len(answer.content))
    return image


def workers_of(storage: Storage) -> list[psutil.Process]:
    """Return the processes that touch images for the core."""
    found = psutil.Process(storage.live.pid).children()
    return [one for one in found if "gavan.core.storage.images.worker" in one.cmdline()]


@pytest.fixture(scope="module")
def gallery(storage: Storage) -> str:
    """Return a public bucket with a photograph, a drawing, a text and some that are worse."""
    bucket = storage.bucket(public=True)
    put(storage, bucket, "a.jpg", photograph(), "image/jpeg")
    drawing = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    put(storage, bucket, "a.svg", drawing, "image/svg+xml")
    put(storage, bucket, "a.txt", b"not an image", "image/png")
    put(storage, bucket, "bomb.png", png(50_000, 50_000), "image/png")
    put(storage, bucket, "large.png", bytes(26 * 1024 * 1024), "image/png")
    return bucket


def show(storage: Storage, bucket: str, name: str, **query: Any) -> httpx.Response:
    """Ask for a picture as nobody."""
    return storage.nobody.get(f"/render/image/public/{bucket}/{name}", params=query)


def test_no_process_touches_images_before_the_first_one(storage: Storage, gallery: str) -> None:
    assert workers_of(storage) == []

    picture(show(storage, gallery, "a.jpg", width=10))

    assert len(workers_of(storage)) == 1


def test_a_picture_is_cut_to_the_box_and_says_how(storage: Storage, gallery: str) -> None:
    answer = show(storage, gallery, "a.jpg", width=100, height=100, quality=60, gravity="ea")

    image = picture(answer)

    assert (image.size, image.format) == ((100, 100), "JPEG")
    pixel = image.getpixel((50, 50))
    assert isinstance(pixel, tuple)
    assert pixel[2] > 200
    assert answer.headers["x-transformations"] == (
        "height:100,width:100,resizing_type:fill,quality:60,gravity:ea"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "max-age=77"
    assert answer.headers["accept-ranges"] == "none"
    assert "accept" in answer.headers["vary"].lower()
    assert "x-robots-tag" in answer.headers
    assert "last-modified" in answer.headers


@pytest.mark.parametrize(
    ("accept", "query", "made"),
    [
        ("image/avif,image/webp,image/*,*/*;q=0.8", {}, "AVIF"),
        ("image/webp,*/*", {}, "WEBP"),
        ("image/avif;q=0, image/webp;q=0.5", {}, "WEBP"),
        ("*/*", {}, "JPEG"),
        ("image/avif,image/webp", {"format": "origin"}, "JPEG"),
        ("image/avif", {"format": "webp"}, "WEBP"),
        ("", {"format": "avif"}, "AVIF"),
    ],
)
def test_the_format_is_wanted_or_the_best_that_the_client_shows(
    storage: Storage, gallery: str, accept: str, query: dict[str, str], made: str
) -> None:
    url = f"/render/image/public/{gallery}/a.jpg"
    answer = storage.nobody.get(url, params={"width": 40, **query}, headers={"accept": accept})

    assert picture(answer).format == made


def test_an_etag_is_good_for_one_way_to_look(storage: Storage, gallery: str) -> None:
    source = storage.nobody.get(f"/object/public/{gallery}/a.jpg").headers["etag"]
    small = show(storage, gallery, "a.jpg", width=40).headers["etag"]
    large = show(storage, gallery, "a.jpg", width=80).headers["etag"]
    webp = show(storage, gallery, "a.jpg", width=40, format="webp").headers["etag"]
    url = f"/render/image/public/{gallery}/a.jpg"

    assert len({source, small, large, webp}) == 4
    known = storage.nobody.get(url, params={"width": 40}, headers={"if-none-match": small})
    assert (known.status_code, known.content) == (304, b"")
    assert (known.headers["etag"], known.headers["cache-control"]) == (small, "max-age=77")
    other = storage.nobody.get(url, params={"width": 80}, headers={"if-none-match": small})
    assert other.status_code == 200
    accepting = {"if-none-match": small, "accept": "image/webp"}
    assert storage.nobody.get(url, params={"width": 40}, headers=accepting).status_code == 200


def test_a_replaced_image_has_another_etag(storage: Storage) -> None:
    bucket = storage.bucket(public=True)
    put(storage, bucket, "a.jpg", photograph(), "image/jpeg")
    before = show(storage, bucket, "a.jpg", width=40)

    put(storage, bucket, "a.jpg", encoded(Image.new("RGB", (9, 9)), "PNG"), "image/png")

    after = storage.nobody.get(
        f"/render/image/public/{bucket}/a.jpg",
        params={"width": 40},
        headers={"if-none-match": before.headers["etag"]},
    )
    assert picture(after).size == (9, 9)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("width=-1", "width"),
        ("width=10&width=20", "width"),
        ("height=x", "height"),
        ("quality=1000", "quality"),
        ("resize=crop", "resize"),
        ("format=gif", "format"),
        ("gravity=sm", "gravity"),
        ("gravity=fp&x_offset=2&y_offset=0", "x_offset"),
    ],
)
def test_bad_parameters_are_named_before_anything_is_looked_up(
    storage: Storage, query: str, named: str
) -> None:
    for road in ("public", "authenticated"):
        answer = storage.nobody.get(f"/render/image/{road}/no-such-bucket/x.png?{query}")

        assert answer.status_code == 400
        assert answer.json()["error"] == "Error"
        assert f"querystring/{named}" in answer.json()["message"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.txt", UNSUPPORTED),
        ("bomb.png", "The source image resolution is too large to process"),
        ("large.png", "The source image file is too large to process"),
    ],
)
def test_what_is_no_image_or_too_large_is_refused(
    storage: Storage, gallery: str, name: str, message: str
) -> None:
    answer = show(storage, gallery, name, width=10)

    assert answer.status_code == 400
    assert answer.json() == {
        "statusCode": "400",
        "error": "InvalidRequest",
        "message": message,
        "code": "InvalidRequest",
    }


def test_a_drawing_is_sent_as_it_is_and_cannot_act(storage: Storage, gallery: str) -> None:
    answer = show(storage, gallery, "a.svg", width=10, format="webp")

    assert answer.content.startswith(b"<svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_head_tells_what_get_sends(storage: Storage, gallery: str) -> None:
    url = f"/render/image/public/{gallery}/a.jpg"
    got = storage.nobody.get(url, params={"width": 40})
    told = storage.nobody.head(url, params={"width": 40})

    assert (told.status_code, told.content) == (200, b"")
    for name in ("content-type", "content-length", "etag", "x-transformations"):
        assert told.headers[name] == got.headers[name]


def test_a_picture_is_saved_under_a_name(storage: Storage, gallery: str) -> None:
    answer = show(storage, gallery, "a.jpg", width=10, download="кот.jpg")

    assert answer.headers["content-disposition"].startswith("attachment; filename=%D0%BA")


def test_a_private_image_is_shown_to_whom_the_policies_show_it(storage: Storage) -> None:
    bucket = storage.bucket()
    url = f"/render/image/authenticated/{bucket}/a.jpg"
    put(storage, bucket, "a.jpg", photograph(), "image/jpeg")
    mine = f"for select to authenticated using (bucket_id = '{bucket}' and auth.uid() is not null"

    with storage.policies(f"{mine} and auth.jwt() ->> 'team' = 'red')"):
        red = storage.as_user("11111111-1111-4111-8111-111111111111", team="red")
        assert picture(red.get(url, params={"width": 10})).size == (10, 5)
        refused = storage.boris.get(url, params={"width": 10})
        assert (refused.status_code, refused.json()["code"]) == (400, "NoSuchKey")
        assert storage.anon.get(url).json()["code"] == "NoSuchKey"
        assert storage.nobody.get(url).json()["error"] == "Unauthorized"
        public = storage.nobody.get(f"/render/image/public/{bucket}/a.jpg")
        assert public.json()["code"] == "NoSuchBucket"


def test_policies_see_the_operation(storage: Storage) -> None:
    bucket = storage.bucket()
    put(storage, bucket, "a.jpg", photograph(), "image/jpeg")
    operation = "storage.allow_only_operation('render.image_authenticated')"

    with storage.policies(f"for select to authenticated using ({operation})"):
        url = f"authenticated/{bucket}/a.jpg"
        assert storage.anne.get(f"/render/image/{url}?width=9").status_code == 200
        assert storage.anne.get(f"/object/{url}").status_code == 400


def sign(storage: Storage, bucket: str, transform: object, **body: Any) -> httpx.Response:
    """Ask for a signed URL as the service."""
    asked = {"expiresIn": 60, "transform": transform, **body}
    return storage.service.post(f"/object/sign/{bucket}/a.jpg", json=asked)


@pytest.fixture
def private(storage: Storage) -> str:
    """Return a private bucket with a photograph."""
    bucket = storage.bucket()
    put(storage, bucket, "a.jpg", photograph(), "image/jpeg")
    return bucket


def test_a_signed_url_fixes_how_the_picture_looks(storage: Storage, private: str) -> None:
    transform = {"width": 200, "height": 200, "quality": 60}
    url = sign(storage, private, transform).json()["signedURL"]

    assert url.startswith(f"/render/image/sign/{private}/a.jpg?token=")
    answer = storage.nobody.get(f"{url}&width=5&format=avif&resize=nonsense")

    assert picture(answer).size == (200, 200)
    assert answer.headers["x-transformations"] == (
        "height:200,width:200,resizing_type:fill,quality:60"
    )
    assert "expires" in answer.headers
    assert "cache-control" not in answer.headers
    known = storage.nobody.get(url, headers={"if-none-match": answer.headers["etag"]})
    assert known.status_code == 304


def test_a_signed_format_and_focal_point_are_kept(storage: Storage, private: str) -> None:
    transform = {"width": 50, "height": 50, "format": "webp", "gravity": "fp"}
    url = sign(storage, private, {**transform, "x_offset": 1, "y_offset": 0.5}).json()["signedURL"]

    answer = storage.nobody.get(url, headers={"accept": "image/avif"})

    assert picture(answer).format == "WEBP"
    assert answer.headers["x-transformations"].endswith("format:webp,gravity:fp:1:0.5")


@pytest.mark.parametrize("transform", [{}, {"format": "origin"}, {"resize": "cover"}, None])
def test_nothing_to_change_is_signed_for_the_object(
    storage: Storage, private: str, transform: dict[str, Any] | None
) -> None:
    url = sign(storage, private, transform).json()["signedURL"]

    assert url.startswith(f"/object/sign/{private}/")
    assert storage.nobody.get(url).content == photograph()


def test_who_was_given_a_small_picture_does_not_get_the_large_one(
    storage: Storage, private: str
) -> None:
    small = sign(storage, private, {"width": 9}).json()["signedURL"]

    assert storage.nobody.get(small).status_code == 200
    large = storage.nobody.get(small.replace("/render/image/", "/object/"))
    assert (large.status_code, large.json()["code"]) == (400, "InvalidSignature")


def test_a_bad_transform_is_not_signed(storage: Storage, private: str) -> None:
    assert sign(storage, private, "small").json()["message"] == "body/transform must be object"
    refused = sign(storage, private, {"width": -5})
    assert refused.status_code == 400
    assert refused.json()["message"] == "body/transform/width must be >= 0"


def test_a_token_shows_one_image_and_only_for_reading(storage: Storage, private: str) -> None:
    token = sign(storage, private, {"width": 9}).json()["signedURL"].partition("token=")[2]
    put(storage, private, "b.jpg", photograph(), "image/jpeg")

    def code(path: str, used: str) -> str:
        answer = storage.nobody.get(f"/render/image/sign/{path}", params={"token": used})
        assert answer.status_code == 400
        return str(answer.json()["code"])

    upload = token_of("anon", url=f"{private}/a.jpg", scope="upload", upsert=False)
    old = token_of("anon", url=f"{private}/a.jpg", exp=int(time.time()) - 60)
    assert code(f"{private}/b.jpg", token) == "InvalidSignature"
    assert code(f"{private}/a.jpg", upload) == "InvalidSignature"
    assert code(f"{private}/a.jpg", token[:-3] + "AAA") == "InvalidJWT"
    assert code(f"{private}/a.jpg", old) == "InvalidJWT"
    assert storage.nobody.get(f"/render/image/sign/{private}/a.jpg").status_code == 400


def test_a_row_without_its_blob_says_so(storage: Storage, private: str) -> None:
    row = storage.row(private, "a.jpg")
    assert row is not None
    [blob] = storage.folder.rglob(row["version"])
    blob.unlink()

    answer = storage.service.get(f"/render/image/authenticated/{private}/a.jpg?width=9")

    assert answer.status_code == 400
    assert answer.json()["message"] == "The resource was not found"


def test_the_core_does_not_hold_images(storage: Storage, gallery: str) -> None:
    core = psutil.Process(storage.live.pid)
    noise = encoded(Image.effect_noise((2200, 2200), 90).convert("RGB"), "PNG", compress_level=0)
    put(storage, gallery, "noise.png", noise, "image/png")
    picture(show(storage, gallery, "noise.png", width=100))
    before = core.memory_info().rss

    for width in range(101, 111):
        picture(show(storage, gallery, "noise.png", width=width))

    assert core.memory_info().rss - before < 10 * 1024 * 1024


@pytest.fixture(scope="module")
def plain(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """A storage service that renders no images."""
    folder: Path = tmp_path_factory.mktemp("s")
    with (
        cloning(cluster) as clone,
        running_storage(clone(), folder, {"IMAGE_TRANSFORMATION_ENABLED": "false"}) as running,
    ):
        yield running


def test_a_stack_that_renders_no_images_has_no_such_routes(plain: Storage) -> None:
    bucket = plain.bucket(public=True)
    put(plain, bucket, "a.jpg", photograph(), "image/jpeg")

    answer = show(plain, bucket, "a.jpg", width=10)

    assert answer.status_code == 404
    assert answer.json()["message"].startswith("Route GET:/render/image/public/")
    assert sign(plain, bucket, {"width": 9}).json()["signedURL"].startswith("/object/sign/")


def test_the_workers_end_with_a_core_that_is_killed(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("s")
    with cloning(cluster) as clone, running_storage(clone(), folder) as running:
        bucket = running.bucket(public=True)
        put(running, bucket, "a.jpg", photograph(), "image/jpeg")
        picture(show(running, bucket, "a.jpg", width=10))
        [worker] = workers_of(running)
        os.kill(running.live.pid, signal.SIGKILL)

        wait_until(lambda: not worker.is_running())
