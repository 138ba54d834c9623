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


def test_the_functions_of_the_schema_do_what_dumps_and_policies_expect(storage: Storage) -> None:
    bucket = storage.bucket()
    for name in ("a", "b/c"):
        storage.service.post(f"/object/{bucket}/{name}", content=b"123")
    sizes = storage.sql(
        "select size from storage.get_size_by_bucket() where bucket_id = %s", bucket
    )
    assert sizes == [(6,)]
    prefixes = "select storage.get_common_prefix('a/b/c.txt', 'a/', '/')"
    assert storage.sql(prefixes) == [("a/b/",)]
    with pytest.raises(psycopg.Error) as rolled_back:  # it may be, and was taken back
        storage.sql("select storage.can_insert_object(%s, 'new', null, '{}')", bucket)
    assert rolled_back.value.sqlstate == "PT200"
    with pytest.raises(psycopg.errors.UniqueViolation):
        storage.sql("select storage.can_insert_object(%s, 'a', null, '{}')", bucket)
    assert storage.row(bucket, "new") is None
    with pytest.raises(psycopg.Error, match="101"):
        storage.sql("insert into storage.buckets (id, name) values ('long', %s)", "n" * 101)


def test_an_older_listing_has_at_most_1500_entries(storage: Storage) -> None:
    bucket = storage.bucket()
    storage.sql(
        "insert into storage.objects (bucket_id, name)"
        " select %s, to_char(n, '0000') from generate_series(1, 1501) as n",
        bucket,
    )
    asked = {"prefix": "", "limit": 100_000}
    assert len(storage.service.post(f"/object/list/{bucket}", json=asked).json()) == 1500


def test_who_asks_is_told_a_version_and_that_no_cache_holds_anything(storage: Storage) -> None:
    assert storage.nobody.get("/version").text
    for path in ("/cdn", "/cdn/b", "/cdn/b/a.txt?transformations=true"):
        assert storage.service.delete(path).json() == {"message": "success"}
        assert storage.anne.delete(path).status_code == 403
