"""The policy of a form that uploads: what whoever signed it allows a stranger to send.

Source: Amazon's «POST policy», and supabase/storage:src/storage/protocols/s3/policy.ts. Unlike
upstream, a range of sizes is kept.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from gavan.core.storage.errors import StorageError, access_denied
from gavan.core.storage.s3.errors import expired, malformed_signature

UNCOVERED = frozenset(
    {
        "policy",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-signature",
    }
)
IGNORED = "x-ignore-"
MOST_CONDITIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """How many bytes a policy lets in; ``most`` None: as many as the bucket."""

    least: int = 0
    most: int | None = None


def check_policy(encoded: str, fields: Mapping[str, str], now: datetime) -> Allowed:
    """Judge the fields of a form by its policy, whose signature has been proven.

    Args:
        encoded: the policy as it came, JSON in base64.
        fields: by name in lower case, ``bucket`` from the path among them; but for those of the
            signature each must be named by a condition.

    Raises:
        StorageError: the policy cannot be read, is past its time, or does not allow the fields.
    """
    policy = _read(encoded)
    if _expiration(policy) < now:
        raise expired()
    conditions = policy.get("conditions")
    if not isinstance(conditions, list) or len(conditions) > MOST_CONDITIONS:
        raise malformed_signature("Invalid policy conditions")
    covered: set[str] = set()
    allowed = Allowed()
    for condition in conditions:
        if isinstance(condition, list) and condition[:1] == ["content-length-range"]:
            allowed = _range(condition)
        else:
            covered.add(_check(condition, fields))
    for name in fields.keys() - covered - UNCOVERED:
        if not name.startswith(IGNORED):
            raise access_denied(
                f'Policy condition failed: field "{name}" is not covered by the policy'
            )
    return allowed


def too_small() -> StorageError:
    """Return the answer for fewer bytes than a policy asks for."""
    return StorageError(
        400,
        "EntityTooSmall",
        "Your proposed upload is smaller than the minimum allowed object size.",
    )


def _read(encoded: str) -> dict[str, Any]:
    try:
        policy = orjson.loads(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError) as error:
        raise malformed_signature("Invalid POST policy") from error
    if not isinstance(policy, dict):
        raise malformed_signature("Invalid POST policy")
    return policy


def _expiration(policy: dict[str, Any]) -> datetime:
    text = policy.get("expiration")
    if not text:
        raise malformed_signature("Missing policy expiration")
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise malformed_signature("Invalid policy expiration") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _range(condition: list[Any]) -> Allowed:
    match condition:
        case [_, int(least), int(most)] if 0 <= least <= most:
            return Allowed(least=least, most=most)
        case _:
            raise malformed_signature("Invalid policy condition")


def _check(condition: object, fields: Mapping[str, str]) -> str:
    """Return the field that a condition names; raise StorageError unless it holds."""
    match condition:
        case {**pair} if len(pair) == 1:
            ((target, value),) = pair.items()
            operator = "eq"
        case ["eq" | "starts-with" as operator, str(target), value] if target.startswith("$"):
            target = target[1:]
        case _:
            raise malformed_signature("Unsupported policy condition")
    if not isinstance(value, str | int):
        raise malformed_signature("Invalid policy condition")
    name = str(target).lower()
    actual, wanted = fields.get(name), str(value)
    if operator == "eq" and actual != wanted:
        raise access_denied(f'Policy condition failed: "{name}" does not match')
    if actual is None or not actual.startswith(wanted):
        raise access_denied(f'Policy condition failed: "{name}" does not start with "{wanted}"')
    return name
