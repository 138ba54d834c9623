"""A YAML file with the line of everything in it.

Stands below the lint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gavan.stack.findings import Finding, Level
from gavan.stack.model import KeyPath, Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """``places``: line and column of every value, counted from 1."""

    file: Path
    text: str
    values: Mapping[Any, Any]
    places: Mapping[KeyPath, tuple[int, int]]

    @property
    def is_ours(self) -> bool:
        return self.text.startswith("# Written by gavan")

    def finding(
        self, code: str, path: KeyPath, said: tuple[str, str, str], *, warn: bool = False
    ) -> Finding:
        """Return a finding at ``path``, or at what is nearest above it.

        Args:
            code: of errors.md.
            path: keys from the top of the file.
            said: what is wrong, why that matters, what mends it.
            warn: it is a warning and no error.
        """
        while path and path not in self.places:
            path = path[:-1]
        line, column = self.places.get(path, (1, 1))
        message, why, mend = said
        lines = self.text.splitlines()
        return Finding(
            code=code, message=message, why=why, mend=mend,
            position=Position(file=self.file, line=line, column=column),
            level=Level.WARNING if warn else Level.ERROR,
            source=lines[line - 1] if line <= len(lines) else "",
        )  # fmt: skip


def read(file: Path) -> Document | Finding:
    """Return the document, or the finding GV560 for one that is no YAML or no table."""
    text = file.read_text(encoding="utf-8")
    empty = Document(file=file, text=text, values={}, places={})
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.load(text, Loader=_Words)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        told = str(getattr(error, "problem", error))
        at: dict[KeyPath, tuple[int, int]] = {(): (mark.line + 1, mark.column + 1)} if mark else {}
        broken = Document(file=file, text=text, values={}, places=at)
        return broken.finding("GV560", (), (f"no YAML: {told}", "nothing in it runs", "mend it"))
    if node is None or not isinstance(values, dict):
        return empty.finding("GV560", (), ("no table", "nothing in it runs", "write jobs"))
    places: dict[KeyPath, tuple[int, int]] = {}
    _walk(node, (), places)
    return Document(file=file, text=text, values=values, places=places)


def _walk(node: yaml.Node, path: KeyPath, places: dict[KeyPath, tuple[int, int]]) -> None:
    places[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _walk(value, (*path, str(key.value)), places)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*path, index), places)


class _Words(yaml.SafeLoader):
    """Reads on, off, yes and no as words, as YAML 1.2 and GitHub do."""


_Words.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in pairs if tag != "tag:yaml.org,2002:bool"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
