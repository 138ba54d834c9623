"""`gavan notify`: try the channels of [notify], and tell them something by hand or from a job."""

from __future__ import annotations

import click

from gavan.cli.context import Context
from gavan.cli.render import Result
from gavan.cli.verb import VerbGroup
from gavan.kit.errors import GavanError
from gavan.kit.event import EventName
from gavan.notify.event import Event
from gavan.notify.tell import Told, tell, try_out

group = VerbGroup(
    "notify", help="Tell people what happens to the stack.",
    examples=["gavan notify test", "gavan notify send backup.failed --title 'crm: backup failed'"],
)  # fmt: skip


@group.verb("test", examples=["gavan notify test", "gavan notify test team"])
@click.argument("channel", required=False)
def test(context: Context, channel: str | None) -> Result:
    """Send a line to every channel, or to one, whatever events it wants."""
    stack = context.stack
    chosen = [one for one in stack.notify if channel in (None, one.name)]
    if not chosen:
        names = ", ".join(one.name for one in stack.notify)
        raise GavanError(
            "GV570", f"no channel {channel} in this stack" if channel else "nobody is to be told",
            details=f"there are: {names}" if names else None,
            hint='[notify.team] type = "slack", target = "secret://SLACK_URL"', exit_code=2,
        )  # fmt: skip
    return _result(try_out(stack, chosen))


@group.verb("send", examples=["gavan notify send backup.failed --title 'crm: backup failed'"])
@click.argument("event", type=click.Choice([name.value for name in EventName]))
@click.option("--title", required=True, metavar="TEXT", help="One line.")
@click.option("--text", default="", metavar="TEXT", help="Why, and what to do.")
@click.option("--about", default="", metavar="NAME",
              help="What it happened to: news about the same are told once a day.")  # fmt: skip
def send(context: Context, event: str, title: str, text: str, about: str) -> Result:
    """Tell the channels that want this event."""
    return _result(
        tell(context.stack, Event(name=EventName(event), title=title, text=text, about=about))
    )


def _result(told: list[Told]) -> Result:
    lines = [f"{one.channel}: {one.why or 'told'}" for one in told]
    return Result(
        data={"told": told},
        text="\n".join(lines) or "nobody wants to hear it, or everybody has",
        exit_code=1 if any(one.why for one in told) else 0,
    )
