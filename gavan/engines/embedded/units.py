"""Turn the units of a plan into processes: argv, environment, folder, probe.

Stands between the plan, which knows no processes, and the supervisor, which knows no stack.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, assert_never

from gavan.database.embedded import Server
from gavan.engines.embedded import build, caddyfile
from gavan.engines.embedded.cronfile import OWN_ENVIRONMENT, encode_jobs
from gavan.engines.embedded.environment import (
    POSTGRES,
    Surroundings,
    app_env,
    base_env,
    core_env,
    job_env,
    provided,
    s3_env,
    site_env,
)
from gavan.engines.embedded.model import Plan, Probe, ProbeKind, Process
from gavan.engines.embedded.own_jobs import own_environment, own_jobs
from gavan.engines.embedded.paths import control_socket, run_dir
from gavan.kit.errors import GavanError
from gavan.stack.model import App, Health, Site, Stack
from gavan.stack.plan import cron_entries
from gavan.stack.unit import Unit, UnitKind

Section = TypeVar("Section", App, Site)

CORE_START_S = 60.0
DEV_SERVER_START_S = 120.0
CADDY_MEMORY = "40MiB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What decides about processes besides the stack: how it was asked to run."""

    around: Surroundings
    server: Server | None
    attached: bool = False
    dev_sites: bool = False
    overrides: tuple[str, ...] = ()

    @property
    def stack(self) -> Stack:
        return self.around.stack


def build_plan(request: Request, units: Iterable[Unit]) -> Plan:
    """Return the plan of the supervisor for these units, in their order."""
    stack = request.stack
    served = [site for site in stack.sites if not _has_dev_server(request, site)]
    processes = [_process(request, unit, served) for unit in units]
    builds = [replace(_site(request, site), name=site.name, kind="site") for site in served]
    kept = [*builds, *(process for process in processes if process is not None)]
    known = {process.name for process in kept}
    return Plan(
        stack=stack.name,
        file=str(stack.file),
        profile=stack.profile.name,
        state_dir=str(stack.state_dir),
        control=str(control_socket(stack.state_dir)),
        data_dir=str(request.server.data_dir.resolve()) if request.server else "",
        attached=request.attached,
        processes=tuple(_with_known_needs(process, known) for process in kept),
    )


def _with_known_needs(process: Process, known: set[str]) -> Process:
    needs = {name: condition for name, condition in process.needs.items() if name in known}
    return replace(process, needs=needs)


def _process(request: Request, unit: Unit, served: Sequence[Site]) -> Process | None:
    match unit.kind:
        case UnitKind.POSTGRES:
            process = _postgres(request)
        case UnitKind.MIGRATE:
            process = _migrate(request)
        case UnitKind.CORE:
            process = _core(request)
        case UnitKind.APP:
            process = _app(request, _named(request.stack.apps, unit.name))
        case UnitKind.SITE:
            process = _site(request, _named(request.stack.sites, unit.name))
        case UnitKind.PROXY:
            process = _proxy(request, served)
        case UnitKind.CRON:
            process = _cron(request)
        case UnitKind.WAL:
            process = _wal(request)
        case _:
            assert_never(unit.kind)
    return _as_planned(process, unit, served) if process else None


def _as_planned(process: Process, unit: Unit, served: Sequence[Site]) -> Process:
    """Add what the plan says about a unit to what its kind says."""
    needs = {name: condition.value for name, condition in unit.needs.items()}
    if unit.kind is UnitKind.PROXY:
        # A site that is built is a job here; the proxy waits for its files, not for a server.
        needs |= {site.name: "completed" for site in served}
    fixed = unit.kind in (UnitKind.POSTGRES, UnitKind.MIGRATE)
    # What is ours is asked often while it starts and seldom later; an app as its file says.
    probe = _probe(unit.health, process.ports) if unit.kind is UnitKind.APP else None
    return replace(
        process,
        name=unit.name,
        kind=unit.kind.value,
        needs=needs,
        probe=probe or process.probe,
        once=process.once or unit.once,
        restart=process.restart if fixed else unit.restart,
        stop_signal=process.stop_signal if fixed else unit.stop_signal,
        stop_timeout_s=unit.stop_timeout_s,
    )


def _probe(health: Health | None, ports: Sequence[int]) -> Probe | None:
    """Return the question of an app; one by path goes to the app's own port."""
    if health is None:
        return None
    kind, target, port = ProbeKind.TCP, "", health.tcp or 0
    if health.command is not None:
        kind, target = ProbeKind.EXEC, health.command
    elif health.path is not None:
        kind, target, port = ProbeKind.HTTP, health.path, next(iter(ports), 0)
    return Probe(
        kind=kind, target=target, port=port, interval_s=health.interval_s,
        timeout_s=health.timeout_s, start_s=health.start_s, fails=health.fails,
    )  # fmt: skip


def _blank(argv: Sequence[str], cwd: Path | str, env: dict[str, str]) -> Process:
    return Process(name="", kind="", argv=tuple(argv), cwd=str(cwd), env=env)


def _postgres(request: Request) -> Process | None:
    server = request.server
    if server is None:
        return None
    socket_file = server.socket_dir / f".s.PGSQL.{server.port}"
    probe = Probe(kind=ProbeKind.POSTGRES, target=str(socket_file), interval_s=10.0, start_s=600.0)
    data_dir = server.data_dir.resolve()
    return replace(
        _blank(server.argv, data_dir, dict(server.env)),
        user=(server.user.uid, server.user.gid) if server.user else None,
        probe=probe,
        stop_signal="SIGINT",
        ports=(server.port,),
        fingerprint=digest([data_dir / "postgresql.conf", data_dir / "pg_hba.conf"], text=True),
    )


