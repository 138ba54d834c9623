"""The compose file of a stack: the same bytes for rehearsal and production.

Stands above services.py. What differs between places is in variables: images in the release's
file, addresses and secrets in the env file.
"""

from __future__ import annotations

from collections.abc import Iterator

from gavan.engines.compose import jobs, official, services
from gavan.engines.compose.addresses import SLOTS, is_slotted
from gavan.engines.compose.peers import peers
from gavan.engines.compose.rules import Service
from gavan.engines.compose.services import Plan
from gavan.engines.compose.values import finished, required
from gavan.engines.yaml_text import to_yaml
from gavan.stack.model import App, Site

DATA = ("postgres-data", "storage-data", "state-data", "backups", "caddy-data", "s3-data",
        "rabbitmq-data", "postgres-config")  # fmt: skip
STANDBY = SLOTS[1]
"""Services of this compose profile run only when a release names them."""


def image_variable(name: str, slot: str | None = None) -> str:
    """Return the variable with the image of a part: ``BACKEND_BLUE_IMAGE``."""
    words = [name, *([slot] if slot else []), "image"]
    return "_".join(words).replace("-", "_").upper()


def render(plan: Plan) -> str:
    """Return the text of the compose file, without a header."""
    found = dict(_services(plan))
    volumes = {volume.partition(":")[0] for service in found.values()
               for volume in service.get("volumes", [])}  # fmt: skip
    document = {
        "name": required("COMPOSE_PROJECT_NAME"),
        "services": found,
        "networks": {"edge": {}, "app": {}, "data": {"internal": True}},
        **({"configs": official.scripts()} if plan.stack.core.is_official else {}),
        "volumes": {name: _volume(name) for name in DATA if name in volumes},
    }
    return to_yaml(_finished(document))


def services_of(plan: Plan) -> dict[str, str]:
    """Return how every service runs, as text; of two slots the first one stands for both."""
    return {name.removesuffix(f"-{SLOTS[0]}"): to_yaml(_finished(service))
            for name, service in _services(plan)
            if STANDBY not in service.get("profiles", ())}  # fmt: skip


def _services(plan: Plan) -> Iterator[tuple[str, Service]]:
    stack = plan.stack
    if stack.database.external_url is None:
        own = services.postgres if not stack.core.is_official else official.postgres
        yield "postgres", own(stack)
    yield "migrate", jobs.migrate(plan)
    yield from peers(stack)
    if stack.core.is_official:
        yield from official.services(stack)
    else:
        yield from _in_slots("core", services.core(plan), own_image=False)
    for app in stack.apps:
        yield from _app(plan, app)
    for site in stack.sites:
        service = {**_image(site), **services.site(plan, site)}
        yield from _in_slots(site.name, service, own_image=site.container.image is not None)
    yield "proxy", services.proxy()
    if stack.notify:
        yield "notify", jobs.notify(plan)
    if jobs.has_clock(stack):
        yield "cron", jobs.cron(plan)
    if jobs.has_wal(stack):
        yield "wal", jobs.wal(plan)
        yield jobs.RECOVER, jobs.recover(plan)


def _app(plan: Plan, app: App) -> Iterator[tuple[str, Service]]:
    service = {**_image(app), **services.app(plan, app)}
    if is_slotted(app):
        yield from _in_slots(app.name, service, own_image=app.container.image is not None)
        return
    yield app.name, {"image": required(image_variable(app.name)), **service}


def _image(part: App | Site) -> Service:
    return {"image": part.container.image} if part.container.image else {}


def _in_slots(name: str, service: Service, *, own_image: bool) -> Iterator[tuple[str, Service]]:
    """Yield the service once per slot; the second one sleeps until a release wakes it."""
    for slot in SLOTS:
        image = {} if own_image else {"image": required(image_variable(name, slot))}
        asleep = {"profiles": [STANDBY]} if slot == STANDBY else {}
        yield f"{name}-{slot}", {**image, **service, **asleep}


def _volume(name: str) -> Service:
    """Return a volume that lies in a folder of the host, where people look for it."""
    device = f"{required('DATA_DIR')}/{name}"
    return {"driver": "local", "driver_opts": {"type": "none", "o": "bind", "device": device}}


def _finished(value: object) -> object:
    if isinstance(value, str):
        return finished(value)
    if isinstance(value, dict):
        return {key: _finished(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finished(item) for item in value]
    return value
