"""Releases without room for second slots: each part is replaced in its place, and put back.

The runner of the server works here, on the engine of the tests: no SSH is between.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gavan.cli.deploy.contract import FILES
from gavan.database.embedded import passwords_by_role
from gavan.deploy.onhost.docker import docker
from gavan.deploy.onhost.files import Place, read_json
from gavan.deploy.onhost.run import OK, ROLLED_BACK, run
from gavan.deploy.plan import Image, Wish, again, compile_plan, files_of
from gavan.engines.compose import env_file
from gavan.engines.compose.project import Project
from gavan.engines.compose.services import Plan
from gavan.engines.compose.values import password_variables
from gavan.engines.images.build import Order, build_images
from gavan.secrets.keys import fresh_keys
from gavan.stack.load import load
from tests.ports import free_port

pytestmark = [pytest.mark.usefixtures("docker_engine"), pytest.mark.timeout(600)]
PROGRAM = """
import http.server, os, sys
if os.environ["LABEL"] == "broken":
    sys.exit("no berth free")

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = os.environ["LABEL"].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])),
                                Answer).serve_forever()
"""
STACK = """
[stack]
name = "skiff"

[profiles.prod-sim]
http_port = {http}
https_port = {https}

[core]
services = ["rest"]

[apps.api]
dir = "api"
command = "python main.py"
port = 8000
health = {{ path = "/", interval = "1s" }}
routes = [{{ host = "api", path = "/v1", strip = true }}]
needs = {{ core = "started" }}
memory = "64MiB"
stop_timeout = "2s"

[apps.api.env]
LABEL = "{label}"

[deploy]
overlap = {overlap}
health_timeout = "60s"
drain = "2s"
"""

MORE = """
[apps.bell]
dir = "api"
command = "python main.py"
port = 8001
health = { path = "/", interval = "1s" }
routes = [{ host = "bell", path = "/" }]
memory = "64MiB"
stop_timeout = "2s"

[apps.bell.env]
LABEL = "bell"

[apps.pump]
kind = "worker"
dir = "api"
command = "sleep 3600"
memory = "32MiB"
stop_timeout = "1s"
"""


class Skiff:
    """The stack, and the folder that is its server's."""

    def __init__(self, source: Path, root: Path) -> None:
        self._source = source
        self.root = root
        self._ports = {"http": free_port(), "https": free_port()}
        self._images: list[Image] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._ports['https']}/v1/"

    def release(self, label: str, more: str = "", overlap: str = "false") -> str:
        """Deploy the app that answers ``label`` and what else is named; return how it ended."""
        file = self._source / "gavan.toml"
        text = STACK.format(label=label, overlap=overlap, **self._ports)
        if not self._images:
            file.write_text(text + MORE)
            stack = load(file, profile="prod-sim", environ={}).stack
            order = Order(stack=stack, revision=None, tags=("v0.0.0",), report=_silent)
            self._images = [
                Image(part=one.part, reference=one.references[0], id=one.id, digest="")
                for one in build_images(order)
            ]
            keys = fresh_keys()
            made = env_file.key_variables(keys, password_variables(passwords_by_role(keys)))
            values = {**dict(env_file.place_variables(stack)), **made}
            (self.root / ".env.prod-sim").write_text(env_file.render(values))
        file.write_text(text + more)
        loaded = load(file, profile="prod-sim", environ={})
        stack = loaded.stack
        live = {**read_json(self.root / "live.json"), "root": str(self.root)}
        project = Project(plan=Plan(stack=stack, source=loaded.source))
        wish = Wish(project=project, tag=f"v-{label}", commit="", images=self._images, live=live,
                    skip_outside="the engine is here")  # fmt: skip
        return self._carry_out(compile_plan(wish), files_of(wish))

    def back_to(self, label: str) -> str:
        """Go back to the release that answered ``label``."""
        (former,) = self.root.glob(f"releases/*-v-{label}")
        plan = again(read_json(former / "plan.json"), {"live": self.live()}, "rollback")
        return self._carry_out(plan, {name: (former / name).read_text() for name in FILES})

    def upgrade(self) -> None:
        """Have a runtime of another content, as every version of Gavan is one."""
        for number, one in enumerate(self._images):
            if one.part == "gavan":
                (self._source / "Dockerfile").write_text(f"FROM {one.reference}\nLABEL newer=1\n")
                newer = docker("build", "--quiet", str(self._source)).strip()
                self._images[number] = replace(one, id=newer)

    def _carry_out(self, plan: dict[str, Any], files: dict[str, str]) -> str:
        place = Place(self.root, str(plan["id"]))
        for name, body in {**files, "plan.json": json.dumps(plan)}.items():
            path = place.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body)
        return run(place, 0)

    def live(self) -> dict[str, Any]:
        return read_json(self.root / "live.json")

    def running(self, *parts: str) -> set[str]:
        """Return the services of these parts that have a container at work."""
        said = docker("ps", "--filter", "label=com.docker.compose.project=skiff-prod-sim",
                      "--format", '{{.Label "com.docker.compose.service"}}')  # fmt: skip
        return {name for name in said.split() if name.startswith(parts)}


