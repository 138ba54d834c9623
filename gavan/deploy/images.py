"""The images of a release: found here and sent, or pulled there from the registry.

Stands above runner.py and plan.py. Either way they are known by their ids from the plan on: a tag
that moves meanwhile changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gavan.deploy.login import docker_config
from gavan.deploy.plan import Image
from gavan.deploy.runner import send_images
from gavan.deploy.ssh import LONG_S, Ssh
from gavan.engines.docker import find_docker, try_docker
from gavan.engines.images.build import (
    STACK_PART,
    Order,
    Report,
    find_images,
    image_names,
    runtime_of,
    stack_image,
)
from gavan.engines.images.revision import MAIN_LATEST
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.stack.model import Stack

PROXY_IMAGE = "caddy:2"
_REVISION = "org.opencontainers.image.revision"
_VERSION = "org.opencontainers.image.version"
_PULL = """
set -e
DOCKER_CONFIG=$(mktemp -d)
export DOCKER_CONFIG
trap 'rm -rf "$DOCKER_CONFIG"' EXIT HUP INT TERM
cat > "$DOCKER_CONFIG/config.json"
docker pull --quiet "$1"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a tag stood for when it was pulled; ``tag`` is of the commit when it was main-latest."""

    images: list[Image]
    commit: str
    tag: str


def images_here(order: Order) -> list[Image]:
    """Return the images that gavan build made; raises GavanError GV523 without them."""
    return [
        Image(part=one.part, reference=one.references[0], id=one.id, digest="")
        for one in find_images(order)
    ]


def send(ssh: Ssh, stack: Stack, images: Sequence[Image], report: Report) -> None:
    """Send what the host has not, those of others too that are here."""
    wanted = [one.id for one in images]
    wanted += [name for name in _foreign(stack) if try_docker("image", "inspect", name) is not None]
    missing = [name for name in wanted if not _is_there(ssh, name)]
    report("send images", "start", f"{len(missing)} of {len(wanted)}")
    if missing:
        send_images(ssh, missing, find_docker())
    report("send images", "ok", f"{len(missing)} sent, {len(wanted) - len(missing)} were there")


def _foreign(stack: Stack) -> Iterator[str]:
    yield PROXY_IMAGE
    containers = [part.container for part in stack.apps]
    containers += [site.container for site in stack.sites]
    for container in (*containers, stack.database.container):
        if container.image:
            yield container.image


def _is_there(ssh: Ssh, name: str) -> bool:
    return ssh.attempt("docker", "image", "inspect", name).returncode == 0


def pull(ssh: Ssh, order: Order, report: Report) -> Pulled:
    """Pull the images of the tag on the host; a tag that moves after that changes nothing.

    The login of this machine at the registry is lent to the host for it.

    Raises:
        GavanError: GV534 when the registry does not give one.
    """
    login = docker_config(order.stack.deploy.registry.partition("/")[0])
    wanted = stack_image(order.stack, order.tags[0])
    stack = _pulled(ssh, wanted, login, report)
    labels = stack["Config"].get("Labels") or {}
    images: list[Image] = []
    tag = order.tags[0]
    if tag == MAIN_LATEST:
        # From here on by the tag of its commit: the other one may move at any moment.
        tag = labels.get(_VERSION) or tag
        order = replace(order, tags=(tag,))
    for part, names in image_names(order, runtime_of(order, labels)):
        found = stack if part == STACK_PART else _pulled(ssh, names[0], login, report)
        images.append(Image(part=part, reference=names[0], id=found["Id"],
                            digest=_digest(found, names[0])))  # fmt: skip
    report("pull images", "ok", f"{len(images)}")
    return Pulled(images=images, commit=labels.get(_REVISION, ""), tag=tag)


def _pulled(ssh: Ssh, name: str, login: Secret | None, report: Report) -> dict[str, Any]:
    """Pull an image on the host and return what docker knows of it there."""
    report("pull images", "tick", name)
    words = ("sh", "-c", _PULL, "sh", name) if login else ("docker", "pull", "--quiet", name)
    stdin = login.reveal().encode() if login else None
    done = ssh.attempt(*words, stdin=stdin, deadline_s=LONG_S)
    if done.returncode != 0:
        registry = name.partition("/")[0]
        raise GavanError(
            "GV534", f"{ssh.host.name} cannot pull {name}", details=done.stderr.strip(),
            hint="push it (gavan push)" if login else "push it (gavan push); for a registry that "
            f"asks who you are, log in here: docker login {registry}",
        )  # fmt: skip
    found: dict[str, Any] = json.loads(ssh.run("docker", "image", "inspect", name))[0]
    return found


def _digest(found: dict[str, list[str]], name: str) -> str:
    start = f"{name.rpartition(':')[0]}@"
    return next((d.removeprefix(start) for d in found.get("RepoDigests") or []
                 if d.startswith(start)), "")  # fmt: skip
