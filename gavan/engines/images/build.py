"""Build images: one `docker build` per recipe, its steps told as they come.

Stands at the top of the images.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gavan.engines.docker import docker, follow_docker, try_docker
from gavan.engines.images.plan import planned, reference, repository_of
from gavan.engines.images.recipe import Recipe
from gavan.engines.images.revision import Revision
from gavan.engines.images.runtime import runtime_recipe, stack_recipe
from gavan.kit.errors import GavanError
from gavan.stack.model import Stack

Report = Callable[[str, str, str], None]
"""Hears (step, state, detail); states as gavan/cli/progress.py has them."""
STACK_PART = "stack"
RUNTIME_PART = "gavan"
STACK_LABEL = "dev.gavan.stack"
PART_LABEL = "dev.gavan.part"
RUNTIME_LABEL = "dev.gavan.runtime"
"""Of the image of the stack: the tag of the image of gavan that it stands on"""
_STEP = re.compile(r"#\d+ \[(?P<stage>[^\]]+)\] (?P<what>.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An image that is on this machine; ``id`` is the digest of its configuration."""

    part: str
    references: tuple[str, ...]
    id: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to build: ``parts`` empty means everything, ``tags`` what images are called."""

    stack: Stack
    revision: Revision | None
    tags: tuple[str, ...]
    report: Report
    parts: tuple[str, ...] = ()
    pull: bool = False


def build_images(order: Order) -> Iterator[Built]:
    """Build the image of gavan, that of the stack's files, and those of its apps and sites.

    The first is skipped when it is there: its tag says what is in it.

    Raises:
        GavanError: GV500 no docker, GV501 a build failed (the details are its last lines), GV223,
            GV503 and GV504 as ``planned``.
    """
    gavan = build_runtime(order)
    yield gavan
    base = gavan.references[0]
    recipes = list(planned(order.stack, tuple(p for p in order.parts if p != STACK_PART), base))
    if not order.parts or STACK_PART in order.parts:
        with tempfile.TemporaryDirectory(prefix="gavan-stack-") as folder:
            yield _build(order, stack_recipe(order.stack, Path(folder), base))
    if order.parts == (STACK_PART,):
        return
    for recipe in recipes:
        yield _build(order, recipe)


def find_images(order: Order) -> list[Built]:
    """Return the images that ``build_images`` made under the tags of the order.

    Raises:
        GavanError: GV523 names those that are not on this machine.
    """
    found: list[Built] = []
    missing: list[str] = []
    said = try_docker("image", "inspect", stack_image(order.stack, order.tags[0]))
    labels = json.loads(said)[0]["Config"].get("Labels") if said else None
    for part, names in image_names(order, runtime_of(order, labels or {})):
        if all(try_docker("image", "inspect", name) is not None for name in names):
            found.append(_built(part, names))
        else:
            missing += names
    if missing:
        raise GavanError("GV523", "these images are not on this machine: " + ", ".join(missing),
                         hint="gavan build", exit_code=3)  # fmt: skip
    return found


def image_names(order: Order, gavan: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield every part that has an image of ours, and what it is called; ``gavan`` is given."""
    stack = order.stack
    yield "gavan", (gavan,)
    yield STACK_PART, tuple(stack_image(stack, tag) for tag in order.tags)
    for recipe in planned(stack, (), gavan):
        yield recipe.part, tuple(reference(stack, recipe.repository, tag) for tag in order.tags)


def runtime_of(order: Order, labels: Mapping[str, str]) -> str:
    """Return the name of the image of gavan below an image of the stack, by the latter's labels.

    A release may be older than this very gavan.
    """
    tag = labels.get(RUNTIME_LABEL)
    return reference(order.stack, RUNTIME_PART, tag) if tag else runtime_name(order.stack)


