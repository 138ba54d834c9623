"""Uploads in pieces over TUS 1.0.0: what every request answers, and what it leaves."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from hashlib import sha256

import pytest

from tests.integration.core.storage.conftest import ANNE, Storage
from tests.integration.core.storage.tus import (
    BYTES,
    PATH,
    begin,
    begun,
    below,
    described,
    end,
    go_on,
    look,
)


def test_options_tell_the_protocol_to_anybody(storage: Storage) -> None:
    for path in (PATH, f"{PATH}/", f"{PATH}/x", f"{PATH}/sign", f"{PATH}/sign/x"):
        answer = storage.nobody.options(path)
        assert answer.status_code == 204
        assert answer.headers["tus-version"] == "1.0.0"
        assert answer.headers["tus-resumable"] == "1.0.0"
        assert answer.headers["tus-extension"].split(",") == [
            "creation",
            "creation-with-upload",
            "creation-defer-length",
            "termination",
            "expiration",
        ]
        assert int(answer.headers["tus-max-size"]) == 50 * 1024 * 1024


def test_pieces_become_an_object(storage: Storage) -> None:
    bucket = storage.bucket()
    created = begin(
        storage.as_user(ANNE), bucket, "a/b.txt", 11, cacheControl="3600", metadata='{"x":1}'
    )
    assert created.status_code == 403
    assert created.text == "new row violates row-level security policy"

    user_data = json.dumps({"a": {"b": [1]}})
    created = begin(storage.service, bucket, "a/b.txt", 11, cacheControl="3600", metadata=user_data)
    assert created.status_code == 201
    assert created.headers["location"].startswith(f"{storage.live.url}/storage/v1{PATH}/")
    assert created.headers["tus-resumable"] == "1.0.0"
    assert parsedate_to_datetime(created.headers["upload-expires"]).timestamp() > time.time()
    assert "upload-offset" not in created.headers
    path = below(created.headers["location"])

    first = go_on(storage.service, path, 0, b"hello ")
    assert (first.status_code, first.headers["upload-offset"]) == (204, "6")
    assert "upload-expires" in first.headers
    assert storage.row(bucket, "a/b.txt") is None

    head = look(storage.service, path)
    assert head.status_code == 200
    assert head.headers["upload-offset"] == "6"
    assert head.headers["upload-length"] == "11"
    assert head.headers["cache-control"] == "no-store"
    assert f"cacheControl {described(c='max-age=3600')[2:]}" in head.headers["upload-metadata"]

    last = go_on(storage.service, path, 6, b"world")
    assert (last.status_code, last.headers["upload-offset"]) == (204, "11")
    assert last.headers["tus-complete"] == "1"
    row = storage.row(bucket, "a/b.txt")
    assert row is not None
    assert row["user_metadata"] == {"a": {"b": [1]}}
    assert row["owner_id"] is None
    metadata = row["metadata"]
    assert metadata.pop("lastModified").endswith("Z")
    assert metadata == {
        "cacheControl": "max-age=3600",
        "contentLength": 11,
        "eTag": '"5eb63bbbe01eeed093cb22bb8f5acdc3"',
        "httpStatusCode": 200,
        "mimetype": "text/plain",
        "size": 11,
    }
    version = row["version"]
    blob = storage.folder / version[:2] / version
    assert blob.read_bytes() == b"hello world"
    # Whoever lost the answer to the last piece still learns that it arrived.
    head = look(storage.service, path)
    assert (head.status_code, head.headers["upload-offset"]) == (200, "11")


def test_bytes_may_come_with_the_creation(storage: Storage) -> None:
    bucket = storage.bucket()
    whole = begin(storage.service, bucket, "whole", 5, content=b"whole")
    assert (whole.status_code, whole.headers["upload-offset"]) == (201, "5")
    assert whole.headers["tus-complete"] == "1"
    assert storage.row(bucket, "whole") is not None
    part = begin(storage.service, bucket, "part", 5, content=b"pa")
    assert (part.status_code, part.headers["upload-offset"]) == (201, "2")
    assert storage.row(bucket, "part") is None
    path = below(part.headers["location"])
    assert go_on(storage.service, path, 2, b"rts").status_code == 204
    assert storage.row(bucket, "part") is not None


def test_an_empty_object_is_complete_at_once(storage: Storage) -> None:
    bucket = storage.bucket()
    assert begin(storage.service, bucket, "empty", 0).headers["tus-complete"] == "1"
    row = storage.row(bucket, "empty")
    assert row is not None
    assert row["metadata"]["size"] == 0


def test_the_length_may_be_told_later(storage: Storage) -> None:
    bucket = storage.bucket(file_size_limit=10)
    path = begun(storage.service, bucket, "late", None)
    assert go_on(storage.service, path, 0, b"abc").headers["upload-offset"] == "3"
    head = look(storage.service, path)
    assert head.headers["upload-defer-length"] == "1"
    assert "upload-length" not in head.headers
    for length, status in (("2", 400), ("11", 413)):
        assert go_on(storage.service, path, 3, b"", upload_length=length).status_code == status
    assert go_on(storage.service, path, 3, b"12345678").status_code == 413
    assert go_on(storage.service, path, 3, b"d", upload_length="5").status_code == 204
    again = go_on(storage.service, path, 4, b"e", upload_length="5")
    assert again.status_code == 400
    assert again.text == "Upload-Length or Upload-Defer-Length header required\n"
    assert look(storage.service, path).headers["upload-length"] == "5"
    assert go_on(storage.service, path, 4, b"e").headers["tus-complete"] == "1"
    row = storage.row(bucket, "late")
    assert row is not None
    assert row["metadata"]["size"] == 5


def test_bytes_that_begin_elsewhere_change_nothing(storage: Storage) -> None:
    bucket = storage.bucket()
    path = begun(storage.service, bucket, "a", 10)
    go_on(storage.service, path, 0, b"12345")
    for offset in (0, 4, 6, 10):
        conflict = go_on(storage.service, path, offset, b"x")
        assert (conflict.status_code, conflict.text) == (409, "Upload-Offset conflict\n")
    assert look(storage.service, path).headers["upload-offset"] == "5"


def test_more_bytes_than_were_announced_are_refused(storage: Storage) -> None:
    bucket = storage.bucket()
    path = begun(storage.service, bucket, "a", 4)
    told = go_on(storage.service, path, 0, b"12345")
    assert (told.status_code, told.text) == (413, "upload's size exceeded\n")
    assert look(storage.service, path).headers["upload-offset"] == "0"
    untold = go_on(storage.service, path, 0, iter([b"12", b"345"]))
    assert (untold.status_code, untold.text) == (413, "Maximum size exceeded\n")
    assert int(look(storage.service, path).headers["upload-offset"]) <= 4
    assert storage.row(bucket, "a") is None


def test_what_is_too_large_or_of_another_type_is_not_begun(storage: Storage) -> None:
    before = storage.blobs()
    small = storage.bucket(file_size_limit=3, allowed_mime_types=["image/*"])
    large = begin(storage.service, small, "a", 4, contentType="image/png")
    assert (large.status_code, large.text) == (413, "Maximum size exceeded\n")
    huge = begin(storage.service, storage.bucket(), "a", 2**40)
    assert (huge.status_code, huge.text) == (413, "Maximum size exceeded\n")
    wrong = begin(storage.service, small, "a", 3)
    assert (wrong.status_code, wrong.text) == (415, "mime type text/plain is not supported")
    for mime in ("image/png\r\nx: y", "image", "imäge/png"):
        assert begin(storage.service, small, "a", 3, contentType=mime).status_code == 415
    keeper = begin(storage.service, small, "f/.emptyFolderPlaceholder", 1)
    assert keeper.status_code == 413
    assert begin(storage.service, small, "a", 3, contentType="image/png").status_code == 201
    assert len(storage.blobs() - before) == 1  # the state of the last one


def test_a_bucket_that_is_missing_is_told(storage: Storage) -> None:
    missing = begin(storage.service, "nothing-here", "a", 1)
    assert (missing.status_code, missing.text) == (404, "Bucket not found")


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "a/../b", "./a", "/..", "a\\b", "a\0b", "ünï", "a\r\nb", "%2e%2e%2f"],
)
def test_a_name_that_leads_elsewhere_is_refused(storage: Storage, name: str) -> None:
    bucket = storage.bucket()
    before = storage.blobs()
    refused = begin(storage.service, bucket, name, 1)
    assert refused.status_code == 400
    assert refused.text.startswith("Invalid key")
    assert "location" not in refused.headers
    assert storage.blobs() == before


def test_a_name_longer_than_an_index_takes_is_refused(storage: Storage) -> None:
    bucket = storage.bucket()
    name = "".join(sha256(bytes([n])).hexdigest() for n in range(60))
    refused = begin(storage.service, bucket, name, 1)
    assert (refused.status_code, refused.text) == (400, "Invalid key: the name is too long")
    raw = storage.service.post(f"/object/{bucket}/{name}", content=b"x")
    assert (raw.status_code, raw.json()["code"]) == (400, "InvalidKey")
    long = begun(storage.service, bucket, name[:2000], 1)
    assert go_on(storage.service, long, 0, b"x").headers["tus-complete"] == "1"


def test_headers_that_do_not_fit_are_named(storage: Storage) -> None:
    bucket = storage.bucket()
    before = storage.blobs()
    good = {
        "tus-resumable": "1.0.0",
        "upload-length": "1",
        "upload-metadata": described(bucketName=bucket, objectName="a"),
    }
    for changed, status, text in (
        ({"tus-resumable": ""}, 412, "Tus-Resumable Required\n"),
        ({"tus-resumable": "0.1"}, 400, "Invalid tus-resumable\n"),
        ({"upload-length": "-1"}, 400, "Invalid upload-length\n"),
        ({"upload-length": "99999999999999999999"}, 400, "Invalid upload-length\n"),
        ({"upload-defer-length": "1"}, 400, "Upload-Length or Upload-Defer-Length header"),
        ({"upload-defer-length": "2"}, 400, "Invalid upload-defer-length\n"),
        ({"upload-metadata": "a b c"}, 400, "Invalid upload-metadata\n"),
        ({"upload-metadata": described(x="y")}, 400, "Bucket name invalid"),
        ({"upload-metadata": described(bucketName=bucket)}, 400, "Invalid key: "),
        ({"upload-concat": "partial"}, 501, "Concatenation extension is not (yet) supported."),
        ({"upload-concat": "all"}, 400, "Invalid upload-concat\n"),
        ({"x-forwarded-host": "a@b"}, 400, "Invalid X-Forwarded-Host header"),
    ):
        answer = storage.service.post(PATH, headers={**good, **changed})
        assert (answer.status_code, answer.text[: len(text)]) == (status, text)
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.headers["tus-resumable"] == "1.0.0"
    del good["upload-metadata"]
    answer = storage.service.post(PATH, headers=good)
    assert (answer.status_code, answer.text) == (400, "Metadata header is required")
    assert storage.blobs() == before


def test_pieces_without_their_headers_are_refused(storage: Storage) -> None:
    path = begun(storage.service, storage.bucket(), "a", 1)
    version = {"tus-resumable": "1.0.0"}
    answer = storage.service.patch(path, headers=version)
    assert (answer.status_code, answer.text) == (403, "Upload-Offset header required\n")
    answer = storage.service.patch(path, headers={**version, "upload-offset": "0"})
    assert (answer.status_code, answer.text) == (403, "Content-Type header required\n")
    answer = go_on(storage.service, path, 0, b"a", content_type="text/plain")
    assert (answer.status_code, answer.text) == (400, "Invalid content-type\n")
    answer = go_on(storage.service, path, -1, b"a")
    assert (answer.status_code, answer.text) == (400, "Invalid upload-offset\n")


def test_an_upload_that_is_given_up_leaves_nothing(storage: Storage) -> None:
    bucket = storage.bucket()
    before = storage.blobs()
    path = begun(storage.service, bucket, "a", 10, content=b"123")
    assert end(storage.service, path).status_code == 204
    assert storage.blobs() == before
    assert look(storage.service, path).status_code == 404
    assert go_on(storage.service, path, 3, b"4").status_code == 404
    assert end(storage.service, path).status_code == 404


def test_an_upload_that_is_an_object_is_not_given_up(storage: Storage) -> None:
    bucket = storage.bucket()
    path = begun(storage.service, bucket, "a", 3, content=b"123")
    taken = end(storage.service, path)  # as upstream: the policies are asked for a new object
    assert (taken.status_code, taken.text) == (409, "The resource already exists")
    refused = end(storage.service, path, x_upsert="true")
    assert refused.status_code == 400
    assert refused.text == "Cannot terminate an already completed upload"
    assert storage.row(bucket, "a") is not None


def test_a_piece_sent_again_after_the_end_changes_nothing(storage: Storage) -> None:
    bucket = storage.bucket()
    path = begun(storage.service, bucket, "a", 3, content=b"123")
    before = storage.row(bucket, "a")
    again = go_on(storage.service, path, 3, b"", x_upsert="true")
    assert (again.status_code, again.headers["upload-offset"]) == (204, "3")
    assert go_on(storage.service, path, 0, b"123", x_upsert="true").status_code == 409
    assert storage.row(bucket, "a") == before


def test_uploads_that_never_were_are_not_found(storage: Storage) -> None:
    bucket = storage.bucket()
    known = begun(storage.service, bucket, "a", 1)
    missing = known[:-6] + ("AAAAAA" if known[-6:] != "AAAAAA" else "BBBBBB")
    assert look(storage.service, missing).status_code in {400, 404}
    for verb in ("HEAD", "PATCH", "DELETE", "PUT"):
        headers = {"tus-resumable": "1.0.0", "upload-offset": "0", "content-type": BYTES}
        answer = storage.service.request(verb, f"{PATH}/YS9iL2M", headers=headers)
        assert answer.status_code == 404
    garbage = storage.service.delete(f"{PATH}/%20", headers={"tus-resumable": "1.0.0"})
    assert (garbage.status_code, garbage.text) == (400, "Invalid upload id")


def test_paths_without_a_route_answer_in_json(storage: Storage) -> None:
    answer = storage.service.get(f"{PATH}/x?y=1")
    assert answer.status_code == 404
    assert answer.json() == {
        "message": f"Route GET:{PATH}/x?y=1 not found",
        "error": "Not Found",
        "statusCode": 404,
    }
    assert storage.service.patch(PATH).json()["statusCode"] == 404
    assert storage.service.head(PATH).status_code == 404
    assert storage.service.get(f"{PATH}/sign/x").status_code == 404


def test_a_token_is_asked_for_before_the_protocol(storage: Storage) -> None:
    for client in (storage.nobody, storage.client("not.a.token")):
        for answer in (begin(client, "b", "a", 1), end(client, f"{PATH}/x")):
            assert answer.status_code == 400
            assert answer.json()["statusCode"] in {"400", "403"}


def test_an_object_that_exists_is_replaced_only_when_asked(storage: Storage) -> None:
    bucket = storage.bucket()
    begun(storage.service, bucket, "a", 3, content=b"old")
    taken = begin(storage.service, bucket, "a", 3)
    assert (taken.status_code, taken.text) == (409, "The resource already exists")
    upsert = {"x-upsert": "true"}
    begun(storage.service, bucket, "a", 5, content=b"newer", headers=upsert)
    row = storage.row(bucket, "a")
    assert row is not None
    assert row["metadata"]["size"] == 5


def test_two_that_finish_the_same_object_leave_the_first(storage: Storage) -> None:
    bucket = storage.bucket()
    one = begun(storage.service, bucket, "a", 3)
    two = begun(storage.service, bucket, "a", 3)
    assert go_on(storage.service, one, 0, b"one").status_code == 204
    late = go_on(storage.service, two, 0, b"two")
    assert (late.status_code, late.text) == (409, "The resource already exists")
    row = storage.row(bucket, "a")
    assert row is not None
    assert (storage.folder / row["version"][:2] / row["version"]).read_bytes() == b"one"


def test_only_its_owner_goes_on_with_an_upload(storage: Storage) -> None:
    bucket = storage.bucket()
    with storage.policies("for all to authenticated using (true) with check (true)"):
        path = begun(storage.anne, bucket, "a", 6, content=b"one")
        for answer in (
            look(storage.boris, path),
            go_on(storage.boris, path, 3, b"two"),
            end(storage.boris, path),
        ):
            assert answer.status_code == 404
        assert look(storage.anne, path).headers["upload-offset"] == "3"
        assert go_on(storage.anne, path, 3, b"two").status_code == 204
    row = storage.row(bucket, "a")
    assert row is not None
    assert row["owner_id"] == row["owner"] == ANNE


def test_policies_judge_every_request(storage: Storage) -> None:
    bucket = storage.bucket()
    rule = (
        "for insert to authenticated with check (owner_id = auth.uid()::text"
        " and metadata->>'mimetype' = 'text/plain' and (metadata->>'contentLength')::int = 3"
        " and user_metadata->>'k' = 'v' and storage.allow_any_operation("
        "array['tus.upload.create', 'tus.upload.part', 'tus.upload.delete']))"
    )
    with storage.policies(rule):
        assert begin(storage.anne, bucket, "a", 3).status_code == 403
        assert begin(storage.anne, bucket, "a", 4, metadata='{"k":"v"}').status_code == 403
        path = begun(storage.anne, bucket, "a", 3, metadata='{"k":"v"}')
        assert go_on(storage.anne, path, 0, b"1").status_code == 204
        other = begun(storage.anne, bucket, "b", 3, metadata='{"k":"v"}')
        assert end(storage.anne, other).status_code == 204
    denied = go_on(storage.anne, path, 1, b"23")
    assert denied.status_code == 403
    assert denied.text == "new row violates row-level security policy"
    assert end(storage.anne, path).status_code == 403
    assert look(storage.anne, path).headers["upload-offset"] == "1"
    assert storage.row(bucket, "a") is None


def test_an_upsert_asks_the_policies_for_an_upsert(storage: Storage) -> None:
    bucket = storage.bucket()
    with storage.policies("for insert to authenticated with check (true)"):
        upsert = {"x-upsert": "true"}
        assert begin(storage.anne, bucket, "a", 3, headers=upsert).status_code == 403
        assert begin(storage.anne, bucket, "a", 3).status_code == 201


def test_browsers_of_other_origins_may_send_and_read_everything(storage: Storage) -> None:
    origin = {"origin": "https://app.example"}
    asked = "tus-resumable,upload-length,upload-metadata,upload-offset,x-upsert,x-signature,apikey"
    preflight = storage.nobody.options(
        PATH,
        headers={
            **origin,
            "access-control-request-method": "PATCH",
            "access-control-request-headers": asked,
        },
    )
    assert preflight.status_code == 200
    allowed = preflight.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
    assert set(asked.split(",")) <= set(allowed)
    assert "PATCH" in preflight.headers["access-control-allow-methods"]
    created = begin(storage.service, storage.bucket(), "a", 3, content=b"1", headers=origin)
    exposed = created.headers["access-control-expose-headers"].lower().split(", ")
    for name in ("location", "upload-offset", "upload-expires", "tus-resumable", "tus-version"):
        assert name in exposed
    assert created.headers["access-control-allow-origin"] == "*"
