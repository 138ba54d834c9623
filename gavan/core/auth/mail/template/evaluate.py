"""Carry a template out: nodes and data to text, every value escaped for the place it stands in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from gavan.core.auth.mail.template.functions import FUNCTIONS, field, is_true, show
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

LONGEST = 2_000_000
"""Characters of a rendered text; what users store about themselves may be looped over."""
MOST_STEPS = 100_000
"""Nodes carried out for one text: a loop in a loop over such a list would not end."""


class Place(Protocol):
    """Knows where in the document the next value will stand."""

    def feed(self, text: str) -> None:
        """Go on by text of the template itself."""

    def escape(self, value: str) -> str:
        """Return a value so that it stays a value, and go on by it."""


class Plain:
    """A document in which nothing has to be escaped: subjects and text messages."""

    def feed(self, text: str) -> None:
        """Nothing to remember."""
        del text

    def escape(self, value: str) -> str:
        """Return the value itself."""
        return value


def render(nodes: tuple[Node, ...], data: Mapping[str, object], place: Place) -> str:
    """Return the text; raise TemplateError when a function refuses or the text gets too long."""
    written: list[str] = []
    length = 0
    for part in _Run(data, place).nodes(nodes, data):
        length += len(part)
        if length > LONGEST:
            raise TemplateError(f"the text is longer than {LONGEST} characters")
        written.append(part)
    return "".join(written)


class _Run:
    def __init__(self, data: Mapping[str, object], place: Place) -> None:
        self._place = place
        self._scopes: list[dict[str, object]] = [{"": data}]
        self._steps = 0

    def nodes(self, nodes: tuple[Node, ...], dot: object) -> Iterator[str]:
        for node in nodes:
            self._count()
            match node:
                case Text(text):
                    self._place.feed(text)
                    yield text
                case Output(pipeline):
                    value = self._value(pipeline, dot)
                    if not pipeline.declares:
                        yield self._place.escape(show(value))
                case Block():
                    yield from self._block(node, dot)

    def _count(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise TemplateError(f"more than {MOST_STEPS} steps")

    def _block(self, block: Block, dot: object) -> Iterator[str]:
        self._scopes.append({})
        if block.kind == "range":
            yield from self._range(block, dot)
        else:
            value = self._value(block.pipeline, dot)
            inner = value if block.kind == "with" and is_true(value) else dot
            yield from self.nodes(block.body if is_true(value) else block.otherwise, inner)
        self._scopes.pop()

    def _range(self, block: Block, dot: object) -> Iterator[str]:
        plain = Pipeline(block.pipeline.commands)
        items = list(_items(self._value(plain, dot)))
        for key, item in items:
            self._count()
            names = block.pipeline.declares
            values = (item,) if len(names) == 1 else (key, item)
            self._scopes.append(dict(zip(names, values, strict=False)))
            yield from self.nodes(block.body, item)
            self._scopes.pop()
        if not items:
            yield from self.nodes(block.otherwise, dot)

    def _value(self, pipeline: Pipeline, dot: object) -> object:
        value: object = None
        for number, command in enumerate(pipeline.commands):
            last = () if number == 0 else (value,)
            value = self._command(command, dot, last)
        for name in pipeline.declares:
            self._set(name, value, assigns=pipeline.assigns)
        return value

    def _set(self, name: str, value: object, *, assigns: bool) -> None:
        if not assigns:
            self._scopes[-1][name] = value
            return
        for scope in reversed(self._scopes):
            if name in scope:
                scope[name] = value
                return
        raise TemplateError(f"the variable ${name} was not declared")

    def _command(
        self, command: tuple[Operand, ...], dot: object, last: tuple[object, ...]
    ) -> object:
        first, rest = command[0], command[1:]
        if not isinstance(first, Name):
            if rest or last:
                raise TemplateError("a value is given where a function is expected")
            return self._operand(first, dot)
        if first.name in {"and", "or"}:
            return self._logic(first.name, rest, dot, last)
        function = FUNCTIONS.get(first.name)
        if function is None:
            raise TemplateError(f"there is no function {first.name}")
        given = [self._operand(operand, dot) for operand in rest]
        try:
            return function(*given, *last)
        except TypeError as error:
            raise TemplateError(f"{first.name} is given what it cannot take") from error

    def _logic(
        self, name: str, rest: tuple[Operand, ...], dot: object, last: tuple[object, ...]
    ) -> object:
        """Return the first operand that decides; those behind it are not looked at."""
        value: object = None
        for operand in rest:
            value = self._operand(operand, dot)
            if is_true(value) == (name == "or"):
                return value
        return last[0] if last else value

    def _operand(self, operand: Operand, dot: object) -> object:
        match operand:
            case Literal(value):
                return value
            case Dot(fields):
                return _descend(dot, fields)
            case Variable(name, fields):
                return _descend(self._variable(name), fields)
            case Group(pipeline, fields):
                return _descend(self._value(pipeline, dot), fields)
            case Name():
                return self._command((operand,), dot, ())

    def _variable(self, name: str) -> object:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        raise TemplateError(f"the variable ${name} was not declared")


def _descend(value: object, fields: tuple[str, ...]) -> object:
    for name in fields:
        value = field(value, name)
    return value


def _items(value: object) -> Iterable[tuple[object, object]]:
    match value:
        case Mapping():
            return sorted(value.items(), key=lambda item: str(item[0]))
        case str() | None:
            return ()
        case Sequence():
            return enumerate(value)
        case _:
            return ()
