"""Mailer and Texter inside a transaction of the service: what leaves, what is refused, what hooks
are told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio

from gavan.core.auth import asked
from gavan.core.auth.config.auth import AuthConfig, read_config
from gavan.core.auth.errors import AuthError
from gavan.core.auth.mail.inbox.store import Caught, Inbox, Wanted
from gavan.core.auth.mail.message import Mail
from gavan.core.auth.model import Row
from gavan.core.auth.outlets import Outlets, open_outlets
from gavan.core.auth.sms.texter import Sms
from gavan.core.auth.store import Store
from gavan.kit.secret import Secret
from tests.conftest import Database
from tests.integration.core.conftest import CoreFactory
from tests.local_http import LocalServer, Reply, local_server
from tests.local_mail import smtp_server

EMAIL = "ann@example.com"
API = "http://127.0.0.1:54321/auth/v1"


class Post:
    """The outlets of one stack, a user and the inbox."""

    def __init__(self, store: Store, user: Row, inbox: Path, config: AuthConfig) -> None:
        self.store = store
        self.user = user
        self.inbox = Inbox(inbox)
        self.config = config
        self.outlets: Outlets = open_outlets(config, store)

    def mail(self, kind: str = "magic_link", **changes: Any) -> Mail:
        values = {
            "kind": kind,
            "to": EMAIL,
            "user": self.user,
            "link_type": "magiclink",
            "token": "123456",
            "token_hash": "ab",
            "redirect_to": "http://localhost:5173",
        }
        return Mail(**(values | changes))

    async def send(self, *mails: Mail) -> None:
        async with self.store.transaction() as connection:
            await self.outlets.mailer.send(connection, *mails)

    async def text(self, sms: Sms) -> str:
        async with self.store.transaction() as connection:
            return await self.outlets.texter.send(connection, sms)

    async def caught(self) -> list[Caught]:
        return await self.inbox.find(Wanted())

    def sms(self, **changes: Any) -> Sms:
        values = {"phone": "4152127777", "otp": "123456", "user": self.user}
        return Sms(**(values | changes))


@pytest_asyncio.fixture
async def post(database: Database, core_factory: CoreFactory, tmp_path: Path) -> AsyncIterator[Any]:
    """Return a function that gives the outlets of a stack told by variables."""
    client: httpx.AsyncClient = await core_factory("auth")
    body = {"email": EMAIL, "password": "correct horse", "data": {"name": "Ann <b>"}}
    assert (await client.post("/auth/v1/signup", json=body)).status_code == 200
    store = Store(Secret(database.url("supabase_auth_admin")))
    await store.open()
    async with store.transaction() as connection:
        found = await connection.execute("select * from auth.users where email = %s", [EMAIL])
        user = await found.fetchone()
    assert user is not None
    opened: list[Post] = []

    def make(*, catches: bool = True, **variables: str) -> Post:
        environ = {f"GOTRUE_{name}": value for name, value in variables.items()}
        environ["GAVAN_INBOX_DIR"] = str(tmp_path / "inbox") if catches else ""
        made = Post(store, user, tmp_path / "inbox", read_config(database.settings(), environ))
        opened.append(made)
        return made

    yield make
    for made in opened:
        await made.outlets.close()
    await store.close()


async def test_a_mail_is_caught_with_its_link_and_code(post: Any) -> None:
    stack = post()
    await stack.send(stack.mail())
    (mail,) = await stack.caught()
    assert (mail.to, mail.kind, mail.code) == (EMAIL, "magic_link", "123456")
    assert mail.link == f"{API}/verify?token=ab&type=magiclink&redirect_to=http://localhost:5173"
    assert mail.link.replace("&", "&amp;") in mail.html
    assert mail.link in mail.text
    assert "123456" in mail.text


async def test_what_a_user_calls_themselves_is_text_in_a_template(
    post: Any, tmp_path: Path
) -> None:
    (tmp_path / "mine.html").write_text("<p>Hi {{ .Data.name }}</p>")
    stack = post(MAILER_TEMPLATES_MAGIC_LINK=str(tmp_path / "mine.html"))
    await stack.send(stack.mail())
    (mail,) = await stack.caught()
    assert mail.html.strip() == "<p>Hi Ann &lt;b&gt;</p>"


async def test_a_link_carries_the_host_it_was_asked_under(post: Any) -> None:
    stack = post()
    asked.begin(asked.Asked(external_url="https://auth.example.com/auth/v1"))
    await stack.send(stack.mail())
    asked.begin(asked.Asked())
    (mail,) = await stack.caught()
    assert mail.link.startswith("https://auth.example.com/auth/v1/verify?")


async def test_no_log_line_holds_a_code_a_link_or_an_address(
    post: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Token in logs: whoever reads them could sign in as anybody."""
    caplog.set_level("DEBUG")
    stack = post()
    await stack.send(stack.mail(token="482913", token_hash="secret-hash"))
    broken = post(catches=False)
    with pytest.raises(AuthError):
        await broken.send(broken.mail(token="482913", token_hash="secret-hash"))
    said = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert "mail.sent" in said
    for hidden in ("482913", "secret-hash", EMAIL, "verify?"):
        assert hidden not in said


