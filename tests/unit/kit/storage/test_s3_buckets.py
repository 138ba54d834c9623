"""Buckets that the job makes, on a server that knows versions, rules and policies (moto's)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from gavan.kit.storage.s3_buckets import make_bucket

PLAIN = {"versioning": False, "expire_days": {}}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield boto3.client("s3", region_name="us-east-1")


def rules(client: Any) -> dict[str, tuple[str, int]]:
    found = client.get_bucket_lifecycle_configuration(Bucket="a-bucket")["Rules"]
    return {
        rule["ID"]: (rule["Filter"]["Prefix"], rule["Expiration"]["Days"]) for rule in found
    }  # fmt: skip


def test_a_bucket_is_made_once_with_versions_and_rules(client: Any) -> None:
    wanted = {"versioning": True, "expire_days": {"tmp/": 7, "logs/": 30}}
    assert list(make_bucket(client, "a-bucket", wanted)) == [
        "a-bucket is made",
        "a-bucket keeps every version",
        "a-bucket: 2 rules of expiry",
    ]
    assert client.get_bucket_versioning(Bucket="a-bucket")["Status"] == "Enabled"
    assert rules(client) == {"gavan-1": ("logs/", 30), "gavan-2": ("tmp/", 7)}
    assert list(make_bucket(client, "a-bucket", wanted)) == ["a-bucket is there"]


def test_what_is_not_wanted_any_more_goes_and_rules_of_others_stay(client: Any) -> None:
    list(make_bucket(client, "a-bucket", {"versioning": True, "expire_days": {"tmp/": 7}}))
    theirs = {"ID": "mine", "Status": "Enabled", "Filter": {"Prefix": "x/"},
              "Expiration": {"Days": 1}}  # fmt: skip
    found = client.get_bucket_lifecycle_configuration(Bucket="a-bucket")["Rules"]
    client.put_bucket_lifecycle_configuration(
        Bucket="a-bucket", LifecycleConfiguration={"Rules": [*found, theirs]}
    )
    assert list(make_bucket(client, "a-bucket", PLAIN)) == [
        "a-bucket is there",
        "a-bucket keeps no further versions",
        "a-bucket: 0 rules of expiry",
    ]
    assert rules(client) == {"mine": ("x/", 1)}
    client.delete_bucket_lifecycle(Bucket="a-bucket")
    client.put_object(Bucket="a-bucket", Key="kept", Body=b"k")
    list(make_bucket(client, "a-bucket", {"versioning": False, "expire_days": {"tmp/": 7}}))
    assert list(make_bucket(client, "a-bucket", PLAIN))[1:] == ["a-bucket: 0 rules of expiry"]
    assert client.get_object(Bucket="a-bucket", Key="kept")["Body"].read() == b"k"


def test_a_bucket_that_was_opened_to_others_is_private_again(client: Any) -> None:
    list(make_bucket(client, "a-bucket", PLAIN))
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                       "Resource": "arn:aws:s3:::a-bucket/*"}],
    }  # fmt: skip
    client.put_bucket_policy(Bucket="a-bucket", Policy=json.dumps(policy))
    said = list(make_bucket(client, "a-bucket", PLAIN))
    assert said == [
        "a-bucket is there",
        "a-bucket had a policy that let others in; it is private again",
    ]
    with pytest.raises(client.exceptions.ClientError, match="NoSuchBucketPolicy"):
        client.get_bucket_policy(Bucket="a-bucket")
