"""`gavan push`: the images of a stack, in its registry."""

from __future__ import annotations

import click

from gavan.cli.build import named, stack_to_build
from gavan.cli.context import Context
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import verb
from gavan.engines.images.build import Order, find_images
from gavan.engines.images.push import Pushed, push_images
from gavan.kit.errors import GavanError


@verb("push", examples=["gavan push", "gavan push --tag v1.2.0"])
@click.option("--tag", metavar="TAG", help="Name of the images; default: that of the commit.")
def command(context: Context, tag: str | None) -> Result:
    """Send what gavan build made to the registry of [deploy]."""
    stack = stack_to_build(context)
    if not stack.deploy.registry:
        raise GavanError(
            "GV522", "the stack has no registry to push to",
            hint='[deploy] registry = "ghcr.io/acme"; without one, gavan deploy sends the images',
            exit_code=2,
        )  # fmt: skip
    revision, tags = named(stack, tag)
    report = context.progress.report
    order = Order(stack=stack, revision=revision, tags=tags, report=report)
    pushed = list(push_images(stack.root, find_images(order), report))
    return Result(data={"images": pushed}, text=lambda style: _text(pushed, style))


def _text(pushed: list[Pushed], style: Style) -> str:
    rows = [(one.part, one.reference, one.digest) for one in pushed]
    return table(("part", "image", "digest"), rows, style)
