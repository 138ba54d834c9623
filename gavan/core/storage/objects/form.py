"""Read a form of one file as it arrives: its fields first, then the file, never the whole of it.

Stands under incoming.py, over the streaming parser of python-multipart. What counts as a file, and
how many fields there may be, is as in supabase/storage:src/http/routes/object/createObject.ts.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import Enum

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gavan.core.storage.errors import invalid_request, too_large

MOST_FIELDS = 10
MOST_FIELD_BYTES = 1024 * 1024
MOST_HEADERS = 8
MOST_HEADER_BYTES = 4 * 1024
MOST_AFTER_BYTES = 64 * 1024
MOST_BOUNDARIES = 64
"""More than any form that is taken has; each one in a content costs the parser a thousand bytes"""
MOST_AHEAD_BYTES = 64 * 1024
EVENT_BYTES = 512
"""What the beginning or the end of a part counts for while it is kept"""
MOST_AROUND_BYTES = (MOST_FIELDS + 1) * (
    MOST_FIELD_BYTES + MOST_HEADERS * MOST_HEADER_BYTES
) + MOST_AFTER_BYTES
"""What a form that is taken may have around its file"""
BARE_TYPE = "text/plain"
BYTES_TYPE = "application/octet-stream"
# It tells every malformed byte that a stranger sends; the answer tells it already.
logging.getLogger("python_multipart").setLevel(logging.ERROR)


@dataclass(slots=True)
class _Part:
    """One part; ``is_file`` when it has a file name, or bytes without any other type."""

    headers: dict[str, bytes] = field(default_factory=dict)
    name: str = ""
    mime: str = BARE_TYPE
    is_file: bool = False

    def settle(self) -> None:
        _, options = parse_options_header(self.headers.get("content-disposition", b""))
        self.name = options.get(b"name", b"").decode("utf-8", "replace")
        kind, _ = parse_options_header(self.headers.get("content-type", b""))
        self.mime = kind.decode("latin-1").lower() or BARE_TYPE
        self.is_file = b"filename" in options or self.mime == BYTES_TYPE


class _Mark(Enum):
    PART_END = 1
    FORM_END = 2


class Form:
    """A form on its way in: ``open`` it, then take the ``chunks`` of its file.

    Raises:
        StorageError: from all of its methods, when the form is malformed, ends early, or has more
            fields, larger ones, or more files than one.
    """

    def __init__(
        self,
        stream: AsyncIterator[bytes],
        boundary: bytes,
        *,
        most_fields: int = MOST_FIELDS,
        most_field_bytes: int = MOST_FIELD_BYTES,
    ) -> None:
        self._most_fields = most_fields
        self._most_field_bytes = most_field_bytes
        self._stream = stream
        self._events: deque[_Part | _Mark | bytes] = deque()
        self._part = _Part()
        self._header_name = self._header_value = b""
        self._count = self._boundaries = 0
        self._delimiter = b"\r\n--" + boundary
        self.fields: dict[str, str] = {}
        """The fields that came before the file, and behind a small one"""
        self.mime = BARE_TYPE
        """The type of the file's part, without its parameters"""
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": lambda: self._events.append(_Mark.PART_END),
                    "on_end": lambda: self._events.append(_Mark.FORM_END),
                },
                max_header_count=MOST_HEADERS,
                max_header_size=MOST_HEADER_BYTES,
            )
        except FormParserError as error:
            raise invalid_request("Multipart: Boundary not found") from error

    async def open(self) -> None:
        """Read up to where the file begins, and the fields behind it when it is small."""
        while (event := await self._next()) is not _Mark.FORM_END:
            if isinstance(event, _Part) and event.is_file:
                self.mime = event.mime
                await self._look_ahead()
                return
            if isinstance(event, _Part):
                text = await self._field(event)
                self.fields.setdefault(event.name, text)
        raise invalid_request("No content provided")

    async def chunks(self) -> AsyncIterator[bytes]:
        """Return the bytes of the file; what follows it is read too, and must end well."""
        while isinstance(event := await self._next(), bytes):
            yield event
        while (event := await self._next()) is not _Mark.FORM_END:
            if isinstance(event, _Part) and event.is_file:
                raise invalid_request("reach files limit")
            if isinstance(event, _Part):
                await self._field(event)
        await self._read_out()

    async def _look_ahead(self) -> None:
        """Take the fields behind the file, where storage-js puts them when it is given a form.

        Upstream finds them there as long as the whole form comes in one piece.
        """
        ahead: list[_Part | _Mark | bytes] = []
        size = 0
        while size <= MOST_AHEAD_BYTES and _Mark.FORM_END not in ahead[-1:]:
            ahead.append(await self._next())
            size += len(ahead[-1]) if isinstance(ahead[-1], bytes) else EVENT_BYTES
        self._events.extendleft(reversed(ahead))
        if ahead[-1] is not _Mark.FORM_END:
            return
        behind: list[tuple[str, bytearray]] = []
        value = bytearray()
        for event in ahead:
            if isinstance(event, _Part):
                value = bytearray()
                if not event.is_file:
                    behind.append((event.name, value))
            elif isinstance(event, bytes):
                value += event
        for name, text in behind:
            self.fields.setdefault(name, text.decode("utf-8", "replace"))

    async def _field(self, part: _Part) -> str:
        self._count += 1
        if self._count > self._most_fields:
            raise invalid_request("reach fields limit")
        value = bytearray()
        while isinstance(event := await self._next(), bytes):
            value += event
            if len(value) > self._most_field_bytes:
                raise too_large("user_metadata" if "etadata" in part.name else "field")
        return value.decode("utf-8", "replace")

    async def _next(self) -> _Part | _Mark | bytes:
        while not self._events:
            try:
                chunk = await anext(self._stream)
                self._boundaries += chunk.count(self._delimiter)
                if self._boundaries > MOST_BOUNDARIES:
                    raise invalid_request("Malformed part of a form")
                self._parser.write(chunk)
            except StopAsyncIteration:
                raise invalid_request("Unexpected end of form") from None
            except FormParserError as error:
                raise invalid_request("Malformed part of a form") from error
        return self._events.popleft()

    async def _read_out(self) -> None:
        left = MOST_AFTER_BYTES
        async for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise invalid_request("Unexpected data after the form")

    def _on_part_begin(self) -> None:
        self._part = _Part()
        self._header_name = self._header_value = b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._part.headers[self._header_name.decode("latin-1").lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _on_headers_finished(self) -> None:
        self._part.settle()
        self._events.append(self._part)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(data[start:end])
