"""The section [proxy]: what Caddy in front of the containers believes and refuses.

Stands beside sections.py.
"""

from __future__ import annotations

from gavan.stack.schema.key import Key, Kind, Section

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_CERTIFICATES = rf"(\s*{_BEGIN}[A-Za-z0-9+/=\s-]+{_END}\s*)?"
_EXAMPLE = f"{_BEGIN}\nMIIBfzCCASagAwIBAgIQ\n{_END}\n"

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
        Key(name="acme_ca", kind=Kind.TEXT, default="", pattern=r"(https://[^\s\"{}]+)?",
            example='"https://ca.example.com/acme/acme/directory"',
            meaning='Directory of the authority that gives the certificates of tls = "acme"; '
            "empty: Let's Encrypt, and ZeroSSL where that fails."),
        Key(name="acme_ca_root", kind=Kind.TEXT, default="", pattern=_CERTIFICATES,
            example=f"'''{_EXAMPLE}'''",
            meaning="Certificates that this authority is known by, as PEM, where the world does "
            "not know it: the proxy and who asks a release from outside trust them."),
    ),
)  # fmt: skip
