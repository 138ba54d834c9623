"""Where a token keeps the role: JSON paths of both of PostgREST's dialects.

``$.roles[?(@ == 'author')]`` is RFC 9535, as far as a role needs it: names, indexes, and filters
that compare or search the items of an array. ``.roles[?(@ ^== "auth")]`` is the older dialect with
operators of its own. Slices, wildcards and descents are refused when the configuration is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import orjson

_NAME = r"[\w$@-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
_STEP = re.compile(
    rf"""\.(?P<name>{_NAME})|\.?(?P<quoted>"[^"]*")|\[(?P<index>-?\d{{1,9}})\]
    |\[(?P<member>{_QUOTED})\]|\[\?\s*(?P<filter>.*?)\](?=$|[.\[])""",
    re.VERBOSE,
)
_COMPARED = re.compile(
    rf"""@(?P<path>(?:\.{_NAME})*)\s*(?P<op>==\^|\^==|\*==|==|!=)\s*(?P<value>{_QUOTED})""",
    re.VERBOSE,
)
_SEARCHED = re.compile(rf"""search\(\s*@(?P<path>(?:\.{_NAME})*)\s*,\s*(?P<value>{_QUOTED})\s*\)""")
_ESCAPE = re.compile(r"\\(.)")

TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "==": lambda found, wanted: found == wanted,
    "!=": lambda found, wanted: found != wanted,
    "^==": str.startswith,
    "==^": str.endswith,
    "*==": lambda found, wanted: wanted in found,
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Keeps the items of an array whose text at ``path`` passes ``test``."""

    path: tuple[str, ...]
    test: Callable[[str], bool]

    def keeps(self, item: object) -> bool:
        for name in self.path:
            item = item.get(name) if isinstance(item, dict) else None
        return isinstance(item, str) and self.test(item)


Path = tuple[str | int | Filter, ...]
ROLE: Path = ("role",)


def claim_path(text: str) -> Path:
    """Return the steps of ``.role``, ``$.app.roles[0]`` or ``$.roles[?(@ == 'author')]``.

    Raises ValueError for everything that is no such path.
    """
    rest = text.strip().removeprefix("$")
    steps: list[str | int | Filter] = []
    while rest:
        found = _STEP.match(rest)
        if found is None:
            raise ValueError("the path has a step other than .name, [0], ['name'] or [?filter]")
        steps.append(_step(found))
        rest = rest[found.end() :]
    if not steps:
        raise ValueError("the path is empty")
    return tuple(steps)


def role_at(claims: Mapping[str, object], path: Path) -> str | None:
    """Return the first role at a path of the claims, any JSON type as its text; None if absent."""
    value = next(_found(claims, path), None)
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


def _found(value: object, path: Path) -> Iterator[object]:
    if not path:
        yield value
        return
    for child in _children(value, path[0]):
        yield from _found(child, path[1:])


def _children(value: object, step: str | int | Filter) -> list[object]:
    if isinstance(value, dict):
        return [value[step]] if isinstance(step, str) and step in value else []
    if not isinstance(value, list) or isinstance(step, str):
        return []
    if isinstance(step, Filter):
        return [item for item in value if step.keeps(item)]
    return [value[step]] if -len(value) <= step < len(value) else []


def _step(found: re.Match[str]) -> str | int | Filter:
    if found["index"] is not None:
        return int(found["index"])
    if found["filter"] is not None:
        return _filter(found["filter"].strip())
    if found["member"] is not None:
        return _unquoted(found["member"])
    return str(found["name"] or found["quoted"][1:-1])


def _filter(text: str) -> Filter:
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    if compared := _COMPARED.fullmatch(text):
        wanted, test = _unquoted(compared["value"]), TESTS[compared["op"]]
        return Filter(_names(compared["path"]), lambda found: test(found, wanted))
    searched = _SEARCHED.fullmatch(text)
    if searched is None:
        raise ValueError("a filter of the path is @ == 'text' or search(@, 'expression')")
    try:
        pattern = re.compile(_unquoted(searched["value"]))
    except re.error as error:
        raise ValueError(f"the path searches for no regular expression: {error}") from error
    return Filter(_names(searched["path"]), lambda found: pattern.search(found) is not None)


def _names(path: str) -> tuple[str, ...]:
    return tuple(name for name in path.split(".") if name)


def _unquoted(text: str) -> str:
    return _ESCAPE.sub(r"\1", text[1:-1])