def runtime_name(stack: Stack) -> str:
    """Return the name of the image of this very gavan."""
    args = stack.deploy.build_args
    with tempfile.TemporaryDirectory(prefix="gavan-image-") as folder:
        recipe = runtime_recipe(Path(folder), args)
        return reference(stack, recipe.repository, str(recipe.tag))


def build_runtime(order: Order) -> Built:
    """Return the image of gavan, made now unless one of the same content is there."""
    args = order.stack.deploy.build_args
    with tempfile.TemporaryDirectory(prefix="gavan-image-") as folder:
        recipe = runtime_recipe(Path(folder), args)
        name = reference(order.stack, recipe.repository, str(recipe.tag))
        if try_docker("image", "inspect", name) is not None:
            order.report(recipe.part, "ok", f"{name} is there")
            return _built(recipe.part, (name,))
        return _build(order, recipe)


def _build(order: Order, recipe: Recipe) -> Built:
    tags = (recipe.tag,) if recipe.tag else order.tags
    names = tuple(reference(order.stack, recipe.repository, tag) for tag in tags)
    order.report(recipe.part, "start", names[0])
    with tempfile.TemporaryDirectory(prefix="gavan-build-") as folder:
        words = [
            *("build", "--progress=plain", "--file", str(_dockerfile(recipe, Path(folder)))),
            *(word for name in names for word in ("--tag", name)),
            *(w for k, v in _labels(order, recipe).items() for w in ("--label", f"{k}={v}")),
            *(w for k, v in recipe.args.items() for w in ("--build-arg", f"{k}={v}")),
            *(("--pull",) if order.pull else ()),
            str(recipe.context),
        ]

        def hear(line: str) -> None:
            step = _STEP.match(line)
            if step:
                order.report(recipe.part, "tick", f"{step['stage']} {step['what']}")

        try:
            follow_docker(words, hear)
        except GavanError as error:
            order.report(recipe.part, "fail", "")
            if error.code == "GV501":
                error.message = f"the image of {recipe.part} could not be built"
                error.hint = "mend what its last lines say"
            raise
    built = _built(recipe.part, names)
    order.report(recipe.part, "ok", f"{names[0]}, {built.bytes / 1e6:.0f} MB")
    return built


def _dockerfile(recipe: Recipe, folder: Path) -> Path:
    """Return the path of the Dockerfile; a generated one stays out of the user's folders."""
    if isinstance(recipe.dockerfile, Path):
        return recipe.dockerfile
    path = folder / "Dockerfile"
    path.write_text(recipe.dockerfile, encoding="utf-8")
    if recipe.ignore is not None:
        (folder / "Dockerfile.dockerignore").write_text(recipe.ignore, encoding="utf-8")
    return path


def _labels(order: Order, recipe: Recipe) -> dict[str, str]:
    labels = {
        "org.opencontainers.image.title": recipe.repository,
        PART_LABEL: recipe.part,
    }
    revision = order.revision
    if recipe.part == "gavan":
        return {**labels, "org.opencontainers.image.version": str(recipe.tag)}
    labels[STACK_LABEL] = order.stack.name
    if recipe.part == STACK_PART:
        labels[RUNTIME_LABEL] = recipe.args["GAVAN_IMAGE"].rpartition(":")[2]
    if revision is not None:
        labels["org.opencontainers.image.revision"] = revision.commit
        labels["org.opencontainers.image.version"] = revision.tag
        if revision.source:
            labels["org.opencontainers.image.source"] = revision.source
    return labels


def _built(part: str, names: tuple[str, ...]) -> Built:
    found = inspected(names[0])
    return Built(part=part, references=names, id=found["Id"], bytes=found["Size"])


def inspected(name: str) -> dict[str, Any]:
    """Return what docker knows of an image; raises GavanError GV501 when there is none."""
    found: list[dict[str, Any]] = json.loads(docker("image", "inspect", name))
    return found[0]


def stack_image(stack: Stack, tag: str) -> str:
    """Return the name of the image with the files of the stack."""
    return reference(stack, repository_of(stack, STACK_PART), tag)
