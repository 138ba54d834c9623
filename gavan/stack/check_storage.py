"""What of [core.storage] has to stand together; beside check.py, findings only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gavan.kit.nearest import nearest
from gavan.kit.secret import Secret
from gavan.kit.storage.s3_settings import S3SettingsError, read_s3_environ
from gavan.kit.web_address import is_web_address
from gavan.stack.findings import Level
from gavan.stack.model import EnvValue, KeyPath
from gavan.stack.s3 import is_days
from gavan.stack.schema.storage import S3
from gavan.stack.source import Report, Source
from gavan.stack.storage import s3_values

Values = dict[str, Any]
_HERE: KeyPath = ("core", "storage")
_MIME_KINDS = (
    "application", "audio", "chemical", "example", "font", "haptics", "image", "message", "model",
    "multipart", "text", "video",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    values: Values
    env: Mapping[str, EnvValue]
    source: Source
    report: Report


def check_storage(
    values: Values | None, env: Mapping[str, EnvValue], source: Source, report: Report
) -> None:
    """Note what an S3 lacks, and what a webhook or a bucket could not do as it is said."""
    if values is None:
        return
    on = _Subject(values=values, env=env, source=source, report=report)
    if values["provider"] == "s3":
        _check_s3(on)
    if values["webhook"]:
        _check_webhook(on, values["webhook"]["url"])
    for name, bucket in values["buckets"].items():
        _check_bucket(on, name, bucket)


def _check_s3(on: _Subject) -> None:
    found = s3_values(on.values, on.env)
    try:
        read_s3_environ({name: _plain(value) for name, value in found.items() if value is not None})
    except S3SettingsError as error:
        for problem in error.problems:
            on.report.add(
                on.source.value((*_HERE, "provider")),
                "GV103" if problem.endswith("is not set") else "GV102",
                f'provider = "s3": {problem}',
                why=S3.meaning,
                mend=f"set it in .env, or write it in [{S3.title}]",
            )


def _check_webhook(on: _Subject, url: EnvValue | None) -> None:
    address = _plain(url or "")
    if address and not is_web_address(address):
        on.report.add(
            on.source.value((*_HERE, "webhook", "url")),
            "GV102",
            '"url" is not the address of a webhook',
            why="events are posted there",
            mend='write it like url = "https://example.com/objects"',
        )


def check_expiry(values: Values, source: Source, report: Report) -> None:
    """Note what is no number of days in [storage.buckets]."""
    for name, bucket in values["buckets"].items():
        for prefix, text in bucket["expire_days"].items():
            if not is_days(text):
                report.add(
                    source.value(("storage", "buckets", name, "expire_days", prefix)),
                    "GV102",
                    f'"{text}" is no number of days',
                    why="objects are removed by whole days, from 1 on",
                    mend='write it like { "tmp/" = 7 }',
                )


def _plain(value: EnvValue) -> str:
    return value.reveal() if isinstance(value, Secret) else value


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
