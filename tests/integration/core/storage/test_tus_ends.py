"""Uploads that expire, and those of signed URLs."""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from tests.conftest import JWT_SECRET, Database
from tests.integration.core.storage.conftest import ANNE, Storage, running_storage
from tests.integration.core.storage.tus import PATH, begin, begun, below, end, go_on, look
from tests.servers import wait_until

SIGNED = f"{PATH}/sign"


def signed(client: httpx.Client, bucket: str, name: str, *, upsert: bool = False) -> dict[str, str]:
    """Return the header of a signed URL."""
    more = {"x-upsert": "true"} if upsert else {}
    answer = client.post(f"/object/upload/sign/{bucket}/{name}", headers=more)
    return {"x-signature": answer.json()["token"]}


def test_a_signed_url_takes_an_upload_in_pieces_for_its_owner(storage: Storage) -> None:
    bucket = storage.bucket()
    with storage.policies("for insert to authenticated with check (owner_id = auth.uid()::text)"):
        key = signed(storage.anne, bucket, "a/b")
    created = begin(storage.nobody, bucket, "a/b", 6, headers=key, path=SIGNED)
    assert created.status_code == 201
    path = below(created.headers["location"])
    assert path.startswith(f"{SIGNED}/")
    assert go_on(storage.nobody, path, 0, b"one", **key).status_code == 204
    assert look(storage.nobody, path, **key).headers["upload-offset"] == "3"
    assert go_on(storage.nobody, path, 3, b"two", **key).headers["tus-complete"] == "1"
    row = storage.row(bucket, "a/b")
    assert row is not None
    assert (row["owner_id"], row["metadata"]["size"]) == (ANNE, 6)
    again = begin(storage.nobody, bucket, "a/b", 6, headers=key, path=SIGNED)
    assert (again.status_code, again.text) == (409, "The resource already exists")


def test_a_signed_url_replaces_only_when_it_says_so(storage: Storage) -> None:
    bucket = storage.bucket()
    begun(storage.service, bucket, "a", 3, content=b"old")
    key = signed(storage.service, bucket, "a", upsert=True)
    replaced = begin(storage.nobody, bucket, "a", 5, content=b"newer", headers=key, path=SIGNED)
    assert replaced.headers["tus-complete"] == "1"
    row = storage.row(bucket, "a")
    assert row is not None
    assert row["metadata"]["size"] == 5


def test_a_signed_upload_is_given_up_by_who_began_it(storage: Storage) -> None:
    bucket = storage.bucket()
    key = signed(storage.service, bucket, "a")
    created = begin(storage.nobody, bucket, "a", 3, headers=key, path=SIGNED)
    path = below(created.headers["location"])
    assert end(storage.nobody, path, **key).status_code == 204
    assert look(storage.nobody, path, **key).status_code == 404


def test_what_is_no_signature_is_told_in_words(storage: Storage) -> None:
    bucket = storage.bucket()
    now = int(time.time())
    claims = {"url": f"{bucket}/a", "scope": "upload", "upsert": False, "iat": now - 9}
    old = sign({**claims, "exp": now - 1}, Secret(JWT_SECRET))
    reading = sign({**claims, "scope": "download", "exp": now + 9}, Secret(JWT_SECRET))
    other = sign({**claims, "url": f"{bucket}/b", "exp": now + 9}, Secret(JWT_SECRET))
    forged = sign({**claims, "exp": now + 9}, Secret("another secret of thirty-two letters"))
    for token, text in (
        ("", "Missing x-signature header"),
        ("invalid-token", "Invalid Compact JWS"),
        (old, '"exp" claim timestamp check failed'),
        (reading, "Token is not scoped for upload"),
        (other, "Invalid signature"),
        (forged, "signature verification failed"),
    ):
        key = {"x-signature": token}
        for bucket_id in (bucket, "missing"):  # who may not ask is not told which buckets exist
            told = begin(storage.nobody, bucket_id, "a", 1, headers=key, path=SIGNED)
            is_other = bucket_id == "missing" and "scoped" not in text
            assert told.status_code == 400
            assert told.text == text or is_other
    good = sign({**claims, "exp": now + 9}, Secret(JWT_SECRET))
    path = begun(storage.nobody, bucket, "a", 1, headers={"x-signature": good}, path=SIGNED)
    for answer in (
        look(storage.nobody, path),
        go_on(storage.nobody, path, 0, b"a", x_signature=other),
        end(storage.nobody, path, x_signature=reading),
    ):
        assert answer.status_code == 400
    assert look(storage.nobody, path, **{"x-signature": good}).headers["upload-offset"] == "0"


def test_an_upload_of_somebody_else_is_not_touched_with_a_signed_url(storage: Storage) -> None:
    bucket = storage.bucket()
    key = signed(storage.service, bucket, "a")
    with storage.policies("for insert to authenticated with check (true)"):
        path = begun(storage.anne, bucket, "a", 3)
    crossed = path.replace(PATH, SIGNED)
    assert look(storage.nobody, crossed, **key).status_code == 404
    assert go_on(storage.nobody, crossed, 0, b"abc", **key).status_code == 404


def test_an_expired_upload_is_gone_and_its_bytes_are_removed(
    database: Database, tmp_path: Path
) -> None:
    with running_storage(database, tmp_path, {"TUS_URL_EXPIRY_MS": "2000"}) as storage:
        bucket = storage.bucket()
        done = begun(storage.service, bucket, "done", 3, content=b"abc")
        path = begun(storage.service, bucket, "a", 10, content=b"abc")
        late = begun(storage.service, bucket, "b", None)
        assert go_on(storage.service, path, 3, b"d").status_code == 204
        wait_until(lambda: look(storage.service, path).status_code in {404, 410})
        wait_until(lambda: look(storage.service, late).status_code in {404, 410})
        assert go_on(storage.service, late, 0, b"a").status_code in {404, 410}
        wait_until(lambda: len(storage.blobs()) == 1)
        assert not any((storage.folder / ".staging").iterdir())
        assert look(storage.service, path).status_code == 404
        assert look(storage.service, done).headers["upload-offset"] == "3"


def test_the_store_of_blobs_failing_is_told(database: Database, tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file where the folder should be")
    with running_storage(database, tmp_path) as storage:
        for content in (b"", b"abc"):
            failed = begin(storage.service, storage.bucket(), "a", len(content), content=content)
            assert failed.status_code == 500
            assert failed.text == "Something went wrong receiving the file\n"
