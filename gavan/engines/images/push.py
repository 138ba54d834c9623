"""Send images to the registry: a tag of a commit never changes, main-latest only moves forward.

Stands beside build.py. The login is docker's own (`docker login`); what the registry has is asked
by pulling, which costs nothing when it is what lies here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gavan.engines.docker import docker, follow_docker, try_docker
from gavan.engines.images.build import STACK_PART, Built, Report, inspected
from gavan.engines.images.revision import MAIN_LATEST, descends
from gavan.kit.errors import GavanError

_REVISION = '{{index .Config.Labels "org.opencontainers.image.revision"}}'
_ABSENT = ("not found", "manifest unknown", "name unknown", "denied", "does not exist")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """An image as the registry has it now; ``digest`` is that of its manifest."""

    part: str
    reference: str
    digest: str
    was_there: bool


def push_images(root: Path, built: Sequence[Built], report: Report) -> Iterator[Pushed]:
    """Push every reference; refuse all of them before the first when one may not change.

    Raises:
        GavanError: GV520 a tag that is taken by other content, GV521 main-latest is ahead of this
            commit or elsewhere, GV501 the registry refused.
    """
    there = {name: _same(root, one, name) for one in built for name in one.references}
    for one in built:
        for name in one.references:
            report(name, "start", "")
            if not there[name]:
                follow_docker(["push", name], lambda line, name=name: report(name, "tick", line))  # type: ignore[misc]
            digest = _digest(name)
            report(name, "ok", "is there" if there[name] else digest)
            yield Pushed(part=one.part, reference=name, digest=digest, was_there=there[name])


def _same(root: Path, one: Built, name: str) -> bool:
    """Say whether the registry has this very image; the local tag stays with the local one."""
    remote = _remote(name)
    if remote is None or remote == one.id:
        return remote is not None
    try:
        if name.endswith(f":{MAIN_LATEST}"):
            _check_forward(root, one, name)
            return False
        # Of gavan itself the tag says the content; which machine made it does not matter.
        if one.part == "gavan":
            return True
        raise GavanError(
            "GV520",
            f"{name} is in the registry already, with other content",
            details=f"there: {remote}\nhere:  {one.id}",
            hint="a tag that was pushed never changes: commit, build and push the new commit",
            exit_code=6,
        )
    finally:
        if one.part != "gavan":
            docker("tag", one.id, name)


def _remote(name: str) -> str | None:
    """Return the id of the image in the registry, None when it has none of that name."""
    try:
        docker("pull", "--quiet", name)
    except GavanError as error:
        if error.code == "GV501" and any(word in (error.details or "") for word in _ABSENT):
            return None
        raise
    return docker("image", "inspect", "--format", "{{.Id}}", name).strip()


def _check_forward(root: Path, one: Built, name: str) -> None:
    """Raise GV521 unless this commit comes after the one that main-latest is at.

    The image of the stack is labelled with every commit; those of parts that did not change keep
    the label of an older one, so only that one decides.
    """
    if one.part != STACK_PART:
        return
    old = (try_docker("image", "inspect", "--format", _REVISION, name) or "").strip()
    new = docker("image", "inspect", "--format", _REVISION, one.id).strip()
    if not old or old == new or descends(root, new, old):
        return
    raise GavanError(
        "GV521",
        f"{name} is at commit {old[:12]}, which does not come before {new[:12]}",
        details="main-latest only moves forward; a build that ends late must not take it back",
        hint="git pull, build and push again; or push this one by its tag: gavan push --tag TAG",
        exit_code=6,
    )


def _digest(name: str) -> str:
    """Return the digest that the registry gave."""
    repository = name.rpartition(":")[0]
    for known in inspected(name).get("RepoDigests") or []:
        if known.startswith(f"{repository}@"):
            return str(known).partition("@")[2]
    return ""
