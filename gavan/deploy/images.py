"""The images of a release: found here and sent, or pulled there from the registry.

Stands above runner.py and plan.py. Either way they are known by their ids from the plan on: a tag
that moves meanwhile changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from gavan.deploy.plan import Image
from gavan.deploy.runner import send_images
from gavan.deploy.ssh import LONG_S, Ssh
from gavan.engines.docker import find_docker, try_docker
from gavan.engines.images.build import STACK_PART, Order, Report, find_images, image_names
from gavan.kit.errors import GavanError
from gavan.stack.model import Stack

PROXY_IMAGE = "caddy:2"
_REVISION = "org.opencontainers.image.revision"


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


def pull(ssh: Ssh, order: Order, report: Report) -> tuple[list[Image], str]:
    """Pull the images of the tag on the host; return them and the commit they were made of.

    Raises:
        GavanError: GV534 when the registry does not give one.
    """
    images: list[Image] = []
    commit = ""
    for part, names in image_names(order):
        report("pull images", "tick", names[0])
        done = ssh.attempt("docker", "pull", "--quiet", names[0], deadline_s=LONG_S)
        if done.returncode != 0:
            raise GavanError(
                "GV534", f"{ssh.host.name} cannot pull {names[0]}", details=done.stderr.strip(),
                hint="push it (gavan push), and log the host in: "
                f"gavan hosts exec -- docker login {order.stack.deploy.registry.split('/')[0]}",
            )  # fmt: skip
        found = json.loads(ssh.run("docker", "image", "inspect", names[0]))[0]
        images.append(Image(part=part, reference=names[0], id=found["Id"],
                            digest=_digest(found, names[0])))  # fmt: skip
        if part == STACK_PART:
            commit = (found["Config"].get("Labels") or {}).get(_REVISION, "")
    report("pull images", "ok", f"{len(images)}")
    return images, commit


def _digest(found: dict[str, list[str]], name: str) -> str:
    start = f"{name.rpartition(':')[0]}@"
    return next((d.removeprefix(start) for d in found.get("RepoDigests") or []
                 if d.startswith(start)), "")  # fmt: skip
