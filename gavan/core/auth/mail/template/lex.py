"""Cut a template into text and actions, and an action into words; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gavan.core.auth.mail.template.nodes import TemplateError

_WORD = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>"(?:[^"\\\n]|\\.)*")
    |(?P<raw>`[^`]*`)
    |(?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<field>\.[A-Za-z_]\w*)
    |(?P<variable>\$\w*)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>:=|=|\||\(|\)|,|\.)""",
    re.VERBOSE,
)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of an action; ``glued`` when no space stands before it."""

    kind: str
    text: str
    glued: bool

    def value(self) -> object:
        """Return what a literal stands for."""
        if self.kind == "raw":
            return self.text[1:-1]
        try:
            return json.loads(self.text.removeprefix("+"))
        except ValueError as error:
            raise TemplateError(f"{self.text} cannot be read") from error


@dataclass(frozen=True, slots=True)
class Piece:
    """Text, or the words of one action; ``line`` counts from 1."""

    line: int
    text: str = ""
    words: tuple[Word, ...] | None = None


def pieces(source: str) -> Iterator[Piece]:
    """Yield the pieces of a template in order; raise TemplateError for an action without end."""
    position, trims = 0, False
    while position < len(source):
        start = source.find("{{", position)
        text = source[position:] if start < 0 else source[position:start]
        text = text.lstrip() if trims else text
        line = source.count("\n", 0, max(start, 0)) + 1
        if start < 0:
            yield Piece(line, text=text)
            return
        inner = start + 2
        if re.match(r"-\s", source[inner:]):
            text, inner = text.rstrip(), inner + 1
        if text:
            yield Piece(line, text=text)
        words, position, trims = _action(source, inner, line)
        if words:
            yield Piece(line, words=words)


def _action(source: str, start: int, line: int) -> tuple[tuple[Word, ...], int, bool]:
    """Return the words, where the text goes on and whether its space is to be trimmed."""
    words: list[Word] = []
    position, glued = start, False
    while position < len(source):
        if source.startswith("}}", position):
            return tuple(words), position + 2, False
        if not glued and source.startswith("-}}", position):
            return tuple(words), position + 3, True
        comment = _COMMENT.match(source, position)
        if comment and not words:
            position, glued = comment.end(), False
            continue
        match = _WORD.match(source, position)
        if match is None or match.lastgroup is None:
            raise TemplateError(f"line {line}: {source[position]!r} is not expected here")
        position = match.end()
        if match.lastgroup == "space":
            glued = False
            continue
        words.append(Word(match.lastgroup, match.group(), glued))
        glued = True
    raise TemplateError(f"line {line}: an action is not closed by }}}}")
