"""docker and docker compose on the server, called by argument lists.

Stands above files.py.
"""

from __future__ import annotations

import calendar
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from gavan.deploy.onhost.failure import Failure
from gavan.deploy.onhost.files import Place
from gavan.kit.cause import PROBE_BYTES, at_its_end, cause_of, ends_words

LAST_LINES = 50
LONG_S = 900.0
POLL_S = 0.25
SETTLED_S = 3.0
_NOT_HOW_IT_RUNS = ("profiles", "depends_on")
_NOT_A_CHANGE = "GAVAN_RELEASE"
_KEPT = ("HOME", "PATH", "TMPDIR", "USER")
_ENDED = ("created", "exited", "dead")
Service = dict[str, Any]


def docker(*words: str, deadline_s: float = LONG_S) -> str:
    """Run docker and return what it printed; raise Failure GV541 with its last lines."""
    done = attempt(*words, deadline_s=deadline_s)
    if done.returncode != 0:
        verb = " ".join(word for word in words[:2] if not word.startswith("-"))
        raise Failure("GV541", f"docker {verb} failed", tail(done.stderr or done.stdout))
    return done.stdout


def attempt(*words: str, deadline_s: float = LONG_S) -> subprocess.CompletedProcess[str]:
    """Run docker; that it fails is an answer."""
    try:
        return subprocess.run(["docker", *words], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", check=False, env=_environment(),
                              timeout=deadline_s)  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Failure("GV541", f"docker {words[0]} did not end in {deadline_s:g} s") from None


def _environment() -> dict[str, str]:
    """Return what docker needs of our environment: compose would take any other variable of it
    before the one in the env file, be it DOMAIN or COMPOSE_FILE."""
    return {name: value for name, value in os.environ.items()
            if name in _KEPT or name.startswith(("DOCKER_", "XDG_"))}  # fmt: skip


def tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-LAST_LINES:])


def image_id(name: str) -> str:
    """Return the id of an image that is here, empty when it is not."""
    done = attempt("image", "inspect", "--format", "{{.Id}}", name)
    return done.stdout.strip() if done.returncode == 0 else ""


class Compose:
    """The project of the stack by the files of one release."""

    def __init__(self, place: Place, plan: dict[str, Any]) -> None:
        self._place = place
        self._plan = plan

    def words(self, *more: str) -> list[str]:
        folder = self._place.folder
        return [
            *("compose", "--progress=plain", "--project-name", self._plan["project"]),
            *("--project-directory", str(self._place.root)),
            *("--file", str(folder / "compose.stack.yml")),
            *("--env-file", str(self._place.env_file(self._plan))),
            *("--env-file", str(folder / "release.env")),
            *more,
        ]

    def run(self, *more: str, deadline_s: float = LONG_S) -> str:
        return docker(*self.words(*more), deadline_s=deadline_s)

    def attempt(self, *more: str) -> subprocess.CompletedProcess[str]:
        return attempt(*self.words(*more))

    def services(self) -> dict[str, Service]:
        """Return every service as it would run: image, variables with their values, limits, mounts.

        What says nothing about how one runs is left out: its dependencies, its release's name.
        """
        text = self.run("--profile", "*", "config", "--format", "json")
        services: dict[str, Service] = json.loads(text)["services"]
        return {name: _as_it_runs(service) for name, service in services.items()}

    def container(self, service: str) -> dict[str, Any] | None:
        """Return what docker knows of the container of a service, None when it has none."""
        found = self.attempt("--profile", "*", "ps", "--all", "--quiet", service)
        names = found.stdout.split() if found.returncode == 0 else []
        done = attempt("inspect", names[0]) if names else None
        if done is None or done.returncode != 0:
            return None
        inspected: list[dict[str, Any]] = json.loads(done.stdout)
        return inspected[0]

    def runs(self, service: str) -> bool:
        found = self.container(service)
        return found is not None and bool(found["State"]["Running"])

    def start(self, service: str, *, anew: bool = False) -> None:
        how = ["--force-recreate"] if anew else []
        self.run("up", "--detach", "--no-deps", "--no-build", *how, service)

    def gate(self, service: str, within_s: float) -> None:
        """Wait until a service is healthy; raise Failure GV545 with the cause when it is not.

        One that ends is given up at once; that it ended some time before, and docker began it
        again, is past. One that says it is unwell has all of the time: it may be warming up for
        longer than its own check allows.
        """
        began, until = time.time(), time.monotonic() + within_s
        while True:
            found = self.container(service)
            if found is None:
                raise Failure("GV545", f"the container of {service} is gone")
            has_ended = not found["State"]["Running"] or has_restarted(found, began)
            if not has_ended and is_well(found):
                return
            found = _at_its_end(found) if has_ended else found
            cause = cause_of(service, found)
            if has_ended or time.monotonic() > until:
                what = cause.what if cause else f"was not healthy within {within_s:g} s"
                said = attempt("logs", "--tail", str(LAST_LINES), found["Id"])
                facts = [cause.details if cause else "", said.stdout, said.stderr]
                told = "\n".join(fact for fact in facts if fact)
                raise Failure("GV545", f"{service} {what}", told,
                              _cause(service, found, said.stdout + said.stderr))  # fmt: skip
            time.sleep(POLL_S)


