"""The steps of a release, in their order; each may be done again.

Stands above work.py; run.py walks through them. A part is what has two slots: the core, an app
with a port, a site.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

from gavan.deploy.onhost.asking import ask
from gavan.deploy.onhost.docker import Compose, attempt, docker, image_id, tail
from gavan.deploy.onhost.drain import drain
from gavan.deploy.onhost.failure import Failure
from gavan.deploy.onhost.files import Place, read_json, sync_folder, write_whole
from gavan.deploy.onhost.work import Work

CORE = "core"
COMPOSE_FILE = "compose.stack.yml"
CADDY = "caddy"
"""The folder of what the proxy reads"""
EXPAND = ("--phase", "expand")
CONTRACT = ("gavan", "migrate", "up", "--phase", "contract")
_MARK = re.compile(r"\.left-[0-9a-f]+")
_APPLIED = re.compile(r"^applied \d+ migrations?: (.+)$", re.MULTILINE)


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
    for name in names:
        _hold(work, name)
    for name in work.plan.get("jobs", []):
        done = work.compose.attempt("run", "--rm", "--no-deps", "-T", name)
        if done.returncode != 0:
            raise Failure("GV545", f"{name} failed", tail(done.stdout + done.stderr))
    return ", ".join([*names, *work.plan.get("jobs", [])]) or "elsewhere"


def _hold(work: Work, name: str) -> None:
    """Have one service that holds data run as its settings say.

    That Gavan itself is a newer one is no reason to end it: it goes on with the image that it has.
    """
    found, may_end = work.compose.container(name), bool(work.plan["restart_data"])
    if found is None or not found["State"]["Running"]:
        work.compose.start(name)
    elif differs := work.differences(name):
        if not may_end:
            raise Failure("GV544", f"{name} would begin anew: {', '.join(differs)} changed")
        work.compose.start(name)
    elif image_id(work.services[name]["image"]) in ("", found["Image"]):
        pass
    elif may_end:
        work.compose.start(name)
    else:
        work.state.tell("data", "tick", f"{name} goes on with its older image; a newer one comes "
                        "in with --restart-data")  # fmt: skip
    work.compose.gate(name, work.plan["data_timeout"])


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
    write_routes(work, work)
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


def write_routes(work: Work, of: Work) -> None:
    """Lay what the proxy reads of a release into the folder that it has mounted."""
    (work.place.root / CADDY).mkdir(parents=True, exist_ok=True)
    for file in (of.place.folder / CADDY).iterdir():
        write_whole(work.place.root / CADDY / file.name, file.read_bytes())


def _has_routes(work: Work, of: Work) -> bool:
    """Say whether the proxy has everything that it reads of a release."""
    pairs = ((file, work.place.root / CADDY / file.name)
             for file in (of.place.folder / CADDY).iterdir())  # fmt: skip
    return all(there.exists() and there.read_bytes() == file.read_bytes() for file, there in pairs)


def _mark(work: Work) -> str:
    """Return the name of the file that asks clients to leave the routes that the proxy has."""
    file = work.place.root / CADDY / "Caddyfile"
    found = _MARK.search(file.read_text(encoding="utf-8")) if file.exists() else None
    return found[0] if found else ".left-none"


def switch(work: Work) -> str:
    """Turn the proxy to the new slots at one stroke; what is under way goes on where it is.

    Routes come before: a proxy that refuses them leaves everything as it was.
    """
    changed = work.changed()
    foretell(work)
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


def foretell(work: Work) -> None:
    """Write down what serves after this release, beside what says what serves now.

    While nothing is switched: when the time comes there may be no room on the disk for it.
    """
    parts = {name: one for name, one in work.live.get("parts", {}).items()
             if name in work.plan["parts"]}  # fmt: skip
    for part in work.changed():
        parts[part] = {"slot": work.next_slot(part), "port": work.plan["parts"][part]["port"]}
    live = {"release": work.place.release, "parts": parts}
    write_whole(work.place.live_draft, json.dumps(live, indent=1), 0o600)


def route(work: Work, of: Work) -> None:
    """Give the proxy the routes of a release; when it has them already it is not touched."""
    if not _has_routes(work, of):
        work.state.put(routing=_mark(work))
        write_routes(work, of)
    if work.proxy_changed():
        _ask_to_leave(work, "")
        of.compose.start("proxy")
        of.compose.gate("proxy", work.plan["health_timeout"])
    elif mark := work.state.values.get("routing"):
        reload(work, mark)
    work.state.put(routing="")


def reload(work: Work, mark: str) -> None:
    """Let the proxy read its file; a mistake in it leaves it as it was.

    Clients are asked to leave the former routes, which have the mark: at the end of those the
    proxy closes each connection of HTTP/1 on which no request is under way, also one that was just
    opened, and what is on its way there is lost.
    """
    _ask_to_leave(work, mark)
    try:
        done = work.compose.attempt("exec", "-T", "proxy", *work.plan["reload"])
    finally:
        _ask_to_leave(work, "")
    if done.returncode != 0:
        raise Failure("GV548", "the proxy refused its new routes", tail(done.stderr))


def _ask_to_leave(work: Work, mark: str) -> None:
    """Have the routes with a mark close connections after their next answer, and no others."""
    for file in work.place.slots.glob(".left-*"):
        file.unlink()
    if mark:
        (work.place.slots / mark).touch()


def record(work: Work) -> str:
    """Make this release the one that serves: by one rename, which needs no room on the disk."""
    if read_json(work.place.live_draft).get("release") == work.place.release:
        work.place.live_draft.replace(work.place.live_file)
        sync_folder(work.place.root)
    if read_json(work.place.live_file).get("release") != work.place.release:
        raise Failure("GV549", "what serves could not be written down")
    for part in set(work.live.get("parts", {})) - set(work.plan["parts"]):
        (work.place.slots / part).unlink(missing_ok=True)
    work.state.put(before=work.live.get("release", ""))
    _show(work)
    return work.place.release


def _show(work: Work) -> None:
    """Lay out for people what serves: its compose file, and a link to its folder."""
    text = (work.place.folder / COMPOSE_FILE).read_bytes()
    write_whole(work.place.root / COMPOSE_FILE, text)
    link = work.place.root / ".current.partial"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("releases") / work.place.release)
    link.replace(work.place.root / "current")


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
