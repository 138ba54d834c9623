"""What the proxy believes, refuses and passes on unchanged: lines of the Caddyfile.

Stands under caddy.py; pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from gavan.engines.compose.outside import S3, has_s3
from gavan.engines.site_files import indented, quoted
from gavan.stack.model import Proxy, Stack

WITHIN = "within"
"""The snippet of what parts of the stack ask each other"""
ROOT_FILE = "acme-root.pem"
"""The certificates that the authority of [proxy] acme_ca is known by, beside the Caddyfile"""


def trusted(proxy: Proxy) -> list[str]:
    """Return whose X-Forwarded-For says where a request comes from, from the right."""
    if not proxy.trusted:
        return []
    return ["servers {", f"\ttrusted_proxies static {' '.join(proxy.trusted)}",
            "\ttrusted_proxies_strict", "}"]  # fmt: skip


def authority(proxy: Proxy, folder: str) -> list[str]:
    """Return who gives the certificates, when that is not who gives them to everybody.

    ``folder`` is where the proxy finds ROOT_FILE.
    """
    ca = [f"acme_ca {quoted(proxy.acme_ca)}"] if proxy.acme_ca else []
    return [*ca, f"acme_ca_root {folder}/{ROOT_FILE}"] if proxy.acme_ca_root else ca


def named() -> list[str]:
    """Return what gives a request its address and its number.

    The first address of X-Forwarded-For is then the client's, whatever he or a load balancer
    wrote before it: the limits of the core go by it.
    """
    return [
        "request_header X-Forwarded-For {client_ip}",
        "@nameless not header X-Request-Id *",
        "request_header @nameless X-Request-Id {http.request.uuid}",
        "header ?X-Request-Id {http.request.header.X-Request-Id}",
    ]


def closed(proxy: Proxy) -> list[str]:
    """Return what answers 404 to whoever asks from outside."""
    if not proxy.closed:
        return []
    paths = [path.rstrip("/") for path in proxy.closed]
    names = " ".join(quoted(one) for path in paths for one in (path, f"{path}/*"))
    return [f"@closed path {names}", "handle @closed {", "\trespond 404", "}"]


def body_limit(proxy: Proxy) -> list[str]:
    """Return the limit of the bytes of a request."""
    if proxy.max_body is None:
        return []
    return ["request_body {", f"\tmax_size {proxy.max_body}", "}"]


def within() -> list[str]:
    """Return the snippet of calls inside the stack: an app says for whom it asks, or nobody."""
    return [
        f"({WITHIN}) {{",
        "\timport through",
        "\theader_up X-Forwarded-For {http.request.header.X-Forwarded-For}",
        "}",
    ]


def s3(stack: Stack) -> Iterator[str]:
    """Yield the host of the S3 server: its Host and bodies pass as they are, for they are signed.

    What MinIO has besides S3 (its console, administration, figures) lies below /minio/.
    """
    lines = [
        "import host",
        "respond /minio/* 404",
        "reverse_proxy {",
        f"\tto {S3}:{stack.storage.port}",
        "\timport through",
        "}",
    ]
    for host in s3_hosts(stack):
        name = f"{{$CADDY_SCHEME}}{host}.{{$DOMAIN}}"
        yield "\n".join([f"{name} {{", *indented(lines, 1), "}"])


def s3_hosts(stack: Stack) -> list[str]:
    """Return the host of the S3 server when the stack has one."""
    return [stack.storage.host] if has_s3(stack) else []
