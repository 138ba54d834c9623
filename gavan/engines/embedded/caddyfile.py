"""Write the Caddyfile that serves built sites: pure text from the stack.

Stands beside `units.py`; Caddy is told everything by this file and nothing at run time (its
admin endpoint is off).
"""

from __future__ import annotations

from pathlib import Path

from gavan.stack.model import App, Site, Stack

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "-Server": "",
}
IMMUTABLE = "public, max-age=31536000, immutable"
FRESH = "no-cache"


def render(stack: Stack, storage: Path) -> str:
    """Return the whole Caddyfile; ``storage`` is a folder of Caddy's own."""
    blocks = [_options(storage), *(_site(stack, site) for site in stack.sites)]
    return "\n".join(blocks)


def _options(storage: Path) -> str:
    return (
        "{\n"
        "\tadmin off\n"
        "\tpersist_config off\n"
        "\tauto_https off\n"
        f"\tstorage file_system {quoted(str(storage))}\n"
        "\tlog {\n\t\toutput stderr\n\t\tlevel WARN\n\t}\n"
        "\tservers {\n\t\tprotocols h1 h2c\n\t}\n"
        "}\n"
    )


def _site(stack: Stack, site: Site) -> str:
    """Return one site: routes of apps first, then files, then the page of the application."""
    lines = [
        f"http://:{site.port} {{",
        "\tbind 127.0.0.1 [::1]",
        f"\troot * {quoted(str(site.dir / site.output))}",
        "\tencode zstd gzip",
        *_headers({**SECURITY_HEADERS, **site.headers}),
    ]
    for app in stack.apps:
        lines += _routes(app, site)
    lines += ["\thandle {", *_files(site), "\t}", "}"]
    return "\n".join(lines) + "\n"


def _headers(headers: dict[str, str]) -> list[str]:
    return ["\theader {", *(f"\t\t{name} {quoted(value)}".rstrip() if value else f"\t\t{name}"
            for name, value in headers.items()), "\t}"]  # fmt: skip


def _routes(app: App, site: Site) -> list[str]:
    """Return the paths of this site that lead to an app; websockets pass through by themselves."""
    lines: list[str] = []
    site_host = site.route.host if site.route else ""
    for route in app.routes:
        path = route.path.rstrip("/")
        if app.port is None or not path or (route.host and route.host != site_host):
            continue
        block = "handle_path" if route.strip else "handle"
        for pattern in dict.fromkeys([path, f"{path}/*"]):
            lines += [f"\t{block} {quoted(pattern)} {{",
                      f"\t\treverse_proxy 127.0.0.1:{app.port}", "\t}"]  # fmt: skip
    return lines


def _files(site: Site) -> list[str]:
    patterns = [f"/{pattern.lstrip('/')}" for pattern in site.immutable]
    lines = []
    if patterns:
        names = " ".join(quoted(pattern) for pattern in patterns)
        lines += [f"\t\t@immutable path {names}", f"\t\t@fresh not path {names}",
                  f'\t\theader @immutable Cache-Control "{IMMUTABLE}"',
                  f'\t\theader @fresh Cache-Control "{FRESH}"']  # fmt: skip
    if site.spa:
        # An asset that is missing stays a 404: a page in its place would be of the wrong type.
        assets = [f"\t\t\tnot path {' '.join(map(quoted, patterns))}"] if patterns else []
        lines += ["\t\t@missing {", *assets, "\t\t\tnot file {path} {path}/index.html", "\t\t}",
                  "\t\trewrite @missing /index.html"]  # fmt: skip
    lines.append("\t\tfile_server")
    return lines


def quoted(text: str) -> str:
    """Return a Caddyfile token; braces of placeholders in user text are taken literally."""
    safe = text.replace("\\", "\\\\").replace('"', '\\"').replace("{", "\\{")
    return f'"{safe}"'
