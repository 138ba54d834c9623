"""What no single key can get wrong: ports, routes, needs, directories, what reaches the public.

Stands at the end of load.py; pure but for looking whether directories exist. Findings only.
"""

from __future__ import annotations

import ipaddress
import itertools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from gavan.kit.nearest import nearest
from gavan.kit.secret import Secret
from gavan.kit.version import VERSION
from gavan.stack.build import Parts, is_glob, is_valid_glob
from gavan.stack.check_auth import check_auth
from gavan.stack.check_backup import check_backup
from gavan.stack.check_deploy import check_deploy
from gavan.stack.check_notify import check_notify
from gavan.stack.check_storage import check_expiry, check_storage
from gavan.stack.findings import Level
from gavan.stack.interpolate import names
from gavan.stack.layers import may_be_public
from gavan.stack.model import (
    App,
    AppKind,
    Broker,
    Condition,
    EngineName,
    KeyPath,
    Route,
    Site,
    Stack,
)
from gavan.stack.source import Report, Source

SCHEMA = 1
EMBEDDED_POSTGRES = 18
OFFICIAL = ("rest", "auth", "realtime", "storage", "imgproxy", "meta", "studio")
"""Services that [core] engine = "supabase" runs"""
_PRIVILEGED = 1024
_PARTS = ("core", "database", "queue")
_RANGE = re.compile(r"\s*(==|!=|>=|<=|>|<)\s*(\d+(?:\.\d+)*)\s*")
_COMPARE: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    "==": lambda ours, theirs: ours == theirs,
    "!=": lambda ours, theirs: ours != theirs,
    ">=": lambda ours, theirs: ours >= theirs,
    "<=": lambda ours, theirs: ours <= theirs,
    ">": lambda ours, theirs: ours > theirs,
    "<": lambda ours, theirs: ours < theirs,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    stack: Stack
    source: Source
    parts: Parts
    report: Report


def check(stack: Stack, source: Source, parts: Parts, report: Report) -> None:
    """Note everything that is wrong between the keys of a stack that could be built."""
    subject = _Subject(stack=stack, source=source, parts=parts, report=report)
    for rule in (
        _versions, _postgres, _ports, _routes, _idle_routes, _needs, _cycles, _commands, _health,
        _directories, _secrets, _sites, _cors, _cron, _zones, _broker, _trusted,
        _official,
    ):  # fmt: skip
        rule(subject)
    check_auth(parts.core["auth"], source, report, protected=stack.profile.protected)
    check_storage(parts.core["storage"], stack.env, source, report)
    check_expiry(parts.storage, source, report)
    check_backup(stack, source, report)
    check_deploy(stack, source, report)
    check_notify(stack, source, report)


def _versions(on: _Subject) -> None:
    schema = on.parts.stack["schema"]
    if schema > SCHEMA:
        on.report.add(
            on.source.value(("stack", "schema")),
            "GV106",
            f"the file has form {schema}, this gavan reads form {SCHEMA}",
            why="a newer gavan wrote it",
            mend="update gavan: pip install --upgrade gavan",
        )
    requires = on.parts.stack["requires"]
    if requires and not _admits(requires, VERSION):
        on.report.add(
            on.source.value(("stack", "requires")),
            "GV107",
            f'this is gavan {VERSION}, the file requires "{requires}"',
            why="the team agreed on a range of versions, written like >=0.1, <2",
            mend=f'install one: pip install "gavan{requires}"',
        )


def _postgres(on: _Subject) -> None:
    database = on.stack.database
    embedded = on.stack.profile.engine is EngineName.EMBEDDED and database.external_url is None
    if embedded and database.version != EMBEDDED_POSTGRES:
        on.report.add(
            on.source.value(("database", "version")),
            "GV112",
            f"the embedded engine brings Postgres {EMBEDDED_POSTGRES}, not {database.version}",
            why="its server comes with gavan",
            mend=f"write {EMBEDDED_POSTGRES}, or name a server of yours: external_url",
        )


def _broker(on: _Subject) -> None:
    """Note a broker that nobody would start: processes on a laptop bring none."""
    queue, engine = on.stack.queue, on.stack.profile.engine
    wanted = queue.broker is Broker.RABBITMQ and queue.external_url is None
    if wanted and engine is EngineName.EMBEDDED:
        on.report.add(
            on.source.value(("queue", "broker")),
            "GV112",
            "the embedded engine brings no RabbitMQ",
            why="it starts no server that is not part of gavan",
            mend='name one of yours: external_url = "${AMQP_URL}", or rehearse on containers: '
            "gavan up -p prod-sim",
        )


