"""[core.realtime]: limits by the names that Supabase's settings have, declared once."""

from __future__ import annotations

from gavan.stack.schema.key import Key, Kind, Section

CORE_REALTIME = Section(
    path=("core", "realtime"),
    meaning="Sockets: their limits, and how changes are read from the database.",
    keys=(
        Key(name="max_concurrent_users", kind=Kind.INTEGER, default=1000, at_least=1,
            meaning="Sockets open at a time in one process."),
        Key(name="max_channels_per_client", kind=Kind.INTEGER, default=100, at_least=1,
            meaning="Channels joined on one socket."),
        Key(name="max_joins_per_second", kind=Kind.INTEGER, default=200, at_least=1,
            meaning="Joins, averaged over up to a minute."),
        Key(name="max_events_per_second", kind=Kind.INTEGER, default=5000, at_least=1,
            meaning="Messages that come in and each of their deliveries, averaged likewise."),
        Key(name="max_presence_events_per_second", kind=Kind.INTEGER, default=500, at_least=1,
            meaning="The same for presence."),
        Key(name="max_payload_size_in_kb", kind=Kind.INTEGER, default=3000, at_least=1,
            meaning="One broadcast, in kilobytes of 1,000 bytes."),
        Key(name="private_only", kind=Kind.BOOLEAN, default=False,
            meaning="Refuse channels that are not private."),
        Key(name="slot", kind=Kind.CHOICE, default="temporary", choices=("temporary", "durable"),
            meaning="durable keeps what commits while no core reads, up to 1 GB of WAL, and sends "
            "it later; temporary forgets it, and clients are told to fetch anew."),
    ),
)  # fmt: skip
