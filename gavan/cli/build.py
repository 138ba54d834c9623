"""`gavan build`: the images of a stack, on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from gavan.cli.context import Context
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import verb
from gavan.deploy import hooks
from gavan.engines.images.build import Built, Order, build_images
from gavan.engines.images.revision import TAG, Revision, read_revision
from gavan.engines.images.sbom.write import write_sboms
from gavan.kit.errors import GavanError
from gavan.stack.model import Stack


@verb("build", examples=["gavan build", "gavan build backend", "gavan build --tag v1.2.0",
                         "gavan build --sbom sbom"])  # fmt: skip
@click.argument("parts", nargs=-1)
@click.option("--tag", metavar="TAG", help="Name of the images; default: that of the commit.")
@click.option("--pull", is_flag=True, help="Look for newer base images.")
@click.option("--sbom", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
              help="Write there what each image is made of, as CycloneDX JSON.")  # fmt: skip
def command(
    context: Context, parts: tuple[str, ...], tag: str | None, pull: bool, sbom: Path | None
) -> Result:
    """Build the images of all apps and sites, of the stack's files and of gavan."""
    stack = stack_to_build(context)
    revision, tags = named(stack, tag)
    order = Order(
        stack=stack,
        revision=revision,
        tags=tags,
        report=context.progress.report,
        parts=parts,
        pull=pull,
    )
    told = {"tag": tags[0], "commit": revision.commit if revision else ""}
    if hooks.run(stack, "pre_build", hooks.variables(stack, told)):
        context.progress.report("pre_build", "ok", "")
    built = list(build_images(order))
    files = write_sboms(stack, built, sbom) if sbom else []
    data = {
        "tags": list(tags),
        "commit": revision.commit if revision else None,
        "images": [
            {"part": one.part, "references": list(one.references), "id": one.id, "bytes": one.bytes}
            for one in built
        ],
        "sboms": files,
    }
    return Result(data=data, text=lambda style: _text(built, style))


def stack_to_build(context: Context) -> Stack:
    """Return the stack; its apps get their secrets where they run, not here."""
    context.loaded = context.load_but(
        lambda finding: (
            finding.code == "GV150" and finding.message.startswith(("secret ", "secret://"))
        )
    )
    return context.stack


def named(stack: Stack, tag: str | None) -> tuple[Revision | None, tuple[str, ...]]:
    """Return the commit, if there is one, and the tags of its images.

    Raises:
        GavanError: GV502 no commit and no tag, GV505 a tag that cannot be one of a release.
    """
    if tag is None:
        revision = read_revision(stack.root)
        return revision, revision.tags
    if not TAG.fullmatch(tag):
        raise GavanError(
            "GV505",
            f'"{tag}" cannot be the tag of a release',
            details="tags are sha-<7 to 12 hex digits>, main-latest or v<major>.<minor>.<patch>",
            exit_code=2,
        )
    try:
        return read_revision(stack.root), (tag,)
    except GavanError:
        return None, (tag,)


def _text(built: list[Built], style: Style) -> str:
    rows = [(one.part, one.references[0], f"{one.bytes / 1e6:.0f} MB") for one in built]
    return table(("part", "image", "size"), rows, style)
