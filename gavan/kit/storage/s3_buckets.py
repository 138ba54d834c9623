"""``python -m gavan.kit.storage.s3_buckets``: make the buckets of a stack on its S3, and go.

Stands beside s3_client.py; may run again at any time. What a server cannot keep (versions, rules)
is found by reading it back and said, and stops nothing: servers differ, and some take any subject
of a bucket for the bucket itself, so nothing is removed that was not read before.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.kit.storage.s3_client import make_client
from gavan.kit.storage.s3_settings import S3Settings

PATIENCE_S = 60.0
POLL_S = 0.5
RULE = "gavan-"
_GONE = frozenset({"404", "NoSuchBucket", "NotFound"})
_OURS = frozenset({"BucketAlreadyOwnedByYou", "BucketAlreadyExists"})


def wait_until_it_answers(client: Any, within_s: float = PATIENCE_S) -> None:
    """Wait for a server that is starting; raise GavanError GV732 when it does not answer."""
    until = time.monotonic() + within_s
    while True:
        try:
            client.list_buckets()
        except (BotoCoreError, ClientError) as error:
            is_refused = isinstance(error, ClientError) and _status(error) in (401, 403)
            if is_refused or time.monotonic() > until:
                raise GavanError(
                    "GV732",
                    f"the S3 cannot be used: {_words(error)}",
                    hint="gavan logs s3; MINIO_ROOT_PASSWORD must be the one that it began with",
                ) from None
            time.sleep(POLL_S)
        else:
            return


def make_bucket(client: Any, name: str, wanted: Mapping[str, Any]) -> Iterator[str]:
    """Have a private bucket with what is wanted of it; yield a sentence for each thing done or
    not to be had.

    Args:
        wanted: ``versioning`` and ``expire_days``, days by prefix.
    """
    if _is_there(client, name):
        yield f"{name} is there"
    else:
        _create(client, name)
        yield f"{name} is made"
    if _policy(client, name):
        client.delete_bucket_policy(Bucket=name)
        yield f"{name} had a policy that let others in; it is private again"
    yield from _version(client, name, wanted=bool(wanted["versioning"]))
    yield from _expire(client, name, wanted["expire_days"])


def _is_there(client: Any, name: str) -> bool:
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if str(error.response["Error"]["Code"]) in _GONE:
            return False
        raise
    return True


def _create(client: Any, name: str) -> None:
    try:
        client.create_bucket(Bucket=name)
    except ClientError as error:
        if str(error.response["Error"]["Code"]) not in _OURS:
            raise


def _policy(client: Any, name: str) -> bool:
    """Say whether the bucket has a policy: a server without policies may answer with a listing."""
    answer = _asked(lambda: client.get_bucket_policy(Bucket=name))
    try:
        found = json.loads(answer.get("Policy", ""))
    except (TypeError, ValueError):
        return False
    return isinstance(found, dict) and bool(found.get("Statement"))


def _version(client: Any, name: str, *, wanted: bool) -> Iterator[str]:
    def is_on() -> bool:
        answer = _asked(lambda: client.get_bucket_versioning(Bucket=name))
        return bool(answer.get("Status") == "Enabled")

    if is_on() == wanted:
        return
    status = {"Status": "Enabled" if wanted else "Suspended"}
    _asked(lambda: client.put_bucket_versioning(Bucket=name, VersioningConfiguration=status))
    if is_on() == wanted:
        yield f"{name} keeps {'every version' if wanted else 'no further versions'}"
    else:
        yield f"{name}: this server keeps no versions"


def _expire(client: Any, name: str, wanted: Mapping[str, int]) -> Iterator[str]:
    rules = [
        {"ID": f"{RULE}{number}", "Status": "Enabled", "Filter": {"Prefix": prefix},
         "Expiration": {"Days": days}}
        for number, (prefix, days) in enumerate(sorted(wanted.items()), start=1)
    ]  # fmt: skip
    others, ours = _rules(client, name)
    if ours == _facts(rules):
        return
    if rules or others:
        all_rules = {"Rules": [*others, *rules]}
        _asked(lambda: client.put_bucket_lifecycle_configuration(
            Bucket=name, LifecycleConfiguration=all_rules))  # fmt: skip
    else:
        client.delete_bucket_lifecycle(Bucket=name)
    if _rules(client, name)[1] == _facts(rules):
        yield f"{name}: {len(rules)} rules of expiry"
    else:
        yield f"{name}: this server keeps no rules of expiry"


def _rules(client: Any, name: str) -> tuple[list[dict[str, Any]], set[tuple[str, str, int]]]:
    """Return the rules that are not of ours, and the facts of those that are."""
    answer = _asked(lambda: client.get_bucket_lifecycle_configuration(Bucket=name))
    rules: list[dict[str, Any]] = answer.get("Rules") or []
    ours = [rule for rule in rules if str(rule.get("ID", "")).startswith(RULE)]
    return [rule for rule in rules if rule not in ours], _facts(ours)


def _facts(rules: list[dict[str, Any]]) -> set[tuple[str, str, int]]:
    return {
        (rule["ID"], rule["Filter"].get("Prefix", ""), rule["Expiration"]["Days"])
        for rule in rules
    }  # fmt: skip


def _asked(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return an answer, an empty one from a server that does not know the question."""
    try:
        return call()
    except ClientError as error:
        if _status(error) in (401, 403):
            raise
        return {}
    except BotoCoreError:
        return {}


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _words(error: Exception) -> str:
    """Return what went wrong, without an address and without a key."""
    if isinstance(error, ClientError):
        return str(error.response["Error"].get("Code", "Unknown"))
    return type(error).__name__


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Make the buckets of GAVAN_S3_BUCKETS on the S3 of S3_*; return the exit code."""
    buckets: dict[str, dict[str, Any]] = json.loads(environ["GAVAN_S3_BUCKETS"])
    client = make_client(
        S3Settings(
            endpoint=environ["S3_ENDPOINT"],
            region=environ["S3_REGION"],
            bucket="",
            access_key_id=environ["S3_ACCESS_KEY_ID"],
            secret_access_key=Secret(environ["S3_SECRET_ACCESS_KEY"]),
        )
    )
    try:
        wait_until_it_answers(client)
        for name, wanted in buckets.items():
            for sentence in make_bucket(client, name, wanted):
                sys.stdout.write(f"{sentence}\n")
    except (ClientError, BotoCoreError) as error:
        sys.stderr.write(f"GV732 the S3 cannot be used: {_words(error)}\n")
        return 1
    except GavanError as error:
        sys.stderr.write(f"{error.code} {error.message}\n  hint: {error.hint}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
