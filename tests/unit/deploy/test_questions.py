"""What a release is asked, and how the answers are judged from the server and from outside."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gavan.deploy import certificate, outside, questions
from gavan.deploy.onhost import asking, smoke
from gavan.deploy.onhost.failure import Failure
from gavan.deploy.onhost.files import Place
from gavan.deploy.onhost.smoke import Way
from gavan.deploy.onhost.state import State
from gavan.deploy.ssh import Ssh
from gavan.kit.errors import GavanError
from gavan.stack.load import load
from gavan.stack.model import DeployHost, Smoke, Stack
from tests.local_certificate import certificate_for
from tests.ports import free_port

HOST = DeployHost(name="web", address="127.0.0.1", user="deploy", port=22, path="/opt/x",
                  host_key="", jump="")  # fmt: skip
FILE = """\
[stack]
name = "pier"
[profiles.prod]
domain = "pier.example"
[apps.api]
dir = "."
command = "x"
port = 8000
health = { path = "/v1/ready" }
routes = [{ host = "api", path = "/v1" }]
[apps.bare]
dir = "."
command = "x"
port = 8001
health = { path = "/ready" }
routes = [{ host = "api", path = "/bare", strip = true }]
[sites.web]
dir = "."
[[deploy.smoke]]
name = "cdn"
url = "https://cdn.example.net/logo.svg?v=1"
status = 200
contains = "<svg"
[[deploy.smoke]]
name = "mqtt"
tcp = "mqtt.pier.example:8883"
[[deploy.smoke]]
name = "boards"
sql = "select count(*) > 0 from board"
[[deploy.smoke]]
name = "script"
exec = "make smoke"
"""
Pages = dict[str, tuple[int, str]]


def stack_of(folder: Path, text: str = FILE) -> Stack:
    file = folder / "gavan.toml"
    file.write_text(text)
    loaded = load(file, profile="prod", environ={})
    assert not loaded.errors, loaded.errors
    return loaded.stack


@contextmanager
def web(pages: Pages, certificate: Path | None = None) -> Iterator[int]:
    """Serve pages by their paths on a free port; by TLS when there is a certificate."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = pages.get(self.path, (404, "no such page"))
            self.send_response(status)
            self.send_header("content-length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def question(port: int, **more: Any) -> dict[str, Any]:
    return {"name": "web", "kind": "http", "host": "localhost", "path": "/", "tls": False,
            "port": port, "least": 200, "most": 399, **more}  # fmt: skip


def why(asked: dict[str, Any], way: Way = asking.HERE) -> str:
    """Return what is wrong with the answer, empty when nothing is."""
    try:
        smoke.check(asked, 0.0, way)
    except Failure as failure:
        return failure.details
    return ""


def test_a_stack_is_asked_for_its_health_its_pages_and_what_it_wishes(tmp_path: Path) -> None:
    stack = stack_of(tmp_path)
    asked = {one["name"]: one for one in questions.on_the_way(stack)}
    said = {name: smoke.shown(one) for name, one in asked.items()}
    assert said == {
        "core": "api.pier.example/auth/v1/health",
        "realtime": "api.pier.example/realtime/v1/websocket?vsn=1.0.0",
        "web": "app.pier.example/",
        "web-deep": "app.pier.example/gavan-smoke/deep",
        "api": "api.pier.example/v1/ready",
        "bare": "api.pier.example/bare/ready",
        "cdn": "cdn.example.net/logo.svg?v=1",
        "mqtt": "mqtt.pier.example:8883",
    }
    assert (asked["cdn"]["foreign"], asked["mqtt"]["foreign"]) == (True, False)
    inside = questions.inside(stack)
    assert [one["name"] for one in inside["sql"]] == ["database", "boards"]
    assert inside["storage"] is True
    assert [one.command for one in questions.commands(stack)] == ["make smoke"]


@pytest.mark.parametrize("ways", ["", 'url = "https://x.example/"\ntcp = "x.example:1"\n',
                                  'url = "no address"\n'])  # fmt: skip
def test_a_question_has_one_way(tmp_path: Path, ways: str) -> None:
    file = tmp_path / "gavan.toml"
    file.write_text(f'[stack]\nname = "x"\n[[deploy.smoke]]\nname = "q"\n{ways}')
    assert [finding.code for finding in load(file, environ={}).findings] == ["GV168"]


def test_an_answer_is_judged_by_status_words_page_and_first_file() -> None:
    page = '<html><script type="module" src="/assets/a.js"></script></html>'
    with web({"/": (200, page), "/bad": (500, "oh"), "/text": (200, "plain")}) as port:
        assert "its file /assets/a.js answers 404" in why(question(port, page=True))
        assert "status 500" in why(question(port, path="/bad"))
        assert "without 'fine'" in why(question(port, path="/text", contains="fine"))
        assert "no page" in why(question(port, path="/text", page=True))
    with web({"/": (200, page), "/assets/a.js": (200, "1")}) as port:
        assert why(question(port, page=True)) == ""
        assert why({"name": "x", "kind": "tcp", "host": "x.invalid", "port": port}) == ""
    assert "Refused" in why({"name": "x", "kind": "tcp", "host": "x", "port": free_port()})


def test_the_certificate_and_the_name_count_from_outside_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = certificate_for("localhost", tmp_path / "own.pem")
    other = certificate_for("elsewhere.example", tmp_path / "other.pem")
    by_dns = Way("", True)
    with web({"/": (200, "ok")}, file) as port:
        asked = question(port, tls=True)
        assert why(asked) == ""
        assert "CERTIFICATE_VERIFY_FAILED" in why(asked, by_dns)
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        assert why(asked, by_dns) == ""
        assert "gaierror" in why({**asked, "host": "no-such-name.invalid"}, by_dns)
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    with web({"/": (200, "ok")}, other) as port:
        assert "Hostname mismatch" in why(question(port, tls=True), by_dns)


@pytest.mark.parametrize(
    ("since_days", "left_days", "said"),
    [(76, 13.7, "ends in 14 days"), (70, 20, ""), (89, 0.4, "ends in 10 hours"), (4, 2, ""),
     (5, 1, "ends in 24 hours"), (0.2, 0.3, ""), (80, 5, "ends in 5 days")],
)  # fmt: skip
def test_a_certificate_that_should_have_been_renewed_is_a_remark_and_no_failure(
    tmp_path: Path, since_days: float, left_days: float, said: str
) -> None:
    since, left = timedelta(days=since_days), timedelta(days=left_days)
    file = certificate_for("localhost", tmp_path / "own.pem", since, left)
    way = Way("", True, file.read_text())
    with web({"/": (200, "ok")}, file) as port:
        asked = [question(port, tls=True), question(port, tls=True, path="/again"),
                 question(port, tls=True, host="far.example", foreign=True)]  # fmt: skip
        assert why(asked[0], way) == ""
        found = list(certificate.remarks({"outside": asked}, way))
        assert list(certificate.remarks({"outside": asked}, asking.HERE)) == []
    assert [(one["name"], one["ok"]) for one in found] == (
        [("certificate of localhost", None)] if said else []
    )
    assert all(said in one["why"] for one in found)


def test_a_remark_is_told_and_logged_and_takes_nothing_back(place: Place) -> None:
    answers: list[dict[str, Any]] = [
        {"name": "core", "ok": True, "ms": 3},
        {"name": "certificate of x", "ok": None, "ms": 0, "why": "ends in 3 days"},
    ]
    found: list[dict[str, Any]] = []
    client = threading.Thread(target=said_by(place, answers))
    client.start()
    asking._outside(_Work(place, {"outside": [{}]}), found)  # type: ignore[arg-type]
    client.join()
    assert [one["ok"] for one in found] == [True, None]
    told = [json.loads(line) for line in place.events_file.read_text().splitlines()]
    assert ("warn", "ends in 3 days") in [(one["state"], one["detail"]) for one in told]


def test_a_command_of_ones_own_is_content_or_not(tmp_path: Path) -> None:
    def one(command: str, contains: str = "") -> Smoke:
        return Smoke(name="script", url=None, tcp=None, sql=None, command=command, status=0,
                     contains=contains, within_s=0.0)  # fmt: skip

    assert outside.run(one("echo '$HOME fine'", "$HOME fine"), tmp_path) >= 0
    for command, words in (("false", ""), ("echo well", "fine"), ("no-such-program", "")):
        with pytest.raises(Failure):
            outside.run(one(command, words), tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path, "r1")
    found.folder.mkdir(parents=True)
    return found


class _Work:
    """The part of a release at work that the question from outside needs."""

    def __init__(self, place: Place, plan: dict[str, Any]) -> None:
        self.place, self.plan, self.state = place, plan, State(place)


def said_by(place: Place, answers: list[dict[str, Any]]) -> Callable[[], None]:
    """Return a client that takes the question on and answers as soon as it is asked."""

    def run() -> None:
        while not asking.hear(place, "{}"):
            pass
        assert asking.hear(place, json.dumps({"asked": answers}))

    return run


def test_the_verdict_from_outside_is_the_servers_to_carry_out(place: Place) -> None:
    for ok in (True, False):
        found: list[dict[str, Any]] = []
        answers: list[dict[str, Any]] = [
            {"name": "core", "ok": True, "ms": 3},
            {"name": "web", "ok": ok, "ms": 4},
        ]
        client = threading.Thread(target=said_by(place, answers))
        client.start()
        try:
            asking._outside(_Work(place, {"outside": [{}]}), found)  # type: ignore[arg-type]
            assert ok
        except Failure as failure:
            assert (ok, failure.code) == (False, "GV575")
            assert failure.message.endswith(": web")
        finally:
            client.join()
        assert [(one["from"], one["ok"]) for one in found] == [("outside", True), ("outside", ok)]
        State(place).put(asking=False)
    assert asking.hear(place, "{}") is False, "nobody waits any more"


@pytest.mark.parametrize("takes_it_on", [False, True])
def test_without_a_verdict_the_servers_own_answers_count_and_the_log_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch, takes_it_on: bool
) -> None:
    monkeypatch.setattr(asking, "CLAIM_S", 0.3)
    monkeypatch.setattr(asking, "VERDICT_S", 0.6)
    found: list[dict[str, Any]] = []

    def leave() -> None:
        while takes_it_on and not asking.hear(place, "{}"):
            pass

    client = threading.Thread(target=leave)
    client.start()
    asking._outside(_Work(place, {"outside": [{}]}), found)  # type: ignore[arg-type]
    client.join()
    assert [one["ok"] for one in found] == [None]
    assert "own answers count" in found[0]["why"]
    assert "own answers count" in place.events_file.read_text()


def test_a_first_release_waits_for_names_that_lead_to_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"api.pier.example": "192.0.2.9", "app.pier.example": "127.0.0.1"}

    def look_up(name: str, *_: Any, **__: Any) -> list[Any]:
        if name not in known and name != "127.0.0.1":
            raise OSError("no such name")
        return [(0, 0, 0, "", (known.get(name, name), 443))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    stack = stack_of(tmp_path)
    ssh = Ssh(host=HOST, state_dir=tmp_path)
    with pytest.raises(GavanError) as caught:
        outside.check_names(stack, ssh, questions.on_the_way(stack))
    assert caught.value.code == "GV576"
    assert "api.pier.example: 192.0.2.9" in str(caught.value.details)
    assert "app.pier.example" not in str(caught.value.details)
    known |= dict.fromkeys(("api.pier.example", "mqtt.pier.example"), "127.0.0.1")
    outside.check_names(stack, ssh, questions.on_the_way(stack))
