"""`gavan inbox list | show | wait | open | clear`: the mail that a development stack caught."""

from __future__ import annotations

import time
import webbrowser
from datetime import datetime
from typing import Any

import click
import httpx

from gavan.cli.context import Context
from gavan.cli.core_api import CoreApi
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import VerbGroup
from gavan.kit.errors import GavanError

ROOT = "/_gavan/inbox"
WAIT_S = 30.0
WAIT_ONCE_S = 9.0
HEADERS = ("id", "at", "to", "kind", "subject")
Json = dict[str, Any]

_TO = click.option("--to", default="", help="Only of this recipient.")
_KIND = click.option("--kind", default="", help="Only of this kind, e.g. magic_link.")

group = VerbGroup(
    "inbox",
    help="Read the mail that a development stack caught.",
    examples=["gavan inbox list", "gavan inbox show --to ann@example.com", "gavan inbox open"],
)


@group.verb("list", examples=["gavan inbox list", "gavan inbox list --to ann@example.com --json"])
@_TO
@_KIND
def list_mails(context: Context, to: str, kind: str) -> Result:
    """List caught mails, the newest first."""
    mails = _find(CoreApi(context), to, kind)
    return Result(data={"mails": mails}, text=lambda style: _listed(mails, style))


@group.verb("show", examples=["gavan inbox show", "gavan inbox show --to ann@example.com"])
@click.argument("mail_id", required=False, default="")
@_TO
@_KIND
def show(context: Context, mail_id: str, to: str, kind: str) -> Result:
    """Show a mail, the newest that fits when no id is given."""
    api = CoreApi(context)
    if not mail_id:
        mails = _find(api, to, kind)
        if not mails:
            raise _no_mail("there is no such mail in the inbox")
        mail_id = mails[0]["id"]
    answer = _ask(api, "GET", f"/api/mails/{mail_id}")
    if answer.status_code == 404:
        raise _no_mail(f"there is no mail {mail_id} in the inbox")
    return _result(answer.json())


@group.verb(
    "wait",
    examples=[
        "gavan inbox wait --to ann@example.com --json",
        "gavan inbox wait --kind magic_link --seconds 60",
    ],
)
@_TO
@_KIND
@click.option("--after", default="", help="Only newer than the mail of this id.")
@click.option("--seconds", type=click.FloatRange(0), default=WAIT_S, show_default=True,
              help="How long.")  # fmt: skip
def wait(context: Context, to: str, kind: str, after: str, seconds: float) -> Result:
    """Wait for a mail and show it; exit 124 when none came."""
    api = CoreApi(context)
    deadline = time.monotonic() + seconds
    while True:
        left = max(0.0, deadline - time.monotonic())
        query = {"to": to, "kind": kind, "after": after, "timeout": str(min(left, WAIT_ONCE_S))}
        answer = _ask(api, "GET", "/api/wait", query)
        if answer.status_code != 204:
            return _result(answer.json())
        if left <= 0:
            raise GavanError(
                "GV005", f"no such mail came within {seconds:g} s", hint="gavan inbox list",
                exit_code=124,
            )  # fmt: skip


@group.verb("open", examples=["gavan inbox open"])
def open_page(context: Context) -> Result:
    """Open the page of the inbox in a browser, and print its address."""
    api = CoreApi(context)
    _find(api, "", "")
    url = f"{api.url}{ROOT}"
    opened = not context.output.machine and webbrowser.open(url)
    return Result(data={"url": url, "opened": opened}, text=url)


@group.verb("clear", examples=["gavan inbox clear", "gavan inbox clear --to ann@example.com --yes"])
@_TO
@_KIND
def clear(context: Context, to: str, kind: str) -> Result:
    """Delete caught mails."""
    api = CoreApi(context)
    count = len(_find(api, to, kind))
    if count:
        context.confirm(f"Delete {count} mails of the inbox?")
    deleted = _ask(api, "DELETE", "/api/mails", {"to": to, "kind": kind}).json()["deleted"]
    return Result(data={"deleted": deleted}, text=f"deleted {deleted}")


def _find(api: CoreApi, to: str, kind: str) -> list[Json]:
    answer = _ask(api, "GET", "/api/mails", {"to": to, "kind": kind})
    if answer.status_code == 404:
        raise GavanError(
            "GV243",
            f"the stack {api.stack.name} has no inbox",
            details=f"the profile {api.stack.profile.name} is protected, or auth is not among its"
            " services: its mails leave by SMTP",
            hint="use a profile that is not protected",
        )
    mails: list[Json] = answer.json()["mails"]
    return mails


def _ask(
    api: CoreApi, method: str, path: str, query: dict[str, str] | None = None
) -> httpx.Response:
    return api.call(method, f"{ROOT}{path}", query=query)


def _no_mail(message: str) -> GavanError:
    return GavanError("GV244", message, hint="gavan inbox list")


def _listed(mails: list[Json], style: Style) -> str:
    if not mails:
        return "no mail"
    rows = [
        (mail["id"], _at(mail), mail["to"], mail["kind"], mail["subject"][:60]) for mail in mails
    ]
    return table(HEADERS, rows, style)


def _result(mail: Json) -> Result:
    return Result(data=mail, text=lambda style: _shown(mail, style))


def _shown(mail: Json, style: Style) -> str:
    facts = [("to", mail["to"]), ("from", mail["from"]), ("at", _at(mail)), ("kind", mail["kind"])]
    facts += [(name, mail[name]) for name in ("code", "link") if mail[name]]
    head = "\n".join(f"{style.faint(f'{name:<5}')} {value}" for name, value in facts)
    return f"{style(mail['subject'], bold=True)}\n{head}\n\n{mail['text']}"


def _at(mail: Json) -> str:
    return datetime.fromtimestamp(mail["at"]).astimezone().isoformat(" ", timespec="seconds")
