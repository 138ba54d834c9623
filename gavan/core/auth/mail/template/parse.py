"""Read a template into nodes: the part of Go's template language that mail templates use.

Values, fields, pipelines, functions, variables, ``if``, ``else if``, ``with``, ``range``,
comments and trimming (text/template of Go is the source); what makes templates of templates,
``define``, ``template`` and ``block``, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from gavan.core.auth.mail.template.lex import Piece, Word, pieces
from gavan.core.auth.mail.template.nodes import (
    Block,
    Dot,
    Group,
    Literal,
    Name,
    Node,
    Operand,
    Output,
    Pipeline,
    TemplateError,
    Text,
    Variable,
)

BLOCKS = frozenset({"if", "with", "range"})
_ENDS = frozenset({"else", "end"})
_REFUSED = frozenset({"define", "template", "block", "break", "continue"})
_CONSTANTS = {"true": True, "false": False, "nil": None}
_DEPTH = 50


def parse(source: str) -> tuple[Node, ...]:
    """Return the nodes; raise TemplateError with the line of the first mistake."""
    nodes, end = _nodes(pieces(source), depth=0)
    if end is not None:
        raise TemplateError(f"line {end.line}: {_keyword(end)} without a block")
    return nodes


def _keyword(piece: Piece) -> str:
    first = piece.words[0] if piece.words else None
    return first.text if first is not None and first.kind == "name" else ""


def _nodes(stream: Iterator[Piece], depth: int) -> tuple[tuple[Node, ...], Piece | None]:
    """Return the nodes up to an ``else`` or ``end``, and that piece."""
    if depth > _DEPTH:
        raise TemplateError(f"blocks are nested deeper than {_DEPTH}")
    found: list[Node] = []
    for piece in stream:
        if piece.words is None:
            found.append(Text(piece.text))
            continue
        keyword = _keyword(piece)
        if keyword in _ENDS:
            return tuple(found), piece
        if keyword in _REFUSED:
            raise TemplateError(f"line {piece.line}: {keyword} is not supported")
        if keyword in BLOCKS:
            found.append(_block(keyword, piece, piece.words[1:], stream, depth))
        else:
            found.append(Output(_Words(piece.words, piece.line).all()))
    return tuple(found), None


def _block(
    kind: str, piece: Piece, words: tuple[Word, ...], stream: Iterator[Piece], depth: int
) -> Block:
    pipeline = _Words(words, piece.line).all()
    body, end = _nodes(stream, depth + 1)
    otherwise: tuple[Node, ...] = ()
    if end is not None and _keyword(end) == "else":
        rest = (end.words or ())[1:]
        if rest and rest[0].text in {"if", "with"}:
            return Block(
                kind, pipeline, body, (_block(rest[0].text, end, rest[1:], stream, depth + 1),)
            )
        otherwise, end = _nodes(stream, depth + 1)
    if end is None or _keyword(end) != "end":
        raise TemplateError(f"line {piece.line}: {kind} has no end")
    return Block(kind, pipeline, body, otherwise)


class _Words:
    """The words of one action, taken from the left."""

    def __init__(self, words: tuple[Word, ...], line: int) -> None:
        self._words = words
        self._line = line
        self._at = 0

    def all(self) -> Pipeline:
        """Return the pipeline that all words make."""
        pipeline = self._pipeline()
        if self._at < len(self._words):
            raise self._unexpected()
        return pipeline

    def _peek(self, ahead: int = 0) -> Word | None:
        at = self._at + ahead
        return self._words[at] if at < len(self._words) else None

    def _is(self, text: str, ahead: int = 0) -> bool:
        word = self._peek(ahead)
        return word is not None and word.kind == "sign" and word.text == text

    def _unexpected(self) -> TemplateError:
        word = self._peek()
        what = f"{word.text} is not expected" if word else "a value is missing"
        return TemplateError(f"line {self._line}: {what}")

    def _pipeline(self) -> Pipeline:
        declares, assigns = self._declared()
        commands = [self._command()]
        while self._is("|"):
            self._at += 1
            commands.append(self._command())
        return Pipeline(tuple(commands), declares, assigns)

    def _declared(self) -> tuple[tuple[str, ...], bool]:
        names: list[str] = []
        start = self._at
        while (word := self._peek()) is not None and word.kind == "variable":
            names.append(word.text[1:])
            self._at += 1
            if not self._is(","):
                break
            self._at += 1
        if names and (self._is(":=") or self._is("=")):
            assigns = self._is("=")
            self._at += 1
            return tuple(names), assigns
        self._at = start
        return (), False

    def _command(self) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while self._peek() is not None and not self._is("|") and not self._is(")"):
            operands.append(self._operand())
        if not operands:
            raise self._unexpected()
        return tuple(operands)

    def _operand(self) -> Operand:
        word = self._words[self._at]
        self._at += 1
        match word.kind:
            case "string" | "raw" | "number":
                return Literal(word.value())
            case "field":
                return Dot((word.text[1:], *self._fields()))
            case "variable":
                return Variable(word.text[1:], self._fields())
            case "name":
                if word.text in _CONSTANTS:
                    return Literal(_CONSTANTS[word.text])
                return Name(word.text)
            case _ if word.text == ".":
                return Dot(())
            case _ if word.text == "(":
                return self._group()
        self._at -= 1
        raise self._unexpected()

    def _group(self) -> Group:
        pipeline = self._pipeline()
        if not self._is(")"):
            raise self._unexpected()
        self._at += 1
        return Group(pipeline, self._fields())

    def _fields(self) -> tuple[str, ...]:
        found: list[str] = []
        while (word := self._peek()) is not None and word.kind == "field" and word.glued:
            found.append(word.text[1:])
            self._at += 1
        return tuple(found)
