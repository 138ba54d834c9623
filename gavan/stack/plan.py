"""The ordered units of a stack: what an engine has to make run, and in which order.

Stands at the top of the first floor; pure: a Stack in, Units out, the same for every engine.
"""

from __future__ import annotations

from collections.abc import Iterator

from gavan.stack.model import App, AppKind, Condition, Cron, Health, Site, Stack
from gavan.stack.unit import Unit, UnitKind

_NAMES = {"database": "postgres", "core": "core"}
_CORE_HEALTH = Health(
    path="/health", tcp=None, command=None, interval_s=0.1, timeout_s=2.0, start_s=30.0, fails=3
)


def plan_units(stack: Stack, *, dev: bool = False) -> tuple[Unit, ...]:
    """Return the units in start order: what a unit needs stands before it.

    Args:
        stack: a checked stack; its ``needs`` hold no cycle.
        dev: True under `gavan dev`: sites that have a dev server run it; else their built files
            are served by the proxy.
    """
    return (
        *_ground(stack),
        *(_app(app) for app in _by_needs(stack.apps)),
        *(_site(site) for site in stack.sites if dev and site.dev),
        *_proxy(stack, dev=dev),
        *_cron(stack),
        *_wal(stack),
    )


def cron_entries(stack: Stack) -> tuple[Cron, ...]:
    """Return the entries that run in the profile of this stack."""
    name = stack.profile.name
    return tuple(entry for entry in stack.cron if not entry.profiles or name in entry.profiles)


def served_sites(stack: Stack, *, dev: bool = False) -> tuple[Site, ...]:
    """Return the sites whose built files the proxy serves."""
    return tuple(site for site in stack.sites if not (dev and site.dev))


def _ground(stack: Stack) -> Iterator[Unit]:
    if stack.database.external_url is None:
        yield Unit(name="postgres", kind=UnitKind.POSTGRES, stop_signal="SIGINT")
        yield Unit(
            name="migrate",
            kind=UnitKind.MIGRATE,
            needs={"postgres": Condition.HEALTHY},
            once=True,
            restart="no",
        )
    else:
        yield Unit(name="migrate", kind=UnitKind.MIGRATE, once=True, restart="no")
    yield Unit(
        name="core",
        kind=UnitKind.CORE,
        needs={"migrate": Condition.COMPLETED},
        health=_CORE_HEALTH,
    )


def _app(app: App) -> Unit:
    job = app.kind is AppKind.JOB
    return Unit(
        name=app.name,
        kind=UnitKind.APP,
        needs=_needs(app),
        health=app.health,
        once=job,
        restart=app.restart,
        stop_signal=app.stop_signal,
        stop_timeout_s=app.stop_timeout_s,
    )


def _needs(app: App) -> dict[str, Condition]:
    """Return the needs by unit name; whoever needs the database needs its schema too."""
    needs = {_NAMES.get(name, name): condition for name, condition in app.needs.items()}
    # An external database has no unit; the migrations that ran in it stand for it. A queue is in
    # the database, or a broker that no unit is.
    if "database" in app.needs or "queue" in app.needs:
        needs.pop("postgres", None)
        needs.pop("queue", None)
        needs["migrate"] = Condition.COMPLETED
    return needs


def _by_needs(apps: tuple[App, ...]) -> Iterator[App]:
    """Yield apps in the order of the file, each as soon as what it needs has been yielded."""
    waiting = {app.name: app for app in apps}
    while waiting:
        ready = next(
            (app for app in waiting.values() if not set(app.needs) & (set(waiting) - {app.name})),
            # Only an unchecked stack has a cycle; its order is then the file's.
            next(iter(waiting.values())),
        )
        yield waiting.pop(ready.name)


def _site(site: Site) -> Unit:
    return Unit(
        name=site.name,
        kind=UnitKind.SITE,
        needs={"core": Condition.HEALTHY},
        health=Health(
            path=None,
            tcp=site.port,
            command=None,
            interval_s=0.1,
            timeout_s=2.0,
            start_s=60.0,
            fails=3,
        ),
        stop_timeout_s=5.0,
    )


def _proxy(stack: Stack, *, dev: bool) -> Iterator[Unit]:
    """Yield one Caddy when there are files to serve or routes to lead."""
    routed = any(app.routes for app in stack.apps) or any(site.route for site in stack.sites)
    if served_sites(stack, dev=dev) or routed:
        yield Unit(
            name="proxy",
            kind=UnitKind.PROXY,
            needs={"core": Condition.STARTED},
            stop_timeout_s=10.0,
        )


def _cron(stack: Stack) -> Iterator[Unit]:
    if cron_entries(stack) or stack.backup.schedule is not None:
        yield Unit(name="cron", kind=UnitKind.CRON, needs={"migrate": Condition.COMPLETED})


def _wal(stack: Stack) -> Iterator[Unit]:
    """Yield what receives the write-ahead log of a server that is ours."""
    if stack.backup.pitr.enabled and stack.database.external_url is None:
        yield Unit(name="wal", kind=UnitKind.WAL, needs={"migrate": Condition.COMPLETED},
                   stop_timeout_s=20.0)  # fmt: skip
