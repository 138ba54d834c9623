"""Botmox on a laptop: hot reload, health, five domains, artifacts by signed URL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.servers import wait_until
from tests.stacks.botmox_client import Person
from tests.stacks.running_stack import (
    REPOSITORY,
    RunningStack,
    clean_environment,
    copied_stack,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
BOTMOX = REPOSITORY / "stacks" / "botmox"
STARTS_S = 120.0
FIELDS = {"version", "commit", "release", "env", "started_at", "time", "checks", "degraded"}


def health(stack: RunningStack) -> dict[str, Any] | None:
    """Return what the backend tells at the host of the front end; None while it does not."""
    try:
        answer = httpx.get(f"{stack.url}/api/v1/health", timeout=5)
    except httpx.TransportError:
        return None
    return dict(answer.json()) if answer.status_code == 200 else None


@pytest.fixture(scope="module")
def botmox() -> Iterator[RunningStack]:
    """The stack under `gavan dev`: dev server and backend in the foreground, ended by Ctrl-C."""
    with copied_stack("botmox") as stack:
        words = ["dev", *(["--create-user"] if os.geteuid() == 0 else [])]
        log = stack.root.parent / "dev.log"
        with log.open("wb") as out:
            dev = subprocess.Popen([sys.executable, "-m", "gavan", *words], cwd=stack.root,
                                   env=clean_environment(), stdout=out, stderr=out)  # fmt: skip
        try:
            try:
                wait_until(lambda: health(stack) is not None, STARTS_S)
            except AssertionError:
                pytest.fail(log.read_text()[-6000:])
            yield stack
        finally:
            dev.send_signal(2)
            dev.wait(60)


@pytest.fixture(scope="module")
def ada(botmox: RunningStack) -> Person:
    return new_person(botmox)


def new_person(stack: RunningStack) -> Person:
    facts = json.loads(stack.gavan("status", "-o", "env", "--json"))["data"]
    return Person(facts["API_URL"], facts["ANON_KEY"], stack.url)


def test_the_backend_is_well_and_says_so_with_every_field(botmox: RunningStack) -> None:
    wait_until(lambda: (health(botmox) or {}).get("s3_ready") is True)
    found = health(botmox)
    assert found is not None
    assert set(found) >= FIELDS
    told = {name: found[name] for name in ("status", "data_backend", "supabase_ready", "s3_ready",
                                           "env", "degraded")}  # fmt: skip
    assert told == {"status": "ready", "data_backend": "supabase", "supabase_ready": True,
                    "s3_ready": True, "env": "dev", "degraded": []}  # fmt: skip


def test_a_changed_file_of_the_backend_answers_anew(botmox: RunningStack) -> None:
    def title() -> str:
        try:
            answer = httpx.get(f"{botmox.url}/api/v1/openapi.json", timeout=5)
            return str(answer.json()["info"]["title"])
        except (httpx.TransportError, ValueError):
            return ""

    assert title() == "botmox"
    file = botmox.root / "backend" / "botmox" / "app.py"
    text = file.read_text()
    file.write_text(text.replace('title="botmox"', 'title="botmox, changed"'))
    try:
        wait_until(lambda: title() == "botmox, changed", 60)
    finally:
        file.write_text(text)
    wait_until(lambda: title() == "botmox", 60)


def test_a_changed_file_of_the_page_is_served_anew(botmox: RunningStack) -> None:
    file = botmox.root / "web" / "src" / "app.tsx"
    url = f"{botmox.url}/src/app.tsx"
    assert "Botmox, changed" not in httpx.get(url).text
    file.write_text(file.read_text().replace("<h1>Botmox<", "<h1>Botmox, changed<"))
    wait_until(lambda: "Botmox, changed" in httpx.get(url).text, 60)


@pytest.mark.parametrize(
    ("domain", "values", "change", "wrong"),
    [
        ("workspace", {"name": "Fleet"}, {"name": "Fleet 2"}, {"name": ""}),
        ("resources", {"kind": "proxy", "name": "eu-1"}, {"kind": "server"}, {"kind": "boat"}),
        ("finance", {"amount": "12.50", "currency": "EUR"}, {"note": "rent"}, {"currency": "euro"}),
        ("settings", {"key": "theme", "value": {"dark": True}}, {"value": [1]}, {"key": "A B"}),
    ],
)
def test_a_domain_keeps_what_its_owner_writes_and_shows_it_to_nobody_else(
    botmox: RunningStack, ada: Person, domain: str, values: Any, change: Any, wrong: Any
) -> None:
    row = ada.make(f"/{domain}", **values)
    path = f"/{domain}/{row['id']}"
    status, changed = ada.ask("PATCH", path, change)
    assert (status, changed | change) == (200, changed)
    assert ada.ask("GET", path) == (200, changed)
    assert ada.ask("GET", f"/{domain}")[1] == [changed]
    status, refusal = ada.ask("PATCH", path, wrong)
    assert (status, refusal["error"]["code"]) == (422, "invalid")
    stranger = new_person(botmox)
    assert stranger.ask("GET", f"/{domain}") == (200, [])
    assert stranger.ask("GET", path)[0] == stranger.ask("DELETE", path)[0] == 404
    assert ada.ask("DELETE", path)[0] == 204
    assert ada.ask("GET", path)[0] == 404


def test_a_bot_belongs_to_a_workspace_of_its_owner(botmox: RunningStack, ada: Person) -> None:
    workspace = ada.make("/workspace", name="Harbour")
    bot = ada.make("/bots", workspace_id=workspace["id"], name="Tug")
    assert bot["status"] == "idle"
    status, refusal = new_person(botmox).ask(
        "POST", "/bots", {"workspace_id": workspace["id"], "name": "Pirate"}
    )
    assert (status, refusal["error"]["code"]) == (403, "forbidden")


def test_every_error_has_the_one_form(botmox: RunningStack, ada: Person) -> None:
    url = f"{botmox.url}/api/v1"
    answers = [
        (401, httpx.get(f"{url}/bots")),
        (401, httpx.get(f"{url}/bots", headers={"authorization": "Bearer nonsense"})),
        (404, httpx.get(f"{url}/nowhere")),
        (405, httpx.put(f"{url}/health")),
    ]
    for status, answer in answers:
        assert answer.status_code == status
        error = answer.json()["error"]
        assert set(error) == {"code", "message", "details", "request_id", "timestamp"}
        assert error["request_id"] == answer.headers["x-request-id"]
    ada.make("/settings", key="twice", value=1)
    assert ada.ask("POST", "/settings", {"key": "twice", "value": 2})[0] == 409


def test_an_artifact_goes_up_and_comes_down_by_signed_urls(
    botmox: RunningStack, ada: Person
) -> None:
    content = os.urandom(300_000)
    asked = {"kind": "installers", "name": "Установка 1.msi", "size": len(content)}
    begun = ada.make("/artifacts", **asked)
    row = begun["artifact"]
    assert ada.ask("POST", f"/artifacts/{row['id']}/complete")[0] == 409
    assert ada.ask("GET", "/artifacts") == (200, [])
    sent = httpx.put(begun["url"], content=content, headers={"content-type": begun["content_type"]})
    assert sent.status_code == 200, sent.text
    assert ada.ask("POST", f"/artifacts/{row['id']}/complete")[0] == 200
    assert [one["name"] for one in ada.ask("GET", "/artifacts")[1]] == ["Установка 1.msi"]
    url = ada.ask("GET", f"/artifacts/{row['id']}/download")[1]["url"]
    got = httpx.get(url)
    assert (got.status_code, got.content) == (200, content)
    assert "%D0%A3" in got.headers["content-disposition"]
    assert httpx.get(url.partition("?")[0]).status_code in {400, 401, 403}
    assert new_person(botmox).ask("GET", f"/artifacts/{row['id']}/download")[0] == 404
    assert ada.ask("DELETE", f"/artifacts/{row['id']}")[0] == 204
    assert httpx.get(url).status_code == 404


def test_the_live_status_is_told_over_a_websocket(botmox: RunningStack) -> None:
    address = botmox.url.replace("http://", "ws://") + "/api/v1/live"
    with connect(address) as socket:
        told = json.loads(socket.recv(10))
    assert told["data_backend"] == "supabase"


def test_the_generated_files_are_current() -> None:
    done = subprocess.run([sys.executable, "-m", "gavan", "generate", "--check"], cwd=BOTMOX,
                          env=clean_environment(), capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_wrapper_is_one_verb_and_says_the_same_in_each_language(tmp_path: Path) -> None:
    said = tmp_path / "gavan"
    said.write_text('#!/bin/sh\necho "$@"\n')
    said.chmod(0o755)
    scripts = json.loads((BOTMOX / "package.json").read_text())["scripts"]
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for name in ("dev-up", "dev-down", "prod-sim-up", "prod-sim-down"):
        command = scripts["stack:" + name.replace("-up", ":up").replace("-down", ":down")]
        shell = BOTMOX / "scripts" / f"stack-{name}.sh"
        done = subprocess.run([str(shell)], env=env, capture_output=True, text=True, check=True)
        assert f"gavan {done.stdout.strip()}" == command
        power = shell.with_suffix(".ps1").read_text()
        assert f"& $gavan {done.stdout.strip()} @args\nexit $LASTEXITCODE\n" in power
    for name, words in (
        ("deploy-vps", "-p prod deploy --tag sha-1"),
        ("rollback-vps", "-p prod rollback sha-1"),
    ):
        argv = [str(BOTMOX / "scripts" / f"{name}.sh"), "sha-1"]
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == words
    release = ["sh", "-c", scripts["deploy:vps"]]
    assert subprocess.run(release, env=env, check=False).returncode != 0
    done = subprocess.run(release, env={**env, "CI": "true"}, capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stdout.strip() == "-p prod deploy"
