"""Asking a release from outside, as the world would: by who deploys, for the runner to judge.

Stands above runner.py and questions.py. A public stack is asked through DNS, and its certificate
must be good. One with ``tls`` internal or off is in no DNS that counts: it is asked at the address
of its server. Answers arrive within a minute, however many questions there are.
"""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gavan.deploy import certificate
from gavan.deploy.onhost import smoke
from gavan.deploy.onhost.failure import Failure
from gavan.deploy.questions import is_public
from gavan.deploy.runner import NAME, PYTHON
from gavan.deploy.ssh import Ssh
from gavan.kit.errors import GavanError
from gavan.stack.model import Smoke, Stack

WITHIN_S = 30.0
ABREAST = 8
SHOWN = 300
Report = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks one release; ``commands`` are those of the stack file here, never of a server."""

    ssh: Ssh
    plan: dict[str, Any]
    commands: Sequence[Smoke] = ()
    root: Path = Path()

    def answer(self, report: Report) -> None:
        """Ask what the plan says and tell the runner; without a way there, leave it to that."""
        if not self.plan["public"] and not self.ssh.address():
            return
        try:
            if not self._tell({}):
                return
            found = self._ask()
            self._tell({"asked": found})
        except GavanError as error:
            report("smoke", "warn", f"from outside: {error.message}")
            return
        wrong = [one["name"] for one in found if one["ok"] is False]
        said = f"from outside: {len(found)} questions"
        report("smoke", "tick", f"{said}, wrong: {', '.join(wrong)}" if wrong else said)

    def _tell(self, told: dict[str, Any]) -> bool:
        root, release = self.ssh.host.path, self.plan["id"]
        file = f"{root}/releases/{release}/{NAME}"
        said = self.ssh.run(*PYTHON, file, "hear", root, release, stdin=json.dumps(told).encode())
        return said.strip() == "true"

    def _ask(self) -> list[dict[str, Any]]:
        way = way_to(self.ssh, self.plan)
        asking: list[Callable[[], float]] = []
        names: list[str] = []
        for question in self.plan["outside"]:
            at = smoke.Way("", True) if question.get("foreign") else way
            within = float(question.get("within") or WITHIN_S)
            asking.append(lambda q=question, a=at, w=within: smoke.check(q, w, a))  # type: ignore[misc]
            names.append(question["name"])
        for command in self.commands:
            asking.append(lambda one=command: run(one, self.root))  # type: ignore[misc]
            names.append(command.name)
        with ThreadPoolExecutor(ABREAST) as pool:
            return [*pool.map(_answered, names, asking), *certificate.remarks(self.plan, way)]


def _answered(name: str, ask: Callable[[], float]) -> dict[str, Any]:
    began = time.monotonic()
    try:
        took, why = ask(), ""
    except Failure as failure:
        took = (time.monotonic() - began) * 1000
        why = f"{failure.message}: {failure.details[:SHOWN]}"
    return {"name": name, "ok": not why, "ms": round(took), **({"why": why} if why else {})}


def run(one: Smoke, root: Path) -> float:
    """Run a command until it is content; return its milliseconds, raise Failure GV547."""
    until = time.monotonic() + one.within_s

    def run_once() -> str:
        left = max(until - time.monotonic(), 1.0)
        try:
            done = subprocess.run(shlex.split(one.command or ""), cwd=root, capture_output=True,
                                  stdin=subprocess.DEVNULL, text=True, errors="replace",
                                  check=False, timeout=left)  # fmt: skip
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            return f"{type(error).__name__}: {error}"
        if done.returncode == 0 and one.contains in done.stdout:
            return ""
        return f"exit {done.returncode}: {(done.stdout + done.stderr).strip()[-SHOWN:]}"

    took, said = smoke.until_right(run_once, one.within_s)
    if said:
        raise Failure("GV547", f"{one.name} is not content", said)
    return took


def way_to(ssh: Ssh, plan: dict[str, Any]) -> smoke.Way:
    """Return how its questions travel."""
    if plan["public"]:
        return smoke.Way("", True, plan.get("roots", ""))
    return smoke.Way(ssh.address(), False)


def check_names(stack: Stack, ssh: Ssh, questions: Sequence[dict[str, Any]]) -> None:
    """Refuse a first release whose names lead elsewhere: no certificate would be given, and those
    who give them stop answering whoever asks too often.

    Raises:
        GavanError: GV576 with the names.
    """
    if not is_public(stack):
        return
    there = _addresses(ssh.address())
    names = sorted({one["host"] for one in questions if not one.get("foreign")})
    wrong = [f"{name}: {', '.join(sorted(found)) or 'no such name'}" for name in names
             if not (found := _addresses(name)) & there]  # fmt: skip
    if wrong:
        raise GavanError(
            "GV576", f"names of the stack do not lead to {ssh.host.name}",
            details="\n".join([*wrong, f"its address is {', '.join(sorted(there)) or 'unknown'}"]),
            hint="set their A and AAAA records, or say why it must be so: --skip-outside REASON",
            exit_code=3,
        )  # fmt: skip


def _addresses(name: str) -> set[str]:
    try:
        return {str(row[4][0]) for row in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)}
    except OSError:
        return set()
