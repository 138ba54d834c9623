"""All servers must answer every question alike before the time of an answer means anything."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import httpx

from bench.rest.dialects import Answer, Row
from bench.rest.questions import INSERT, QUESTIONS, Question
from bench.rest.servers import Target, send

SAMPLES = (1, 424, 999)
SAME_HEADERS = ("content-type", "content-range")
"""Compared between servers of one dialect"""


class Differs(Exception):
    """Two servers gave different answers, or one did not answer at all."""


def check_equal(targets: Sequence[Target]) -> None:
    """Ask every server every question for some keys; raise Differs at the first difference."""
    first, *others = targets
    for question in QUESTIONS:
        for key in SAMPLES:
            wanted = ask(first, question, key)
            for other in others:
                _compare(question, (first, wanted), (other, ask(other, question, key)))


def ask(target: Target, question: Question, key: int) -> httpx.Response:
    """Return the response to one question; raise Differs when it is not a success."""
    try:
        response = send(target, question, key)
    except httpx.HTTPError as error:
        raise Differs(f"{target.name}, {question.name}: {error!r}") from error
    if not response.is_success:
        raise Differs(f"{target.name}, {question.name}: {response.status_code} {response.text}")
    return response


def _compare(
    question: Question,
    one: tuple[Target, httpx.Response],
    other: tuple[Target, httpx.Response],
) -> None:
    seen: list[Any] = []
    for target, response in (one, other):
        try:
            answer = target.dialect.reads(response)
        except (ValueError, KeyError, TypeError) as error:
            raise Differs(f"{target.name}, {question.name}: {error!r}: {response.text}") from error
        seen.append(_without_identity(answer) if question is INSERT else answer)
    if one[0].dialect is other[0].dialect:
        for number, (_, response) in enumerate((one, other)):
            headers = [response.headers.get(name) for name in SAME_HEADERS]
            seen[number] = (response.status_code, headers, seen[number])
    if seen[0] != seen[1]:
        raise Differs(
            f"{question.name}: {one[0].name} and {other[0].name} differ:\n{seen[0]}\n{seen[1]}"
        )


def _without_identity(answer: Answer) -> Answer:
    """Return an inserted row without what is new each time, which must be there all the same."""
    return Answer([_rest(row) for row in answer.rows], answer.total)


def _rest(row: Row) -> Row:
    row = dict(row)
    if not isinstance(row.pop("id"), int) or not isinstance(row.pop("created_at"), datetime):
        raise TypeError("an inserted row without its own id and time")
    return row