async def test_a_notice_is_sent_only_when_it_is_wanted(post: Any) -> None:
    await post().send(post().mail("password_changed", link_type="", token_hash=""))
    stack = post(MAILER_NOTIFICATIONS_PASSWORD_CHANGED_ENABLED="true")
    assert await stack.caught() == []
    await stack.send(stack.mail("password_changed", link_type="", token="", token_hash=""))
    (mail,) = await stack.caught()
    assert (mail.subject, mail.link) == ("Your password was changed", "")


async def test_an_smtp_server_in_development_gets_nothing(post: Any) -> None:
    """Never sent to the world from a dev profile."""
    with local_server(lambda _heard: Reply()) as server:
        host, port = server.url.removeprefix("http://").split(":")
        stack = post(SMTP_HOST=host, SMTP_PORT=port)
        await stack.send(stack.mail())
        assert server.heard == []
    assert len(await stack.caught()) == 1


async def test_a_stack_that_holds_real_data_sends_by_smtp(post: Any) -> None:
    with smtp_server() as mailbox:
        stack = post(
            catches=False,
            SMTP_HOST="127.0.0.1",
            SMTP_PORT=str(mailbox.port),
            SMTP_ADMIN_EMAIL="us@example.com",
            SMTP_HEADERS='{"X-Kind": ["$messageType"]}',
        )
        await stack.send(stack.mail())
    (envelope,) = mailbox.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("us@example.com", [EMAIL])
    assert isinstance(envelope.content, bytes)
    assert b"X-Kind: magic_link" in envelope.content
    assert b"X-Gavan" not in envelope.content
    assert await stack.caught() == []


async def test_a_stack_without_a_way_to_send_says_so(post: Any) -> None:
    stack = post(catches=False)
    with pytest.raises(AuthError) as caught:
        await stack.send(stack.mail("recovery", link_type="recovery"))
    assert (caught.value.status, caught.value.message) == (500, "Error sending recovery email")


async def test_a_whole_server_sends_only_so_many_mails(post: Any) -> None:
    stack = post(RATE_LIMIT_EMAIL_SENT="2/1h", MAILER_AUTOCONFIRM="false")
    await stack.send(stack.mail())
    await stack.send(stack.mail())
    with pytest.raises(AuthError) as caught:
        await stack.send(stack.mail())
    error = caught.value
    assert (error.status, error.code) == (429, "over_email_send_rate_limit")
    assert error.message == "email rate limit exceeded"
    assert error.retry_after_s
    assert len(await stack.caught()) == 2


async def test_a_rate_of_zero_sends_nothing_even_where_nothing_is_counted(post: Any) -> None:
    stack = post(RATE_LIMIT_EMAIL_SENT="0", MAILER_AUTOCONFIRM="true")
    with pytest.raises(AuthError, match="email rate limit exceeded"):
        await stack.send(stack.mail())


async def test_only_listed_addresses_are_written_to(post: Any) -> None:
    stack = post(EXTERNAL_EMAIL_AUTHORIZED_ADDRESSES="Ann@example.com")
    await stack.send(stack.mail(to="ann+label@example.com"))
    with pytest.raises(AuthError) as caught:
        await stack.send(stack.mail(to="bea@example.com"))
    assert (caught.value.status, caught.value.code) == (400, "email_address_not_authorized")


async def test_who_asks_for_a_stranger_waits_as_long(post: Any) -> None:
    """Timing: the pretended mail takes as long as the last real one."""
    stack = post()
    await stack.send(stack.mail())
    assert stack.outlets.mailer._last_s > 0
    await stack.outlets.mailer.pretend()


def hooked(server: LocalServer, name: str) -> dict[str, str]:
    return {f"HOOK_{name}_ENABLED": "true", f"HOOK_{name}_URI": f"{server.url}/"}


async def test_the_hook_is_told_instead_and_no_mail_is_made(post: Any) -> None:
    with local_server(lambda _heard: Reply(status=204)) as server:
        stack = post(**hooked(server, "SEND_EMAIL"))
        await stack.send(stack.mail("confirmation", link_type="signup"))
    told = orjson.loads(server.heard[0].body)
    assert told["user"]["email"] == EMAIL
    assert told["user"]["identities"][0]["provider"] == "email"
    assert told["email_data"] == {
        "token": "123456",
        "token_hash": "ab",
        "redirect_to": "http://localhost:5173",
        "email_action_type": "signup",
        "site_url": API,
        "token_new": "",
        "token_hash_new": "",
        "old_email": "",
        "old_phone": "",
        "provider": "",
        "factor_type": "",
    }
    assert await stack.caught() == []


