"""A release from its first step to its line in the log; what fails is taken back.

Stands above steps.py. Whatever ends the process, its state says where it was: the same release is
gone on with by ``--resume``, another release takes an unfinished one back before it begins.
"""

from __future__ import annotations

import os
import shutil
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gavan.deploy.onhost import history, news, steps
from gavan.deploy.onhost.docker import attempt
from gavan.deploy.onhost.failure import Failure
from gavan.deploy.onhost.files import Place, read_json
from gavan.deploy.onhost.leftovers import end_leftovers
from gavan.deploy.onhost.lock import Lock, is_alive
from gavan.deploy.onhost.state import State
from gavan.deploy.onhost.steps import BEYOND_RETURN, STEPS, STEPS_OF_CONTRACT, Step
from gavan.deploy.onhost.work import Work

RESERVE = 2**20
ARRIVING_S = 24 * 3600.0
"""How old a folder may be in which nothing was begun"""
OK, ROLLED_BACK, FAILED, LOCKED = "ok", "rolled_back", "failed", "locked"


def run(place: Place, wait_lock_s: float) -> str:
    """Bring a release to serve, or take it back; return how it ended."""
    state = State(place)
    plan = place.plan()
    former = dict(state.values)
    state.begin()
    lock = Lock(place.lock, place.release, plan["by"])
    try:
        lock.take(wait_lock_s)
    except Failure as failure:
        state.put(outcome=LOCKED)
        _tell_end(state, LOCKED, failure)
        return LOCKED
    try:
        end_leftovers(former, plan["project"])
        _reserve(place)
        take_back_others(place, state)
        outcome, reason = _walk(place, state)
        # From here on only words are written, and there must be room for them.
        place.reserve.unlink(missing_ok=True)
        _log(place, state, outcome, reason)
    finally:
        place.reserve.unlink(missing_ok=True)
        lock.release()
    _tell_end(state, outcome, reason)
    news.tell(place, outcome, reason)
    return outcome


def _reserve(place: Place) -> None:
    try:
        with place.reserve.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, RESERVE)
    except OSError:
        # A full disk is told by the first step that needs it; half a reserve is better than none.
        return


def _walk(place: Place, state: State) -> tuple[str, Failure | None]:
    work = Work(place, state)
    if state.values.get("taking_back"):
        return _take_back(work, Failure("GV549", "it was broken off while it was taken back"))
    expected = work.plan["live_release"]
    if not state.values["done"] and work.live.get("release", "") != expected:
        return FAILED, Failure("GV540", "another release came in between: "
                               f"{work.live.get('release')} serves, the plan was made on "
                               f"{expected or 'an empty server'}")  # fmt: skip
    is_contract = work.plan["action"] == "migrate"
    for name, step in STEPS:
        if name in state.values["done"] or (is_contract and name not in STEPS_OF_CONTRACT):
            continue
        try:
            _carry_out(work, name, step)
        except Exception as error:
            failure = _failure(place, error)
            state.tell(name, "fail", failure.message)
            if name not in BEYOND_RETURN:
                return _take_back(work, failure)
            if name == "record" and read_json(place.live_file).get("release") != place.release:
                raise failure from error
            state.tell(name, "warn", "the new release serves and stays")
    _tidy(place, work)
    return OK, None


def _tidy(place: Place, work: Work) -> None:
    try:
        prune(place, work.plan)
    except (Failure, OSError) as error:
        work.state.tell("record", "warn", f"older releases stay: {_failure(place, error).message}")


def _carry_out(work: Work, name: str, step: Step) -> None:
    work.state.put(step=name)
    work.state.tell(name, "start")
    began = time.monotonic()
    said = step(work)
    took = round((time.monotonic() - began) * 1000)
    work.state.finish(name, took)
    work.state.tell(name, "ok", said, ms=took)


def _failure(place: Place, error: Exception) -> Failure:
    """Return why a step failed; when the disk is full, there is room to write it down after."""
    if isinstance(error, Failure):
        return error
    place.reserve.unlink(missing_ok=True)
    if isinstance(error, OSError):
        why = error.strerror or str(error)
        return Failure("GV550", f"the server could not go on: {why}", repr(error))
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return Failure("GV550", f"the runner could not go on: {type(error).__name__}: {error}", trace)


def _take_back(work: Work, why: Failure) -> tuple[str, Failure]:
    """Let the former release serve alone; it never stopped, or its slot is turned to again."""
    state = work.state
    state.put(taking_back=True, why=[why.code, why.message, why.details])
    served = bool(work.live.get("release"))
    state.tell("take back", "start", work.live.get("release", ""))
    before = Place(work.place.root, work.live.get("release", ""))
    try:
        if work.plan["action"] == "migrate":
            steps.note_schema(work)
        if state.values.get("switching") and served:
            _turn_back(work, before)
        for part in state.values.get("changed", []):
            slot = state.values.get("slots", {}).get(part)
            if slot and slot != work.slot_of(part):
                work.compose.attempt("--profile", "*", "rm", "--stop", "--force", f"{part}-{slot}")
            elif slot:
                _put_back(Work(before, State(before)), f"{part}-{slot}")
    except Failure as failure:
        state.tell("take back", "fail", f"{failure.message}\n{failure.details}")
        return FAILED, why
    state.tell("take back", "ok")
    return (ROLLED_BACK if served else FAILED), why


