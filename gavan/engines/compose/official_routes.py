"""Where requests to the core lead when Supabase's own images serve: what their gateway does.

Stands under caddy.py; pure. Each image serves at its root, so the prefix goes; realtime tells its
tenants apart by the host. Keys are judged by the services: a request without a token is anon's.
"""

from __future__ import annotations

from gavan.engines.compose.official import REALTIME_HOST
from gavan.engines.site_files import indented

_PORTS = {"rest": 3000, "auth": 9999, "storage": 5000, "realtime": 4000}
_API = "/realtime/v1/api"


def handle(path: str, how: str = "through") -> list[str]:
    """Return the blocks that lead requests below ``path``, one of CORE_PATHS, to their image.

    Args:
        how: the snippet of proxies that they take.
    """
    name = path.split("/")[1]
    matcher = f"@core-{name}"
    match name:
        case "graphql":
            before = ["rewrite * /rpc/graphql", "request_header Content-Profile graphql_public"]
            return _block(matcher, path, before, _proxy("rest", how))
        case "realtime":
            host = [f"header_up Host {REALTIME_HOST}"]
            sockets = [f"uri replace {path} /socket 1"]
            api = [f"uri strip_prefix {path}"]
            return [
                *_block(f"{matcher}-api", _API, api, _proxy("realtime", how, host)),
                *_block(matcher, path, sockets, _proxy("realtime", how, host)),
            ]
        case "storage":
            more = [f"header_up X-Forwarded-Prefix {path}",
                    "header_up X-Forwarded-Path {http.request.orig_uri.path}"]  # fmt: skip
            return _block(matcher, path, [f"uri strip_prefix {path}"], _proxy(name, how, more))
        case _:
            return _block(matcher, path, [f"uri strip_prefix {path}"], _proxy(name, how))


def _block(matcher: str, path: str, before: list[str], proxy: list[str]) -> list[str]:
    return [f'{matcher} path "{path}" "{path}/*"', f"handle {matcher} {{",
            *indented([*before, *proxy], 1), "}"]  # fmt: skip


def _proxy(name: str, how: str, more: list[str] | None = None) -> list[str]:
    lines = [f"to {name}:{_PORTS[name]}", f"import {how}", *(more or [])]
    return ["reverse_proxy {", *indented(lines, 1), "}"]