async def test_the_two_halves_of_a_change_are_one_call_with_crossed_fields(post: Any) -> None:
    """Upstream's quirk: token_hash belongs to the new address, token to the current one."""
    with local_server(lambda _heard: Reply(status=204)) as server:
        stack = post(**hooked(server, "SEND_EMAIL"))
        change = stack.mail("email_change", link_type="email_change", new_email="new@example.com")
        await stack.send(
            replace(change, to="new@example.com", token="111111", token_hash="new-hash"),
            replace(change, token="222222", token_hash="current-hash"),
        )
    (heard,) = server.heard
    told = orjson.loads(heard.body)["email_data"]
    assert (told["token"], told["token_hash"]) == ("222222", "new-hash")
    assert (told["token_new"], told["token_hash_new"]) == ("111111", "current-hash")


async def test_a_hook_that_refuses_undoes_what_the_caller_did(
    post: Any, database: Database
) -> None:
    refusal = Reply(
        headers={"content-type": "application/json"},
        body=b'{"error": {"http_code": 403, "message": "no mail today"}}',
    )
    with local_server(lambda _heard: refusal) as server:
        stack = post(**hooked(server, "SEND_EMAIL"))
        with pytest.raises(AuthError, match="no mail today"):
            async with stack.store.transaction() as connection:
                await connection.execute("update auth.users set recovery_sent_at = now()")
                await stack.outlets.mailer.send(connection, stack.mail())
    with database.connect("supabase_admin") as connection:
        assert connection.execute("select recovery_sent_at from auth.users").fetchone() == (None,)


async def test_a_number_of_the_test_map_gets_nothing(post: Any) -> None:
    stack = post(SMS_TEST_OTP="4152127777:999999", SMS_TEST_OTP_VALID_UNTIL="2999-01-01T00:00:00Z")
    assert stack.outlets.texter.test_otp("4152127777") == "999999"
    assert await stack.text(stack.sms()) == "test-otp"


async def test_a_test_map_that_is_over_is_none(post: Any) -> None:
    stack = post(SMS_TEST_OTP="4152127777:999999", SMS_TEST_OTP_VALID_UNTIL="2020-01-01T00:00:00Z")
    assert stack.config.sms.test_otp_until == datetime(2020, 1, 1, tzinfo=UTC)
    assert stack.outlets.texter.test_otp("4152127777") is None
    with pytest.raises(AuthError, match="Unable to get SMS provider"):
        await stack.text(stack.sms())


async def test_a_text_message_says_what_its_template_says(post: Any) -> None:
    body = orjson.dumps({"sid": "SM1", "status": "queued"})
    with local_server(lambda _heard: Reply(status=201, body=body)) as server:
        stack = post(
            SMS_PROVIDER="twilio",
            SMS_TWILIO_ACCOUNT_SID="AC1",
            SMS_TWILIO_AUTH_TOKEN="hush",
            SMS_TWILIO_MESSAGE_SERVICE_SID="MG1",
            SMS_TWILIO_URL=server.url,
            SMS_TEMPLATE="Grüezi: {{ .Code }}",
            RATE_LIMIT_SMS_SENT="2",
        )
        assert await stack.text(stack.sms()) == "SM1"
        assert await stack.text(stack.sms(template="{{ broken")) == "SM1"
        with pytest.raises(AuthError) as caught:
            await stack.text(stack.sms())
    assert (caught.value.status, caught.value.code) == (429, "over_sms_send_rate_limit")
    assert "Gr%C3%BCezi%3A+123456" in server.heard[0].body.decode()
    assert "Your+code+is+123456" in server.heard[1].body.decode()


@pytest.mark.parametrize(("sms_type", "told"), [("confirmation", {}), ("mfa", {"sms_type": "mfa"})])
async def test_the_hook_gets_the_code_instead_of_a_provider(
    post: Any, sms_type: str, told: dict[str, str]
) -> None:
    with local_server(lambda _heard: Reply(status=204)) as server:
        stack = post(**hooked(server, "SEND_SMS"))
        assert stack.outlets.texter.channel_of("whatsapp") == "whatsapp"
        assert await stack.text(stack.sms(sms_type=sms_type)) == ""
    body = orjson.loads(server.heard[0].body)
    assert body["sms"] == {"otp": "123456", "phone": "4152127777", **told}
    assert body["metadata"]["name"] == "send-sms"
