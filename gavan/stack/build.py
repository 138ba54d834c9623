"""Typed values of every section to the frozen Stack.

Stands between read.py and check.py; decides nothing but paths and what follows from two keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gavan.kit.secret import Secret
from gavan.stack.auth import auth_variables
from gavan.stack.backup import build_backup
from gavan.stack.layers import Layers
from gavan.stack.model import (
    App,
    AppKind,
    Broker,
    Channel,
    Ci,
    Condition,
    Core,
    Cron,
    Database,
    Deploy,
    DeployHost,
    EngineName,
    EnvValue,
    Health,
    Migrations,
    Overlap,
    Profile,
    Proxy,
    Queue,
    Route,
    Seed,
    Site,
    Smoke,
    Stack,
)
from gavan.stack.read import Values
from gavan.stack.s3 import build_container, build_storage, stood_in
from gavan.stack.schema.sections import HEALTH
from gavan.stack.scope import HOST
from gavan.stack.storage import storage_variables
from gavan.stack.values import is_path, read_duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The sections of one file, read; maps are by the user's name."""

    stack: Values
    profile: Profile
    database: Values
    migrations: Values
    seed: Values
    core: Values
    storage: Values
    queue: Values
    proxy: Values
    apps: dict[str, Values]
    sites: dict[str, Values]
    cron: dict[str, Values]
    backup: Values
    has_backup: bool
    """Whether the file has the section; without it nothing is scheduled."""
    deploy: Values
    notify: dict[str, Values]
    ci: Values


def build_profile(name: str, values: Values) -> Profile:
    return Profile(
        name=name,
        engine=EngineName(values["engine"]),
        domain=values["domain"],
        tls=values["tls"],
        acme_email=values["acme_email"],
        http_port=values["http_port"],
        https_port=values["https_port"],
        logs=values["logs"],
        watch=values["watch"],
        protected=values["protected"],
        env_files=values["env_files"],
        cors=values["cors"],
    )


def build(file: Path, parts: Parts, layers: Layers) -> Stack:
    """Return the Stack; relative paths start from its root."""
    root = root_of(file, parts.stack["root"])
    sites = tuple(_site(root, name, values) for name, values in parts.sites.items())
    return Stack(
        name=parts.stack["name"] or "unnamed",
        file=file,
        root=root,
        profile=parts.profile,
        database=_database(root, parts),
        core=_core(root, parts, sites, layers.merged()),
        storage=build_storage(parts.storage),
        queue=_queue(parts.queue),
        proxy=Proxy(**parts.proxy),
        apps=tuple(_app(root, name, values) for name, values in parts.apps.items()),
        sites=sites,
        cron=tuple(_cron(name, values) for name, values in parts.cron.items()),
        backup=build_backup(root, parts.backup, is_written=parts.has_backup),
        deploy=_deploy(parts),
        notify=tuple(_channel(name, values) for name, values in parts.notify.items()),
        ci=Ci(**parts.ci),
        env=layers.merged(),
    )


def _deploy(parts: Parts) -> Deploy:
    hosts = tuple(
        DeployHost(
            name=name, **(values | {"path": values["path"] or f"/opt/{parts.stack['name']}"})
        )
        for name, values in parts.deploy["hosts"].items()
    )
    smoke = tuple(_smoke(values) for values in parts.deploy["smoke"])
    return Deploy(**(parts.deploy | {"hosts": hosts, "smoke": smoke}))


def _smoke(values: Values) -> Smoke:
    known = {name: value for name, value in values.items() if name not in ("exec", "within")}
    return Smoke(command=values["exec"], within_s=values["within"], **known)


def _channel(name: str, values: Values) -> Channel:
    return Channel(
        name=name,
        type=values["type"] or "",
        target=values["target"] or Secret(""),
        events=values["events"],
        quiet_hours=values["quiet_hours"],
    )


def root_of(file: Path, written: object) -> Path:
    """Return the root; a value that no path can be is reported by the reader and ignored here."""
    usable = isinstance(written, str) and is_path(written)
    return (file.parent / (str(written) if usable else ".")).resolve()


def _database(root: Path, parts: Parts) -> Database:
    values, migrations, seed = parts.database, parts.migrations, parts.seed
    return Database(
        version=values["version"],
        port=values["port"],
        name=values["name"],
        settings=values["settings"],
        max_connections=values["max_connections"],
        external_url=values["external_url"],
        container=build_container(values),
        migrations=Migrations(**(migrations | {"dir": root / migrations["dir"]})),
        seed=Seed(
            files=expand(root, seed["files"]),
            mock=expand(root, seed["mock"]),
            profiles=seed["profiles"],
        ),
    )


