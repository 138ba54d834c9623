"""Objects are read: who may, which part, and what the headers say; over a live core."""

from __future__ import annotations

from tests.integration.core.storage.conftest import Storage

TEXT = b"0123456789"


def put(storage: Storage, bucket: str, name: str = "a.txt", **headers: str) -> None:
    """Store ten digits; underscores in the names of headers stand for dashes."""
    sent = {"content-type": "text/plain", "cache-control": "max-age=60", "x-upsert": "true"}
    sent |= {key.replace("_", "-"): value for key, value in headers.items()}
    answer = storage.service.post(f"/object/{bucket}/{name}", content=TEXT, headers=sent)
    assert answer.status_code == 200, answer.text


def test_an_object_is_sent_with_what_is_known_of_it(storage: Storage) -> None:
    bucket = storage.bucket()
    put(storage, bucket)
    answer = storage.service.get(f"/object/authenticated/{bucket}/a.txt")
    assert (answer.status_code, answer.content) == (200, TEXT)
    headers = dict(answer.headers)
    assert headers["content-type"] == "text/plain"
