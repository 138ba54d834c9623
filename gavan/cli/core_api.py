"""The running core as operators reach it: over HTTP on this machine, with the stack's secret key.

Stands under the verbs users, inbox and storage.
"""

from __future__ import annotations

from typing import Any

import httpx

from gavan.cli.context import Context
from gavan.cli.local import core_url, load_local
from gavan.kit.errors import GavanError
from gavan.secrets.keys import load_or_create_keys

TIMEOUT_S = 15.0
VERSION = {"X-Supabase-Api-Version": "2024-01-01"}


class CoreApi:
    """Calls to one core; what it refuses becomes the error of the verb."""

    def __init__(self, context: Context) -> None:
        stack, _ = load_local(context)
        self.stack = stack
        self.url = core_url(stack)
        self._key = load_or_create_keys(stack).secret_key
        self._timeout_s = context.flags.timeout_s or TIMEOUT_S

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries; the secret key is among it."""
        return {**VERSION, "apikey": self._key.reveal()}

    def call(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        query: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Return the answer, whatever its status.

        Raises:
            GavanError: GV240, nothing answers.
        """
        try:
            return httpx.request(
                method,
                f"{self.url}{path}",
                json=body,
                params={name: value for name, value in (query or {}).items() if value},
                headers=self.headers,
                timeout=self._timeout_s,
                trust_env=False,
            )
        except httpx.HTTPError as error:
            raise unreachable(self.url, error) from error

    def auth(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        query: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Return a successful answer of the auth service.

        Raises:
            GavanError: GV241 with what it refused.
        """
        answer = self.call(method, f"/auth/v1{path}", body=body, query=query)
        if not answer.is_success:
            raise _refused(answer)
        return answer


def unreachable(url: str, error: httpx.HTTPError) -> GavanError:
    """Return the error of a core that does not answer, or no longer."""
    return GavanError(
        "GV240",
        f"nothing answers at {url}",
        details=str(error) or type(error).__name__,
        hint="start the stack: gavan up, or look: gavan status",
        exit_code=3,
    )


def _refused(answer: httpx.Response) -> GavanError:
    try:
        said = answer.json()
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    message = said.get("message") or f"the auth service answered {answer.status_code}"
    return GavanError(
        "GV241",
        str(message),
        details=f"{said.get('code', 'no code')}, status {answer.status_code}",
        hint="gavan logs core says more" if answer.status_code >= 500 else None,
    )
