"""How Caddy serves the built files of a site: lines of a Caddyfile, the same on every engine.

Stands under the Caddyfiles of the engines and the images of sites.
"""

from __future__ import annotations

from collections.abc import Mapping

from gavan.stack.model import Site

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "-Server": "",
}
IMMUTABLE = "public, max-age=31536000, immutable"
FRESH = "no-cache"


def quoted(text: str) -> str:
    """Return a Caddyfile token; braces of placeholders in user text are taken literally."""
    safe = text.replace("\\", "\\\\").replace('"', '\\"').replace("{", "\\{")
    return f'"{safe}"'


def header_lines(headers: Mapping[str, str]) -> list[str]:
    """Return a ``header`` block; an empty value stands for a removal or a bare name."""
    return ["header {", *(f"\t{name} {quoted(value)}".rstrip() if value else f"\t{name}"
            for name, value in headers.items()), "}"]  # fmt: skip


def file_lines(site: Site) -> list[str]:
    """Return what answers with files below ``root``; unknown paths of a SPA get its page."""
    patterns = [f"/{pattern.lstrip('/')}" for pattern in site.immutable]
    lines = []
    if patterns:
        names = " ".join(quoted(pattern) for pattern in patterns)
        lines += [f"@immutable path {names}", f"@fresh not path {names}",
                  f'header @immutable Cache-Control "{IMMUTABLE}"',
                  f'header @fresh Cache-Control "{FRESH}"']  # fmt: skip
    if site.spa:
        # An asset that is missing stays a 404: a page in its place would be of the wrong type.
        assets = [f"\tnot path {' '.join(map(quoted, patterns))}"] if patterns else []
        lines += ["@missing {", *assets, "\tnot file {path} {path}/index.html", "}",
                  "rewrite @missing /index.html"]  # fmt: skip
    return [*lines, "file_server {", "\tprecompressed zstd br gzip", "}"]


def indented(lines: list[str], tabs: int) -> list[str]:
    return [f"{chr(9) * tabs}{line}" for line in lines]
