"""[notify.<name>]: who is told what happens to the stack; declared once."""

from __future__ import annotations

from gavan.kit.event import FAMILIES, WORTH_TELLING, EventName
from gavan.stack.schema.key import Key, Kind, Section

TYPES = ("webhook", "slack", "discord", "telegram", "ntfy", "email")

NOTIFY = Section(
    path=("notify", "*"),
    example="team",
    meaning="Who is told what happens to the stack. Told by the machine that it happens on, so on "
    "a server its secret is in the server's variables.",
    keys=(
        Key(name="type", kind=Kind.CHOICE, required=True, choices=TYPES, example='"slack"',
            meaning="What takes it. A webhook is sent a POST of JSON."),
        Key(name="target", kind=Kind.SECRET, required=True, never_written=True,
            example='"secret://SLACK_URL"',
            meaning="URL that is called. telegram: https://api.telegram.org/bot<token>/sendMessage"
            "?chat_id=<id>; ntfy: https://ntfy.sh/<topic>; email: smtp://user:password@host:587"
            "?from=<address>&to=<address>, smtps:// for TLS from the first byte. "
            "https://user:password@ logs in."),
        Key(name="events", kind=Kind.TEXTS, default=WORTH_TELLING,
            choices=(*FAMILIES, *(name.value for name in EventName)),
            meaning="What is told; after something bad the next good one of its kind always is."),
        Key(name="quiet_hours", kind=Kind.TEXT, default="",
            pattern=r"(([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d)?",
            example='"22:00-06:00"',
            meaning="Hours, in UTC, in which only what is bad is told; the rest is not made up "
            "for."),
    ),
)  # fmt: skip
