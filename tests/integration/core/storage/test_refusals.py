"""Uploads refused for their name, type, size or form; the answers are upstream's, to the byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest

from tests.conftest import Database
from tests.integration.core.storage.conftest import Storage, running_storage

TOO_LARGE = (
    '{"statusCode":"413","error":"Payload too large",'
    '"message":"The object exceeded the maximum allowed size","code":"EntityTooLarge"}'
)
NO_TYPE = (
    '{"statusCode":"415","error":"invalid_mime_type",'
    '"message":"Invalid Content-Type header","code":"InvalidMimeType"}'
)
PNG = b"\x89PNG\r\n\x1a\n"


def post(storage: Storage, place: str, content: bytes = b"x", **headers: str) -> httpx.Response:
    """Post a raw body as the service role; ``content_type`` is ``content-type``."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return storage.service.post(f"/object/{place}", content=content, headers=sent)


def test_a_second_object_of_a_name_is_refused_and_the_first_stays(storage: Storage) -> None:
    bucket = storage.bucket()
    first = post(storage, f"{bucket}/a").json()
    answer = post(storage, f"{bucket}/a", b"other")
    assert answer.status_code == 400
    assert answer.text == (
        '{"statusCode":"409","error":"Duplicate",'
        '"message":"The resource already exists","code":"KeyAlreadyExists"}'
    )
    row = storage.row(bucket, "a")
    assert row is not None
    assert (row["id"], row["metadata"]["size"]) == (first["Id"], 1)
    assert not storage.orphans()


def test_a_bucket_that_is_none_takes_nothing(storage: Storage) -> None:
    answer = post(storage, "notfound/a")
    assert answer.text == (
        '{"statusCode":"404","error":"Bucket not found",'
        '"message":"Bucket not found","code":"NoSuchBucket"}'
    )
    assert post(storage, "b--table-s3/a").json()["code"] == "InvalidBucketName"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a%00b",
        "%D0%BA%D0%BB%D1%8E%D1%87",
        "a/%2E%2E/b",
        "%2E",
        "a%5Cb",
        "a%FFb",
        "a%0Ab",
        "a%0A",
        "%0A",
    ],
)
def test_names_that_no_object_may_have_are_refused(storage: Storage, name: str) -> None:
    bucket = storage.bucket()
    answer = post(storage, f"{bucket}/{name}")
    assert answer.status_code == 400
    assert answer.json()["code"] == "InvalidKey"
    assert not storage.orphans()


def test_a_line_end_behind_a_name_does_not_make_it_that_name(storage: Storage) -> None:
    bucket = storage.bucket(public=True)
    post(storage, f"{bucket}/a")
    for method, path in (
        ("GET", f"/object/{bucket}/a%0A"),
        ("GET", f"/object/public/{bucket}/a%0A"),
        ("GET", f"/object/info/{bucket}/a%0A"),
        ("HEAD", f"/object/{bucket}/a%0A"),
        ("DELETE", f"/object/{bucket}/a%0A"),
        ("PUT", f"/object/{bucket}/a%0A"),
        ("POST", f"/object/upload/sign/{bucket}/a%0A"),
    ):
        assert storage.service.request(method, path).status_code == 400, (method, path)
    signed = storage.service.post(f"/object/sign/{bucket}/a%0A", json={"expiresIn": 60})
    assert signed.status_code == 400
    assert storage.service.get(f"/object/{bucket}/a").content == b"x"


@pytest.mark.parametrize("name", ["a///child.txt", "special file @+$,;=?.txt", "!-.*'()&:", "a/b/"])
def test_every_other_name_is_kept_as_it_is(storage: Storage, name: str) -> None:
    bucket = storage.bucket()
    path = name.replace("?", "%3F")
    answer = post(storage, f"{bucket}/{path}")
    assert answer.json()["Key"] == f"{bucket}/{name}"
    assert storage.row(bucket, name) is not None


@pytest.mark.parametrize("mime", ["thisisnotarealmimetype", "image/\tjpg", "", "a/b c", "/png"])
def test_a_content_type_that_is_none_is_refused_at_once(storage: Storage, mime: str) -> None:
    bucket = storage.bucket()
    answer = post(storage, f"{bucket}/a", content_type=mime)
    assert (answer.status_code, answer.text) == (400, NO_TYPE)