def _official(on: _Subject) -> None:
    if not on.stack.core.is_official:
        return
    kinds: dict[str, Sequence[App | Site]] = {"apps": on.stack.apps, "sites": on.stack.sites}
    for kind, parts in kinds.items():
        for part in parts:
            if part.name in OFFICIAL:
                on.report.add(
                    on.source.key((kind, part.name)),
                    "GV104",
                    f'"{part.name}" is the name of one of Supabase\'s own services',
                    why='[core] engine = "supabase" runs each of them under its name',
                    mend="choose another name",
                )


def _trusted(on: _Subject) -> None:
    for index, text in enumerate(on.stack.proxy.trusted):
        try:
            ipaddress.ip_network(text)
        except ValueError:
            on.report.add(
                on.source.value(("proxy", "trusted", index)),
                "GV102",
                f'"{text}" is no network',
                why="whoever it lets in says whose request it brings",
                mend='write an address or a network: trusted = ["203.0.113.0/24"]',
            )


def _admits(requires: str, version: str) -> bool:
    ours = _numbers(version)
    ranges = [_RANGE.fullmatch(part) for part in requires.split(",")]
    return all(match and _COMPARE[match[1]](ours, _numbers(match[2])) for match in ranges)


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in re.findall(r"\d+", version)[:3]]
    return (*numbers, *[0] * (3 - len(numbers)))


def _port_list(stack: Stack) -> Iterator[tuple[int, KeyPath]]:
    if stack.database.external_url is None:
        yield stack.database.port, ("database", "port")
    yield stack.core.port, ("core", "port")
    for app in stack.apps:
        if app.port is not None:
            yield app.port, ("apps", app.name, "port")
    for site in stack.sites:
        yield site.port, ("sites", site.name, "dev_port")


def _ports(on: _Subject) -> None:
    taken: dict[int, KeyPath] = {}
    for port, path in _port_list(on.stack):
        if port in taken:
            first, second = sorted((taken[port], path), key=lambda p: p in on.stack.positions)
            title = ".".join(map(str, first[:-1]))
            at = on.source.value(first).position
            written = f" (line {at.line})" if first in on.stack.positions else " by default"
            on.report.add(
                on.source.value(second),
                "GV120",
                f"port {port} is also the port of {title}{written}",
                why="one of the two could not start",
                mend=f"give [{'.'.join(map(str, second[:-1]))}] another {second[-1]}",
            )
        taken.setdefault(port, path)
        if port < _PRIVILEGED and os.geteuid() != 0 and port < _first_free_port():
            on.report.add(
                on.source.value(path),
                "GV121",
                f"port {port} needs rights that this user does not have",
                why="ports below 1024 are the system's",
                mend="choose a port from 1024 to 65535",
            )


