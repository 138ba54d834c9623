"""Send a text message by Twilio's API (api.twilio.com, 2010-04-01)."""

from __future__ import annotations

import base64
import json
import re
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from gavan.core.auth.config.sms import TwilioConfig
from gavan.kit.outbound import AnswerTooLarge, Call, Outbound, Unreachable

TIMEOUT_S = 8.0
"""Below the deadline of a request, so that the caller is told what failed."""
MOST_BYTES = 64 * 1024
_NUMBER = re.compile(r"\+?[1-9][0-9]{1,14}")


class SmsError(Exception):
    """The message was not taken; the text says why and holds no secret."""


class Twilio:
    """One account."""

    def __init__(self, config: TwilioConfig, outbound: Outbound) -> None:
        self._config = config
        self._outbound = outbound

    async def send(self, *, phone: str, text: str, otp: str, channel: str) -> str:
        """Return the id of the message; raise SmsError when it was not taken."""
        form = self._form(phone, text, otp, channel)
        account = self._config.account
        login = base64.b64encode(f"{account}:{self._config.token.reveal()}".encode()).decode()
        call = Call(
            method="POST",
            url=f"{self._config.url}/2010-04-01/Accounts/{quote(account, safe='')}/Messages.json",
            headers={
                "authorization": f"Basic {login}",
                "content-type": "application/x-www-form-urlencoded",
            },
            body=urlencode(form).encode(),
        )
        try:
            answer = await self._outbound.send(call, timeout_s=TIMEOUT_S, most_bytes=MOST_BYTES)
            said = orjson.loads(answer.body)
        except (Unreachable, TimeoutError, AnswerTooLarge, orjson.JSONDecodeError) as error:
            raise SmsError("the provider cannot be reached") from error
        return _message_id(answer.status, said if isinstance(said, dict) else {})

    def _form(self, phone: str, text: str, otp: str, channel: str) -> dict[str, str]:
        sender, to = self._config.sender, f"+{phone}"
        if channel != "whatsapp":
            return {"To": to, "Channel": channel, "From": sender, "Body": text}
        if _NUMBER.fullmatch(sender):
            sender = f"whatsapp:{sender}"
        form = {"To": f"whatsapp:{to}", "Channel": channel, "From": sender}
        if not self._config.content_sid:
            return form | {"Body": text}
        variables = json.dumps({"1": otp})
        return form | {"ContentSid": self._config.content_sid, "ContentVariables": variables}


def _message_id(status: int, said: dict[str, Any]) -> str:
    if status not in {200, 201}:
        raise SmsError(str(said.get("message") or f"the provider answered {status}"))
    message_id = str(said.get("sid", ""))
    if said.get("status") in {"failed", "undelivered"}:
        reasons = [said.get("error_message"), said.get("error_code")]
        told = " ".join(str(reason) for reason in reasons if reason is not None)
        raise SmsError(f"{told} for {message_id}")
    return message_id
