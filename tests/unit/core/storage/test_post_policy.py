"""What the policy of a form allows."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from gavan.core.storage.errors import StorageError
from gavan.core.storage.s3.post_policy import Allowed, check_policy

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LATER = "2026-05-01T12:00:01Z"


def encoded(conditions: object, expiration: object = LATER) -> str:
    policy = {"expiration": expiration, "conditions": conditions}
    return base64.b64encode(orjson.dumps(policy)).decode()


@pytest.mark.parametrize(
    ("conditions", "fields"),
    [
        ([{"key": "a"}], {"key": "a"}),
        ([{"KEY": "a"}], {"key": "a"}),
        ([["eq", "$key", "a"]], {"key": "a"}),
        ([["starts-with", "$key", "own/"]], {"key": "own/a"}),
        ([["starts-with", "$key", ""]], {"key": "a", "x-ignore-me": "1", "policy": "…"}),
    ],
)
def test_fields_that_the_conditions_name_are_allowed(
    conditions: list[Any], fields: dict[str, str]
) -> None:
    assert check_policy(encoded(conditions), fields, NOW) == Allowed()


def test_a_range_of_sizes_is_told() -> None:
    policy = encoded([["content-length-range", 1, 10]])
    assert check_policy(policy, {}, NOW) == Allowed(least=1, most=10)


@pytest.mark.parametrize(
    ("conditions", "fields", "status"),
    [
        ([{"key": "a"}], {"key": "b"}, 403),
        ([{"key": "a"}], {}, 403),
        ([["starts-with", "$key", "own/"]], {"key": "other/a"}, 403),
        ([["starts-with", "$key", ""]], {}, 403),
        ([], {"key": "a"}, 403),
        ([{"key": "a", "acl": "b"}], {"key": "a"}, 400),
        ([["ends-with", "$key", "a"]], {"key": "a"}, 400),
        ([["eq", "key", "a"]], {"key": "a"}, 400),
        ([["eq", "$key", ["a"]]], {"key": "a"}, 400),
        ([["content-length-range", 5, 1]], {}, 400),
        ([["content-length-range", "1", "5"]], {}, 400),
        (["key"], {"key": "a"}, 400),
        ({}, {"key": "a"}, 400),
        ([{"x-ignore-a": "1"}] * 101, {"x-ignore-a": "1"}, 400),
    ],
)
def test_other_fields_are_refused(conditions: object, fields: dict[str, str], status: int) -> None:
    with pytest.raises(StorageError) as refused:
        check_policy(encoded(conditions), fields, NOW)
    assert refused.value.status == status


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "no base64!",
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b"{").decode(),
        encoded([], None),
        encoded([], "tomorrow"),
    ],
)
def test_what_is_no_policy_is_refused(policy: str) -> None:
    with pytest.raises(StorageError) as refused:
        check_policy(policy, {}, NOW)
    assert (refused.value.status, refused.value.code) == (400, "InvalidSignature")


def test_a_policy_past_its_time_is_refused() -> None:
    with pytest.raises(StorageError) as refused:
        check_policy(encoded([], "2026-05-01T11:59:59.999Z"), {}, NOW)
    assert (refused.value.status, refused.value.code) == (400, "ExpiredToken")