def test_a_bucket_takes_only_its_types_and_parameters_do_not_count(storage: Storage) -> None:
    bucket = storage.bucket(allowed_mime_types=["image/png", "text/*"])
    refused = post(storage, f"{bucket}/a", content_type="image/jpeg")
    assert refused.text == (
        '{"statusCode":"415","error":"invalid_mime_type",'
        '"message":"mime type image/jpeg is not supported","code":"InvalidMimeType"}'
    )
    form = storage.service.post(f"/object/{bucket}/f", files={"": ("x", PNG, "image/jpeg")})
    assert form.text == refused.text
    assert post(storage, f"{bucket}/b", content_type="text/plain;charset=UTF-8").status_code == 200
    named = storage.service.post(
        f"/object/{bucket}/g",
        data={"contentType": "image/png"},
        files={"": ("x", PNG, "image/jpeg")},
    )
    assert named.status_code == 200
    assert not storage.orphans()


def test_the_keeper_of_a_folder_is_empty_and_of_any_type(storage: Storage) -> None:
    bucket = storage.bucket(allowed_mime_types=["image/png"])
    keeper = f"/object/{bucket}/nested/.emptyFolderPlaceholder"
    empty = storage.service.post(keeper, files={"": ("x", b"", "text/plain")})
    assert empty.status_code == 200
    full = {"x-upsert": "true"}
    large = storage.service.post(keeper, files={"": ("x", b"1", "text/plain")}, headers=full)
    assert (large.status_code, large.text) == (400, TOO_LARGE)
    assert storage.service.put(keeper, content=b"1").text == TOO_LARGE
    assert not storage.orphans()


def test_what_is_larger_than_the_bucket_takes_leaves_nothing(storage: Storage) -> None:
    bucket = storage.bucket(file_size_limit=10)
    raw = post(storage, f"{bucket}/a", b"x" * 12, x_amz_decoded_content_length="1")
    assert (raw.status_code, raw.text) == (400, TOO_LARGE)
    form = storage.service.post(f"/object/{bucket}/a", files={"": ("x", b"x" * 12, "text/plain")})
    assert (form.status_code, form.text) == (400, TOO_LARGE)
    chunked = storage.service.post(f"/object/{bucket}/a", content=iter([b"x" * 6, b"x" * 6]))
    assert (chunked.status_code, chunked.text) == (400, TOO_LARGE)
    fits = storage.service.post(f"/object/{bucket}/a", files={"": ("x", b"x" * 10, "text/plain")})
    assert fits.status_code == 200
    assert post(storage, f"{storage.bucket(file_size_limit=0)}/a").text == TOO_LARGE
    assert not storage.orphans()


def test_robots_are_checked_stored_and_replaced(storage: Storage) -> None:
    bucket = storage.bucket()
    refused = post(storage, f"{bucket}/a", x_robots_tag="invalidrule")
    assert refused.json() == {
        "statusCode": "400",
        "error": "invalid_x_robots_tag",
        "message": 'Invalid X-Robots-Tag header: Invalid X-Robots-Tag rule: "invalidrule"',
        "code": "InvalidRequest",
    }
    for robots in ("max-snippet: 10, notranslate", "nofollow"):
        post(storage, f"{bucket}/a", x_robots_tag=robots, x_upsert="true").raise_for_status()
        row = storage.row(bucket, "a")
        assert row is not None
        assert row["metadata"]["xRobotsTag"] == robots


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"--b\r\n\r\n", "Unexpected end of form"),
        (b"--b--\r\n", "No content provided"),
        (
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--',
            "No content provided",
        ),
        (b"no form at all", "Malformed part of a form"),
        (b"--b\r\nBad Header: x\r\n\r\n\r\n--b--", "Malformed part of a form"),
        (
            b'--b\r\nContent-Disposition: form-data; filename="a"\r\n\r\nhalf a file',
            "Unexpected end of form",
        ),
        (
            b'--b\r\nContent-Disposition: form-data; filename="a"\r\n\r\n1\r\n' * 2 + b"--b--",
            "reach files limit",
        ),
        (
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 11,
            "reach fields limit",
        ),
        (b"--b\r\nX: " + b"x" * 5000, "Malformed part of a form"),
        (b"--b\r\n" + b"X: x\r\n" * 20, "Malformed part of a form"),
        (
            b'--b\r\nContent-Disposition: form-data; filename="a"\r\n\r\n1\r\n--b--'
            + b"x" * 1_000_000,
            "Unexpected data after the form",
        ),
    ],
)
def test_forms_that_are_none_store_nothing(storage: Storage, body: bytes, message: str) -> None:
    bucket = storage.bucket()
    answer = post(storage, f"{bucket}/a", body, content_type="multipart/form-data; boundary=b")
    assert answer.status_code == 400
    assert answer.json() == {
        "statusCode": "400",
        "error": "InvalidRequest",
        "message": message,
        "code": "InvalidRequest",
    }
    assert storage.row(bucket, "a") is None
    assert not storage.orphans()