def _silent(_step: str, _state: str, _detail: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def skiff(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Skiff]:
    folder = tmp_path_factory.mktemp("skiff")
    source, root = folder / "stack", folder / "server"
    (source / "api").mkdir(parents=True)
    (source / "api" / "requirements.txt").touch()
    (source / "api" / "main.py").write_text(PROGRAM)
    (source / "supabase" / "migrations").mkdir(parents=True)
    (root / "slots").mkdir(parents=True)
    yield Skiff(source, root)
    found = docker("ps", "-aq", "--filter", "label=com.docker.compose.project=skiff-prod-sim")
    if found.split():
        docker("rm", "-f", "-v", *found.split())
    for kind in ("volume", "network"):
        left = docker(kind, "ls", "-q", "--filter",
                      "label=com.docker.compose.project=skiff-prod-sim").split()  # fmt: skip
        if left:
            docker(kind, "rm", *left)


def test_a_part_is_replaced_where_it_stands_and_put_back_when_the_next_one_fails(
    skiff: Skiff,
) -> None:
    assert skiff.release("one") == OK
    assert skiff.running("api") == {"api-blue"}
    answers: list[tuple[int, str]] = []
    over = threading.Event()

    def ask() -> None:
        name = {"sni_hostname": "api.localhost"}
        host = {"Host": f"api.localhost:{skiff.url.split(':')[2].split('/')[0]}"}
        with httpx.Client(verify=False, timeout=60) as client:
            while not over.is_set():
                answer = client.get(skiff.url, headers=host, extensions=name)
                answers.append((answer.status_code, answer.text))
                time.sleep(0.02)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        assert skiff.release("two") == OK
        assert skiff.running("api") == {"api-blue"}
        # What ends at once is found out by its health, and the former one is put back.
        assert skiff.release("broken") == ROLLED_BACK
        assert skiff.running("api") == {"api-blue"}
        seen = len(answers)
        until = time.monotonic() + 60
        while len(answers) < seen + 3 and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        over.set()
        asking.join()
    texts = [text for status, text in answers if status == 200]
    assert texts[0] == "one"
    assert texts[-1] == "two"
    assert {text for text in texts} == {"one", "two"}


def test_what_the_stack_has_no_more_is_stopped_and_comes_back_with_its_release(
    skiff: Skiff,
) -> None:
    """Meanwhile Gavan becomes a newer one, and the database is left alone."""
    assert skiff.release("both", MORE, overlap="true") == OK
    assert skiff.running("bell", "pump") == {"bell-blue", "pump"}
    before = skiff.live()["release"]
    kept = docker("ps", "--filter", "name=skiff-prod-sim-postgres", "--no-trunc", "--quiet")
    skiff.upgrade()
    assert skiff.release("alone", overlap="true") == OK
    assert skiff.running("core") == {"core-green"}
    assert skiff.running("bell", "pump") == set()
    assert not (skiff.root / "slots" / "bell").exists()
    assert not docker("ps", "--all", "--quiet", "--filter", "name=skiff-prod-sim-(bell|pump)")
    assert skiff.back_to("both") == OK
    assert skiff.live()["release"] > before
    assert skiff.running("bell", "pump") == {"bell-blue", "pump"}
    assert docker("ps", "--filter", "name=skiff-prod-sim-postgres", "--no-trunc", "--quiet") == kept
