"""`gavan users` and `gavan inbox` against a running core, by the real command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from gavan.core.auth.config.mail import MailConfig
from gavan.core.auth.mail.inbox.store import Inbox
from gavan.core.auth.mail.letter import Letter, compose
from gavan.core.auth.mail.templates import Rendered
from gavan.secrets.keys import load_or_create_keys
from gavan.stack.load import load_stack
from tests.conftest import Database
from tests.live import running_core
from tests.ports import free_port

EMAIL = "ann@example.com"


@dataclass(slots=True)
class Terminal:
    """Verbs run in the folder of a stack whose core listens."""

    folder: Path
    url: str

    def run(self, *argv: str, stdin: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "gavan", *argv],
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def json(self, *argv: str, stdin: str = "", code: int = 0) -> dict[str, Any]:
        done = self.run(*argv, "--json", stdin=stdin, code=code)
        return dict(json.loads(done.stdout))

    def signs_in(self, email: str, password: str) -> bool:
        request = Request(
            f"{self.url}/auth/v1/token?grant_type=password",
            data=json.dumps({"email": email, "password": password}).encode(),
            headers={"content-type": "application/json"},
        )
        try:
            with urlopen(request, timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@pytest.fixture
def terminal(database: Database, tmp_path: Path) -> Iterator[Terminal]:
    port = free_port()
    (tmp_path / "gavan.toml").write_text(f'[stack]\nname = "test"\n[core]\nport = {port}\n')
    stack = load_stack(tmp_path / "gavan.toml")
    options = {
        "SUPABASE_SECRET_KEY": load_or_create_keys(stack).secret_key.reveal(),
        "GAVAN_INBOX_DIR": str(stack.state_dir / "inbox"),
    }
    with running_core(database, tmp_path / "core.log", options, port) as live:
        yield Terminal(tmp_path, live.url)


def test_a_user_lives_from_create_to_delete(terminal: Terminal) -> None:
    assert terminal.run("users", "list").stdout.strip() == "no users"
    made = terminal.json(
        "users", "create", EMAIL, "--password-stdin", "--data", "full_name=Ann A.",
        stdin="correct horse\n",
    )["data"]  # fmt: skip
    assert made["user_metadata"]["full_name"] == "Ann A."
    assert terminal.signs_in(EMAIL, "correct horse")

    listed = terminal.json("users", "list", "--filter", "ann@")["data"]
    assert (listed["total"], listed["users"][0]["id"]) == (1, made["id"])
    assert EMAIL in terminal.run("users", "list").stdout

    terminal.run("users", "reset-password", EMAIL, "--password-stdin", stdin="battery staple")
    assert terminal.signs_in(EMAIL, "battery staple")
    assert not terminal.signs_in(EMAIL, "correct horse")

    asked = terminal.run("users", "delete", EMAIL, code=6)
    assert "GV004" in asked.stderr
    assert terminal.run("users", "delete", EMAIL, "--yes").stdout.strip() == f"deleted {EMAIL}"
    gone = terminal.json("users", "delete", made["id"], "--yes", code=1)["error"]
    assert (gone["code"], gone["message"]) == ("GV241", "User not found")


def test_an_invitation_and_a_reset_reach_the_inbox(terminal: Terminal) -> None:
    invited = terminal.json("users", "invite", EMAIL, "--data", "full_name=Ann")["data"]
    assert invited["invited_at"]
    mail = terminal.json("inbox", "wait", "--to", EMAIL, "--kind", "invite")["data"]
    assert mail["link"].startswith(f"{terminal.url}/auth/v1/verify?")
    link = terminal.run("users", "reset-password", EMAIL, "--link").stdout.strip()
    assert "type=recovery" in link
    terminal.run("users", "create", "bea@example.com", "--no-password")
    terminal.run("users", "reset-password", "bea@example.com")
    mail = terminal.json("inbox", "show", "--to", "bea@example.com")["data"]
    assert (mail["kind"], "type=recovery" in mail["link"]) == ("recovery", True)


def test_a_user_by_phone_is_found_by_phone(terminal: Terminal) -> None:
    made = terminal.json("users", "create", "--phone", "41791234567", "--no-password")["data"]
    assert made["phone_confirmed_at"]
    assert "no address" in terminal.run("users", "reset-password", "+41791234567", code=2).stderr
    soft = terminal.json("users", "delete", "+41791234567", "--soft", "--yes")["data"]
    assert soft == {"id": made["id"], "soft": True}


def test_what_is_refused_is_told_in_the_words_of_the_service(terminal: Terminal) -> None:
    terminal.run("users", "create", EMAIL, "--no-password", "--unconfirmed")
    twice = terminal.json("users", "create", EMAIL, "--no-password", code=1)["error"]
    assert twice["code"] == "GV241"
    assert "already been registered" in twice["message"]
    nobody = terminal.json("users", "delete", "bea@example.com", "--yes", code=1)["error"]
    assert nobody["code"] == "GV242"


def test_a_password_stands_in_no_argument(terminal: Terminal) -> None:
    """Whoever lists processes would read it; a pipe without a word is told how."""
    refused = terminal.run("users", "create", EMAIL, code=2)
    assert "--password-stdin" in refused.stderr
    terminal.run("users", "create", EMAIL, "--password", "x", code=2)
    assert terminal.run("users", "create", code=2).stderr.count("gavan users create")


def test_a_stack_that_is_down_is_told_how_to_start(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "gavan.toml").write_text(f'[stack]\nname = "test"\n[core]\nport = {port}\n')
    terminal = Terminal(tmp_path, "")
    for argv in (("users", "list"), ("inbox", "list")):
        error = terminal.json(*argv, code=3)["error"]
        assert error["code"] == "GV240"
        assert "gavan up" in error["mend"]


async def test_caught_mail_is_listed_shown_waited_for_and_cleared(terminal: Terminal) -> None:
    inbox = Inbox(terminal.folder / ".gavan" / "inbox")
    assert terminal.run("inbox", "list").stdout.strip() == "no mail"
    terminal.run("inbox", "wait", "--seconds", "0", code=124)
    rendered = Rendered(subject="Your sign-in link", html="<p>x</p>", text="Come in\n")
    message = compose(MailConfig(), EMAIL, "magic_link", rendered)
    link = f"{terminal.url}/auth/v1/verify?token=ab"
    await inbox.send(
        Letter(message=message, to=EMAIL, sender="a@b.ch", kind="magic_link", code="1", link=link)
    )
    assert "Your sign-in link" in terminal.run("inbox", "list").stdout
    shown = terminal.run("inbox", "show", "--to", EMAIL).stdout
    assert "Come in" in shown
    assert link in shown
    waited = terminal.json("inbox", "wait", "--to", EMAIL)["data"]
    assert (waited["code"], waited["link"]) == ("1", link)
    assert terminal.json("inbox", "show", waited["id"])["data"] == waited
    assert terminal.json("inbox", "show", "--to", "bea@example.com", code=1)["error"]["code"] == (
        "GV244"
    )
    assert terminal.json("inbox", "open")["data"]["url"] == f"{terminal.url}/_gavan/inbox"
    terminal.run("inbox", "clear", code=6)
    assert terminal.json("inbox", "clear", "--yes")["data"] == {"deleted": 1}
