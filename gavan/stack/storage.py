"""[core.storage] to the variables of supabase/storage, which the core reads; pure.

Stands beside build.py. What [core.storage.s3] does not say comes from the variables of the stack.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gavan.kit.secret import Secret
from gavan.stack.model import EnvValue
from gavan.stack.schema.storage import BUCKET, S3_VARIABLES

Values = dict[str, Any]


def storage_variables(
    values: Values | None, env: Mapping[str, EnvValue], buckets: Sequence[str]
) -> dict[str, EnvValue]:
    """Return the variables; for a stack without the section those of its buckets at most.

    Args:
        env: the variables of the stack.
        buckets: what [storage.buckets] has and the core makes; [core.storage.buckets] says more of
            one of the same name.
    """
    made = {} if values is None else dict(_all(values, env))
    plain = {key.name: key.default for key in BUCKET.keys}
    wanted = {**{name: plain for name in buckets}, **(values["buckets"] if values else {})}
    if wanted:
        made["GAVAN_STORAGE_BUCKETS"] = json.dumps(wanted)
    return {name: _text(value) for name, value in made.items() if value is not None}


def s3_values(values: Values, env: Mapping[str, EnvValue]) -> dict[str, EnvValue | None]:
    """Return the variables of the S3, None for those that nobody set."""
    written = values["s3"] or {}
    found: dict[str, EnvValue | None] = {}
    for key, name in S3_VARIABLES.items():
        value = written.get(key)
        found[name] = env.get(name) if value is None else _text(value)
    return found


def _all(values: Values, env: Mapping[str, EnvValue]) -> Iterator[tuple[str, Any]]:
    is_s3 = values["provider"] == "s3"
    yield "STORAGE_BACKEND", "s3" if is_s3 else "file"
    yield "UPLOAD_FILE_SIZE_LIMIT", values["file_size_limit"]
    yield "UPLOAD_SIGNED_URL_EXPIRATION_TIME", values["signed_upload_url_expiry"]
    yield "IMAGE_TRANSFORMATION_ENABLED", _enabled(values["image_transformation"])
    yield "S3_PROTOCOL_ENABLED", _enabled(values["s3_protocol"])
    if is_s3:
        yield from s3_values(values, env).items()
    if values["webhook"]:
        yield "WEBHOOK_URL", values["webhook"]["url"]
        yield "WEBHOOK_API_KEY", values["webhook"]["api_key"]


def _enabled(table: Values | None) -> bool:
    return table is None or bool(table["enabled"])


def _text(value: Any) -> EnvValue:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, Secret) else str(value)
