"""The section [queue]: the broker of the stack's messages.

Stands beside sections.py.
"""

from __future__ import annotations

from gavan.stack.schema.container import limit_keys
from gavan.stack.schema.key import Key, Kind, Section

QUEUE = Section(
    path=("queue",),
    meaning="The broker. An app that needs queue is given AMQP_URL.",
    keys=(
        Key(name="broker", kind=Kind.CHOICE, default="postgres", choices=("postgres", "rabbitmq"),
            meaning="postgres: the database, nothing more runs. rabbitmq: a server of the stack in "
            "containers; a laptop without them needs external_url."),
        Key(name="external_url", kind=Kind.SECRET, never_written=True,
            example='"secret://AMQP_URL"',
            meaning="Use this RabbitMQ instead of starting one."),
        Key(name="image", kind=Kind.TEXT, default="rabbitmq:4",
            meaning="Image of the broker, official ones from 3 on."),
        *limit_keys(memory="384MiB", cpus="0.4"),
    ),
)  # fmt: skip
