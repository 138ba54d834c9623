"""The section [proxy]: what Caddy in front of the containers believes and refuses.

Stands beside sections.py.
"""

from __future__ import annotations

from gavan.stack.schema.key import Key, Kind, Section

PROXY = Section(
    path=("proxy",),
    meaning="The proxy in front of the containers.",
    keys=(
        Key(name="trusted", kind=Kind.TEXTS, default=(), example='["203.0.113.0/24"]',
            meaning="Networks of load balancers in front of it, whose X-Forwarded-For is believed; "
            "from anybody else that header is thrown away."),
        Key(name="max_body", kind=Kind.SIZE, example='"100MiB"',
            meaning="Most bytes of a request to an app or the core, but for objects, which have "
            "their own limits; default: no limit."),
        Key(name="closed", kind=Kind.TEXTS, default=("/metrics",), pattern=r"/[^\s\"{}*]*",
            example='["/metrics", "/api/admin"]',
            meaning="Paths that nobody outside may ask: they and what is below them answer 404."),
    ),
)  # fmt: skip
