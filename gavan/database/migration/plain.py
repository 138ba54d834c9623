"""Find the statements of a stretch that is nothing but rows: the many lines of a large file.

Stands beside the split, which finds the statements of any text and looks at each; here all are
looked at together. Postgres' own grammar says where they end, as there.
"""

from __future__ import annotations

import re
from itertools import repeat

ROWS_WORDS = ("insert ", "INSERT ")
# What is between two of them. Anything else is for the split.
_GAPS = (";\n", ";\r\n", ";\n\n")
_PSQL = re.compile(rb"^\\(?:un)?restrict\b", re.MULTILINE)
_BLANK = " \t\n\v\f\r"
# One byte for one byte: outside ASCII only literals, names and comments are possible.
_AS_ASCII = bytes(range(128)) + b"x" * 128
Places = tuple[list[int], list[int]]
"""Where statements begin, and where they end, in bytes."""


def plain_rows(data: bytes) -> Places | None:
    """Return where the rows of ``data`` are, which ends behind a `;`; None where it holds more.

    More are comments, other statements, words to psql, bytes that are no text, or a mistake.
    """
    from pglast import parser  # noqa: PLC0415 - slow to load; a start without news never does

    if _PSQL.search(data) or not _is_text(data):
        return None
    text = data.translate(_AS_ASCII).decode("ascii")
    try:
        slices = parser.split(text, only_slices=True)
    except parser.ParseError:
        return None
    starts, stops = [one.start for one in slices], [one.stop for one in slices]
    return (starts, stops) if _is_plain(data, text, (starts, stops)) else None


def _is_plain(data: bytes, text: str, places: Places) -> bool:
    starts, stops = places
    if not starts or text[: starts[0]].strip(_BLANK) or text[stops[-1] :].strip(_BLANK) != ";":
        return False
    if not all(map(text.startswith, repeat(ROWS_WORDS), starts)):
        return False
    # A blank outside ASCII would belong to the gap; the parser took it for a letter.
    if max(map(data.__getitem__, [stop - 1 for stop in stops])) >= len(_AS_ASCII) // 2:
        return False
    if len(starts) == 1:
        return True
    gap = text[stops[0] : starts[1]]
    return (
        gap in _GAPS
        and starts[1:] == [stop + len(gap) for stop in stops[:-1]]
        and all(map(text.startswith, repeat(gap), stops[:-1]))
    )


def _is_text(data: bytes) -> bool:
    try:
        return data.isascii() or bool(data.decode("utf-8"))
    except UnicodeDecodeError:
        return False
