r"""Globs of the redirect allow list, as GoTrue matches them; pure.

``.`` and ``/`` are separators: ``*`` and ``?`` stop at them, ``**`` crosses; ``[a-c]`` and
``[!abc]`` are classes, ``{a,b}`` alternatives, ``\`` takes the next character as it is
(github.com/gobwas/glob, which GoTrue calls with these two separators).
"""

from __future__ import annotations

import re

_NO_SEPARATOR = r"[^./]"


def compile_glob(text: str) -> re.Pattern[str]:
    """Return a pattern for ``fullmatch``; raise ValueError for a glob that does not end well."""
    reader = _Reader(text)
    pattern = reader.sequence(closers="")
    return re.compile(pattern, re.DOTALL)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def sequence(self, *, closers: str) -> str:
        """Translate up to a closer, which is left unread, or to the end of the text."""
        parts: list[str] = []
        while self._at < len(self._text) and self._text[self._at] not in closers:
            parts.append(self._item())
        return "".join(parts)

    def _item(self) -> str:
        character = self._take()
        match character:
            case "*":
                return self._stars()
            case "?":
                return _NO_SEPARATOR
            case "[":
                return self._class()
            case "{":
                return self._alternatives()
            case "\\":
                return re.escape(self._take())
            case _:
                return re.escape(character)

    def _stars(self) -> str:
        stars = 1
        while self._text[self._at : self._at + 1] == "*":
            self._at += 1
            stars += 1
        return ".*" if stars > 1 else f"{_NO_SEPARATOR}*"

    def _class(self) -> str:
        negated = self._text[self._at : self._at + 1] == "!"
        self._at += negated
        members: list[str] = []
        while (character := self._take()) != "]" or not members:
            members.append(self._take() if character == "\\" else character)
        inside = re.escape("".join(members))
        if len(members) == 3 and members[1] == "-":
            if members[0] > members[2]:
                raise ValueError(f"{self._text!r}: a range goes upwards")
            inside = f"{re.escape(members[0])}-{re.escape(members[2])}"
        return f"[{'^' if negated else ''}{inside}]"

    def _alternatives(self) -> str:
        found = [self.sequence(closers=",}")]
        while self._take() == ",":
            found.append(self.sequence(closers=",}"))
        return f"(?:{'|'.join(found)})"

    def _take(self) -> str:
        if self._at >= len(self._text):
            raise ValueError(f"{self._text!r} ends inside a class, alternatives or an escape")
        self._at += 1
        return self._text[self._at - 1]