def _migrate(request: Request) -> Process:
    stack = request.stack
    argv = [sys.executable, "-m", "gavan", "-f", str(stack.file), "-p", stack.profile.name]
    # By environment and not by --set: a variable among them may be secret, and argv is public.
    env = {**job_env(request.around), "GAVAN_SET": "\n".join(request.overrides)}
    migrations, seed = stack.database.migrations, stack.database.seed
    files = [*_files(migrations.dir), *seed.files, *seed.mock]
    return replace(
        _blank([*argv, "migrate", "up", "--bootstrap"], stack.root, env),
        once=True,
        restart="no",
        fingerprint=digest(files),
        env_matters=False,
        note="roles, schemas, migrations, seeds",
    )


def _wal(request: Request) -> Process:
    stack = request.stack
    argv = [sys.executable, "-m", "gavan", "-f", str(stack.file), "-p", stack.profile.name]
    env = {**job_env(request.around), "GAVAN_SET": "\n".join(request.overrides)}
    return replace(
        _blank([*argv, "backup", "wal"], stack.root, env),
        note="receives the write-ahead log",
    )


def _core(request: Request) -> Process:
    port = request.stack.core.port
    return replace(
        _blank([sys.executable, "-m", "gavan.core"], request.stack.root, core_env(request.around)),
        probe=Probe(
            kind=ProbeKind.HTTP, target="/health", port=port, interval_s=5.0, start_s=CORE_START_S
        ),
        ports=(port,),
    )


def _app(request: Request, app: App) -> Process:
    command = app.dev if app.dev and request.stack.profile.watch else app.command
    process = _blank(["/bin/sh", "-c", command], app.dir, app_env(request.around, app))
    if app.port is None:
        return process
    return replace(process, ports=(app.port,), probe=Probe(kind=ProbeKind.TCP, port=app.port))


def _has_dev_server(request: Request, site: Site) -> bool:
    return request.dev_sites and site.dev is not None


def _site(request: Request, site: Site) -> Process:
    env = site_env(request.around, site)
    if _has_dev_server(request, site):
        command = f"{_install(site)}{site.dev}"
        return replace(
            _blank(["/bin/sh", "-c", command], site.dir, env),
            probe=Probe(kind=ProbeKind.TCP, port=site.port, start_s=DEV_SERVER_START_S),
            ports=(site.port,),
            note="dev server",
        )
    record = request.stack.state_dir / "cache" / f"site-{site.name}"
    job = build.SiteBuild(
        dir=str(site.dir), output=site.output, command=site.build or "",
        prefix=site.env_prefix, record=str(record),
    )  # fmt: skip
    env[build.VARIABLE] = build.encode(job)
    mark = build.fingerprint(site.dir, site.dir / site.output, env, site.env_prefix)
    return replace(
        _blank([sys.executable, "-m", "gavan.engines.embedded.build"], site.dir, env),
        once=True,
        restart="no",
        fingerprint=mark,
        note="build if its sources changed",
    )


def _install(site: Site) -> str:
    command = build.install_command(site.dir)
    return f"{command} && exec " if command else "exec "


def _proxy(request: Request, served: Sequence[Site]) -> Process | None:
    if not served:
        return None
    stack = replace(request.stack, sites=tuple(served))
    folder = stack.state_dir / "cache" / "caddy"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = caddyfile.render(stack, folder)
    path = run_dir(stack.state_dir) / "Caddyfile"
    path.touch(mode=0o600)
    path.write_text(text)
    env = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder),
           "GOMEMLIMIT": CADDY_MEMORY}  # fmt: skip
    argv = [caddy(), "run", "--config", str(path), "--adapter", "caddyfile"]
    return replace(
        _blank(argv, folder, {**base_env(), **env}),
        probe=Probe(kind=ProbeKind.TCP, port=served[0].port),
        ports=tuple(site.port for site in served),
        fingerprint=hashlib.sha256(text.encode()).hexdigest(),
    )


def caddy() -> str:
    """Return the path of Caddy, which its wheel lays beside the interpreter."""
    path = Path(sys.executable).with_name("caddy")
    if not path.is_file():
        raise GavanError(
            "GV112", f"Caddy is not at {path}", hint="pip install --upgrade gavan", exit_code=7
        )
    return str(path)


def _cron(request: Request) -> Process | None:
    stack = request.stack
    jobs = [*cron_entries(stack), *own_jobs(stack)]
    if not jobs:
        return None
    url = request.around.urls.url(POSTGRES, socket=True).reveal()
    env = {**base_env(), **provided(request.around), **s3_env(request.around)}
    env["GAVAN_CRON"] = encode_jobs(jobs)
    env[OWN_ENVIRONMENT] = own_environment(request.around, request.overrides)
    env["GAVAN_CRON_DB_URL"] = url
    env["GAVAN_CRON_STATE"] = str(stack.state_dir / "cache" / "cron.json")
    return _blank([sys.executable, "-m", "gavan.engines.embedded.cron"], stack.root, env)


def digest(files: Iterable[Path], *, text: bool = False) -> str:
    """Return a fingerprint of files: by content when ``text``, else by name, size and date."""
    total = hashlib.sha256()
    for path in files:
        if not path.is_file():
            continue
        facts = path.stat()
        mark = path.read_bytes() if text else f"{facts.st_size} {facts.st_mtime_ns}".encode()
        total.update(os.fsencode(path) + b"\0" + mark + b"\n")
    return total.hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.sql")) if folder.is_dir() else []


def _named(sections: Iterable[Section], name: str) -> Section:
    return next(section for section in sections if section.name == name)
