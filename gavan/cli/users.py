"""`gavan users list | create | invite | delete | reset-password`."""

from __future__ import annotations

import sys
from typing import Any
from uuid import UUID

import click

from gavan.cli.context import Context
from gavan.cli.core_api import CoreApi
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import VerbGroup
from gavan.kit.errors import GavanError

PER_PAGE = 50
HEADERS = ("id", "email", "phone", "confirmed", "last sign-in", "created", "")
Json = dict[str, Any]

_DATA = click.option(
    "--data", "data", multiple=True, metavar="KEY=VALUE", help="Put this into user_metadata."
)
_STDIN = click.option(
    "--password-stdin", is_flag=True, help="Read the password from stdin, one line."
)

group = VerbGroup(
    "users",
    help="Look after the users of a running stack.",
    examples=[
        "gavan users list",
        "gavan users create ann@example.com",
        "gavan users invite bea@example.com",
        "gavan users reset-password ann@example.com --link",
    ],
)


@group.verb("list", examples=["gavan users list", "gavan users list --filter example.com --json"])
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="Which page.")
@click.option(
    "--per-page", type=click.IntRange(1, 1000), default=PER_PAGE, show_default=True, help="Rows."
)
@click.option("--filter", "text", default="", help="Part of an address or of a full name.")
def list_users(context: Context, page: int, per_page: int, text: str) -> Result:
    """List users, the newest first."""
    query = {"page": str(page), "per_page": str(per_page), "filter": text}
    answer = CoreApi(context).auth("GET", "/admin/users", query=query)
    users: list[Json] = answer.json()["users"]
    total = int(answer.headers.get("X-Total-Count", len(users)))
    return Result(
        data={"users": users, "total": total, "page": page},
        text=lambda style: _listed(users, total, page, style),
    )


@group.verb(
    "create",
    examples=[
        "gavan users create ann@example.com",
        "gavan users create ann@example.com --password-stdin < password.txt",
        "gavan users create --phone 41791234567 --no-password",
        "gavan users create ann@example.com --data full_name=Ann --unconfirmed",
    ],
)
@click.argument("email", required=False, default="")
@click.option("--phone", default="", help="Number with its country, without +.")
@_STDIN
@click.option("--no-password", is_flag=True, help="Make one who signs in by mail or message only.")
@click.option("--unconfirmed", is_flag=True, help="Leave the address or number unconfirmed.")
@click.option("--role", default="", help="Role in the database; default: authenticated.")
@_DATA
def create(context: Context, email: str, phone: str, **given: Any) -> Result:
    """Make a user who can sign in at once."""
    if not email and not phone:
        raise _usage("a user needs an address or a number", "gavan users create ann@example.com")
    confirms = not given["unconfirmed"]
    body: Json = {
        "email": email,
        "phone": phone,
        "email_confirm": bool(email) and confirms,
        "phone_confirm": bool(phone) and confirms,
        "user_metadata": _metadata(given["data"]),
    }
    if not given["no_password"]:
        body["password"] = _password(context, from_stdin=given["password_stdin"])
    if given["role"]:
        body["role"] = given["role"]
    user = CoreApi(context).auth("POST", "/admin/users", body=body).json()
    return Result(data=user, text=f"created {_name(user)}, {user['id']}")


@group.verb("invite", examples=["gavan users invite bea@example.com --data full_name=Bea"])
@click.argument("email")
@click.option(
    "--redirect-to", default="", help="Where the link in the mail leads; must be allowed."
)
@_DATA
def invite(context: Context, email: str, redirect_to: str, data: tuple[str, ...]) -> Result:
    """Make a user and mail them a link."""
    body = {"email": email, "data": _metadata(data)}
    query = {"redirect_to": redirect_to}
    user = CoreApi(context).auth("POST", "/invite", body=body, query=query).json()
    return Result(data=user, text=f"invited {_name(user)}, {user['id']}")


@group.verb(
    "delete", examples=["gavan users delete ann@example.com", "gavan users delete ID --soft --yes"]
)
@click.argument("user")
@click.option("--soft", is_flag=True, help="Keep the row for foreign keys, erase the person.")
def delete(context: Context, user: str, soft: bool) -> Result:
    """Delete a user, by id, address or number, with everything that cascades from them."""
    api = CoreApi(context)
    found = find_user(api, user)
    context.confirm(f"Delete {_name(found)} of the stack {api.stack.name}?")
    body = {"should_soft_delete": soft}
    api.auth("DELETE", f"/admin/users/{found['id']}", body=body)
    return Result(data={"id": found["id"], "soft": soft}, text=f"deleted {_name(found)}")


