"""What keeps a server from going back to old code, and what a plan says that it changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from gavan.cli.deploy.deploy import shown
from gavan.cli.deploy.difference import changes
from gavan.cli.deploy.schema import taken_away
from gavan.deploy.onhost.leftovers import end_leftovers
from gavan.deploy.onhost.lock import me
from gavan.deploy.onhost.run import contract_of


def seen(*lines: dict[str, Any], plan: dict[str, Any] | None = None) -> dict[str, Any]:
    log = "\n".join(json.dumps(line) for line in lines)
    return {"log": log, "live": {"release": "one"}, "plans": {"one": plan or {}}}


def test_only_what_was_taken_from_the_schema_keeps_old_code_away() -> None:
    target = {"contract": ["002_drop.sql"]}
    first, second = {"contract": ["002_drop.sql"]}, {"contract": ["005_drop.sql"]}
    assert taken_away(seen({}, first), target) == []
    assert taken_away(seen(first, second), target) == ["005_drop.sql"]
    back = {"contract": [], "taken_back": ["005_drop.sql"]}
    assert taken_away(seen(first, second, back), target) == []
    assert taken_away(seen(first, second, back, second), target) == ["005_drop.sql"]


def test_a_release_notes_the_contract_migrations_that_it_applied_and_no_others() -> None:
    plan = {"contract": ["002_drop.sql", "004_drop.sql"]}
    assert contract_of(plan, {"applied": ["003", "004"]}) == ["004_drop.sql"]
    assert contract_of(plan, {}) == []


def test_a_plan_names_what_changes_and_nothing_when_nothing_does() -> None:
    image = {"part": "api", "reference": "api:a", "id": "1"}
    old = {"images": [image, {**image, "part": "web"}], "env_names": ["A", "B"],
           "config_hash": "x", "migrations": ["001_a.sql"], "routes": "r", "singles": ["mail"],
           "parts": {"api": {}, "web": {}}, "services": {"api": "a", "web": "w"}}  # fmt: skip
    assert changes({**old, "contract": []}, seen(plan=old)) == []
    new = {"images": [{**image, "reference": "api:b", "id": "2"}], "env_names": ["B", "C"],
           "config_hash": "y", "migrations": ["001_a.sql", "002_b.sql", "003_c.sql"],
           "contract": ["003_c.sql"], "routes": "s", "singles": ["cron"],
           "parts": {"api": {}}, "services": {"api": "b", "cron": "c"}}  # fmt: skip
    assert changes(new, seen(plan=old)) == [
        "image api: api:a -> api:b",
        "image web: no more",
        "variables: +C -A",
        "how it runs: api",
        "routes: the proxy is reloaded, a few requests that arrive in that moment may be lost",
        "comes: cron",
        "goes: mail, web, stopped once the release serves",
        "migrations: 002_b.sql",
        "migrations that wait for gavan deploy --contract: 003_c.sql",
    ]
    proxied = changes({**new, "services": {"proxy": "2"}}, seen(plan={**old, "services": {
        "proxy": "1"}}))  # fmt: skip
    assert "how it runs: proxy" in proxied
    assert "the proxy begins anew: every connection ends, and none is taken for some seconds" in (
        proxied
    )
    told = {"id": "two", "overlap": True, "memory": 2**20, "smoke": [], "skip_outside": "",
            "drain": 30.0}  # fmt: skip
    assert "old slots may go on for 30 s: a request or an upload that takes longer is cut" in (
        shown(told, seen(plan={"id": "one", "tag": "sha-1"}), ["image api: new"])
    )
    assert changes(new, seen())[-1] == "migrations: 001_a.sql, 002_b.sql, 003_c.sql"


def test_what_a_killed_runner_left_is_ended_and_a_stranger_of_its_session_is_not(
    tmp_path: Path,
) -> None:
    code = "import sys; print(flush=True); sys.stdin.read()"
    left = [
        subprocess.Popen([sys.executable, "-c", code, word], cwd=tmp_path, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, start_new_session=True)
        for word in ("pier-prod", "another")
    ]  # fmt: skip
    try:
        for process in left:
            assert process.stdout is not None
            process.stdout.readline()
        for process in left:
            former = {**me(), "session": os.getsid(process.pid)}
            assert end_leftovers({**former, "boot": "another"}, "pier-prod") == 0
            end_leftovers(former, "pier-prod")
        assert left[0].wait(60) == -15
        assert left[1].poll() is None
    finally:
        for process in left:
            process.kill()
            process.communicate()
