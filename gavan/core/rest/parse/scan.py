"""A cursor over one text of the grammar, with the lexical rules of names and the error shape."""

from __future__ import annotations

import re

from gavan.core.rest.errors import RestError, parse_error

# Groups of letters, digits, _, $ and spaces joined by single dashes that do not begin an arrow.
_NAME = re.compile(r"[\w$ ]+(?:-(?!>)[\w$ ]+)*")
_IDENTIFIER = re.compile(r"[\w $]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_BLANKS = re.compile(r"[ \t]*")


class Scanner:
    """Walk over ``text``; the error names it ``what`` and shows ``shown`` (the text itself)."""

    __slots__ = ("pos", "shown", "text", "what")

    def __init__(self, text: str, what: str, shown: str | None = None) -> None:
        self.text = text
        self.shown = text if shown is None else shown
        self.what = what
        self.pos = 0

    def error(self, expecting: str, at: int | None = None, *, quote: str = '"') -> RestError:
        """Return the PGRST100 for the place where the cursor (or ``at``) stands.

        Upstream shows a letter that no rule takes in double quotes, one after the end in single.
        """
        pos = self.pos if at is None else at
        found = f"{quote}{self.text[pos]}{quote}" if pos < len(self.text) else "end of input"
        return parse_error(
            self.what, self.shown, pos + 1, f"unexpected {found} expecting {expecting}"
        )

    def at_end(self) -> bool:
        return self.pos >= len(self.text)

    def peek(self, token: str) -> bool:
        return self.text.startswith(token, self.pos)

    def take(self, token: str) -> bool:
        """Step over ``token`` if it is next."""
        if self.text.startswith(token, self.pos):
            self.pos += len(token)
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.take(token):
            raise self.error(f'"{token}"')

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Step over ``pattern`` if it matches here."""
        found = pattern.match(self.text, self.pos)
        if found is not None:
            self.pos = found.end()
        return found

    def blanks(self) -> None:
        found = _BLANKS.match(self.text, self.pos)
        if found is not None:
            self.pos = found.end()

    def quoted(self) -> str | None:
        """Return a double-quoted text without its escapes, or None if none begins here."""
        found = self.match(_QUOTED)
        return _ESCAPE.sub(r"\1", found[1]) if found else None

    def name(self) -> str:
        """Return a quoted or unquoted name; raise PGRST100 if none is here."""
        found = _NAME.match(self.text, self.pos)
        if found is not None:
            self.pos = found.end()
            return found[0].strip()
        name = self.quoted()
        if name is None:
            raise self.error("field name (* or [a..z0..9_$])")
        return name

    def identifier(self) -> str:
        """Return unquoted name characters only: the sole form that reaches SQL unquoted."""
        found = self.match(_IDENTIFIER)
        if found is None:
            raise self.error("letter or digit")
        return found[0].strip()
