"""What of [core.storage] has to stand together; beside check.py, findings only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gavan.kit.nearest import nearest
from gavan.stack.findings import Level
from gavan.stack.model import EnvValue, KeyPath
from gavan.stack.schema.storage import PRESIGN_VARIABLE, S3, S3_VARIABLES
from gavan.stack.source import Report, Source
from gavan.stack.storage import s3_values

Values = dict[str, Any]
_HERE: KeyPath = ("core", "storage")
_NEEDED = ("bucket", "access_key_id", "secret_access_key")
_MIME_KINDS = (
    "application", "audio", "chemical", "example", "font", "haptics", "image", "message", "model",
    "multipart", "text", "video",
)  # fmt: skip
_TRUTH = ("true", "false", "1", "0", "yes", "no", "on", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    values: Values
    env: Mapping[str, EnvValue]
    source: Source
    report: Report


def check_storage(
    values: Values | None, env: Mapping[str, EnvValue], source: Source, report: Report
) -> None:
    """Note what an S3 lacks, and buckets that could not do what they say."""
    if values is None:
        return
    on = _Subject(values=values, env=env, source=source, report=report)
    if values["provider"] == "s3":
        _check_s3(on)
    expiry = env.get(PRESIGN_VARIABLE)
    if values["signed_upload_url_expiry"] is None and expiry and not _is_count(expiry):
        _variable(on, PRESIGN_VARIABLE, str(expiry), "a number of seconds, like 7200")
    for name, bucket in values["buckets"].items():
        _check_bucket(on, name, bucket)


def _check_s3(on: _Subject) -> None:
    found = s3_values(on.values, on.env)
    for key in _NEEDED:
        name = S3_VARIABLES[key]
        if found[name]:
            continue
        on.report.add(
            on.source.value((*_HERE, "provider")),
            "GV103",
            f'provider = "s3" needs "{key}", and {name} is not set',
            why=S3.by_name[key].meaning,
            mend=f"set {name} in .env, or write {key} = {S3.by_name[key].example} in [{S3.title}]",
        )
    style = found[S3_VARIABLES["force_path_style"]]
    if style and str(style).strip().lower() not in _TRUTH:
        _variable(on, S3_VARIABLES["force_path_style"], str(style), "true or false")


def _check_bucket(on: _Subject, name: str, bucket: Values) -> None:
    here: KeyPath = (*_HERE, "buckets", name)
    limit = on.values["file_size_limit"]
    if (bucket["file_size_limit"] or 0) > limit:
        on.report.add(
            on.source.value((*here, "file_size_limit")),
            "GV158",
            f'the bucket "{name}" takes {bucket["file_size_limit"]} bytes, the stack {limit}',
            why="the smaller limit holds: larger objects would be refused all the same",
            mend=f"raise file_size_limit of [{'.'.join(map(str, _HERE))}], or lower this one",
        )
    for index, mime in enumerate(bucket["allowed_mime_types"] or ()):
        _check_mime(on, (*here, "allowed_mime_types", index), mime)


def _check_mime(on: _Subject, path: KeyPath, mime: str) -> None:
    kind = mime.partition("/")[0].lower()
    if kind in ("*", *_MIME_KINDS) or kind.startswith("x-"):
        return
    near = nearest(kind, _MIME_KINDS)
    on.report.add(
        on.source.value(path),
        "GV159",
        f'there are no types "{kind}/..."',
        why="no upload would have it",
        mend=f'did you mean "{near}"?' if near else f"known: {', '.join(_MIME_KINDS)}",
        level=Level.WARNING,
    )


def _variable(on: _Subject, name: str, value: str, form: str) -> None:
    on.report.add(
        on.source.key(_HERE),
        "GV102",
        f'the variable {name} cannot be "{value}"',
        why="[core.storage] takes it",
        mend=f"set it to {form}",
    )


def _is_count(value: EnvValue) -> bool:
    return isinstance(value, str) and value.isdecimal() and int(value) > 0
