"""What a template consists of once it is read; pure data between parse.py and evaluate.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


class TemplateError(ValueError):
    """A template that cannot be read or carried out; the message says what and on which line."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, number, truth value or nil written in the template."""

    value: object


@dataclass(frozen=True, slots=True)
class Dot:
    """``.`` and its fields: ``.Data.name`` is ("Data", "name")."""

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """``$x`` and its fields; the name without the sign, empty for the data as a whole."""

    name: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A pipeline in parentheses and fields of its result."""

    pipeline: Pipeline
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a function."""

    name: str


Operand: TypeAlias = Literal | Dot | Variable | Group | Name


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands whose result is the last argument of the next; each is a list of operands.

    ``declares`` are the variables it sets, ``assigns`` tells ``=`` from ``:=``.
    """

    commands: tuple[tuple[Operand, ...], ...]
    declares: tuple[str, ...] = ()
    assigns: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """What is written out as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Output:
    """``{{ pipeline }}``."""

    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Block:
    """``if``, ``with`` or ``range``, and what follows ``else``."""

    kind: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


Node: TypeAlias = Text | Output | Block