def _first_free_port() -> int:
    """Return the first port that Linux gives to every user."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        return _PRIVILEGED


def _route_list(stack: Stack) -> Iterator[tuple[Route, KeyPath]]:
    for app in stack.apps:
        for index, route in enumerate(app.routes):
            yield route, ("apps", app.name, "routes", index)
    for site in stack.sites:
        if site.route:
            yield site.route, ("sites", site.name, "route")


def _routes(on: _Subject) -> None:
    claimed: dict[tuple[str, str], KeyPath] = {}
    for route, path in _route_list(on.stack):
        key = (route.host.lower(), route.path.rstrip("/") or "/")
        if key in claimed:
            line = on.source.value(claimed[key]).position.line
            on.report.add(
                on.source.value(path),
                "GV122",
                f"route {key[0]}{key[1]} leads to two places, "
                f"also to {claimed[key][1]} (line {line})",
                why="the proxy can send a request to one of them only",
                mend="give one of them another host or path",
            )
        claimed.setdefault(key, path)


def _idle_routes(on: _Subject) -> None:
    """Note routes that nothing follows: the embedded proxy stands at the ports of sites."""
    if on.stack.sites or on.stack.profile.engine is not EngineName.EMBEDDED:
        return
    for route, path in _route_list(on.stack):
        on.report.add(
            on.source.value(path),
            "GV125",
            f"route {route.host}{route.path} leads nowhere here: the stack has no site",
            why="the embedded engine's proxy runs at the ports of sites; without one it is not run",
            mend=f"ask [apps.{path[1]}] on its own port, or add a site",
            level=Level.WARNING,
        )


def _needs(on: _Subject) -> None:
    apps = {app.name: app for app in on.stack.apps}
    for app in on.stack.apps:
        for name, condition in app.needs.items():
            path = ("apps", app.name, "needs", name)
            needed = apps.get(name)
            if needed is None and name not in _PARTS:
                near = nearest(name, [*apps, *_PARTS])
                on.report.add(
                    on.source.key(path),
                    "GV131",
                    f'[apps.{app.name}] needs "{name}", which is not in this stack',
                    why="it would wait for ever",
                    mend=f'write "{near}"' if near else f"known: {', '.join([*apps, *_PARTS])}",
                )
            elif condition is Condition.COMPLETED and (not needed or needed.kind != AppKind.JOB):
                on.report.add(
                    on.source.value(path),
                    "GV132",
                    f'[apps.{app.name}] waits for "{name}" to complete, but it never ends',
                    why="only an app of kind job completes",
                    mend='wait for "healthy", or make it a job: kind = "job"',
                )
            elif condition is Condition.HEALTHY and needed and needed.health is None:
                on.report.add(
                    on.source.value(path),
                    "GV133",
                    f'[apps.{app.name}] waits for "{name}" to be healthy, but nothing tells',
                    why=f"[apps.{name}] has neither health nor a port to ask",
                    mend=f'give [apps.{name}] health, or wait for "started"',
                )


def _cycles(on: _Subject) -> None:
    """Note each circle once, where its first app in the file begins it."""
    graph = {app.name: [name for name in app.needs] for app in on.stack.apps}
    reported: set[frozenset[str]] = set()
    for start in graph:
        circle = _circle(graph, start)
        if circle is None or frozenset(circle) in reported:
            continue
        reported.add(frozenset(circle))
        links = [*circle, circle[0]]
        lines = ", ".join(
            f"{name} needs {needed} in line {_line(on, name, needed)}"
            for name, needed in itertools.pairwise(links)
        )
        on.report.add(
            on.source.key(("apps", links[0], "needs", links[1])),
            "GV130",
            f"needs form a cycle: {' -> '.join(links)}",
            why=f"none of them could start first: {lines}",
            mend="remove one of these needs",
        )


def _line(on: _Subject, name: str, needed: str) -> int:
    return on.source.key(("apps", name, "needs", needed)).position.line


def _circle(graph: dict[str, list[str]], start: str) -> list[str] | None:
    """Return the names on a way from ``start`` back to it."""
    stack = [(start, [start])]
    seen: set[str] = set()
    while stack:
        name, way = stack.pop()
        for needed in reversed(graph.get(name, [])):
            if needed == start:
                return way
            if needed not in seen:
                seen.add(needed)
                stack.append((needed, [*way, needed]))
    return None


def _commands(on: _Subject) -> None:
    for app in on.stack.apps:
        if not app.command:
            on.report.add(
                on.source.key(("apps", app.name)),
                "GV103",
                f'"command" is missing in [apps.{app.name}]',
                why="the app would start with no command",
                mend='add: command = "npm start", or dev for profiles with watch',
            )


def _health(on: _Subject) -> None:
    for app in on.stack.apps:
        path = ("apps", app.name, "health")
        written = on.parts.apps[app.name]["health"]
        if not written:
            continue
        asked = [key for key in ("path", "tcp", "exec") if written[key]]
        if len(asked) != 1:
            on.report.add(
                on.source.key(path),
                "GV103",
                f"[apps.{app.name}] health asks {' and '.join(asked) or 'nothing'}",
                why="one question decides whether the app is ready",
                mend="write exactly one of path, tcp, exec",
            )
        if written["path"] and app.port is None:
            on.report.add(
                on.source.key(path),
                "GV103",
                f'"port" is missing in [apps.{app.name}]',
                why="health by path asks the app on its port",
                mend="add: port = 3000",
            )


def _directories(on: _Subject) -> None:
    root = on.stack.root
    named: list[tuple[Path, KeyPath]] = [
        (root, ("stack", "root")),
        (on.stack.database.migrations.dir, ("database", "migrations", "dir")),
        *((app.dir, ("apps", app.name, "dir")) for app in on.stack.apps),
        *((site.dir, ("sites", site.name, "dir")) for site in on.stack.sites),
    ]
    for path, key in named:
        # A default directory may be missing: a stack without migrations is a stack.
        if key in on.stack.positions and not path.is_dir():
            _missing(on, key, path, "directory")
    for name in ("files", "mock"):
        for index, pattern in enumerate(on.parts.seed[name]):
            if is_glob(pattern) and not is_valid_glob(pattern):
                on.report.add(
                    on.source.value(("database", "seed", name, index)),
                    "GV102",
                    f'"{pattern}" is not a glob that can be searched',
                    why="globs start from the root of the stack, ** stands alone between slashes",
                    mend='write it like "supabase/seeds/**/*.sql"',
                )
            if not is_glob(pattern) and not (root / pattern).is_file():
                _missing(on, ("database", "seed", name, index), root / pattern, "file")


def _missing(on: _Subject, key: KeyPath, path: Path, what: str) -> None:
    on.report.add(
        on.source.value(key),
        "GV160",
        f"there is no {what} {path}",
        why=f"paths start from the root of the stack, {on.stack.root}",
        mend=f"create it: mkdir -p {path}" if what == "directory" else "create it, or correct it",
    )


def _secrets(on: _Subject) -> None:
    for app in on.stack.apps:
        for index, name in enumerate(app.secrets):
            if name in on.stack.env or name in app.env:
                continue
            on.report.unset(
                on.source.value(("apps", app.name, "secrets", index)),
                f"secret {name} is not set",
                why=f"no .env file of profile {on.stack.profile.name} and no environment has it",
                mend=f"add a line to .env: {name}=...",
            )


def _sites(on: _Subject) -> None:
    for site in on.stack.sites:
        for name, value in on.parts.sites[site.name]["env"].items():
            written = on.source.table(("sites", site.name, "env")).get(name)
            secret = isinstance(value, Secret) and not _is_browser_key(name, str(written))
            if secret or not may_be_public(name):
                on.report.add(
                    on.source.key(("sites", site.name, "env", name)),
                    "GV152",
                    f'"{name}" would make a secret public',
                    why="whoever opens the site can read its variables",
                    mend="give it to an app, and let the site ask the app",
                )


def _is_browser_key(name: str, written: str) -> bool:
    """Say whether the value is secret by its name alone, and the name is that of a public key."""
    spoken = names(written)
    references = spoken.references or written.startswith("secret://")
    return may_be_public(name) and not references and all(map(may_be_public, spoken.variables))


def _cors(on: _Subject) -> None:
    profile = on.stack.profile
    if not profile.protected:
        return
    for index, origin in enumerate(profile.cors):
        if origin == "*" or re.search(r"//(localhost|127\.0\.0\.1|\[::1\])(:|/|$)", origin):
            on.report.add(
                on.source.value(("profiles", profile.name, "cors", index)),
                "GV156",
                f'origin "{origin}" on the protected profile {profile.name}',
                why="any page, or any page on a visitor's machine, could use their session",
                mend='name the origins of your sites: cors = ["https://app.example.com"]',
            )


def _cron(on: _Subject) -> None:
    for entry in on.stack.cron:
        does = [key for key in ("sql", "command", "http") if getattr(entry, key)]
        if len(does) != 1:
            on.report.add(
                on.source.key(("cron", entry.name)),
                "GV103",
                f"[cron.{entry.name}] does {' and '.join(does) or 'nothing'}",
                why="an entry does one thing, so that one thing can fail",
                mend="write exactly one of sql, command, http",
            )
        for index, name in enumerate(entry.profiles):
            if name not in _profile_names(on):
                on.report.add(
                    on.source.value(("cron", entry.name, "profiles", index)),
                    "GV111",
                    f'there is no profile "{name}"',
                    why="the entry would never run",
                    mend=f"known: {', '.join(_profile_names(on))}",
                    level=Level.WARNING,
                )


def _zones(on: _Subject) -> None:
    for entry in on.stack.cron:
        if entry.tz == "UTC":
            continue  # a system without time zone data has it too
        try:
            ZoneInfo(entry.tz)
        except (KeyError, ValueError, OSError):
            on.report.add(
                on.source.value(("cron", entry.name, "tz")),
                "GV105",
                f'there is no time zone "{entry.tz}"',
                why="the fields of the schedule are hours of this zone",
                mend='write it like "Europe/Amsterdam", or leave UTC',
            )


def _profile_names(on: _Subject) -> list[str]:
    return list(dict.fromkeys(("dev", "prod-sim", "prod", *on.source.table(("profiles",)))))
