"""The end of uploads in parts: asked for by many at once, and by those whose core was killed."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from psycopg.types.json import Jsonb

from tests.conftest import Cluster, Database, cloning
from tests.integration.core.storage.conftest import OPTIONS, Storage, running_storage
from tests.integration.core.storage.s3_clients import S3Client, refusal, s3_client
from tests.servers import wait_until

AT_ONCE = 6
# Only what makes the row waits: what the policies judge runs as the caller.
SLOW = """
create function public.wait() returns trigger language plpgsql as
    $$ begin perform pg_sleep(600); return new; end $$;
create trigger a_wait before insert or update on storage.objects for each row
    when (current_user = 'supabase_storage_admin') execute function public.wait();
"""


def begun(client: S3Client, bucket: str, *contents: bytes) -> dict[str, str]:
    """Begin an upload of an object ``k`` and send its parts."""
    upload = {"Bucket": bucket, "Key": "k"}
    upload["UploadId"] = client.create_multipart_upload(**upload)["UploadId"]
    for number, content in enumerate(contents, start=1):
        client.upload_part(**upload, PartNumber=number, Body=content)
    return upload


def open_uploads(storage: Storage, bucket: str) -> list[tuple[object, ...]]:
    return storage.sql("select * from storage.s3_multipart_uploads where bucket_id = %s", bucket)


def named(client: S3Client, upload: dict[str, str]) -> dict[str, list[dict[str, object]]]:
    parts = client.list_parts(**upload)["Parts"]
    return {"Parts": [{"PartNumber": one["PartNumber"], "ETag": one["ETag"]} for one in parts]}


@pytest.mark.parametrize("condition", [{}, {"IfNoneMatch": "*"}], ids=["any", "if new"])
def test_of_many_who_complete_an_upload_one_does(
    storage: Storage, condition: dict[str, str]
) -> None:
    client, bucket = s3_client(storage), storage.bucket()
    upload = begun(client, bucket, os.urandom(2_000_000), b"end")
    parts = named(client, upload)

    def complete(_number: int) -> str:
        try:
            done = client.complete_multipart_upload(**upload, MultipartUpload=parts, **condition)
        except ClientError as error:
            return refusal(error)[1]
        return str(done["ETag"])

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = sorted(threads.map(complete, range(AT_ONCE)))
    got = client.get_object(Bucket=bucket, Key="k")

    assert answers == [got["ETag"], *["NoSuchUpload"] * (AT_ONCE - 1)]
    assert got["Body"].read().endswith(b"end")
    assert open_uploads(storage, bucket) == []
    assert not storage.orphans()


def test_a_condition_is_told_when_an_upload_is_completed(storage: Storage) -> None:
    client, bucket = s3_client(storage), storage.bucket()
    upload = begun(client, bucket, b"new")
    client.put_object(Bucket=bucket, Key="k", Body=b"former")
    for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"other"'}):
        with pytest.raises(ClientError) as raised:
            client.complete_multipart_upload(**upload, **condition)
        assert refusal(raised.value) == (412, "PreconditionFailed")
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"former"
    etag = client.head_object(Bucket=bucket, Key="k")["ETag"]
    client.complete_multipart_upload(**upload, MultipartUpload=named(client, upload), IfMatch=etag)
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"new"
    assert not storage.orphans()


def test_what_was_put_together_when_the_core_was_killed_is_completed_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    with cloning(cluster) as clone:
        _kill_and_complete(clone(), tmp_path)


def _kill_and_complete(database: Database, tmp_path: Path) -> None:
    with running_storage(database, tmp_path, OPTIONS) as storage:
        client, bucket = s3_client(storage), storage.bucket()
        client.put_object(Bucket=bucket, Key="k", Body=b"former")
        upload = begun(client, bucket, b"one", b"two")
        parts = named(client, upload)
        storage.sql(SLOW)
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(
                client.complete_multipart_upload, **upload, MultipartUpload=parts
            )
            wait_until(lambda: _waits(storage))
            os.kill(storage.live.pid, signal.SIGKILL)
            with pytest.raises(BotoCoreError):
                waiting.result()
    with database.connect("supabase_admin") as admin:
        admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where wait_event = 'PgSleep' and datname = current_database()"
        )
        admin.execute("drop function public.wait() cascade")
    with running_storage(database, tmp_path, OPTIONS) as storage:
        client = s3_client(storage)
        assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"former"
        with pytest.raises(ClientError) as raised:
            others = {"Parts": parts["Parts"][:1]}
            client.complete_multipart_upload(**upload, MultipartUpload=others)
        assert refusal(raised.value) == (400, "InvalidPart")
        done = client.complete_multipart_upload(**upload, MultipartUpload=parts)
        got = client.get_object(Bucket=bucket, Key="k")
        assert (got["Body"].read(), got["ETag"]) == (b"onetwo", done["ETag"])
        assert not storage.orphans()


def test_a_row_that_was_there_when_the_core_was_killed_is_not_lost(storage: Storage) -> None:
    client, bucket = s3_client(storage), storage.bucket()
    upload = begun(client, bucket, b"one", b"two")
    parts = named(client, upload)
    kept = open_uploads(storage, bucket)
    pieces = storage.sql(
        "select * from storage.s3_multipart_uploads_parts where bucket_id = %s", bucket
    )
    first = client.complete_multipart_upload(**upload, MultipartUpload=parts)
    # As a process leaves it that dies between the row of the object and those of the upload.
    _put_back(storage, "s3_multipart_uploads", kept)
    _put_back(storage, "s3_multipart_uploads_parts", pieces)

    second = client.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert second["ETag"] == first["ETag"]
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"onetwo"
    assert open_uploads(storage, bucket) == []
    assert not storage.orphans()


def _waits(storage: Storage) -> bool:
    return bool(
        storage.sql(
            "select 1 from pg_stat_activity"
            " where wait_event = 'PgSleep' and datname = current_database()"
        )
    )


def _put_back(storage: Storage, table: str, rows: list[tuple[object, ...]]) -> None:
    for row in rows:
        values = [Jsonb(one) if isinstance(one, dict) else one for one in row]
        places = ", ".join(["%s"] * len(values))
        storage.sql(f"insert into storage.{table} values ({places})", *values)
