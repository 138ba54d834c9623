"""Where in an HTML document a value stands, and how it is escaped there.

Follows what has been written so far, so that a value can never end the place it was put into: a
name with ``<`` stays a name, an address with ``javascript:`` leads nowhere, what follows a ``?``
in a link is one part of its query (Go's html/template is the model, OWASP's rules the check).
"""

from __future__ import annotations

import html
import re
from urllib.parse import quote, urlsplit

from gavan.core.auth.mail.template.functions import Escaped, Quoted

SCHEMES = frozenset({"", "http", "https", "mailto", "tel"})
_ADDRESSES = frozenset(
    {"href", "src", "action", "formaction", "background", "cite", "poster", "data", "xlink:href"}
)
_OPAQUE = frozenset({"script", "style", "textarea", "title"})
_TAG_NAME = re.compile(r"[A-Za-z0-9:-]*")
_ATTRIBUTE = re.compile(r"[^\s=>/\"']*")
_SPACE = re.compile(r"[\s/]*")
_STYLE = re.compile(r"[\w #%.,-]*")
_UNQUOTED = str.maketrans({c: f"&#{ord(c)};" for c in " \t\n\r\f=`"})


class Html:
    """One document on its way."""

    def __init__(self) -> None:
        self._step = self._text
        self._tag = ""
        self._closes = False
        self._attribute = ""
        self._quote = ""
        self._value = ""

    def feed(self, text: str) -> None:
        """Go on by markup of the template."""
        position = 0
        while position < len(text):
            position = self._step(text, position)

    def escape(self, value: str) -> str:
        """Return a value as it may stand here, whatever its template did to it before."""
        if isinstance(value, Escaped):
            value = html.unescape(value)
        if self._step == self._before_value:
            self._quote, self._value, self._step = "", "", self._in_value
        if self._step == self._in_value:
            escaped = self._attribute_value(value)
            self._value += value
            return escaped
        if self._step in (self._in_tag_name, self._in_tag, self._in_attribute, self._opened):
            return ""  # names of tags and attributes are the template's own
        if self._step == self._opaque and self._tag in {"script", "style"}:
            return ""  # no value of a user belongs into code
        return html.escape(value)

    def _attribute_value(self, value: str) -> str:
        name = self._attribute.lower()
        if name.startswith("on") or name == "srcdoc":
            return ""
        if name == "style":
            value = value if _STYLE.fullmatch(value) else ""
        elif name in _ADDRESSES:
            value = self._address(value)
        escaped = html.escape(value)
        return escaped if self._quote else escaped.translate(_UNQUOTED)

    def _address(self, value: str) -> str:
        if isinstance(value, Quoted):
            return value
        if "?" in self._value or "#" in self._value:
            return quote(value, safe="")
        if not self._value.strip() and not _leads_somewhere(value):
            return "#"
        return quote(value, safe="!#$%&'()*+,/:;=?@[]~")

    def _text(self, text: str, position: int) -> int:
        found = text.find("<", position)
        if found < 0:
            return len(text)
        self._step = self._opened
        return found + 1

    def _opened(self, text: str, position: int) -> int:
        character = text[position]
        if text.startswith("!--", position):
            self._step = self._comment
            return position + 3
        if character == "!":
            self._step = self._declaration
            return position + 1
        self._closes = character == "/"
        if self._closes or character.isalpha():
            self._tag, self._step = "", self._in_tag_name
            return position + int(self._closes)
        self._step = self._text
        return position

    def _comment(self, text: str, position: int) -> int:
        found = text.find("-->", position)
        if found < 0:
            return len(text)
        self._step = self._text
        return found + 3

    def _declaration(self, text: str, position: int) -> int:
        found = text.find(">", position)
        if found < 0:
            return len(text)
        self._step = self._text
        return found + 1

    def _in_tag_name(self, text: str, position: int) -> int:
        match = _TAG_NAME.match(text, position)
        end = match.end() if match else position
        self._tag += text[position:end].lower()
        if end < len(text):
            self._step = self._in_tag
        return end

    def _in_tag(self, text: str, position: int) -> int:
        match = _SPACE.match(text, position)
        position = match.end() if match else position
        if position == len(text):
            return position
        character = text[position]
        if character == ">":
            self._end_tag()
            return position + 1
        if character == "=":
            self._step = self._before_value
            return position + 1
        if character in "\"'":
            return position + 1
        self._attribute, self._step = "", self._in_attribute
        return position

    def _in_attribute(self, text: str, position: int) -> int:
        match = _ATTRIBUTE.match(text, position)
        end = match.end() if match else position
        self._attribute += text[position:end]
        if end < len(text):
            self._step = self._in_tag
        return end

    def _before_value(self, text: str, position: int) -> int:
        character = text[position]
        if character.isspace():
            return position + 1
        self._quote = character if character in "\"'" else ""
        self._value, self._step = "", self._in_value
        return position + len(self._quote)

    def _in_value(self, text: str, position: int) -> int:
        if self._quote:
            end = text.find(self._quote, position)
        else:
            match = re.search(r"[\s>]", text[position:])
            end = position + match.start() if match else -1
        self._value += html.unescape(text[position:] if end < 0 else text[position:end])
        if end < 0:
            return len(text)
        self._step = self._in_tag
        return end + len(self._quote)

    def _opaque(self, text: str, position: int) -> int:
        match = re.search(rf"</{self._tag}", text[position:], re.IGNORECASE)
        if match is None:
            return len(text)
        self._closes, self._step = True, self._in_tag
        return position + match.end()

    def _end_tag(self) -> None:
        opaque = self._tag in _OPAQUE and not self._closes
        self._step = self._opaque if opaque else self._text


def _leads_somewhere(address: str) -> bool:
    """Say whether an address has a scheme that a mail may link to."""
    plain = re.sub(r"[\x00-\x20]", "", address)
    try:
        return urlsplit(plain).scheme in SCHEMES
    except ValueError:
        return False
