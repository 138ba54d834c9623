"""Answers of upstream that a reading of its code alone would miss, and no other file here has."""

from __future__ import annotations

import psycopg
import pytest

from tests.integration.core.storage.conftest import Storage


def test_a_bad_name_of_a_bucket_is_told_in_exactly_these_words(storage: Storage) -> None:
    answer = storage.service.post("/bucket", json={"name": "newbucket/test"})
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "statusCode": "400",
            "error": "Invalid Input",
            "message": "Bucket name invalid",
            "code": "InvalidBucketName",
        },
    )


def test_a_visitor_without_a_policy_is_refused_to_the_byte(storage: Storage) -> None:
    answer = storage.anon.post(f"/object/{storage.bucket()}/a", content=b"x")
    assert (answer.status_code, answer.text) == (
        400,
        '{"statusCode":"403","error":"Unauthorized",'
        '"message":"new row violates row-level security policy","code":"AccessDenied"}',
    )


def test_head_of_what_is_not_there_has_no_body_in_public_buckets_too(storage: Storage) -> None:
    bucket = storage.bucket(public=True)
    for path in (f"/object/public/{bucket}/none", f"/object/{bucket}/none"):
        answer = storage.nobody.head(path)
        assert (answer.status_code, answer.content) == (400, b"")


def test_a_signed_drawing_is_rendered_as_it_is(storage: Storage) -> None:
    bucket = storage.bucket()
    drawing = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    headers = {"content-type": "image/svg+xml"}
    storage.service.post(f"/object/{bucket}/a.svg", content=drawing, headers=headers)
    asked = {"expiresIn": 60, "transform": {"width": 9}}
    url = storage.service.post(f"/object/sign/{bucket}/a.svg", json=asked).json()["signedURL"]
    assert url.startswith("/render/image/sign/")
    answer = storage.nobody.get(url)
    assert (answer.status_code, answer.content) == (200, drawing)


@pytest.mark.parametrize("table", ["objects", "buckets"])
def test_not_even_a_superuser_deletes_rows_by_mistake(storage: Storage, table: str) -> None:
    storage.service.post(f"/object/{storage.bucket()}/a", content=b"x")
    with storage.database.connect("supabase_admin") as connection:
        assert connection.execute(
            "select rolsuper from pg_roles where rolname = user"
        ).fetchone() == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="Direct deletion"):
            connection.execute(f"delete from storage.{table}".encode())
