"""`gavan realtime watch`: what clients hear, in a terminal."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import Any
from uuid import UUID

import click

from gavan.cli.context import Context
from gavan.cli.local import core_url, load_local
from gavan.cli.realtime.channel import Wish, events
from gavan.cli.render import to_json
from gavan.cli.verb import VerbGroup
from gavan.kit.errors import GavanError
from gavan.kit.jwt import sign
from gavan.kit.secret import Secret
from gavan.secrets.keys import StackKeys, load_or_create_keys

TOKEN_S = 24 * 3600
COLORS = {"INSERT": "green", "UPDATE": "yellow", "DELETE": "red"}
Json = dict[str, Any]

group = VerbGroup(
    "realtime",
    help="Listen to what the realtime service sends.",
    examples=["gavan realtime watch card", "gavan realtime watch --topic board:1"],
)


@group.verb(
    "watch",
    examples=[
        "gavan realtime watch card",
        "gavan realtime watch crm.card --event INSERT --filter 'board_id=eq.1'",
        "gavan realtime watch '*' --as 11111111-1111-4111-8111-111111111111",
        "gavan realtime watch --topic board:1 --private --json",
    ],
)
@click.argument("table", required=False, default="")
@click.option("--topic", default="", help="Hear the broadcasts and the presence of this topic.")
@click.option("--private", is_flag=True, help="The private room of that name.")
@click.option("--event", type=click.Choice(["*", "INSERT", "UPDATE", "DELETE"]), default="*",
              show_default=True, help="Only changes of this kind.")  # fmt: skip
@click.option("--filter", "condition", default="", help="Only rows that match: column=op.value.")
@click.option("--as", "viewer", default="", help="See what policies show: a user's id, or anon.")
@click.option("-n", "--count", type=click.IntRange(1), help="End after so many.")
def watch(context: Context, table: str, topic: str, private: bool, **rest: Any) -> None:
    """Print changes of TABLE (name, schema.name or *), or what is said on a topic, until Ctrl-C."""
    if bool(table) == bool(topic):
        raise GavanError(
            "GV105", "name a table, or a topic with --topic", hint="gavan realtime watch --help",
            exit_code=2,
        )  # fmt: skip
    stack, _ = load_local(context)
    token = _token(load_or_create_keys(stack), rest["viewer"])
    config: Json = {"private": private, "presence": {"enabled": True}}
    if table:
        config = {"postgres_changes": [_wanted(table, rest["event"], rest["condition"])]}
    name = topic or f"gavan-watch-{table}"
    wish = Wish(url=core_url(stack), token=token, topic=name, config=config)
    _print(context, wish, rest["count"])


def _print(context: Context, wish: Wish, count: int | None) -> None:
    shown = 0
    for event, payload in events(wish):
        if event == "lost":
            context.output.warn("the connection broke; trying again")
        elif event == "system" and payload.get("extension") == "replica_identity":
            context.output.warn(str(payload.get("message", "")))
        elif event == "system":
            context.progress.message(str(payload.get("message", "")))
        elif event in {"postgres_changes", "broadcast", "presence_state", "presence_diff"}:
            context.output.line(_line(context, event, payload))
            shown += 1
            if shown == count:
                return


def _line(context: Context, event: str, payload: Json) -> str:
    now = datetime.now().astimezone()
    if context.output.machine:
        return to_json({"at": now.isoformat(), "event": event, "payload": payload})
    style = context.output.style
    clock = style.faint(f"{now:%H:%M:%S.%f}"[:12])
    if event != "postgres_changes":
        return f"{clock} {event} {_compact(payload)}"
    data = payload["data"]
    kind = style(f"{data['type']:<6}", COLORS.get(data["type"]))
    row = data.get("record") or data.get("old_record") or {}
    return f"{clock} {kind} {data['schema']}.{data['table']} {_compact(row)}"


def _wanted(table: str, event: str, condition: str) -> Json:
    schema, _, name = table.rpartition(".")
    wanted = {"event": event, "schema": schema or "public", "table": name}
    return wanted | ({"filter": condition} if condition else {})


def _token(keys: StackKeys, viewer: str) -> Secret:
    """Return the token of a viewer; without one, of the service role, whom no policy binds."""
    if not viewer:
        return keys.service_role_key
    if viewer == "anon":
        return keys.anon_key
    try:
        user = str(UUID(viewer))
    except ValueError as error:
        raise GavanError(
            "GV105", f"{viewer} is no id of a user", hint="gavan users list", exit_code=2
        ) from error
    claims = {"role": "authenticated", "aud": "authenticated", "sub": user}
    return Secret(sign(claims | {"exp": int(time.time()) + TOKEN_S}, keys.jwt_secret))


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