def _put_back(former: Work, service: str) -> None:
    """Start what a release without overlap has replaced in its place."""
    former.compose.start(service)
    former.compose.gate(service, former.plan["health_timeout"])


def _turn_back(work: Work, before: Place) -> None:
    former = Work(before, State(before))
    for part in work.changed():
        slot = work.slot_of(part)
        if slot:
            if not work.compose.runs(f"{part}-{slot}"):
                former.compose.start(f"{part}-{slot}")
            steps.write_slot(former, part, slot)
    steps.route(work, former)
    for name in work.single_changed():
        if name in former.plan["singles"]:
            former.compose.start(name)
        else:
            work.compose.attempt("rm", "--stop", "--force", name)


def unfinished(root: Path) -> Iterator[Place]:
    """Yield the releases that began and did not end, their process gone."""
    for folder in sorted((root / "releases").glob("*")):
        state = read_json(folder / "state.json")
        if state and not state.get("outcome") and not is_alive(state):
            yield Place(root, folder.name)


def take_back_others(place: Place, state: State) -> None:
    """Take back what unfinished releases have left; one that was recorded serves already."""
    for other in unfinished(place.root):
        its_state = State(other)
        state.tell("unfinished", "start", other.release)
        end_leftovers(its_state.values, place.plan()["project"])
        why = Failure("GV549", f"broken off in step {its_state.values.get('step', '')}")
        work = Work(other, its_state)
        is_live = work.live.get("release") == other.release
        outcome, reason = (OK, None) if is_live else _take_back(work, why)
        _log(other, its_state, outcome, reason)
        state.tell("unfinished", "ok", f"{other.release}: {outcome}")


def _log(place: Place, state: State, outcome: str, why: Failure | None) -> None:
    plan, values = place.plan(), state.values
    lines = history.good(history.read(place.history_file))
    history.append(place.history_file, {
        "id": place.release, "action": plan["action"], "stack": plan["stack"],
        "profile": plan["profile"], "tag": plan["tag"],
        "digests": {one["part"]: one["digest"] or one["id"] for one in plan["images"]},
        "commit": plan["commit"], "dirty": plan["dirty"], "by": plan["by"], "ci": plan["ci"],
        "prev": lines[-1]["id"] if lines else "", "migrations": plan["migrations"],
        "applied": values.get("applied", []), "contract": contract_of(plan, values),
        "taken_back": values.get("taken_back", []),
        "config_hash": plan.get("config_hash", ""),
        "env_names_hash": plan.get("env_names_hash", ""),
        "backup": values.get("backup", ""), "steps": values["steps"],
        "smoke": values.get("smoke", []),
        "result": outcome, "reason": why.message if why else "",
        "started": plan["started"],
        "ended": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
    })  # fmt: skip
    state.put(outcome=outcome)


def contract_of(plan: dict[str, Any], values: dict[str, Any]) -> list[str]:
    """Return the migrations of phase contract that a release applied: older code misses what they
    took away."""
    applied = set(values.get("applied", []))
    return [name for name in plan.get("contract", []) if name.partition("_")[0] in applied]


def _tell_end(state: State, outcome: str, why: Failure | None) -> None:
    told: dict[str, Any] = {"switch_ms": state.values.get("switch_ms")}
    if why:
        told |= {"code": why.code, "message": why.message, "details": why.details,
                 "cause": why.cause}  # fmt: skip
    state.tell("end", outcome, why.message if why else "", **told)


def _may_begin(folder: Path) -> bool:
    """Say whether a release is on its way: another client's, brought here while one is at work."""
    if (folder / "state.json").exists():
        return not read_json(folder / "state.json").get("outcome")
    return time.time() - folder.stat().st_mtime < ARRIVING_S


def prune(place: Place, plan: dict[str, Any]) -> None:
    """Remove releases past ``retain`` and the images that only they had."""
    good = list(dict.fromkeys(line["id"] for line in history.good(
        history.read(place.history_file))))  # fmt: skip
    kept = {*good[-plan["retain"] :], place.release}
    folders = [folder for folder in (place.root / "releases").iterdir() if folder.is_dir()]
    kept |= {folder.name for folder in folders if _may_begin(folder)}
    keep: set[str] = set()
    drop: set[str] = set()
    for folder in folders:
        # By their content, so that every name of it goes: the registry's too.
        ids = {one["id"] for one in read_json(folder / "plan.json").get("images", [])}
        (keep if folder.name in kept else drop).update(ids)
    for one in sorted(drop - keep):
        attempt("image", "rm", "--force", one)
    for folder in folders:
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)
