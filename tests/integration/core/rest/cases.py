"""Requests and what they must answer, as tables: many on one database, all mismatches at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.integration.core.rest.conftest import Api

ANY = object()
"""Whatever the body is"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request; ``body`` is the expected JSON, ``text`` the expected bytes as text."""

    url: str
    method: str = "GET"
    send: object = None
    prefer: str | None = None
    accept: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    token: str | None = None
    status: int = 200
    body: Any = ANY
    text: str | None = None
    code: str | None = None
    message: str | None = None
    range: str | None = None
    expect: Mapping[str, str | None] = field(default_factory=dict)
    """Response headers; None is absent"""


async def check(api: Api, cases: Iterable[Case]) -> None:
    """Run the cases one after another and fail with every mismatch."""
    wrong: list[str] = []
    for case in cases:
        answer = await api.ask(
            case.method,
            case.url,
            body=case.send,
            prefer=case.prefer,
            accept=case.accept,
            headers=case.headers,
            token=case.token,
        )
        wrong += [f"{case.method} {case.url} {fault}" for fault in _faults(case, answer)]
    assert not wrong, "\n".join(wrong)


def _faults(case: Case, answer: httpx.Response) -> Iterable[str]:
    if answer.status_code != case.status:
        yield f"status {answer.status_code}, not {case.status}: {answer.text[:300]}"
        return
    if case.body is not ANY and answer.json() != case.body:
        yield f"body {answer.text[:500]}, not {case.body}"
    if case.text is not None and answer.text != case.text:
        yield f"text {answer.text!r}, not {case.text!r}"
    if case.range is not None and answer.headers.get("content-range") != case.range:
        yield f"range {answer.headers.get('content-range')}, not {case.range}"
    if case.code is not None:
        error = answer.json()
        if set(error) != {"code", "message", "details", "hint"} or error["code"] != case.code:
            yield f"error {error}, not {case.code}"
        elif case.message is not None and error["message"] != case.message:
            yield f"message {error['message']!r}, not {case.message!r}"
    for name, value in case.expect.items():
        if answer.headers.get(name) != value:
            yield f"header {name}: {answer.headers.get(name)!r}, not {value!r}"