def _cause(service: str, found: dict[str, Any], said: str) -> dict[str, Any]:
    """Return why a container is not well, for programs."""
    state, probes = found["State"], (found["State"].get("Health") or {}).get("Log") or []
    has_ended = state["Status"] in ("exited", "dead", "restarting")
    return {
        "service": service,
        "exit_code": state["ExitCode"] if has_ended else None,
        "oom_killed": bool(state["OOMKilled"]),
        "restarts": found["RestartCount"],
        "last_probe": probes[-1]["Output"][-PROBE_BYTES:].strip() if probes else None,
        "last_lines": tail(said).splitlines(),
    }


def _at_its_end(found: dict[str, Any]) -> dict[str, Any]:
    return at_its_end(found, attempt(*ends_words(found, time.time())).stdout)


def has_restarted(found: dict[str, Any], since: float) -> bool:
    """Say whether docker began a container again after a moment, by its own clock."""
    return bool(found["RestartCount"]) and _started_at(found) > since


def is_well(found: dict[str, Any]) -> bool:
    """Say whether a container is healthy; one without a check, whether it has run for a while."""
    state = found["State"]
    health = state.get("Health")
    if health:
        return bool(health["Status"] == "healthy")
    return bool(state["Running"]) and time.time() - _started_at(found) > SETTLED_S


def _started_at(found: dict[str, Any]) -> float:
    """Return when a container began last, in seconds of this machine's clock."""
    whole, dot, rest = found["State"]["StartedAt"].removesuffix("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(f"0{dot}{rest}")


def _as_it_runs(service: Service) -> Service:
    told = {name: value for name, value in service.items() if name not in _NOT_HOW_IT_RUNS}
    # What differs by the name of its release alone goes on as it is.
    variables = told.get("environment") or {}
    return {**told, "environment": {n: v for n, v in variables.items() if n != _NOT_A_CHANGE}}


def containers(project: str) -> dict[str, tuple[str, bool]]:
    """Return the containers of a project by their services, and whether each one is at work; those
    of jobs are not among them."""
    label = "com.docker.compose"
    said = docker("ps", "--all", "--no-trunc", "--filter", f"label={label}.project={project}",
                  "--filter", f"label={label}.oneoff=False",
                  "--format", f'{{{{.ID}}}} {{{{.State}}}} {{{{.Label "{label}.service"}}}}'
                  )  # fmt: skip
    rows = (line.split(" ", 2) for line in said.splitlines())
    return {name: (number, state not in _ENDED) for number, state, name in rows}


def connections(pid: int, port: int) -> int | None:
    """Return how many connections a container has at its port; None when nobody may look."""
    count = 0
    for name in ("tcp", "tcp6"):
        try:
            rows = Path(f"/proc/{pid}/net/{name}").read_text(encoding="utf-8").splitlines()[1:]
        except OSError:
            return None
        for row in rows:
            fields = row.split()
            is_open = fields[3] == "01" and int(fields[1].rpartition(":")[2], 16) == port
            count += is_open and "0100007F:" not in fields[2]
    return count
