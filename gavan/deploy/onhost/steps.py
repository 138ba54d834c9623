"""The steps of a release, in their order; each may be done again.

Stands above docker.py; run.py walks through them. A part is what has two slots: the core, an app
with a port, a site.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gavan.deploy.onhost.asking import ask
from gavan.deploy.onhost.docker import (
    Compose,
    attempt,
    connections,
    docker,
    image_id,
    tail,
)
from gavan.deploy.onhost.failure import Failure
from gavan.deploy.onhost.files import Place, read_json, write_whole
from gavan.deploy.onhost.state import State

SLOTS = ("blue", "green")
CORE = "core"
CADDYFILE = Path("caddy") / "Caddyfile"
QUIET_S = 1.0
"""How long an old slot has no connection until it counts as left"""
EXPAND = ("--phase", "expand")
CONTRACT = ("gavan", "migrate", "up", "--phase", "contract")
_APPLIED = re.compile(r"^applied \d+ migrations?: (.+)$", re.MULTILINE)
PAUSE_S = 0.2


class Work:
    """One release at work; ``live`` is what served when it began."""

    def __init__(self, place: Place, state: State) -> None:
        self.place = place
        self.state = state
        self.plan: dict[str, Any] = place.plan()
        self.compose = Compose(place, self.plan)
        self.live: dict[str, Any] = read_json(place.live_file)
        self._digests: dict[str, str] = {}

    @property
    def digests(self) -> dict[str, str]:
        self._digests = self._digests or self.compose.digests()
        return self._digests

    def slot_of(self, part: str) -> str:
        """Return the slot that serves a part, empty when none does."""
        return str(self.live.get("parts", {}).get(part, {}).get("slot", ""))

    @property
    def overlaps(self) -> bool:
        """Whether new slots run beside the old ones; older plans do not say it."""
        return bool(self.plan.get("overlap", True))

    def next_slot(self, part: str) -> str:
        """Return the slot of a part in this release: chosen once, kept by --resume."""
        chosen: dict[str, str] = self.state.values.setdefault("slots", {})
        if part not in chosen and not self.overlaps:
            chosen[part] = self.slot_of(part) or SLOTS[0]
        elif part not in chosen:
            chosen[part] = SLOTS[1] if self.slot_of(part) == SLOTS[0] else SLOTS[0]
        return chosen[part]

    def old_port(self, part: str) -> int:
        """Return where the slot listens that served when the release began."""
        known: dict[str, Any] = self.live["parts"][part]
        return int(known.get("port") or self.plan["parts"][part]["port"])

    def changed(self) -> list[str]:
        """Return the parts whose configuration or image is another, or that do not run."""
        if "changed" not in self.state.values:
            self.state.put(changed=[part for part in self.plan["parts"] if self._differs(part)])
        found: list[str] = self.state.values["changed"]
        return found

    def _differs(self, part: str) -> bool:
        slot = self.slot_of(part)
        if not slot or self.live["parts"][part]["digest"] != self.digests[f"{part}-{slot}"]:
            return True
        return not self.compose.runs(f"{part}-{slot}")

    def single_changed(self) -> list[str]:
        """Return the services without slots, but for data and proxy, that are to be replaced."""
        known: dict[str, str] = self.live.get("singles", {})
        return [name for name in self.plan["singles"] if known.get(name) != self.digests[name]]


def images(work: Work) -> str:
    """Give the images names of their content, which also keep them here.

    One that was removed by hand comes back from the registry by its digest, when that answers.
    """
    missing = [one for one in work.plan["images"] if image_id(one["id"]) != one["id"]]
    said = [_fetch(one) for one in missing]
    left = [one["name"] for one in missing if image_id(one["id"]) != one["id"]]
    if left:
        why = f"these images are not on the server: {', '.join(left)}"
        raise Failure("GV542", why, tail("\n".join(said)))
    for one in work.plan["images"]:
        docker("tag", one["id"], one["name"])
    return f"{len(work.plan['images'])} images"


def _fetch(image: dict[str, str]) -> str:
    """Pull an image as the plan has it; return why it did not come."""
    if not image["digest"]:
        return f"{image['name']} was sent over SSH, no registry has it"
    name = f"{image['reference'].rpartition(':')[0]}@{image['digest']}"
    return attempt("pull", "--quiet", name).stderr


def variables(work: Work) -> str:
    """Prove that every variable has a value: compose refuses the file otherwise."""
    work.place.freeze_env(work.plan)
    done = work.compose.attempt("--profile", "*", "config", "--quiet")
    if done.returncode != 0:
        raise Failure("GV543", "the variables do not fit the release", tail(done.stderr))
    for name in work.plan["folders"]:
        (work.place.root / name).mkdir(parents=True, exist_ok=True)
    changed, singles = work.changed(), work.single_changed()
    return f"new: {', '.join([*changed, *singles]) or 'nothing'}"


def data(work: Work) -> str:
    """Start what holds data, or leave it as it is; it begins anew only when that was said."""
    names: list[str] = work.plan["data"]
    known: dict[str, str] = work.live.get("data", {})
    for name in names:
        differs = name in known and known[name] != work.digests[name]
        if differs and not work.plan["restart_data"]:
            raise Failure("GV544", f"{name} would begin anew: its image or settings are others")
        if differs or not work.compose.runs(name):
            work.compose.start(name)
        work.compose.gate(name, work.plan["data_timeout"])
    for name in work.plan.get("jobs", []):
        done = work.compose.attempt("run", "--rm", "--no-deps", "-T", name)
        if done.returncode != 0:
            raise Failure("GV545", f"{name} failed", tail(done.stdout + done.stderr))
    return ", ".join([*names, *work.plan.get("jobs", [])]) or "elsewhere"


def migrate(work: Work) -> str:
    """Bring the schema up to date by the job of the release; old code goes on meanwhile.

    So a release adds what the new code needs and takes nothing away: that is the phase "contract",
    and waits for a run of its own. On an empty server there is no old code.
    """
    if work.plan["action"] == "rollback":
        return _take_down(work)
    how = CONTRACT if work.plan["action"] == "migrate" else tuple(work.plan["migrate"])
    if work.plan["action"] == "deploy" and work.live.get("release"):
        how += EXPAND
    backups = work.place.root / "backups"
    before = _made(backups)
    skip: str = work.plan["skip_backup"]
    words = [*how, *(["--skip-backup", skip] if skip else [])]
    done = work.compose.attempt("run", "--rm", "--no-deps", "-T", "migrate", *words)
    known = {*work.state.values.get("backups", []), *(_made(backups) - before)}
    work.state.put(backups=sorted(known), backup=", ".join(sorted(known)))
    if done.returncode != 0:
        raise Failure("GV546", f"the migrations failed; {note_schema(work)}",
                      tail(done.stdout + done.stderr))  # fmt: skip
    if work.plan["action"] == "migrate":
        return note_schema(work)
    found = _APPLIED.search(done.stdout)
    applied = {*work.state.values.get("applied", []), *(found[1].split(", ") if found else [])}
    work.state.put(applied=sorted(applied))
    return found[0] if found else "up to date"


def note_schema(work: Work) -> str:
    """Ask what was applied that the release before had not, note it, and say it.

    After a run that failed: the files before the one at fault stay. After one of phase contract,
    however often it was broken off: older code misses what was taken away.
    """
    done = work.compose.attempt("run", "--rm", "--no-deps", "-T", "migrate", "gavan", "--json",
                                "migrate", "status")  # fmt: skip
    try:
        rows = json.loads(done.stdout)["data"]
        there = {row["version"] for row in rows if row["state"] == "applied"}
    except (json.JSONDecodeError, KeyError, TypeError):
        return "which of them were applied is not known: gavan migrate status"
    before = Place(work.place.root, work.live.get("release", "")).plan()
    known = set(before.get("migrations", []))
    if work.plan["action"] == "migrate":
        known -= set(before.get("contract", []))
    applied = sorted(there - {name.partition("_")[0] for name in known})
    work.state.put(applied=applied)
    return f"applied: {', '.join(applied)}" if applied else "the schema is as it was"


def _take_down(work: Work) -> str:
    """Take migrations back by the down files of the release that serves, if the plan says so."""
    to = work.plan.get("down_to", "")
    if not to:
        return "left as it is"
    before = Place(work.place.root, work.live["release"])
    skip: str = work.plan["skip_backup"]
    words = ("gavan", "migrate", "down", "--to", to, "--yes", "--confirm", work.plan["stack"],
             *(["--skip-backup", skip] if skip else []))  # fmt: skip
    done = Compose(before, before.plan()).attempt(
        "run", "--rm", "--no-deps", "-T", "migrate", *words
    )
    if done.returncode != 0:
        raise Failure("GV546", "the migrations were not taken back",
                      tail(done.stdout + done.stderr))  # fmt: skip
    work.state.put(taken_back=work.plan["taken_back"])
    return f"taken back: all after {to}"


def _made(folder: Path) -> set[str]:
    """Return the ids of the backups in a folder, which begin with their time; none when only the
    user of the job may look."""
    try:
        return {path.name for path in folder.iterdir() if path.name[0].isdigit()}
    except PermissionError:
        return set()


def start(work: Work) -> str:
    """Start every new slot beside the one that serves, or in its place when they do not fit; the
    core first, others may need it."""
    changed = work.changed()
    groups = [[part for part in changed if part == CORE], [p for p in changed if p != CORE]]
    for group in groups:
        for part in group:
            service = f"{part}-{work.next_slot(part)}"
            work.state.put()
            work.compose.start(service, anew=True)
        for part in group:
            work.compose.gate(f"{part}-{work.next_slot(part)}", work.plan["health_timeout"])
            work.state.tell("start", "tick", f"{part} is healthy")
        if not work.compose.runs("proxy"):
            _begin_proxy(work)
    return ", ".join(f"{part}-{work.next_slot(part)}" for part in changed) or "nothing new"


def _begin_proxy(work: Work) -> None:
    write_new_slots(work)
    write_whole(caddyfile_of(work), wanted_caddyfile(work))
    work.compose.start("proxy")
    work.compose.gate("proxy", work.plan["health_timeout"])


def write_new_slots(work: Work) -> None:
    """Give every part a slot that has none yet; new routes may lead to it."""
    for part in work.plan["parts"]:
        if not (work.place.slots / part).exists():
            write_slot(work, part, work.slot_of(part) or work.next_slot(part))


def write_slot(work: Work, part: str, slot: str) -> None:
    """Have the proxy lead to a slot from the next request on: it reads this file for each."""
    write_whole(work.place.slots / part, f"{part}-{slot}:{work.plan['parts'][part]['port']}")


def caddyfile_of(work: Work) -> Path:
    """Return the file in the folder that the proxy has mounted."""
    file = work.place.root / CADDYFILE
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


def wanted_caddyfile(of: Work) -> str:
    return (of.place.folder / CADDYFILE).read_text(encoding="utf-8")


def switch(work: Work) -> str:
    """Turn the proxy to the new slots at one stroke; what is under way goes on where it is.

    Routes come before: a proxy that refuses them leaves everything as it was.
    """
    changed = work.changed()
    work.state.put(switching=True)
    write_new_slots(work)
    route(work, work)
    began = time.monotonic()
    for part in changed:
        write_slot(work, part, work.next_slot(part))
    took = round((time.monotonic() - began) * 1000)
    work.state.put(switch_ms=took)
    for name in work.single_changed():
        work.compose.start(name)
        work.compose.gate(name, work.plan["health_timeout"])
    turned = ", ".join(f"{part} to {work.next_slot(part)}" for part in changed)
    return f"{turned} in {took} ms" if turned else "nothing to turn"


def route(work: Work, of: Work) -> None:
    """Give the proxy the routes of a release; when it has them already it is not touched."""
    file, wanted = caddyfile_of(work), wanted_caddyfile(of)
    if not file.exists() or file.read_text(encoding="utf-8") != wanted:
        work.state.put(routing=True)
        write_whole(file, wanted)
    if work.live.get("proxy") not in (None, work.digests["proxy"]):
        of.compose.start("proxy")
        of.compose.gate("proxy", work.plan["health_timeout"])
    elif work.state.values.get("routing"):
        reload(work)
    work.state.put(routing=False)


def reload(work: Work) -> None:
    """Let the proxy read its file; a mistake in it leaves it as it was.

    What clients write meanwhile may be lost: it closes each connection of HTTP/1 on which no
    request is under way, also one that was just opened.
    """
    done = work.compose.attempt("exec", "-T", "proxy", *work.plan["reload"])
    if done.returncode != 0:
        raise Failure("GV548", "the proxy refused its new routes", tail(done.stderr))


def drain(work: Work) -> str:
    """Stop the old slots once nobody talks to them, at the latest after the time to drain."""
    old = {part: self_slot for part in work.changed()
           if (self_slot := work.slot_of(part)) and self_slot != work.next_slot(part)}  # fmt: skip
    began = time.monotonic()
    busy = {part: began for part in old}
    pids = {part: work.compose.pid(f"{part}-{slot}") for part, slot in old.items()}
    while busy and time.monotonic() < began + work.plan["drain"]:
        now = time.monotonic()
        for part in busy:
            port = work.old_port(part)
            if pids[part] and connections(pids[part], port) != 0:
                busy[part] = now
        left = [part for part, last in busy.items() if now - last >= QUIET_S]
        _stop(work, {part: old[part] for part in left})
        busy = {part: last for part, last in busy.items() if part not in left}
        time.sleep(PAUSE_S)
    _stop(work, {part: old[part] for part in busy})
    took = time.monotonic() - began
    return f"{', '.join(old)} in {took:.1f} s" if old else "nothing"


def _stop(work: Work, slots: dict[str, str]) -> None:
    """Stop slots together: each one finishes what it has begun and sends its websockets away."""
    if slots:
        work.compose.run("stop", *(f"{part}-{slot}" for part, slot in slots.items()))


def record(work: Work) -> str:
    """Make this release the one that serves, and forget those that are too old."""
    parts = dict(work.live.get("parts", {}))
    for part in work.changed():
        slot = work.next_slot(part)
        port = work.plan["parts"][part]["port"]
        parts[part] = {"slot": slot, "port": port, "digest": work.digests[f"{part}-{slot}"]}
    live = {
        "release": work.place.release,
        "parts": {name: value for name, value in parts.items() if name in work.plan["parts"]},
        "data": {name: work.digests[name] for name in work.plan["data"]},
        "singles": {name: work.digests[name] for name in work.plan["singles"]},
        "proxy": work.digests["proxy"],
    }
    gone = [name for name in parts if name not in live["parts"]]
    for part in gone:
        (work.place.slots / part).unlink(missing_ok=True)
    work.state.put(before=work.live.get("release", ""))
    write_whole(work.place.live_file, json.dumps(live, indent=1), 0o600)
    shutil.copyfile(work.place.folder / "compose.stack.yml", work.place.root / "compose.stack.yml")
    link = work.place.root / ".current.partial"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("releases") / work.place.release)
    link.replace(work.place.root / "current")
    return work.place.release


Step = Callable[[Work], str]
STEPS: tuple[tuple[str, Step], ...] = (
    ("images", images),
    ("variables", variables),
    ("data", data),
    ("migrate", migrate),
    ("start", start),
    ("switch", switch),
    ("smoke", ask),
    ("drain", drain),
    ("record", record),
)
STEPS_OF_CONTRACT = ("images", "variables", "migrate")
"""What is done when nothing of a release is started, but the schema loses what no code needs"""
BEYOND_RETURN = ("drain", "record")
"""When one of these fails, the new release serves already and stays."""
