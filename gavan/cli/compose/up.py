"""`gavan up` and `gavan down` of a profile on containers.

Stands under cli/up.py and cli/down.py.
"""

from __future__ import annotations

import re
import shutil
import time
from typing import Any

from gavan.cli.build import named
from gavan.cli.compose.project import project_of, values_of
from gavan.cli.context import Context
from gavan.cli.render import Result, Style, table
from gavan.engines.compose.addresses import site_host
from gavan.engines.compose.caddy import reload_words
from gavan.engines.compose.diagnosis import diagnose
from gavan.engines.compose.env_file import place_variables
from gavan.engines.compose.project import CADDY, Project, image_variables
from gavan.engines.compose.services import PROXY
from gavan.engines.generated import write
from gavan.engines.images.build import Order, build_images
from gavan.kit.errors import GavanError
from gavan.stack.model import Stack

LOCAL_TAG = "v0.0.0"
"""Tag of images of a folder without a commit"""
WAIT_S = 300
_STATE = re.compile(r"\s*Container (?P<name>\S+)\s+(?P<state>[A-Z][a-z]+)")
_ENDS = {"Healthy": "ok", "Started": "ok", "Running": "ok", "Exited": "ok", "Error": "fail"}


def up(context: Context) -> Result:
    """Build what changed, write the generated files, start the containers, wait until healthy."""
    started = time.monotonic()
    project = project_of(context)
    stack = project.plan.stack
    written = write(project.files())
    for file in written:
        context.progress.message(f"wrote {file.path.relative_to(stack.root)}")
    order = _order(context, stack)
    is_running = project.runs(PROXY)
    images = image_variables(project.plan, list(build_images(order)))
    project.write_variables(values_of(context), {"GAVAN_RELEASE": order.tags[0], **images})
    try:
        _start(context, project)
        if is_running and any(file.path.parent.name == CADDY for file in written):
            project.run("exec", "-T", PROXY, *reload_words())
    except GavanError as error:
        raise _explained(project, error) from error
    took = time.monotonic() - started
    rows = address_rows(stack)
    services = {one["Service"]: one.get("Health") or one["State"] for one in project.services()}
    return Result(
        data={"stack": stack.name, "services": services, "addresses": dict(rows)},
        text=lambda style: _text(stack, took, rows, style),
    )


def _order(context: Context, stack: Stack) -> Order:
    try:
        revision, tags = named(stack, None)
    except GavanError:
        revision, tags = named(stack, LOCAL_TAG)
    return Order(
        stack=stack,
        revision=revision,
        tags=tags,
        report=lambda step, state, detail: context.progress.report(f"image {step}", state, detail),
    )


def _start(context: Context, project: Project) -> None:
    prefix = f"{project.name}-"

    def hear(line: str) -> None:
        event = _STATE.match(line)
        if event is None:
            return
        service = event["name"].removeprefix(prefix).rpartition("-")[0]
        if event["state"] in ("Starting", "Waiting", "Creating", "Recreate"):
            context.progress.start(service, event["state"].lower())
        elif event["state"] in _ENDS:
            context.progress.report(service, _ENDS[event["state"]], event["state"].lower())

    wait = str(int(context.flags.timeout_s or WAIT_S))
    words = ["up", "--detach", "--remove-orphans", "--wait", "--wait-timeout", wait]
    project.follow(words, hear)


def _explained(project: Project, error: GavanError) -> GavanError:
    """Return the error of the service that failed, with its own words."""
    for cause in diagnose(project):
        return GavanError(
            "GV512",
            f"{cause.service} {cause.what}",
            details=cause.details or error.details,
            hint=f"gavan logs {cause.service} -p {project.plan.stack.profile.name}",
            exit_code=3,
        )
    return error


def address_rows(stack: Stack) -> list[tuple[str, str]]:
    """Return label and address of what a person may want to open."""
    place = dict(place_variables(stack))
    hosts = [(f"site {site.name}", site_host(stack, site)) for site in stack.sites]
    hosts.append(("API", stack.core.host))
    hosts += [(f"app {app.name}", route.host) for app in stack.apps for route in app.routes]

    def url(host: str) -> str:
        name = f"{host}.{place['DOMAIN']}" if host else place["DOMAIN"]
        return f"{place['PUBLIC_SCHEME']}://{name}{place['PUBLIC_PORT']}"

    return [(label, url(host)) for label, host in hosts]


def _text(stack: Stack, took: float, rows: list[tuple[str, str]], style: Style) -> str:
    head = style.good(f"{stack.name} is up under {stack.profile.name} in {took:.1f} s")
    return f"{head}\n\n{table(('what', 'where'), rows, style)}"


def down(context: Context, *, volumes: bool) -> Result:
    """Stop and remove the containers; with ``volumes`` also the data, after a question."""
    project = project_of(context)
    stack = project.plan.stack
    if volumes:
        context.confirm_loss(f"Remove all data of {stack.name} in {project.data}?")
    was_running = bool(project.services())
    if project.images.is_file():
        words = ["down", "--remove-orphans", *(["--volumes"] if volumes else [])]
        project.follow(["--profile", "*", *words], lambda _line: None)
    if volumes:
        shutil.rmtree(project.state, ignore_errors=True)
    text = f"{stack.name} is down" if was_running else f"{stack.name} was not running"
    data: dict[str, Any] = {"was_running": was_running, "removed": volumes}
    return Result(data=data, text=text)
