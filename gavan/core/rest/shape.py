"""The shape of a request: all that decides what it becomes, without the values it is about.

``id=eq.5`` and ``id=eq.6`` have one shape. Pure; the memory in ``prepared`` is kept by it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from gavan.core.rest.parse.body import Payload
from gavan.core.rest.parse.query import decode_part
from gavan.core.rest.request import Headers, Scope
from gavan.core.rest.sql.fragments import OPERATORS, PATTERNS, TEXT_QUERIES, array_literal

MAX_BYTES = 2048
"""Of a query string, and of the names in a body; longer ones are seldom sent twice"""
MAX_VALUES = 100
SHAPING = ("prefer", "accept", "range", "accept-profile", "content-profile", "content-type")
"""Headers that a statement depends on"""

# Values of these operators go to Postgres as they stand, whatever they are.
_PLAIN = "|".join(sorted({*OPERATORS, *TEXT_QUERIES} - PATTERNS))
_VALUE = re.compile(rf"(=(?:not\.)?(?:(?:{_PLAIN})\.|in\.(?:\(|%28)))([^&]*)".encode())
_LISTS = (b"(", b"%28")
_SIMPLE_LIST = re.compile(rb"((?:[\w.:,-]|%2[Cc]|%3[Aa])+)(\)|%29)")
_MARK = "GavanValue{:02}Mark"
_MARKS = re.compile(r"GavanValue(\d\d)Mark")
BODY_MARK = b'"GavanBodyMark"'

Key = tuple[object, ...]


@dataclass(slots=True)
class Question:
    """A request cut into its shape and its values.

    Args:
        key: equal for requests of one shape.
        texts: the query string without the values.
        places: after which of the texts a value belongs.
        bound: the values as parameters of a statement; the body, if there is one, is the last.
        shown: the values of the query string, encoded as its canonical form has them.
    """

    key: Key
    texts: list[bytes]
    places: tuple[int, ...]
    bound: list[bytes]
    shown: list[str]


def question_of(scope: Scope, headers: Headers) -> Question | None:
    """Return the question of a request, None if it is too long to be remembered."""
    query: bytes = scope["query_string"]
    if len(query) > MAX_BYTES:
        return None
    texts = _VALUE.split(query)
    places, bound, shown = _take_values(texts) if len(texts) > 1 else ((), [], [])
    if len(places) > MAX_VALUES:
        return None
    single = headers.single
    shaping = [*map(single.get, SHAPING)]
    if len("".join(filter(None, shaping))) > MAX_BYTES:
        return None  # a long one would be held for every shape: memory for whoever asks for it
    key = (scope["method"], scope["path"], places, *texts, *shaping)
    return Question(key, texts, places, bound, shown)


def _take_values(texts: list[bytes]) -> tuple[tuple[int, ...], list[bytes], list[str]]:
    """Take the values out of ``texts``, where (text, operator, value) stand in turn."""
    places: list[int] = []
    bound: list[bytes] = []
    shown: list[str] = []
    for place in range(2, len(texts), 3):
        value, after = texts[place], b""
        is_list = texts[place - 1].endswith(_LISTS)
        if is_list:
            found = _SIMPLE_LIST.fullmatch(value)
            if found is None:
                continue  # stays, as a part of the shape
            value, after = found.groups()
        text = decode_part(value.decode("latin-1"))
        places.append(place - 1)
        bound.append((array_literal(text.split(",")) if is_list else text).encode())
        shown.append(quote(text, safe=""))
        texts[place] = after
    return tuple(places), bound, shown


def with_body(question: Question | None, payload: Payload) -> Question | None:
    """Return the question with its body, None if that is too varied to be remembered."""
    if question is None or payload.pairs or sum(map(len, payload.keys)) > MAX_BYTES:
        return None
    key = (*question.key, payload.keys, payload.is_array, payload.is_empty)
    bound = [*question.bound, payload.raw]
    return Question(key, question.texts, question.places, bound, question.shown)


def marked(question: Question) -> tuple[bytes, list[bytes]]:
    """Return the query string with marks for values, and the marks as they are bound.

    The mark of the body is among them; without a body it is found nowhere.
    """
    texts = list(question.texts)
    bound = []
    for number, place in enumerate(question.places):
        mark = _MARK.format(number)
        is_list = texts[place].endswith(_LISTS)
        texts[place] += mark.encode()
        bound.append((array_literal([mark]) if is_list else mark).encode())
    return b"".join(texts), [*bound, BODY_MARK]


def cut(text: str) -> tuple[str | int, ...]:
    """Cut a text at its marks into texts and the numbers of the marks."""
    pieces = _MARKS.split(text)
    return tuple(int(piece) if place % 2 else piece for place, piece in enumerate(pieces))
