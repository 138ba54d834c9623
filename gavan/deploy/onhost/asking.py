"""The step that asks a release: from the server itself, from inside, and by who deploys.

Stands above smoke.py and docker.py. Who deploys asks from outside, through DNS and TLS, and says
what came of it; the server decides. When nobody is there to ask, or leaves before an answer, the
server's own answers count, and the log says so.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from gavan.deploy.onhost import smoke
from gavan.deploy.onhost.docker import tail
from gavan.deploy.onhost.failure import Failure
from gavan.deploy.onhost.files import Place, read_json, write_whole

if TYPE_CHECKING:
    from gavan.deploy.onhost.work import Work

HOST_S = 20.0
CLAIM_S = 30.0
VERDICT_S = 120.0
PAUSE_S = 0.2
HERE = smoke.Way("127.0.0.1", False)
ELSEWHERE = smoke.Way("", True)
INSIDE = ("python", "-m", "gavan.deploy.inside")


def ask(work: Work) -> str:
    """Ask the release; raise Failure GV547, or GV575 when only the outside hears nothing good."""
    found: list[dict[str, Any]] = []
    try:
        for question in work.plan["smoke"]:
            # The certificate is judged by those who come from outside; here its authority may be
            # our own.
            way = ELSEWHERE if question.get("foreign") else HERE
            within = float(question.get("within") or HOST_S)
            took = smoke.check({**question, **_key(work, question)}, within, way)
            found.append({"name": question["name"], "from": "host", "ms": round(took), "ok": True})
        _inside(work, found)
        _outside(work, found)
    finally:
        work.state.put(smoke=found, asking=False)
    return f"{len(found)} questions"


def _key(work: Work, question: dict[str, Any]) -> dict[str, str]:
    """Return the key that a question is asked with; only the server has it."""
    name = question.get("key_of")
    if not name:
        return {}
    text = work.place.env_file(work.plan).read_text(encoding="utf-8", errors="replace")
    lines = [line.removeprefix("export ").partition("=") for line in text.splitlines()]
    values = [value.strip("'\"") for key, _, value in lines if key == name]
    return {"key": values[-1] if values else ""}


def _inside(work: Work, found: list[dict[str, Any]]) -> None:
    """Ask database and storage, from a container of the stack."""
    questions = work.plan.get("inside")
    if not questions:
        return
    words = json.dumps({**questions, "core": _core(work)})
    done = work.compose.attempt("run", "--rm", "--no-deps", "-T", "migrate", *INSIDE, words)
    for line in done.stdout.splitlines():
        told = _line(line)
        if not told:
            continue
        found.append({"name": told["name"], "from": "inside", "ms": told["ms"], "ok": told["ok"]})
        if not told["ok"]:
            raise Failure("GV547", f"{told['name']} does not answer as it should", told["why"])
    if done.returncode != 0:
        raise Failure("GV547", "the release cannot be asked from inside", tail(done.stderr))


def _core(work: Work) -> str:
    """Return where the core of the release is asked; nowhere when it is of others' images."""
    if "core" not in work.plan["parts"]:
        return ""
    slot = work.next_slot("core") if "core" in work.changed() else work.slot_of("core")
    return f"http://core-{slot}:{work.plan['parts']['core']['port']}"


def _line(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) and "name" in told else {}


def _file(place: Place) -> Any:
    return place.folder / "outside.json"


def _outside(work: Work, found: list[dict[str, Any]]) -> None:
    """Let who deploys ask, and take the answer for ours."""
    if not work.plan.get("outside"):
        why = f"not asked from outside: {work.plan.get('skip_outside') or 'nothing to ask'}"
        found.append({"name": "outside", "from": "outside", "ms": 0, "ok": None, "why": why})
        return
    file = _file(work.place)
    file.unlink(missing_ok=True)
    work.state.put(asking=True)
    work.state.tell("smoke", "ask", "from outside")
    verdict = _verdict(work.place)
    if verdict is None:
        why = "nobody asked from outside: the server's own answers count"
        work.state.tell("smoke", "warn", why)
        found.append({"name": "outside", "from": "outside", "ms": 0, "ok": None, "why": why})
        return
    found += [{"from": "outside", **one} for one in verdict]
    for one in verdict:
        if one["ok"] is None:
            work.state.tell("smoke", "warn", one["why"])
    wrong = [one for one in verdict if one["ok"] is False]
    if wrong:
        names = ", ".join(one["name"] for one in wrong)
        whys = "\n".join(f"{one['name']}: {one.get('why', '')}" for one in wrong)
        raise Failure("GV575", f"only from outside it does not answer as it should: {names}", whys)


def _verdict(place: Place) -> list[dict[str, Any]] | None:
    """Wait for the verdict; None when nobody takes it on, or who did is gone."""
    began = time.monotonic()
    while True:
        told = read_json(_file(place))
        if "asked" in told:
            return list(told["asked"])
        limit = VERDICT_S if told else CLAIM_S
        if time.monotonic() - began > limit:
            return None
        time.sleep(PAUSE_S)


def hear(place: Place, text: str) -> bool:
    """Keep what who deploys says, and return whether it is still waited for.

    Args:
        text: ``{}`` takes it on; ``{"asked": [{"name", "ms", "ok", "why"}]}`` is the verdict;
            ``ok`` null is a remark.
    """
    told = json.loads(text)
    wanted = bool(read_json(place.state_file).get("asking"))
    if wanted:
        write_whole(_file(place), json.dumps({"taken": True, **told}))
    return wanted