def expand(root: Path, patterns: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the files of every pattern in order; a path without wildcards stands for itself."""
    files: list[Path] = []
    for pattern in patterns:
        if not is_glob(pattern):
            files.append(root / pattern)
        elif is_valid_glob(pattern):
            files += sorted(root.glob(pattern))
    return tuple(dict.fromkeys(files))


def is_valid_glob(pattern: str) -> bool:
    """Say whether the pattern stays relative and has ** only as a whole part."""
    parts = Path(pattern).parts
    return not Path(pattern).is_absolute() and all("**" not in p or p == "**" for p in parts)


def is_glob(pattern: str) -> bool:
    return any(character in pattern for character in "*?[")


def _queue(values: Values) -> Queue:
    return Queue(
        broker=Broker(values["broker"]),
        external_url=values["external_url"],
        container=build_container(values),
    )


def _core(root: Path, parts: Parts, sites: tuple[Site, ...], env: Mapping[str, EnvValue]) -> Core:
    values = parts.core
    port = sites[0].port if sites else values["port"]
    site_url = values["site_url"] or f"http://{'localhost' if sites else HOST}:{port}"
    known = {name: value for name, value in values.items() if name not in ("memory", "cpus")}
    made = {
        "container": build_container(values),
        "site_url": site_url,
        "rest": _options(values["rest"] or {}),
        "realtime": _options(values["realtime"] or {}),
        "auth": auth_variables(values["auth"], root),
        "storage": storage_variables(
            values["storage"], env, stood_in(parts.storage, parts.profile)
        ),
    }
    return Core(**(known | made))


def _options(values: Values) -> dict[str, EnvValue]:
    """Return the options as text, as an environment carries them."""
    options: dict[str, EnvValue] = {}
    for name, value in values.items():
        if name == "app_settings":
            options |= {f"app_settings_{key}": text for key, text in value.items()}
        elif value is not None:
            options[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return options


def _app(root: Path, name: str, values: Values) -> App:
    kind = AppKind(values["kind"])
    restart = values["restart"] or ("no" if kind is AppKind.JOB else "always")
    return App(
        name=name,
        kind=kind,
        dir=root / values["dir"],
        command=values["command"] or values["dev"] or "",
        dev=values["dev"],
        build=values["build"],
        port=values["port"],
        workers=values["workers"],
        routes=tuple(Route(**route) for route in values["routes"]),
        health=_health(kind, values),
        needs={need: Condition(condition) for need, condition in values["needs"].items()},
        env=values["env"],
        secrets=values["secrets"],
        watch=values["watch"],
        restart=restart,
        stop_signal=values["stop_signal"],
        stop_timeout_s=values["stop_timeout"],
        container=build_container(values),
    )


def _health(kind: AppKind, values: Values) -> Health | None:
    """Return the app's readiness question; a service with a port is ready when it answers there."""
    written: Values | None = values["health"]
    if written is None and (kind is not AppKind.SERVICE or values["port"] is None):
        return None
    defaults = {key.name: key.default for key in HEALTH.keys}
    question = written or {
        name: read_duration(HEALTH.by_name[name], default)
        if name in ("interval", "timeout", "start") and isinstance(default, str)
        else default
        for name, default in defaults.items()
    }
    asks_nothing = not (question["path"] or question["tcp"] or question["exec"])
    return Health(
        path=question["path"],
        tcp=values["port"] if asks_nothing else question["tcp"],
        command=question["exec"],
        interval_s=question["interval"],
        timeout_s=question["timeout"],
        start_s=question["start"],
        fails=question["fails"],
    )


def _site(root: Path, name: str, values: Values) -> Site:
    return Site(
        name=name,
        dir=root / values["dir"],
        build=values["build"],
        output=values["output"],
        dev=values["dev"],
        port=values["dev_port"],
        route=Route(**values["route"]) if values["route"] else None,
        spa=values["spa"],
        headers=values["headers"],
        immutable=values["immutable"],
        env_prefix=values["env_prefix"],
        # check.py has refused what is really secret (GV152); what is left is public.
        env={
            key: value.reveal() if isinstance(value, Secret) else value
            for key, value in values["env"].items()
        },
        container=build_container(values),
    )


def _cron(name: str, values: Values) -> Cron:
    return Cron(
        name=name,
        schedule=values["schedule"] or "",
        tz=values["tz"],
        sql=values["sql"],
        command=values["command"],
        http=values["http"],
        timeout_s=values["timeout"],
        overlap=Overlap(values["overlap"]),
        retries=values["retries"],
        catch_up=values["catch_up"],
        profiles=values["profiles"],
    )
