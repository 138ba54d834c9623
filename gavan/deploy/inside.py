"""Ask database and storage from a container of the stack: ``python -m gavan.deploy.inside JSON``.

Run by the runner on the server in the image of the stack, whose variables have the keys. Prints a
line of JSON per question. What it writes goes again.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg

from gavan.deploy.onhost.smoke import until_right

TIMEOUT_S = 10.0


class Wrong(Exception):
    """An answer that is not as it should be."""


def main(words: list[str]) -> int:
    """Ask everything; 0 whatever the answers are."""
    asked = json.loads(words[0])
    for one in asked["sql"]:
        _tell(one["name"], one["within"], partial(_sql, one))
    if asked["storage"]:
        _tell("storage", asked["within"], partial(_storage, asked["core"]))
    return 0


def _tell(name: str, within_s: float, question: Callable[[], None]) -> None:
    def ask_once() -> str:
        try:
            question()
        except Wrong as wrong:
            return str(wrong)
        except (psycopg.Error, OSError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    took, why = until_right(ask_once, within_s)
    told = {"name": name, "ok": not why, "ms": round(took), "why": why}
    sys.stdout.write(f"{json.dumps(told)}\n")
    sys.stdout.flush()


def _sql(question: dict[str, Any]) -> None:
    """Run a statement as the owner of the tables; whatever it writes is taken back."""
    url = os.environ["GAVAN_DB_URL"]
    with psycopg.connect(url, connect_timeout=int(TIMEOUT_S)) as connection:
        row = connection.execute(question["sql"].encode()).fetchone()
        connection.rollback()
    said = "" if row is None else str(row[0])
    wanted = question.get("contains")
    if wanted and wanted not in said:
        raise Wrong(f"it answered {said[:200]!r}, without {wanted!r}")
    if not wanted and (row is None or row[0] is False):
        raise Wrong("it answered false" if row else "it answered no row")


def _storage(core: str) -> None:
    """Write, read and remove an object in a private bucket of its own, and read it as nobody."""
    url = f"{core}/storage/v1"
    bucket = f"gavan-smoke-{secrets.token_hex(6)}"
    bearer = {"authorization": f"Bearer {os.environ['SERVICE_ROLE_KEY']}"}
    asking = {**bearer, "content-type": "application/json"}
    made = _send("POST", f"{url}/bucket", asking, json.dumps({"id": bucket, "name": bucket}))
    _expect(made, 200, "it makes no bucket")
    try:
        _object(f"{url}/object/{bucket}/probe", bearer)
    finally:
        gone = _send("DELETE", f"{url}/bucket/{bucket}", bearer)
    _expect(gone, 200, "it does not remove a bucket")


def _object(url: str, bearer: dict[str, str]) -> None:
    written = _send("POST", url, {**bearer, "content-type": "text/plain"}, "probe")
    _expect(written, 200, "it takes no object")
    try:
        status, body = _send("GET", url, bearer)
        if status != 200 or body != "probe":
            raise Wrong(f"it does not give the object back: status {status}")
        status, _ = _send("GET", url, {})
        if status < 400:
            raise Wrong("whoever asks reads an object of a private bucket")
    finally:
        gone = _send("DELETE", url, bearer)
    _expect(gone, 200, "it does not remove an object")


def _expect(answer: tuple[int, str], status: int, what: str) -> None:
    if answer[0] != status:
        raise Wrong(f"{what}: status {answer[0]}\n{answer[1][:500]}")


def _send(method: str, url: str, headers: dict[str, str], body: str = "") -> tuple[int, str]:
    data = body.encode() if body else None
    request = urllib.request.Request(url, data=data, headers=headers, method=method)  # noqa: S310 - the core
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
