"""Objects come in, are replaced and go: by the service key, over a live core."""

from __future__ import annotations

from tests.integration.core.storage.conftest import Storage


def test_a_raw_body_becomes_an_object(storage: Storage) -> None:
    bucket = storage.bucket()
    answer = storage.service.post(
        f"/object/{bucket}/folder/a.txt",
        content=b"hello",
        headers={"content-type": "text/plain;charset=UTF-8", "cache-control": "max-age=60"},
    )
    row = storage.row(bucket, "folder/a.txt")
    assert row is not None
    assert answer.status_code == 200
    assert answer.json() == {"Id": row["id"], "Key": f"{bucket}/folder/a.txt"}
    assert list(answer.json()) == ["Id", "Key"]
    metadata = row["metadata"]
    assert metadata.pop("lastModified").endswith("Z")
    assert metadata == {
        "eTag": '"5d41402abc4b2a76b9719d911017c592"',
        "size": 5,
        "mimetype": "text/plain;charset=UTF-8",
        "cacheControl": "max-age=60",
        "contentLength": 5,
        "httpStatusCode": 200,
    }
    assert row["user_metadata"] == {}
    assert row["version"] in storage.blobs()


def test_a_form_becomes_an_object_whatever_the_name_of_its_file_field(storage: Storage) -> None:
    bucket = storage.bucket()
    for field in ("", "file"):
        answer = storage.service.post(
            f"/object/{bucket}/{field or 'empty'}.bin",
            data={"cacheControl": "3600", "metadata": '{"a": 1}'},
            files={field: ("x.png", b"\x89PNG" * 1000, "image/png")},
        )
        assert answer.status_code == 200, answer.text
        row = storage.row(bucket, f"{field or 'empty'}.bin")
        assert row is not None
        assert row["metadata"]["size"] == 4000
        assert row["metadata"]["mimetype"] == "image/png"
        assert row["metadata"]["cacheControl"] == "max-age=3600"
        assert row["user_metadata"] == {"a": 1}


def test_one_and_many_objects_are_deleted_with_their_bytes(storage: Storage) -> None:
    bucket = storage.bucket()
    for name in ("a", "b", "c"):
        storage.service.post(f"/object/{bucket}/{name}", content=b"x").raise_for_status()
    one = storage.service.delete(f"/object/{bucket}/a")
    assert one.json() == {"message": "Successfully deleted"}
    many = storage.service.request(
        "DELETE", f"/object/{bucket}", json={"prefixes": ["b", "c", "none"]}
    )
    assert sorted(row["name"] for row in many.json()) == ["b", "c"]
    assert not storage.orphans()
    missing = storage.service.delete(f"/object/{bucket}/a")
    assert missing.status_code == 400
    assert missing.json() == {
        "statusCode": "404",
        "error": "not_found",
        "message": "Object not found",
        "code": "NoSuchKey",
    }
