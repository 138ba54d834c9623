"""Hooks over HTTPS: signed requests, few tries, small answers.

Signatures are those of Standard Webhooks; its Python library brings a whole client with it, and the
algorithm is one HMAC (github.com/standard-webhooks/standard-webhooks, spec).
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import time
from collections.abc import Sequence
from hashlib import sha256
from uuid import uuid4

from gavan.core.auth.config.hooks import HookConfig
from gavan.core.auth.errors import AuthError
from gavan.core.auth.hooks.refusal import Output, output_of, unexpected
from gavan.kit.outbound import Answer, AnswerTooLarge, Call, Outbound, Unreachable
from gavan.kit.secret import Secret

TIMEOUT_S = 5.0
PAUSE_S = 2.0
TRIES = 3
MOST_BYTES = 200 * 1024


def signatures(keys: Sequence[Secret], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signatures of a request, one per key, joined as upstream joins them.

    Args:
        keys: base64, without ``whsec_``.
        timestamp: seconds since the epoch.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    made = (hmac.new(base64.b64decode(key.reveal()), signed, sha256).digest() for key in keys)
    return ", ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in made)


class HttpHooks:
    """Calls endpoints; ``pause_s`` is the pause before another try."""

    def __init__(self, outbound: Outbound, pause_s: float = PAUSE_S) -> None:
        self._outbound = outbound
        self._pause_s = pause_s

    async def call(self, hook: HookConfig, body: bytes) -> Output:
        """Return what the endpoint answered within five seconds, all tries included.

        Raises:
            AuthError: see docs/reference/auth.md, hooks.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._tries(hook, body)
        except TimeoutError as error:
            raise AuthError(
                422,
                "hook_timeout",
                f"Failed to reach hook within maximum time of {TIMEOUT_S:f} seconds",
            ) from error

    async def _tries(self, hook: HookConfig, body: bytes) -> Output:
        for number in range(TRIES):
            if number:
                await asyncio.sleep(self._pause_s)
            try:
                answer = await self._once(hook, body)
            except Unreachable as error:
                if number < TRIES - 1:
                    continue
                raise AuthError(
                    422, "hook_timeout_after_retry", "Failed to reach hook after maximum retries"
                ) from error
            if answer.status in {429, 503} and answer.headers.get("retry-after"):
                continue
            return _output(answer)
        raise unexpected("Service currently unavailable due to hook")

    async def _once(self, hook: HookConfig, body: bytes) -> Answer:
        message_id, timestamp = str(uuid4()), int(time.time())
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signatures(hook.keys, message_id, timestamp, body),
        }
        call = Call(method="POST", url=hook.url, headers=headers, body=body)
        try:
            return await self._outbound.send(call, timeout_s=TIMEOUT_S, most_bytes=MOST_BYTES)
        except AnswerTooLarge as error:
            raise AuthError(
                422,
                "hook_payload_over_size_limit",
                f"Payload size exceeded size limit of {MOST_BYTES} bytes",
            ) from error


def _output(answer: Answer) -> Output:
    match answer.status:
        case 204:
            return {}
        case 200 | 202:
            _check_type(answer.headers.get("content-type", ""))
            return output_of(answer.body)
        case 429 | 503:
            raise unexpected("Service currently unavailable due to hook")
        case 400:
            raise unexpected("Invalid payload sent to hook")
        case 401:
            raise unexpected("Hook requires authorization token")
        case status:
            raise unexpected(f"Unexpected status code returned from hook: {status}")


def _check_type(content_type: str) -> None:
    if not content_type:
        raise _bad_type("Invalid Content-Type: Missing Content-Type header")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise _bad_type(f"Invalid JSON response. Received content-type: {content_type}")


def _bad_type(message: str) -> AuthError:
    return AuthError(400, "hook_payload_invalid_content_type", message)
