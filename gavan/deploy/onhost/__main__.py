"""The runner's command line: ``python3 runner.pyz VERB ROOT RELEASE [NUMBER]``.

start   begin the release in a process of its own and return
follow  print its events from line NUMBER on, until it ended or its process is gone
look    print what serves, who holds the lock, the log
hear    take from stdin what who deploys found from outside; print whether it was waited for
unlock  end the run of RELEASE and give its lock back; what is wrong is told
job     run the words behind NUMBER by the job of RELEASE, its output to ours
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

from gavan.deploy.onhost import asking, history
from gavan.deploy.onhost.docker import Compose
from gavan.deploy.onhost.failure import Failure
from gavan.deploy.onhost.files import Place, read_json
from gavan.deploy.onhost.leftovers import end_leftovers
from gavan.deploy.onhost.lock import Lock, alone, is_alive
from gavan.deploy.onhost.run import FAILED, run, unfinished
from gavan.deploy.onhost.state import State

POLL_S = 0.1
GRACE_S = 3.0


def begin(place: Place, wait_lock_s: float) -> None:
    """Go on in a process that no connection holds; its output goes to a file."""
    if is_alive(read_json(place.state_file)):
        return
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    os.umask(0o022)
    log = os.open(place.folder / "runner.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    if not _is_the_first(place):
        os._exit(0)
    try:
        run(place, wait_lock_s)
    except Exception as error:  # noqa: BLE001 - the edge: whoever follows must learn of it
        traceback.print_exc()
        told = error.message if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
        State(place).tell("end", FAILED, told, code="GV549", message=told, details="")
    os._exit(0)


def _is_the_first(place: Place) -> bool:
    """Say whether no other process carries this release out; this one does from here to its end."""
    mine = os.open(place.folder / "running", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def follow(place: Place, number: int) -> None:
    """Print events as they come; ``lost`` when the process is gone without an end."""
    gone_at = 0.0
    while True:
        lines = _lines(place)[number:]
        for line in lines:
            say(line)
            if json.loads(line)["step"] == "end":
                return
        number += len(lines)
        if is_alive(read_json(place.state_file)):
            gone_at = 0.0
        elif not lines:
            gone_at = gone_at or time.monotonic()
            if time.monotonic() - gone_at > GRACE_S:
                say(json.dumps({"step": "end", "state": "lost", "detail": "", "data": {}}))
                return
        time.sleep(POLL_S)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _lines(place: Place) -> list[str]:
    try:
        text = place.events_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return text[: text.rfind("\n") + 1].splitlines()


def look(place: Place) -> None:
    """Print what serves, which releases are unfinished, who holds the lock, and the log."""
    log = place.history_file
    owner = Lock(place.lock, "", "").owner()
    say(json.dumps({
        "live": read_json(place.live_file),
        "plans": {line["id"]: Place(place.root, line["id"]).plan()
                  for line in history.good(history.read(log))},
        "unfinished": [other.release for other in unfinished(place.root)],
        "lock": {**owner, "alive": is_alive(owner)} if owner else {},
        "log": log.read_text(encoding="utf-8") if log.exists() else "",
    }))  # fmt: skip


def unlock(place: Place) -> str:
    """End the runner that holds the lock and take the lock away; return why not, if so."""
    owner = Lock(place.lock, "", "").owner()
    if owner.get("release", "") != place.release:
        return f"another release holds it: {owner.get('release')}" if owner else "nobody holds it"
    if is_alive(owner):
        os.kill(int(owner["pid"]), signal.SIGKILL)
    end_leftovers(read_json(place.state_file), place.plan().get("project", ""))
    with alone(place.lock):
        shutil.rmtree(place.lock, ignore_errors=True)
    return ""


def job(place: Place, words: list[str]) -> int:
    """Run a command in a container of the migrate job; its end is ours."""
    plan = place.plan()
    done = Compose(place, plan).attempt("run", "--rm", "--no-deps", "-T", "migrate", *words)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def main(words: list[str]) -> int:
    """Do what the command line says."""
    place = Place(Path(words[1]), words[2] if len(words) > 2 else "")
    number = float(words[3]) if len(words) > 3 else 0.0
    if words[0] == "start":
        begin(place, number)
    elif words[0] == "follow":
        follow(place, int(number))
    elif words[0] == "hear":
        say(json.dumps(asking.hear(place, sys.stdin.read())))
    elif words[0] == "unlock":
        say(json.dumps({"wrong": unlock(place)}))
    elif words[0] == "job":
        return job(place, words[4:])
    else:
        look(place)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
