"""Tell the webhook: one POST for an event.

Upstream: supabase/storage:src/storage/events/lifecycle/webhook.ts.
The address is the operator's own, so it may be in a private network; it may hold a token, so it is
told to nobody.
"""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from gavan.core.storage.config import WebhookConfig
from gavan.core.storage.jobs.jobs import Job
from gavan.core.storage.jobs.worker import JobFailed
from gavan.core.storage.webhooks.events import Event
from gavan.kit.outbound import AnswerTooLarge, Call, Outbound, Unreachable

TENANT = "stub"
"""What the supabase CLI calls the one tenant of a local stack"""
TIMEOUT_S = 6.0
MOST_BYTES = 64 * 1024


class Delivery:
    """Does the jobs of the webhook; ``host`` is that of the stack, as the world sees it."""

    def __init__(self, webhook: WebhookConfig, host: str, outbound: Outbound) -> None:
        self._webhook = webhook
        self._tenant = {"ref": TENANT, "host": host}
        self._outbound = outbound

    async def deliver(self, job: Job) -> None:
        """Tell the events of a job, one after the other; raise JobFailed unless all were taken."""
        for event in job.payload:
            await self._tell(event)

    async def _tell(self, event: Event) -> None:
        headers = {"content-type": "application/json"}
        if self._webhook.api_key:
            headers["authorization"] = f"Bearer {self._webhook.api_key.reveal()}"
        call = Call(
            method="POST",
            url=self._webhook.url.reveal(),
            headers=headers,
            body=orjson.dumps(self._letter(event)),
        )
        problem = await self._problem(call)
        if problem:
            place = f"{event['payload']['bucketId']}/{event['payload']['name']}"
            raise JobFailed(f"{event['type']} of {place}: the webhook {problem}")

    def _letter(self, event: Event) -> dict[str, object]:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        payload = {"tenant": self._tenant, **event["payload"]}
        return {
            "type": "Webhook",
            "event": {**event, "payload": payload},
            "sentAt": now,
            "tenant": self._tenant,
        }

    async def _problem(self, call: Call) -> str:
        """Return why a call counts as not taken, nothing when it was."""
        try:
            answer = await self._outbound.send(call, timeout_s=TIMEOUT_S, most_bytes=MOST_BYTES)
        except TimeoutError:
            return f"did not answer within {TIMEOUT_S:g} s"
        except Unreachable as error:  # its text may be made of the address
            return f"cannot be reached ({type(error.__cause__ or error).__name__})"
        except AnswerTooLarge as error:
            status = error.status
        else:
            status = answer.status
        return "" if 200 <= status < 300 else f"answered {status}"
