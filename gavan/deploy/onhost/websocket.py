"""Open a websocket and have a ping answered (RFC 6455); of the standard library alone.

Stands below smoke.py. What else the server says meanwhile is passed over.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import socket
import struct
from typing import BinaryIO

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PING, _PONG, _CLOSE = 0x9, 0xA, 0x8
_FINAL, _MASKED = 0x80, 0x80
_LINE = 1024
_MOST = 1024 * 1024
"""Bytes of one frame; who sends more before an answer is no server of ours"""
_FRAMES = 50
_WELL = 1000
_SHOWN = 500


def ping(sock: socket.socket, host: str, path: str) -> str:
    """Return what is wrong with the websocket at a path, empty when nothing is.

    Args:
        sock: connected, through TLS or not, with a timeout; the caller closes it.
        host: value of the Host header.

    Raises:
        OSError, http.client.HTTPException: as the connection fails.
    """
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: websocket",
             f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
             "User-Agent: gavan-smoke"]  # fmt: skip
    sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    with sock.makefile("rb") as stream:
        wrong = _refused(stream, key)
        if wrong:
            return wrong
        word = os.urandom(4)
        sock.sendall(_frame(_PING, word))
        wrong = _unanswered(stream, word)
        if not wrong:
            sock.sendall(_frame(_CLOSE, struct.pack("!H", _WELL)))
        return wrong


def _refused(stream: BinaryIO, key: str) -> str:
    words = stream.readline(_LINE).decode(errors="replace").split(maxsplit=2)
    status = words[1] if len(words) > 1 else "none"
    headers = http.client.parse_headers(stream)
    if status != "101":
        told = headers.get("Content-Length", "")
        body = stream.read(min(int(told), _SHOWN) if told.isdigit() else 0).decode(errors="replace")
        return f"status {status} instead of a websocket\n{body}"
    digest = hashlib.sha1(f"{key}{_GUID}".encode(), usedforsecurity=False).digest()
    if headers.get("Sec-WebSocket-Accept") != base64.b64encode(digest).decode():
        return "it opens a websocket without having read the question"
    return ""


def _unanswered(stream: BinaryIO, word: bytes) -> str:
    for _ in range(_FRAMES):
        kind, content = _read(stream)
        if kind == _PONG and content == word:
            return ""
        if kind == _CLOSE:
            code = struct.unpack("!H", content[:2])[0] if len(content) > 1 else "none"
            return f"it closes the websocket at once, code {code}"
    return "it does not answer a ping"


def _read(stream: BinaryIO) -> tuple[int, bytes]:
    """Return kind and content of the next frame; a server does not mask what it sends."""
    first, second = _exactly(stream, 2)
    length = second & 0x7F
    if length == 126:
        length = struct.unpack("!H", _exactly(stream, 2))[0]
    elif length == 127:
        length = struct.unpack("!Q", _exactly(stream, 8))[0]
    if length > _MOST:
        raise ConnectionError(f"a frame of {length} bytes")
    return first & 0x0F, _exactly(stream, length)


def _exactly(stream: BinaryIO, number: int) -> bytes:
    content = stream.read(number)
    if len(content) < number:
        raise ConnectionError("the websocket ends in the middle of a frame")
    return content


def _frame(kind: int, content: bytes) -> bytes:
    """Return a short frame as clients send it."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(content))
    return bytes([_FINAL | kind, _MASKED | len(content)]) + mask + masked