def test_a_form_without_boundary_is_refused(storage: Storage) -> None:
    bucket = storage.bucket()
    for mime in ("multipart/form-data", f"multipart/form-data; boundary={'b' * 300}"):
        answer = post(storage, f"{bucket}/a", content_type=mime)
        assert answer.json()["message"] == "Multipart: Boundary not found"


def test_fields_are_bounded_and_may_not_break_out_of_headers(storage: Storage) -> None:
    bucket = storage.bucket()
    file = {"": ("x", b"x", "text/plain")}
    large = storage.service.post(
        f"/object/{bucket}/a", data={"metadata": " " * (1024 * 1024 + 1)}, files=file
    )
    assert large.json()["message"] == "The user_metadata exceeded the maximum allowed size"
    for field in ("contentType", "cacheControl"):
        for value in ("text/html\r\nX-Evil: 1", "a/b" * 5000):
            answer = storage.service.post(f"/object/{bucket}/a", data={field: value}, files=file)
            assert answer.status_code == 400, field
    assert storage.row(bucket, "a") is None


def test_user_metadata_that_is_no_object_is_ignored_and_one_is_replaced(storage: Storage) -> None:
    bucket = storage.bucket()
    file = {"": ("x", b"x", "text/plain")}
    stored = []
    for text in ('{"a": {"b": [1, "ü"]}}', "no json", "[1]", '{"c": 1}'):
        storage.service.put(
            f"/object/{bucket}/a", data={"metadata": text}, files=file
        ).raise_for_status()
        row = storage.row(bucket, "a")
        assert row is not None
        stored.append(row["user_metadata"])
    assert stored == [{"a": {"b": [1, "ü"]}}, {}, {}, {"c": 1}]
    answer = storage.service.put(
        f"/object/{bucket}/a", data={"userMetadata": '{"a": "\\u0000"}'}, files=file
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidParameter")


@pytest.mark.parametrize("header", ["!!!", "e30", "e30=", "eyJhIjoi__-_In0", "W10=", "////"])
def test_the_header_of_user_metadata_is_read_as_leniently_as_upstream(
    storage: Storage, header: str
) -> None:
    bucket = storage.bucket()
    assert post(storage, f"{bucket}/a", x_metadata=header).status_code == 200


def test_without_a_token_or_with_a_bad_one_nothing_is_stored(storage: Storage) -> None:
    bucket = storage.bucket()
    for client in (storage.nobody, storage.client("garbage")):
        answer = client.post(f"/object/{bucket}/a", content=b"x")
        assert answer.status_code == 400
        assert answer.json() == {
            "statusCode": "403",
            "error": "Unauthorized",
            "message": "Invalid Compact JWS",
            "code": "AccessDenied",
        }
    assert storage.row(bucket, "a") is None


def test_a_store_that_fails_leaves_no_row_and_says_so(database: Database, tmp_path: Path) -> None:
    with running_storage(database, tmp_path) as storage:
        place = f"{storage.bucket()}/a"
        storage.folder.parent.mkdir(exist_ok=True)
        shutil.rmtree(storage.folder, ignore_errors=True)
        storage.folder.write_text("in the way")
        answer = post(storage, place)
        assert answer.status_code == 500
        assert (answer.json()["statusCode"], answer.json()["code"]) == ("500", "S3Error")
        storage.folder.unlink()
        assert storage.row(*place.split("/")) is None
        assert post(storage, place).status_code == 200
