"""[storage] to its frozen type, and which of its buckets the core has; pure.

Stands beside build.py.
"""

from __future__ import annotations

from typing import Any

from gavan.stack.model import Container, EngineName, Profile, S3Bucket, S3Engine, Storage

Values = dict[str, Any]


def build_storage(values: Values) -> Storage:
    """Return the section with its defaults."""
    buckets = {
        name: S3Bucket(versioning=table["versioning"], expire_days=_days(table["expire_days"]))
        for name, table in values["buckets"].items()
    }
    return Storage(
        engine=S3Engine(values["engine"]),
        host=values["host"],
        port=values["port"],
        command=values["command"],
        presign_ttl=values["presign_ttl"],
        buckets=buckets,
        container=build_container(values),
    )


def build_container(values: Values) -> Container:
    """Return what containers know of a part, from the keys of schema/container.py."""
    return Container(
        memory=values["memory"],
        cpus=float(values["cpus"]),
        image=values.get("image"),
        dockerfile=values.get("dockerfile"),
    )


def stood_in(values: Values, profile: Profile) -> tuple[str, ...]:
    """Return the buckets that the core makes: it is the S3 itself, or stands in for minio."""
    engine = S3Engine(values["engine"])
    is_core = engine is S3Engine.CORE
    is_core |= engine is S3Engine.MINIO and profile.engine is EngineName.EMBEDDED
    return tuple(values["buckets"]) if is_core else ()


def _days(written: dict[str, str]) -> dict[str, int]:
    """Return days by prefix; check_storage.py has noted what is no number of days."""
    return {prefix: int(text) for prefix, text in written.items() if is_days(text)}


def is_days(text: str) -> bool:
    """Say whether a text is a number of days that a rule may have."""
    return text.isascii() and text.isdecimal() and 1 <= int(text[:6]) <= 36500
