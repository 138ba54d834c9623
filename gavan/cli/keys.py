"""`gavan keys list | rotate | revoke`: the keys that sign the tokens of users."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import click

from gavan.cli.context import Context
from gavan.cli.render import Result, table
from gavan.cli.verb import VerbGroup
from gavan.kit.keyset import MADE
from gavan.secrets.signing import (
    DEFAULT_ALGORITHM,
    PUBLISHED_S,
    Rotation,
    State,
    list_keys,
    revoke,
    rotate,
)

TAKE_EFFECT = "a running stack takes it with: gavan up"
TURNS = {State.WAITS: "signs from", State.RETIRED: "dropped after"}

group = VerbGroup(
    "keys",
    help="Change the keys that sign the tokens of users.",
    examples=["gavan keys list", "gavan keys rotate", "gavan keys revoke KID"],
)


@group.verb("list", examples=["gavan keys list", "gavan keys list --json"])
def list_verb(context: Context) -> Result:
    """Show the signing keys; without any, the shared secret signs."""
    keys = list_keys(context.stack)
    rows = [
        [
            key.kid,
            key.algorithm,
            key.state,
            f"{TURNS[key.state]} {_moment(key.turns_at)}" if key.turns_at else "",
        ]
        for key in keys
    ]
    signed = any(key.state is State.SIGNS for key in keys)
    text = table(["kid", "algorithm", "state", "next"], rows) if keys else ""
    if not signed:
        text = f"{text}\nthe shared secret signs (HS256)".lstrip()
    data = [
        {
            "kid": key.kid,
            "algorithm": key.algorithm,
            "state": key.state.value,
            "turns_at": key.turns_at,
        }
        for key in keys
    ]
    return Result(data={"keys": data}, text=text)


@group.verb("rotate", examples=["gavan keys rotate", "gavan keys rotate --algorithm RS256 --now"])
@click.option(
    "--algorithm",
    type=click.Choice(MADE),
    default=DEFAULT_ALGORITHM,
    show_default=True,
    help="Of a key that is made now.",
)
@click.option("--now", "at_once", is_flag=True, help="Let the new key sign without having waited.")
def rotate_verb(context: Context, algorithm: str, at_once: bool) -> Result:
    """Take the next step to a new signing key; nobody is signed out.

    The first call makes a key and publishes it. The next one, ten minutes later or more, lets it
    sign. The key before it verifies for another week and is then dropped.
    """
    done = rotate(context.stack, now=int(time.time()), algorithm=algorithm, at_once=at_once)
    data = {"made": done.made, "signs": done.signs, "dropped": list(done.dropped)}
    return Result(data=data, text="\n".join(_told(done)))


@group.verb("revoke", examples=["gavan keys revoke 638c54b8-28c2-4b12-9598-ba12ef610a29"])
@click.argument("kid")
def revoke_verb(context: Context, kid: str) -> Result:
    """Drop a key that does not sign; who holds a token of it has to refresh."""
    revoke(context.stack, kid)
    return Result(data={"dropped": [kid]}, text=f"dropped {kid}\n{TAKE_EFFECT}")


def _told(done: Rotation) -> list[str]:
    lines = [f"dropped {kid}" for kid in done.dropped]
    if done.made:
        lines.append(f"made {done.made}")
    if done.signs:
        return [*lines, f"{done.signs} signs from now on", TAKE_EFFECT]
    if done.made:
        wait = f"when it has been published for {PUBLISHED_S // 60} minutes: gavan keys rotate"
        return [*lines, TAKE_EFFECT, wait]
    return [*lines, "the next key has not been published for ten minutes yet: gavan keys list"]


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
