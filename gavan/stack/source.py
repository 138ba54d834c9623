"""The stack file with a profile's `set` and the --set flags laid over it; every place is kept.

Stands between toml.py and read.py: one tree of plain values and, for each path, where it is
written, whichever text it came from.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gavan.stack import toml
from gavan.stack.findings import Finding, Level, StackErrors
from gavan.stack.model import KeyPath, Position
from gavan.stack.toml import Document, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something is written, with what a finding shows of it."""

    position: Position
    length: int
    source: str


class Source:
    """Values and places of one stack file under one profile."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.values: dict[str, Any] = copy.deepcopy(dict(document.values))
        self._origins: dict[KeyPath, tuple[Document, KeyPath]] = {}

    def lay_over(self, table: Mapping[str, object], document: Document, path: KeyPath) -> None:
        """Merge a table, written at ``path`` of ``document``, over the file; lists replace."""
        self._merge(self.values, table, (), (document, path))

    def lay_over_assignment(self, assignment: str) -> None:
        """Merge `database.port=5433`, as --set gives it.

        Raises:
            StackErrors: the left side is no key.
        """
        name, _, value = assignment.partition("=")
        try:
            document = toml.parse(f"{name} = {value}", Path("--set"))
        except StackErrors:
            document = toml.parse(f"{name} = {json.dumps(value)}", Path("--set"))
        self.lay_over(document.values, document, ())

    def lay_under(
        self,
        table: Mapping[str, object],
        document: Document,
        places: Mapping[KeyPath, KeyPath],
    ) -> None:
        """Merge a table below the file: what is written stays, lists and values whole.

        Args:
            places: for the top of what is laid under, where ``document`` has it.
        """
        self._under(self.values, table, (), (document, places))

    def _under(
        self,
        base: dict[str, Any],
        under: Mapping[str, object],
        path: KeyPath,
        origin: tuple[Document, Mapping[KeyPath, KeyPath]],
    ) -> None:
        document, places = origin
        for name, value in under.items():
            here: KeyPath = (*path, name)
            if isinstance(value, dict) and isinstance(base.get(name, {}), dict):
                self._under(base.setdefault(name, {}), value, here, origin)
            elif name not in base:
                base[name] = copy.deepcopy(value)
                top = next(there for there in places if here[: len(there)] == there)
                self._origins[here] = (document, (*places[top], *here[len(top) :]))

    def _merge(
        self,
        base: dict[str, Any],
        over: Mapping[str, object],
        path: KeyPath,
        origin: tuple[Document, KeyPath],
    ) -> None:
        document, origin_path = origin
        for name, value in over.items():
            here: KeyPath = (*path, name)
            there = (document, (*origin_path, name))
            if isinstance(value, dict) and isinstance(base.get(name), dict):
                self._merge(base[name], value, here, there)
                continue
            base[name] = copy.deepcopy(value)
            self._origins = {p: o for p, o in self._origins.items() if p[: len(here)] != here}
            self._origins[here] = there

    def is_laid_over(self, path: KeyPath) -> bool:
        """Say whether the value at the path came from a `set`."""
        return self._origin(path)[2]

    def is_elsewhere(self, path: KeyPath) -> bool:
        """Say whether the value at the path came from another file than the stack file."""
        return self._origin(path)[0] is not self.document

    def key(self, path: KeyPath) -> Place:
        """Return the place of the key, or of the nearest thing around it that is written."""
        document, there, _ = self._origin(path)
        return _place(document, document.key(there))

    def value(self, path: KeyPath) -> Place:
        """Return the place of the value, or of the nearest thing around it that is written."""
        document, there, _ = self._origin(path)
        return _place(document, document.value(there))

    def inside(self, path: KeyPath, text: str) -> Place:
        """Return the place of ``text`` inside a string value, when it is written so."""
        place = self.value(path)
        start = place.source.find(text, place.position.column - 1)
        if start < 0:
            return place
        position = Position(file=place.position.file, line=place.position.line, column=start + 1)
        return Place(position=position, length=len(text), source=place.source)

    def table(self, path: KeyPath) -> dict[str, Any]:
        """Return the table at the path; empty when there is none or it is no table."""
        value: Any = self.values
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    def positions(self) -> dict[KeyPath, Position]:
        """Return where every value is written."""
        return {path: self.value(path).position for path in _paths(self.values, ())}

    def _origin(self, path: KeyPath) -> tuple[Document, KeyPath, bool]:
        for end in range(len(path), 0, -1):
            if path[:end] in self._origins:
                document, there = self._origins[path[:end]]
                return document, (*there, *path[end:]), True
        return self.document, path, False


class Report:
    """Collects findings; reading goes on after each."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def add(
        self,
        place: Place,
        code: str,
        message: str,
        *,
        why: str,
        mend: str,
        level: Level = Level.ERROR,
    ) -> None:
        """Note an error, or a warning."""
        self.findings.append(
            Finding(
                code=code,
                message=message,
                position=place.position,
                why=why,
                mend=mend,
                level=level,
                source=place.source,
                length=place.length,
            )
        )

    def unset(self, place: Place, message: str, *, why: str, mend: str) -> None:
        """Note a variable without a value: GV150, an error where the stack is to run."""
        self.add(place, "GV150", message, why=why, mend=mend)
        self.findings[-1] = replace(self.findings[-1], is_unset=True)

    def rename(self, place: Place, finding: tuple[str, str, str], names: tuple[str, str]) -> None:
        """Note a misspelt key, (code, message, why), that --fix can rename from, to."""
        code, message, why = finding
        self.findings.append(
            Finding(
                code=code,
                message=message,
                position=place.position,
                why=why,
                mend=f'rename it to "{names[1]}" (gavan check --fix does this)',
                source=place.source,
                length=place.length,
                rename=names,
            )
        )


def _place(document: Document, span: Span) -> Place:
    return Place(
        position=document.position(span), length=span.length, source=document.line(span.line)
    )


def _paths(value: object, path: KeyPath) -> Iterator[KeyPath]:
    if path:
        yield path
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _paths(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _paths(item, (*path, index))
