"""`.env.example`: the variables that a stack file speaks of, without a value.

Stands beside load.py; pure but for reading the file that is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gavan.stack import dotenv
from gavan.stack.interpolate import names
from gavan.stack.model import KeyPath
from gavan.stack.source import Source

FILE_NAME = ".env.example"
HEAD = "# Variables of this stack. Copy to .env and fill in; made by: gavan check --env --fix\n"


def variables(source: Source, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the variables that the stack file reads and, for each, where it is used first.

    Args:
        but: top tables that are left out.
    """
    found: dict[str, str] = {}
    for name, use in uses(source):
        if use[:1] and use[0] in but:
            continue
        found.setdefault(name, ".".join(str(p) for p in use if isinstance(p, str)))
    return found


def uses(source: Source) -> Iterator[tuple[str, KeyPath]]:
    """Yield every variable that the stack file reads with the place of the value that reads it."""
    for path, text in _texts(source.values, ()):
        # [apps.x] secrets = ["NAME"] lists names; everything else speaks in ${NAME}.
        listed = path[:1] == ("apps",) and path[2:3] == ("secrets",)
        for name in (text,) if listed else names(text).variables:
            yield name, path


def render(wanted: dict[str, str]) -> str:
    """Return the text of the example: one line of meaning and one empty variable each."""
    return HEAD + "".join(f"\n# {use}\n{name}=\n" for name, use in sorted(wanted.items()))


def differences(file: Path, wanted: dict[str, str]) -> list[str]:
    """Return what the example lacks and what it has too much, one sentence each."""
    present = set(dotenv.read(file).entries) if file.is_file() else set()
    lacks = [
        f"{name} is missing (used by {wanted[name]})" for name in sorted(set(wanted) - present)
    ]
    extra = [
        f"{name} is read by nothing in the stack file" for name in sorted(present - set(wanted))
    ]
    return lacks + extra


def _texts(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        # Text of `sql` is the database's own: $ means nothing there.
        if path[:1] != ("cron",) or path[-1:] != ("sql",):
            yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
