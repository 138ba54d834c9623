"""Many clients at one object: in the end every row has its bytes, and all bytes have a row."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest

from tests.integration.core.storage.conftest import Storage
from tests.servers import wait_until

AT_ONCE = 12
ROUNDS = 6


@pytest.fixture
def bucket(storage: Storage) -> Iterator[str]:
    """A bucket in which rows and bytes agree when the test is over."""
    name = storage.bucket()
    yield name
    wait_until(lambda: not storage.orphans())
    for version, etag, size in storage.sql(
        "select version, metadata->>'eTag', (metadata->>'size')::int from storage.objects"
        " where bucket_id = %s",
        name,
    ):
        content = next(storage.folder.rglob(version)).read_bytes()
        assert (len(content), f'"{hashlib.md5(content).hexdigest()}"') == (size, etag)


def at_once(*calls: Callable[[], httpx.Response]) -> list[httpx.Response]:
    """Make calls at the same time; return their answers in this order."""
    with ThreadPoolExecutor(len(calls)) as threads:
        return [future.result() for future in [threads.submit(call) for call in calls]]


def statuses(answers: list[httpx.Response]) -> Counter[str]:
    """Count the answers: ``200``, or the real status of a refusal."""
    return Counter(
        str(answer.status_code) if answer.is_success else answer.json()["statusCode"]
        for answer in answers
    )


def test_of_many_first_uploads_one_is_taken(storage: Storage, bucket: str) -> None:
    place = f"/object/{bucket}/a"
    answers = at_once(
        *(
            partial(storage.service.post, place, content=b"x" * size)
            for size in range(1, AT_ONCE + 1)
        )
    )
    assert statuses(answers) == {"200": 1, "409": AT_ONCE - 1}


def test_of_many_upserts_all_are_taken_and_one_stays(storage: Storage, bucket: str) -> None:
    place = f"/object/{bucket}/a"
    answers = at_once(
        *(
            partial(storage.service.put, place, content=b"x" * size * 10_000)
            for size in range(1, 3 * AT_ONCE + 1)
        )
    )
    assert statuses(answers) == {"200": 3 * AT_ONCE}
    assert len(storage.blobs()) == 1 + len(
        storage.sql("select 1 from storage.objects where bucket_id <> %s", bucket)
    )


def test_uploads_deletes_moves_copies_and_downloads_of_one_object_agree(
    storage: Storage, bucket: str
) -> None:
    service, place = storage.service, f"/object/{bucket}/a"
    other = f"/object/{bucket}/b"
    there = {"bucketId": bucket, "sourceKey": "a", "destinationKey": "b"}
    back = {"bucketId": bucket, "sourceKey": "b", "destinationKey": "a"}
    copy = {**there, "destinationKey": "c"}
    seen: Counter[str] = Counter()
    for number in range(1, ROUNDS + 1):
        answers = at_once(
            partial(service.put, place, content=b"x" * number * 1000),
            lambda: service.post("/object/move", json=there),
            partial(service.put, other, content=b"y" * number * 2000),
            lambda: service.delete(place),
            lambda: service.post("/object/copy", json=copy, headers={"x-upsert": "true"}),
            lambda: service.get(place),
            lambda: service.post("/object/move", json=back),
            lambda: service.request("DELETE", f"/object/{bucket}", json={"prefixes": ["b"]}),
            lambda: service.put(place, content=b"z"),
            lambda: service.get(other),
        )
        seen += statuses(answers)
    assert set(seen) <= {"200", "404", "409"}, seen
    assert seen["200"] >= 4 * ROUNDS  # the uploads and the deletion of many are never refused


def test_a_copy_is_of_the_old_object_or_of_the_new_one(storage: Storage, bucket: str) -> None:
    place = f"/object/{bucket}/a"
    storage.service.post(place, content=b"0" * 1000).raise_for_status()
    for number in range(1, ROUNDS):
        copy = {"bucketId": bucket, "sourceKey": "a", "destinationKey": f"copy{number}"}
        answers = at_once(
            partial(storage.service.put, place, content=b"%d" % number * 1000),
            partial(storage.service.post, "/object/copy", json=copy),
        )
        assert statuses(answers) == {"200": 2}


def test_what_is_deleted_or_replaced_while_it_is_read_is_read_to_its_end(
    storage: Storage, bucket: str
) -> None:
    place, content = f"/object/{bucket}/a", b"0123456789" * 1_000_000
    for change in (
        partial(storage.service.delete, place),
        partial(storage.service.put, place, content=b"new"),
    ):
        storage.service.put(place, content=content).raise_for_status()
        with storage.service.stream("GET", place) as reading:
            chunks = reading.iter_raw(1000)
            read = next(chunks)
            assert change().status_code == 200
            read += b"".join(chunks)
        assert read == content


def test_an_upload_that_a_policy_allowed_is_judged_again_when_the_object_changed(
    storage: Storage, bucket: str
) -> None:
    """The version that is replaced is the one that the policies saw, never a later one's."""
    place = f"/object/{bucket}/a"
    storage.service.post(place, content=b"0").raise_for_status()
    open_only = "user_metadata->>'locked' is distinct from 'yes'"
    with storage.policies(
        "for insert to authenticated with check (true)",
        "for select to authenticated using (true)",
        f"for update to authenticated using ({open_only}) with check (true)",
    ):

        def pieces() -> Iterator[bytes]:
            yield b"1" * 100_000
            storage.sql(
                "update storage.objects set user_metadata = %s, version = gen_random_uuid()::text"
                " where bucket_id = %s",
                '{"locked": "yes"}',
                bucket,
            )
            yield b"2"

        answer = storage.anne.put(place, content=pieces())
    assert answer.json()["message"] == "new row violates row-level security policy"
    row = storage.row(bucket, "a")
    assert row is not None
    assert row["metadata"]["size"] == 1
    storage.sql("delete from storage.objects where bucket_id = %s", bucket)
    for version in storage.orphans():  # the row was given another version by hand
        next(storage.folder.rglob(version)).unlink()


def test_an_upload_to_a_bucket_that_goes_meanwhile_leaves_nothing(storage: Storage) -> None:
    bucket = storage.bucket()

    def pieces() -> Iterator[bytes]:
        yield b"1" * 100_000
        storage.service.delete(f"/bucket/{bucket}").raise_for_status()
        yield b"2"

    answer = storage.service.put(f"/object/{bucket}/a", content=pieces())
    assert (answer.status_code, answer.json()["statusCode"]) == (400, "404")
    assert not storage.orphans()
