"""Dockerfiles for apps and sites that have none: several stages, no root, nothing but what runs.

Stands above language.py; pure text out. Base images are build arguments, see BASES.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from gavan.engines.images.language import LOCKS, Language, has_script, package_manager
from gavan.engines.site_files import SECURITY_HEADERS, file_lines, header_lines, indented
from gavan.stack.model import App, Health, Site

BASES = {
    "PYTHON_IMAGE": "python:3.13-slim",
    "NODE_IMAGE": "node:22-slim",
    "CADDY_IMAGE": "caddy:2",
}
"""What images stand on, unless [deploy] build_args says otherwise"""
USER = "10001:10001"
SITE_PORT = 8080
SERVED = "/tmp/site"  # noqa: S108 - in a container of its own, the one folder that can be written
FILLED = ("js", "mjs", "css", "json", "map", "txt", "xml", "webmanifest")
IGNORED = """\
.git
.gavan
**/.env
**/.env.*
!**/.env.example
**/node_modules
**/.venv
**/__pycache__
**/*.pyc
**/.pytest_cache
**/.mypy_cache
**/.ruff_cache
**/tests
**/test
**/*.test.*
**/coverage
**/backups
**/*.sqlite
**/*.db
Dockerfile*
.dockerignore
"""
"""What no image of ours needs, and what must never be in one"""

_INSTALL = {
    "npm": "RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund",
    "pnpm": "RUN corepack enable && pnpm install --frozen-lockfile",
    "yarn": "RUN corepack enable && yarn install --frozen-lockfile",
}
_PRUNE = {
    "npm": "RUN npm prune --omit=dev --no-audit --no-fund",
    "pnpm": "RUN pnpm prune --prod",
    "yarn": "RUN yarn install --frozen-lockfile --production",
}
_PYTHON_HTTP = (
    "import os,urllib.request as u;"
    "u.urlopen('http://127.0.0.1:'+os.environ['PORT']+{path!r},timeout={timeout:g})"
)
_PYTHON_TCP = "import socket;socket.create_connection(('127.0.0.1',{port}),{timeout:g})"
_NODE_HTTP = (
    "fetch('http://127.0.0.1:'+process.env.PORT+{path})"
    ".then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"
)
_NODE_TCP = (
    "require('net').connect({port},'127.0.0.1')"
    ".on('connect',()=>process.exit(0)).on('error',()=>process.exit(1))"
)


def for_app(app: App, language: Language) -> str:
    """Return the Dockerfile of an app; ``PORT`` and ``HOST`` tell it where to listen."""
    if language is Language.NODE:
        return _node(app)
    return _python_on_gavan(app) if needs_gavan(app.dir) else _python(app)


def needs_gavan(folder: Path) -> bool:
    """Say whether the app asks for the package gavan itself, whose image it then stands on."""
    names = ("requirements.txt", "pyproject.toml")
    texts = [(folder / name).read_text(encoding="utf-8") for name in names
             if (folder / name).is_file()]  # fmt: skip
    return any(re.search(r"(?m)^\s*[\"']?gavan\b(?!-)", text) for text in texts)


def _python(app: App) -> str:
    return _lines(
        f"ARG PYTHON_IMAGE={BASES['PYTHON_IMAGE']}",
        "FROM ${PYTHON_IMAGE} AS packages",
        "RUN python -m venv /venv",
        "ENV PATH=/venv/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1",
        "WORKDIR /app",
        *_pip(app.dir),
        "",
        "FROM ${PYTHON_IMAGE}",
        "ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp",
        "WORKDIR /app",
        "COPY --from=packages /venv /venv",
        "COPY --from=packages /app /app",
        *_end(app, Language.PYTHON),
    )


def _python_on_gavan(app: App) -> str:
    return _lines(
        "ARG GAVAN_IMAGE",
        "FROM ${GAVAN_IMAGE}",
        "USER root",
        "WORKDIR /app",
        *_pip(app.dir),
        *_end(app, Language.PYTHON),
    )


def _pip(folder: Path) -> list[str]:
    """Return the lines that install the packages first and then the app."""
    cache = "RUN --mount=type=cache,target=/root/.cache/pip pip install --no-compile"
    listed = (folder / "requirements.txt").is_file()
    packaged = (folder / "pyproject.toml").is_file()
    return [
        *(["COPY requirements.txt ./", f"{cache} -r requirements.txt"] if listed else []),
        "COPY . .",
        *([f"{cache} ."] if packaged else []),
    ]


def _node(app: App) -> str:
    tool = package_manager(app.dir)
    build = [f"RUN {app.build}"] if app.build else []
    return _lines(
        f"ARG NODE_IMAGE={BASES['NODE_IMAGE']}",
        "FROM ${NODE_IMAGE} AS build",
        "WORKDIR /app",
        *_packages(app.dir, tool),
        "COPY . .",
        *build,
        _PRUNE[tool],
        "",
        "FROM ${NODE_IMAGE}",
        "ENV NODE_ENV=production HOME=/tmp",
        "WORKDIR /app",
        "COPY --from=build /app /app",
        *_end(app, Language.NODE),
    )


def _packages(folder: Path, tool: str) -> list[str]:
    lock = next((name for name in LOCKS if (folder / name).is_file()), None)
    if lock is None:
        return ["COPY package.json ./", "RUN npm install --no-audit --no-fund"]
    return [f"COPY package.json {lock} ./", _INSTALL[tool]]


def _end(app: App, language: Language) -> list[str]:
    port = [f"ENV PORT={app.port} HOST=0.0.0.0", f"EXPOSE {app.port}"] if app.port else []
    return [
        *port,
        f"USER {USER}",
        *_healthcheck(app.health, language),
        f"CMD {json.dumps(['/bin/sh', '-c', f'exec {app.command}'])}",
    ]


def _healthcheck(health: Health | None, language: Language) -> list[str]:
    """Return a check by a program that the image has for certain: the language itself."""
    if health is None:
        return []
    if health.command is not None:
        test = ["/bin/sh", "-c", health.command]
    elif language is Language.PYTHON:
        code = _PYTHON_HTTP if health.path else _PYTHON_TCP
        test = ["python", "-c", code.format(path=health.path, port=health.tcp,
                                            timeout=health.timeout_s)]  # fmt: skip
    else:
        code = _NODE_HTTP if health.path else _NODE_TCP
        test = ["node", "-e", code.format(path=json.dumps(health.path), port=health.tcp)]
    times = (
        f"--interval={health.interval_s:g}s --timeout={health.timeout_s:g}s "
        f"--start-period={health.start_s:g}s --start-interval=500ms --retries={health.fails}"
    )
    return [f"HEALTHCHECK {times} CMD {json.dumps(test)}"]


def for_site(site: Site, late: Sequence[str]) -> str:
    """Return the Dockerfile of a site: its files behind a Caddy of their own on SITE_PORT.

    The variables of the site are built in, but for those named in ``late``: their values belong to
    the place where it runs, and stand in for placeholders when the container starts. So the image
    that was rehearsed is the one that is released.
    """
    heading, source = _site_build(site, late)
    probe = (
        f"wget -qO /dev/null http://127.0.0.1:{SITE_PORT}/ 2>/dev/null"
        f" || bash -c '</dev/tcp/127.0.0.1/{SITE_PORT}'"
    )
    return _lines(
        f"ARG CADDY_IMAGE={BASES['CADDY_IMAGE']}",
        *heading,
        "FROM ${CADDY_IMAGE}",
        f"COPY {source} /srv",
        "COPY <<'END' /etc/caddy/Caddyfile",
        *_caddyfile(site),
        "END",
        "COPY <<'END' /etc/caddy/start",
        *_start(late),
        "END",
        "ENV XDG_CONFIG_HOME=/tmp XDG_DATA_HOME=/tmp",
        f"EXPOSE {SITE_PORT}",
        f"USER {USER}",
        "HEALTHCHECK --interval=5s --timeout=2s --start-period=10s --start-interval=500ms "
        f"CMD {json.dumps(['/bin/sh', '-c', probe])}",
        'CMD ["/bin/sh", "/etc/caddy/start"]',
    )


def placeholder(name: str) -> str:
    """Return what stands in the built files for a value that comes when the site starts."""
    return f"__GAVAN_{name}__"


def _caddyfile(site: Site) -> list[str]:
    return [
        "{",
        "\tadmin off",
        "\tpersist_config off",
        "\tauto_https off",
        "}",
        f":{SITE_PORT} {{",
        f"\troot * {SERVED}",
        "\tencode zstd gzip",
        *indented(header_lines({**SECURITY_HEADERS, **site.headers}), 1),
        *indented(file_lines(site), 1),
        "}",
    ]


def _start(late: Sequence[str]) -> list[str]:
    """Return the script that fills the placeholders in and becomes Caddy.

    A value with other characters than those of URLs and tokens would change the program it is
    put into: it is refused.
    """
    names = " ".join(f"-o -name '*.{ending}'" for ending in FILLED)
    return [
        "set -eu",
        f"rm -rf {SERVED} && cp -r /srv {SERVED} && chmod -R u+w {SERVED}",
        f"for name in {' '.join(late)}; do",
        '\teval "value=\\${$name:-}"',
        "\tcase $value in",
        '\t\t*[!A-Za-z0-9:/._~%+=-]*) echo "$name has characters that no URL has" >&2; exit 2 ;;',
        "\tesac",
        f"\tfind {SERVED} -type f \\( -name '*.html' {names} \\) "
        f'-exec grep -l "__GAVAN_${{name}}__" {{}} + >/tmp/filled || true',
        "\twhile read -r file; do",
        '\t\tsed -i "s|__GAVAN_${name}__|$value|g" "$file"',
        # What the build has compressed beside it still has the placeholder.
        '\t\trm -f "$file.gz" "$file.br" "$file.zst"',
        "\tdone </tmp/filled",
        "done",
        "exec caddy run --config /etc/caddy/Caddyfile --adapter caddyfile",
    ]


def _site_build(site: Site, late: Sequence[str]) -> tuple[list[str], str]:
    """Return the stage that builds the files, and where they are copied from."""
    if site.build is None:
        return [], json.dumps(f"{site.output}/")
    tool = package_manager(site.dir)
    is_script = tool != "npm" and has_script(site.dir, "build")
    lines = [
        f"ARG NODE_IMAGE={BASES['NODE_IMAGE']}",
        "FROM ${NODE_IMAGE} AS build",
        "WORKDIR /site",
        *_packages(site.dir, tool),
        "COPY . .",
        *(f"ENV {name}={placeholder(name)}" for name in late),
        *(f"ENV {name}={json.dumps(value)}" for name, value in site.env.items()),
        f"RUN {'corepack enable && ' if is_script else ''}{site.build}",
        "",
    ]
    return lines, f"--from=build /site/{site.output}"


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"
