"""One reader per kind of value: a plain TOML value in, a typed value out, or Bad with the reason.

Stands under read.py; pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

from cronsim import CronSim, CronSimError

from gavan.kit.nearest import nearest
from gavan.stack.schema.key import Key, Kind

SLUG = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
SLUG_MEND = "use 1-40 of a-z, 0-9 and -, first a letter, last no -"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(?:([kmgt])i?)?b?", re.IGNORECASE | re.ASCII)
_LONGEST_SIZE = 24
_LONGEST_PATH = 1024
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Bad(Exception):
    """A value that cannot stand: code, message, why, mend."""

    def __init__(self, code: str, message: str, why: str, mend: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.why = why
        self.mend = mend


def spell(value: object) -> str:
    """Return the type of a value in TOML's words."""
    names = {bool: "a boolean", int: "an integer", float: "a number", str: "text", dict: "a table",
             list: "a list"}  # fmt: skip
    return names.get(type(value), "a date or time")


def expected(key: Key, what: str, value: object, example: str) -> Bad:
    return Bad(
        "GV102",
        f'"{key.name}" is {spell(value)}, expected {what}',
        key.meaning,
        f"write it like {example}",
    )


def read_integer(key: Key, value: object) -> int:
    if type(value) is not int:
        raise expected(key, "an integer", value, f"{key.name} = {key.default or 1}")
    if value < key.at_least:
        raise Bad("GV102", f'"{key.name}" is {value}, at least {key.at_least} is possible',
                  key.meaning, f"write {key.at_least} or more")  # fmt: skip
    return value


def read_port(key: Key, value: object) -> int:
    if type(value) is not int:
        raise expected(key, "a port number", value, f"{key.name} = {key.default or 3000}")
    if not 0 < value < 65536:
        raise Bad("GV102", f'"{key.name}" is {value}, ports are 1 to 65535', key.meaning,
                  "choose a port from 1024 to 65535")  # fmt: skip
    return value


def read_boolean(key: Key, value: object) -> bool:
    if not isinstance(value, bool):
        raise expected(key, "true or false", value, f"{key.name} = true")
    return value


def read_text(key: Key, value: str) -> str:
    if key.pattern and not re.fullmatch(key.pattern, value):
        example = key.example or f'"{key.default}"'
        raise Bad("GV105" if "ms" in key.pattern else "GV102",
                  f'"{key.name}" cannot be "{value}"', key.meaning,
                  f"write it like {key.name} = {example}")  # fmt: skip
    return value


def is_path(value: str) -> bool:
    """Say whether the system could have a file of this name."""
    return "\0" not in value and all(len(part.encode()) < 256 for part in value.split("/"))


def read_path(key: Key, value: str) -> str:
    if not is_path(value) or len(value) > _LONGEST_PATH:
        raise Bad("GV102", f'"{key.name}" is too long for a path', key.meaning,
                  f"write it like {key.name} = {key.example or key.default}")  # fmt: skip
    return value


def read_slug(key: Key, value: str) -> str:
    if not SLUG.fullmatch(value):
        raise Bad("GV104", f'"{value}" cannot be a name', key.meaning, SLUG_MEND)
    return value


def read_choice(key: Key, value: str) -> str:
    if value not in key.choices:
        near = nearest(value, key.choices)
        mend = f'write "{near}"' if near else f"choose one of: {', '.join(key.choices)}"
        raise Bad("GV102", f'"{key.name}" cannot be "{value}"', key.meaning, mend)
    return value


def read_duration(key: Key, value: str) -> float:
    match = _DURATION.fullmatch(value)
    if match is None:
        raise Bad("GV105", f'"{value}" is not a duration', key.meaning,
                  f'write it like {key.name} = "{key.default}" (ms, s, m, h, d)')  # fmt: skip
    return float(match[1]) * _SECONDS[match[2]]


def read_size(key: Key, value: str) -> int:
    """Return bytes as the supabase CLI counts them: KB is KiB, MB is MiB, GB is GiB."""
    match = _SIZE.fullmatch(value) if len(value) < _LONGEST_SIZE else None
    size = int(float(match[1]) * 1024 ** " kmgt".index((match[2] or " ").lower())) if match else 0
    if size < 1:
        raise Bad("GV105", f'"{value}" is not a size', key.meaning,
                  f"write it like {key.name} = {key.example} (KiB, MiB, GiB)")  # fmt: skip
    return size


def read_cron(key: Key, value: str) -> str:
    every, _, period = value.partition(" ")
    if every == "@every":
        period_key = replace(key, default="@every 30s")
        read_duration(period_key, period.strip())
        return value
    try:
        CronSim(value, datetime.now(UTC))
    except CronSimError as error:
        raise Bad("GV105", f'"{value}" is not a schedule: {error}', key.meaning,
                  'write five fields, like "*/5 * * * *", or "@every 30s"') from error  # fmt: skip
    return value


TEXT_READERS: Mapping[Kind, Callable[[Key, str], object]] = {
    Kind.TEXT: read_text,
    Kind.PATH: read_path,
    Kind.SLUG: read_slug,
    Kind.CHOICE: read_choice,
    Kind.DURATION: read_duration,
    Kind.SIZE: read_size,
    Kind.CRON: read_cron,
}
"""Kinds that are written as text, and so may carry `${...}`."""

PLAIN_READERS: Mapping[Kind, Callable[[Key, object], object]] = {
    Kind.INTEGER: read_integer,
    Kind.PORT: read_port,
    Kind.BOOLEAN: read_boolean,
}


def scalar_text(value: object) -> str | None:
    """Return a number or boolean as an environment variable says it; None for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(cast(object, value))
    return None
