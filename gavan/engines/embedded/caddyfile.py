"""Write the Caddyfile that serves built sites: pure text from the stack.

Stands beside `units.py`; Caddy is told everything by this file and nothing at run time (its
admin endpoint is off).
"""

from __future__ import annotations

from pathlib import Path

from gavan.engines.site_files import (
    SECURITY_HEADERS,
    file_lines,
    header_lines,
    indented,
    quoted,
)
from gavan.stack.model import App, Site, Stack


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
        *indented(header_lines({**SECURITY_HEADERS, **site.headers}), 1),
    ]
    for app in stack.apps:
        lines += _routes(app, site)
    lines += ["\thandle {", *indented(file_lines(site), 2), "\t}", "}"]
    return "\n".join(lines) + "\n"


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
