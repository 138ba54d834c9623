"""[notify]: what each service is sent, what is told twice, what is never shown."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Sequence
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, cast

import pytest

from gavan.kit.event import EventName
from gavan.notify import tell as telling
from gavan.notify.event import Event
from gavan.notify.tell import tell, try_out
from gavan.stack.load import load
from gavan.stack.model import Stack
from tests.local_http import Heard, LocalServer, Reply, local_server
from tests.local_mail import smtp_server
from tests.ports import free_port

NOON = 1_800_000_000.0 - 1_800_000_000 % 86_400 + 43_200
HOUR = 3600.0
FAILED = Event(name=EventName.BACKUP_FAILED, title="crm: backup failed", text="disk < 1 & full",
               about="logical")  # fmt: skip
DONE = Event(name=EventName.BACKUP_DONE, title="crm: backup made again", about="logical")


@pytest.fixture
def stack_of(tmp_path: Path) -> Callable[..., Stack]:
    """Return a stack with one channel "team" whose target comes from the environment."""

    def make(kind: str, target: str, more: str = "") -> Stack:
        file = tmp_path / "gavan.toml"
        file.write_text(
            f'[stack]\nname = "crm"\n[notify.team]\ntype = "{kind}"\n'
            f'target = "secret://TEAM_TARGET"\n{more}\n'
        )
        loaded = load(file, environ={"TEAM_TARGET": target, "API_SECRET": "hush-hush"})
        assert not loaded.errors, loaded.errors
        return loaded.stack

    return make


def taken(_: Heard) -> Reply:
    return Reply(status=200, body=b"ok")


def refusing(statuses: Sequence[int]) -> Callable[[Heard], Reply]:
    left = list(statuses)
    return lambda _: Reply(status=left.pop(0) if len(left) > 1 else left[0])


def body_of(server: LocalServer) -> Any:
    return json.loads(server.heard[-1].body)


@pytest.mark.parametrize(
    ("kind", "path", "heard_at", "body"),
    [
        ("slack", "/services/T/B/x", "/services/T/B/x",
         {"text": "crm: backup failed\ndisk &lt; 1 &amp; full"}),
        ("discord", "/api/webhooks/1/x", "/api/webhooks/1/x",
         {"content": "crm: backup failed\ndisk < 1 & full", "allowed_mentions": {"parse": []}}),
        ("telegram", "/bot12:tok/sendMessage?chat_id=-7", "/bot12:tok/sendMessage",
         {"chat_id": "-7", "text": "crm: backup failed\ndisk < 1 & full"}),
        ("ntfy", "/crm-alerts", "/",
         {"topic": "crm-alerts", "title": "crm: backup failed", "message": "disk < 1 & full",
          "priority": 4, "tags": ["warning"]}),
        ("webhook", "/in?k=1", "/in?k=1",
         {"event": "backup.failed", "stack": "crm", "profile": "dev",
          "title": "crm: backup failed", "text": "disk < 1 & full", "about": "logical",
          "at": "2027-01-15T12:00:00+00:00", "data": {}}),
    ],
)  # fmt: skip
def test_each_service_is_sent_its_own_form(
    stack_of: Callable[..., Stack], kind: str, path: str, heard_at: str, body: dict[str, Any]
) -> None:
    with local_server(taken) as server:
        told = tell(stack_of(kind, server.url + path), FAILED, now=NOON)
    assert [one.why for one in told] == [""]
    assert [(heard.method, heard.path) for heard in server.heard] == [("POST", heard_at)]
    assert server.heard[0].headers["content-type"] == "application/json"
    assert body_of(server) == body


def test_a_mail_reaches_everybody_it_names(stack_of: Callable[..., Stack]) -> None:
    with smtp_server(logins=True) as mailbox:
        target = (
            f"smtp://ops%40example.com:right@127.0.0.1:{mailbox.port}"
            "?from=crm@example.com&to=a@example.com&to=b@example.com"
        )
        told = tell(stack_of("email", target), FAILED, now=NOON)
    assert [one.why for one in told] == [""]
    assert mailbox.logins == ["ops@example.com:right"]
    envelope = mailbox.taken[0]
    assert (envelope.mail_from, envelope.rcpt_tos) == (
        "crm@example.com", ["a@example.com", "b@example.com"],
    )  # fmt: skip
    read = message_from_bytes(cast(bytes, envelope.content), policy=policy.default)
    assert read["Subject"] == "crm: backup failed"
    assert read.get_content().strip().endswith("disk < 1 & full")


def test_a_login_and_a_token_of_the_target_become_headers(stack_of: Callable[..., Stack]) -> None:
    with local_server(taken) as server:
        host = server.url.removeprefix("http://")
        tell(stack_of("ntfy", f"http://ann:p%40ss@{host}/t"), FAILED, now=NOON)
        tell(stack_of("ntfy", f"http://:tk_9@{host}/t"), FAILED, now=NOON + 30 * HOUR)
    basic = base64.b64encode(b"ann:p@ss").decode()
    said = [heard.headers["authorization"] for heard in server.heard]
    assert said == [f"Basic {basic}", "Bearer tk_9"]


def test_the_same_is_told_once_in_twenty_hours_and_every_day(
    stack_of: Callable[..., Stack],
) -> None:
    with local_server(taken) as server:
        stack = stack_of("slack", f"{server.url}/s")
        for hours in (0.0, 1.0, 19.0, 24.0, 48.0):
            tell(stack, FAILED, now=NOON + hours * HOUR)
        tell(stack, Event(name=FAILED.name, title="crm", about="base"), now=NOON + 48 * HOUR)
    assert len(server.heard) == 4


def test_the_end_of_something_bad_is_told_though_good_news_are_not_wanted(
    stack_of: Callable[..., Stack],
) -> None:
    with local_server(taken) as server:
        stack = stack_of("slack", f"{server.url}/s")
        for hours, event in enumerate((DONE, FAILED, DONE, DONE)):
            tell(stack, event, now=NOON + hours * HOUR)
    assert [json.loads(heard.body)["text"].splitlines()[0] for heard in server.heard] == [
        "crm: backup failed", "crm: backup made again",
    ]  # fmt: skip


def test_only_what_a_channel_wants_is_told(stack_of: Callable[..., Stack]) -> None:
    with local_server(taken) as server:
        stack = stack_of("slack", f"{server.url}/s", 'events = ["deploy.*", "drill.failed"]')
        assert tell(stack, FAILED, now=NOON) == []
        drill = Event(name=EventName.DRILL_FAILED, title="crm: drill failed")
        deploy = Event(name=EventName.DEPLOY_RELEASED, title="crm: sha-1 serves", about="r1")
        for event in (drill, deploy):
            assert [one.why for one in tell(stack, event, now=NOON)] == [""]
    assert len(server.heard) == 2


@pytest.mark.parametrize(("hours", "told"), [("11:00-13:00", 1), ("22:00-06:00", 2),
                                             ("12:01-12:00", 2), ("13:00-12:30", 1)])  # fmt: skip
def test_in_quiet_hours_only_what_is_bad_is_told(
    stack_of: Callable[..., Stack], hours: str, told: int
) -> None:
    with local_server(taken) as server:
        stack = stack_of("slack", f"{server.url}/s", f'quiet_hours = "{hours}"')
        tell(stack, FAILED, now=NOON)
        tell(stack, DONE, now=NOON)
    assert len(server.heard) == told


def test_a_busy_service_is_asked_again_and_a_refusing_one_is_not(
    stack_of: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "PAUSE_S", 0.01)
    with local_server(refusing([503, 429, 200])) as busy:
        told = tell(stack_of("slack", f"{busy.url}/s"), FAILED, now=NOON)
    assert ([one.why for one in told], len(busy.heard)) == ([""], 3)
    with local_server(refusing([404])) as gone:
        told = tell(stack_of("slack", f"{gone.url}/s"), FAILED, now=NOON + 30 * HOUR)
    assert ([one.why for one in told], len(gone.heard)) == (["it answered 404"], 1)


def test_what_did_not_arrive_is_told_the_next_time(
    stack_of: Callable[..., Stack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "PAUSE_S", 0.01)
    with local_server(refusing([500, 500, 500, 200])) as server:
        stack = stack_of("slack", f"{server.url}/s")
        first = tell(stack, FAILED, now=NOON)
        second = tell(stack, FAILED, now=NOON + 1)
    assert [one.why for one in (*first, *second)] == ["it answered 500", ""]


def test_no_secret_leaves_in_a_message_or_in_the_log(
    stack_of: Callable[..., Stack],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telling, "PAUSE_S", 0.01)
    caplog.set_level(logging.DEBUG)
    event = Event(name=EventName.BACKUP_FAILED, title="crm hush-hush",
                  text="postgresql://postgres:geheim@db/x said no to hush-hush")  # fmt: skip
    with local_server(taken) as server:
        stack = stack_of("webhook", f"{server.url}/hook-token-77")
        tell(stack, event, now=NOON)
    sent = server.heard[0].body.decode()
    assert "hush-hush" not in sent
    assert "geheim" not in sent
    told = tell(stack_of("slack", f"http://127.0.0.1:{free_port()}/hook-token-77"), event)
    assert told[0].why == "it cannot be reached"
    assert "hook-token-77" not in caplog.text + repr(told) + repr(stack)


def test_a_channel_is_tried_out_whatever_it_wants(stack_of: Callable[..., Stack]) -> None:
    with local_server(taken) as server:
        stack = stack_of("slack", f"{server.url}/s", 'events = ["drill.failed"]')
        assert [one.why for one in try_out(stack, stack.notify)] == [""]
        assert [one.why for one in try_out(stack, stack.notify)] == [""]
    assert len(server.heard) == 2


def test_a_state_folder_that_cannot_be_written_does_not_keep_news_back(
    stack_of: Callable[..., Stack],
) -> None:
    with local_server(taken) as server:
        stack = stack_of("slack", f"{server.url}/s")
        stack.state_dir.write_text("a file where the folder would be")
        for _ in range(2):
            assert [one.why for one in tell(stack, FAILED, now=NOON)] == [""]
    assert len(server.heard) == 2
