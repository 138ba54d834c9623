"""The XML of S3: written from elements, read without entities, depth or size that could hurt."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from xml.parsers import expat

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
MOST_DEPTH = 6
MOST_ELEMENTS = 100_000
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def element(name: str, *content: str | int | bool | Markup | None) -> Markup:
    """Return an element; texts are escaped, other elements are not, None leaves it out whole."""
    if content == (None,):
        return Markup("")
    return Markup(f"<{name}>{''.join(map(_written, content))}</{name}>")


def document(name: str, *content: str | Markup) -> str:
    """Return a document whose root is in the namespace of S3; content as in ``element``."""
    inner = "".join(map(_written, content))
    return f'{XML_DECLARATION}<{name} xmlns="{NAMESPACE}">{inner}</{name}>'


class Markup(str):
    """Text that is XML already."""

    __slots__ = ()


@dataclass(slots=True)
class Node:
    """An element that was read; ``name`` without its namespace."""

    name: str
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def value(self, name: str) -> str | None:
        """Return the text of the first child of a name."""
        return next((child.text for child in self.children if child.name == name), None)

    def all(self, name: str) -> list[Node]:
        """Return the children of a name."""
        return [child for child in self.children if child.name == name]


def read_document(body: bytes) -> Node:
    """Return the root of a document.

    Raises:
        ValueError: it is no XML, declares a document type, or is too deep or too rich.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.add
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.buffer_text = True
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error
    except (LookupError, UnicodeError) as error:
        raise ValueError("its encoding is unknown") from error
    return reader.root


class _Reader:
    def __init__(self) -> None:
        self.root = Node("")
        self._open: list[Node] = []
        self._count = 0

    def begin(self, name: str, _attributes: dict[str, str]) -> None:
        node = Node(name.rpartition(" ")[2])
        self._count += 1
        if len(self._open) >= MOST_DEPTH or self._count > MOST_ELEMENTS:
            raise ValueError("it is too deep or has too many elements")
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def end(self, _name: str) -> None:
        self._open.pop()

    def add(self, text: str) -> None:
        self._open[-1].text += text

    def refuse(self, *_declaration: object) -> None:
        # Without a document type there are no entities: nothing grows, nothing is fetched.
        raise ValueError("a document type is not supported")


def _written(content: str | int | bool | Markup | None) -> str:
    if isinstance(content, Markup):
        return content
    if content is None:
        return ""
    text = str(content).lower() if isinstance(content, bool) else str(content)
    # A bare carriage return would be read back as a line feed.
    return html.escape(_UNWRITABLE.sub("\ufffd", text), quote=False).replace("\r", "&#13;")
