"""Read GoTrue's own variables by type, and collect everything that is wrong with them.

Stands under the sections of the configuration; each of them reads its part through this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from gavan.core.auth.duration import parse_duration_s
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret

T = TypeVar("T")

PREFIX = "GOTRUE_"
_TRUE = frozenset({"true", "1", "t", "yes", "on"})
_FALSE = frozenset({"false", "0", "f", "no", "off"})


class Environ:
    """The variables of one process; names are asked for without ``GOTRUE_``.

    An empty variable counts as absent. What does not fit its type is remembered and the default
    used, so that ``check`` names every mistake at once.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        """Return a text."""
        return self._values.get(PREFIX + name, "") or default

    def secret(self, name: str) -> Secret | None:
        """Return a secret, None when it is absent."""
        value = self.text(name)
        return Secret(value) if value else None

    def flag(self, name: str, default: bool) -> bool:
        """Return a switch."""
        return self._read(name, default, _flag)

    def count(self, name: str, default: int) -> int:
        """Return a whole number that is not negative."""
        return self._read(name, default, _count)

    def digits(self, name: str, default: int) -> int:
        """Return how long a code is; a length out of GoTrue's bounds counts as none, as there."""
        length = self.count(name, default)
        return length if 6 <= length <= 10 else default

    def number(self, name: str, default: float) -> float:
        """Return a number that is not negative."""
        return self._read(name, default, _number)

    def duration_s(self, name: str, default: float) -> float:
        """Return seconds of a duration in Go's spelling, ``1m30s``."""
        return self._read(name, default, parse_duration_s)

    def optional_duration_s(self, name: str) -> float | None:
        """Return seconds, None when it is absent."""
        return self._read(name, None, parse_duration_s)

    def names(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the parts of a list with commas."""
        return self._read(name, default, _names)

    def pairs(self, name: str) -> dict[str, str]:
        """Return a mapping written ``key:value,key:value``."""
        return self._read(name, {}, _pairs)

    def moment(self, name: str) -> datetime | None:
        """Return a time in RFC 3339, None when it is absent."""
        return self._read(name, None, _moment)

    def parsed(self, name: str, default: T, parse: Callable[[str], T]) -> T:
        """Return what ``parse`` makes of a text; its ValueError is remembered."""
        return self._read(name, default, parse)

    def refuse(self, name: str, reason: str) -> None:
        """Remember that a value, though of the right type, cannot be used."""
        self._problems.append(f"{PREFIX}{name}: {reason}")

    def check(self) -> None:
        """Raise GavanError GV702 naming every variable that does not fit."""
        if self._problems:
            raise GavanError(
                "GV702",
                f"the auth service is told what it cannot use: {'; '.join(self._problems)}",
                hint="durations are written 1m30s, switches true or false",
                exit_code=2,
            )

    def _read(self, name: str, default: T, parse: Callable[[str], T]) -> T:
        value = self._values.get(PREFIX + name, "").strip()
        if not value:
            return default
        try:
            return parse(value)
        except ValueError as error:
            self.refuse(name, str(error))
            return default


def _flag(text: str) -> bool:
    lowered = text.lower()
    if lowered in _TRUE or lowered in _FALSE:
        return lowered in _TRUE
    raise ValueError("neither true nor false")


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError("no whole number")
    return int(text)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise ValueError("no number") from error
    if not 0 <= value < float("inf"):
        raise ValueError("no number of zero or more")
    return value


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _pairs(text: str) -> dict[str, str]:
    found = {}
    for pair in _names(text):
        key, colon, value = pair.partition(":")
        if not colon:
            raise ValueError("a list of key:value pairs is expected")
        found[key.strip()] = value.strip()
    return found


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone, as in 2026-01-02T03:04:05Z")
    return moment