@group.verb(
    "reset-password",
    examples=[
        "gavan users reset-password ann@example.com",
        "gavan users reset-password ann@example.com --link",
        "gavan users reset-password ID --password-stdin < password.txt",
    ],
)
@click.argument("user")
@click.option("--link", is_flag=True, help="Print the link instead of mailing it.")
@_STDIN
@click.option("--redirect-to", default="", help="Where the link leads; must be allowed.")
def reset_password(
    context: Context, user: str, link: bool, password_stdin: bool, redirect_to: str
) -> Result:
    """Mail a user the link to choose a new password, print that link, or set the password."""
    if link and password_stdin:
        raise _usage("--link and --password-stdin exclude one another", "give one of them")
    api = CoreApi(context)
    found = find_user(api, user)
    if password_stdin:
        body: Json = {"password": _password(context, from_stdin=True)}
        api.auth("PUT", f"/admin/users/{found['id']}", body=body)
        return Result(data={"id": found["id"]}, text=f"the password of {_name(found)} is new")
    if not found.get("email"):
        raise _usage(f"{_name(found)} has no address", "set one: --password-stdin")
    if link:
        body = {"type": "recovery", "email": found["email"], "redirect_to": redirect_to}
        made = api.auth("POST", "/admin/generate_link", body=body).json()
        link_data = {"id": found["id"], "action_link": made["action_link"]}
        return Result(data=link_data, text=str(made["action_link"]))
    query = {"redirect_to": redirect_to}
    api.auth("POST", "/recover", body={"email": found["email"]}, query=query)
    return Result(data={"id": found["id"]}, text=f"mailed {found['email']}")


def find_user(api: CoreApi, text: str) -> Json:
    """Return the user of an id, an address or a number.

    Raises:
        GavanError: GV242, nobody is meant.
    """
    try:
        user: Json = api.auth("GET", f"/admin/users/{UUID(text)}").json()
    except ValueError:
        user = _by_address(api, text)
    return user


def _by_address(api: CoreApi, text: str) -> Json:
    wanted = text.lower().removeprefix("+")
    page, pages = 1, 1
    while page <= pages:
        # The filter of the API looks at addresses; a number is looked for among all.
        query = {"filter": wanted if "@" in wanted else "", "page": str(page), "per_page": "1000"}
        answer = api.auth("GET", "/admin/users", query=query)
        for user in answer.json()["users"]:
            if wanted in (user.get("email"), user.get("phone")):
                return dict(user)
        total = int(answer.headers.get("X-Total-Count", "0"))
        page, pages = page + 1, -(-total // 1000)
    raise GavanError(
        "GV242",
        f"there is no user {text}",
        details="looked for as an id, an address and a number",
        hint="gavan users list",
    )


def _password(context: Context, *, from_stdin: bool) -> str:
    """Return a password that never stood in an argument; empty for none."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise _usage("there is no password on stdin", "gavan users create ... < password.txt")
        return password
    if not sys.stdin.isatty() or context.output.machine:
        raise _usage(
            "nobody is at the terminal to type a password",
            "give it on stdin: --password-stdin, or make a user without one: --no-password",
        )
    password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return str(password)


def _metadata(pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise _usage(f"--data {pair} is no KEY=VALUE", "--data full_name=Ann")
        found[key] = value
    return found


def _usage(message: str, mend: str) -> GavanError:
    return GavanError("GV001", message, hint=mend, exit_code=2)


def _name(user: Json) -> str:
    return str(user.get("email") or user.get("phone") or user["id"])


def _listed(users: list[Json], total: int, page: int, style: Style) -> str:
    if not users:
        return "no users" if page == 1 else f"no users on page {page}"
    rows = [
        (
            user["id"],
            user.get("email", ""),
            user.get("phone", ""),
            _day(user.get("confirmed_at")),
            _day(user.get("last_sign_in_at")),
            _day(user.get("created_at")),
            "banned" if user.get("banned_until") else "",
        )
        for user in users
    ]
    more = "" if total == len(users) else f"\n{style.faint(f'{len(users)} of {total}')}"
    return table(HEADERS, rows, style) + more


def _day(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else ""
