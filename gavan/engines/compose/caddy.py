"""The Caddyfile of a stack in containers: hosts outside, ports inside, one active slot per part.

Stands above addresses.py; pure. The file never changes with a release: which slot is active is in
``/slots/<part>``, see ``slot_text``. Caddy reads it for every request (``{file.PATH}`` in the
address of an upstream), so a new file is the switch: no reload, which would close the connections
of clients that are about to write, and cut websockets after ``stream_close_delay``.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator

from gavan.engines.compose import edge, official_routes
from gavan.engines.compose.addresses import CORE, Slotted, is_slotted, site_host, slotted
from gavan.engines.compose.services import CADDY_FOLDER, HEALTH_PORT, SLOTS_FOLDER
from gavan.engines.site_files import SECURITY_HEADERS, header_lines, indented, quoted
from gavan.stack.model import Stack

CADDYFILE = "Caddyfile"
RUN_FOLDER = "/run/caddy"
SOCKET = f"{RUN_FOLDER}/admin.sock"
STAYING_S = 3
"""How long the former routes go on beside new ones, while clients move over"""
CORE_PATHS = ("/rest/v1", "/graphql/v1", "/auth/v1", "/storage/v1", "/realtime/v1")
OBJECTS = "/storage/v1"
RESTING_S = 1
"""How long a connection to a slot is kept without a request"""
HELD_S = 10
"""Seconds that a request waits for a slot that does not take connections"""
_UNAVAILABLE = (
    '\\{"code":"unavailable","message":"{err.status_text}","request_id":"{http.request.uuid}"\\}'
)


def files(stack: Stack) -> dict[str, str]:
    """Return what lies in the folder that the proxy has mounted, without heads, by name."""
    root = stack.proxy.acme_ca_root
    return {CADDYFILE: render(stack), **({edge.ROOT_FILE: f"{root.strip()}\n"} if root else {})}


def render(stack: Stack) -> str:
    """Return the whole Caddyfile, without a header; its mark differs when anything in it does."""
    return _whole(stack, hashlib.sha256(_whole(stack, "").encode()).hexdigest()[:12])


def _whole(stack: Stack, mark: str) -> str:
    blocks = [_options(stack), _leaving(mark), _common(), *_hosts(stack), *edge.s3(stack),
              _to_https(stack), *_inside(stack),
              f"http://:{HEALTH_PORT} {{\n\trespond 200\n}}"]  # fmt: skip
    return "\n\n".join(blocks) + "\n"


def _leaving(mark: str) -> str:
    """Return how these routes give way to the next ones.

    A server of Go that ends closes each connection on which it is not answering, whatever is on
    its way there. So clients are asked to leave before, by a file that the release writes, and
    their next connections find the new server. Caddy lets both serve for a while only when a
    listener goes away: the one of the mark, which nobody uses.
    """
    return "\n".join(
        [
            "(leaving) {",
            "\t@leaving {",
            "\t\tfile {",
            f"\t\t\troot {SLOTS_FOLDER}",
            f"\t\t\ttry_files .left-{mark}",
            "\t\t}",
            "\t\tnot header Upgrade *",
            "\t}",
            "\theader @leaving Connection close",
            "}",
            "",
            "http://mark.invalid {",
            f"\tbind unix/{RUN_FOLDER}/{mark}.sock",
            "\trespond 204",
            "}",
        ]
    )


def slot_text(part: Slotted, slot: str) -> str:
    """Return what the file of a part holds when a slot of it is active."""
    return f"{part.service(slot)}:{part.port}"


def reload_words() -> list[str]:
    """Return the command that has a running Caddy read its file anew."""
    return ["caddy", "reload", "--config", f"{CADDY_FOLDER}/{CADDYFILE}", "--adapter", "caddyfile",
            "--address", f"unix/{SOCKET}"]  # fmt: skip


def _options(stack: Stack) -> str:
    return "\n".join(
        [
            "{",
            *indented(edge.trusted(stack.proxy), 1),
            *indented(edge.authority(stack.proxy, CADDY_FOLDER), 1),
            f"\tadmin unix/{SOCKET}",
            "\tpersist_config off",
            f"\tshutdown_delay {STAYING_S}s",
            "\tskip_install_trust",
            # Ours knows the port that is published; Caddy's own only the one it listens on.
            "\tauto_https disable_redirects",
            "\t{$CADDY_GLOBAL}",
            "\tlog {\n\t\toutput stderr\n\t\tformat json\n\t\tlevel WARN\n\t}",
            "}",
        ]
    )


def _common() -> str:
    """Return the snippets that every host and every proxy takes."""
    return "\n".join(
        [
            "(host) {",
            "\timport leaving",
            "\t{$CADDY_TLS}",
            *indented(header_lines(SECURITY_HEADERS), 1),
            "\t{$CADDY_HSTS}",
            *indented(edge.named(), 1),
            "\tlog {",
            "\t\toutput stdout",
            "\t\tformat filter {",
            "\t\t\twrap json",
            "\t\t\trequest>headers>Authorization delete",
            "\t\t\trequest>headers>Apikey delete",
            "\t\t\trequest>headers>Cookie delete",
            "\t\t\trequest>headers>Sec-Websocket-Protocol delete",
            "\t\t\trequest>uri query {",
            *(f"\t\t\t\tdelete {name}" for name in _HIDDEN),
            "\t\t\t}",
            "\t\t}",
            "\t}",
            "\thandle_errors 502 503 504 {",
            '\t\theader Content-Type "application/json; charset=utf-8"',
            "\t\theader Retry-After 2",
            # Otherwise nothing tells why: Caddy keeps errors that are answered to itself.
            "\t\tlog_append error {err.message}",
            f"\t\trespond `{_UNAVAILABLE}`",
            "\t}",
            "}",
            "(through) {",
            # Only what was never sent is sent again: a slot that is about to take over may still
            # refuse connections.
            f"\tlb_try_duration {HELD_S}s",
            "\tlb_try_interval 100ms",
            "\tflush_interval -1",
            "\tstream_timeout 24h",
            "\tstream_close_delay 5m",
            # Sooner than any server closes it: what is written to a connection at that moment is
            # lost, and only a GET may be sent again (gunicorn waits 2 s; uvicorn, Node 5 s).
            f"\ttransport http {{\n\t\tkeepalive {RESTING_S}s\n\t}}",
            "}",
            *edge.within(),
        ]
    )


_HIDDEN = ("apikey", "token", "access_token", "refresh_token", "X-Amz-Signature",
           "X-Amz-Security-Token", "X-Amz-Credential")  # fmt: skip


def _hosts(stack: Stack) -> Iterator[str]:
    """Yield one block per host: longer paths first, the rest last."""
    for host, leads in sorted(_by_host(stack).items()):
        name = f"{host}." if host else ""
        lines = [f"{{$CADDY_SCHEME}}{name}{{$DOMAIN}} {{", "\timport host", "\tencode zstd gzip",
                 *indented(edge.closed(stack.proxy), 1)]  # fmt: skip
        for path, part, strip in sorted(leads, key=lambda lead: -len(lead[0])):
            handled = _handle(path, part, strip=strip)
            if part == CORE and stack.core.is_official:
                handled = official_routes.handle(path)
            limit = edge.body_limit(stack.proxy) if path != OBJECTS else []
            lines += indented([*handled[:-1], *indented(limit, 1), handled[-1]], 1)
        yield "\n".join([*lines, "\thandle {\n\t\trespond 404\n\t}", "}"])


def _by_host(stack: Stack) -> dict[str, list[tuple[str, str, bool]]]:
    found: dict[str, list[tuple[str, str, bool]]] = defaultdict(list)
    found[stack.core.host] += [(path, CORE, False) for path in CORE_PATHS]
    for app in stack.apps:
        if is_slotted(app):
            found_routes = [(route.host, route.path, route.strip) for route in app.routes]
            for host, path, strip in found_routes:
                found[host].append((path.rstrip("/"), app.name, strip))
    for site in stack.sites:
        path = site.route.path if site.route else "/"
        found[site_host(stack, site)].append((path.rstrip("/"), site.name, False))
    return dict(found)


def _handle(path: str, part: str, *, strip: bool, how: str = "through") -> list[str]:
    # The network in front keeps Caddy from adding a port: the file has it.
    slot = f"\t\tto tcp/{{file.{SLOTS_FOLDER}/{part}}}"
    proxy = ["\treverse_proxy {", slot, f"\t\timport {how}", "\t}"]
    if not path:
        return ["handle {", *proxy, "}"]
    matcher = f"@{part}-{path.strip('/').replace('/', '-').replace('.', '-')}"
    prefix = [f"\turi strip_prefix {quoted(path)}"] if strip else []
    return [f"{matcher} path {quoted(path)} {quoted(path + '/*')}",
            f"handle {matcher} {{", *prefix, *proxy, "}"]  # fmt: skip


def _to_https(stack: Stack) -> str:
    """Return what sends people from HTTP to HTTPS; a profile without TLS never gets there."""
    hosts = {*_by_host(stack), *edge.s3_hosts(stack)}
    names = [f"{host}.{{$DOMAIN}}" if host else "{$DOMAIN}" for host in sorted(hosts)]
    lines = [f"@ours host {' '.join(names)}", "redir @ours https://{host}{$PUBLIC_PORT}{uri} 308"]
    return "\n".join(["http:// {", *indented(lines, 1), "}"])


def _inside(stack: Stack) -> Iterator[str]:
    """Yield the ports at which parts of the stack reach each other, whichever slot is active."""
    if stack.core.is_official:
        lines = [line for path in CORE_PATHS for line in official_routes.handle(path, edge.WITHIN)]
        inside = indented(["import leaving", *lines], 1)
        yield "\n".join([f"http://:{stack.core.port} {{", *inside, "}"])
    for part in slotted(stack):
        if part.inside is not None:
            lines = [
                f"http://:{part.inside} {{",
                "\timport leaving",
                *indented(_handle("", part.name, strip=False, how=edge.WITHIN), 1),
            ]
            yield "\n".join([*lines, "}"])
