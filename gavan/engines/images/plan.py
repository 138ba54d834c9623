"""Which images a stack has, what each is called and what it is made of.

Stands above dockerfiles.py and runtime.py; build.py makes what is planned here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gavan.engines.images import dockerfiles
from gavan.engines.images.language import language_of
from gavan.engines.images.recipe import Recipe
from gavan.kit.errors import GavanError
from gavan.stack.model import App, Site, Stack

OWN = "Dockerfile"
LATE = ("SUPABASE_URL", "SUPABASE_ANON_KEY", "SUPABASE_PUBLISHABLE_KEY")
"""Public variables of a site, without its prefix, whose values belong to where it runs"""


def late_variables(site: Site) -> tuple[str, ...]:
    """Return the names that the container of a site is given when it starts."""
    names = (f"{site.env_prefix}{name}" for name in LATE)
    return tuple(name for name in names if name not in site.env)


def repository_of(stack: Stack, part: str) -> str:
    """Return the name of an image of the stack, without registry and tag."""
    return f"{stack.name}-{part}"


def reference(stack: Stack, repository: str, tag: str) -> str:
    """Return the whole name of an image."""
    where = f"{stack.deploy.registry}/" if stack.deploy.registry else ""
    return f"{where}{repository}:{tag}"


def planned(stack: Stack, parts: tuple[str, ...], gavan_image: str) -> Iterator[Recipe]:
    """Yield the recipes of apps and sites; all of them when ``parts`` is empty.

    Raises:
        GavanError: GV223 for a part that the stack has not, GV503 for one in no known language,
            GV504 for a Dockerfile that is not there.
    """
    known: dict[str, App | Site] = {app.name: app for app in stack.apps}
    known |= {site.name: site for site in stack.sites}
    unknown = [name for name in parts if name not in known]
    if unknown:
        raise GavanError(
            "GV223",
            f"no app or site {', '.join(unknown)} in this stack",
            hint=f"there are: {', '.join(known) or 'none'}",
            exit_code=2,
        )
    for name in parts or known:
        if known[name].container.image is None:
            yield _recipe(stack, known[name], gavan_image)


def _recipe(stack: Stack, part: App | Site, gavan_image: str) -> Recipe:
    args = stack.deploy.build_args
    own = _own_dockerfile(part)
    return Recipe(
        part=part.name,
        repository=repository_of(stack, part.name),
        context=part.dir,
        dockerfile=own or dockerfile_of(part),
        ignore=None if own or (part.dir / ".dockerignore").is_file() else dockerfiles.IGNORED,
        args={"GAVAN_IMAGE": gavan_image, **args},
    )


def dockerfile_of(part: App | Site) -> str:
    """Return the Dockerfile that is made up for an app or a site; raises GV503."""
    if isinstance(part, Site):
        return dockerfiles.for_site(part, late_variables(part))
    return dockerfiles.for_app(part, language_of(part.name, part.dir))


def _own_dockerfile(part: App | Site) -> Path | None:
    written = part.container.dockerfile
    path = part.dir / (written or OWN)
    if path.is_file():
        return path
    if written:
        raise GavanError(
            "GV504", f"the Dockerfile of {part.name} is not there: {path}", exit_code=2,
            hint="mend the path, or leave it out: one is made up then",
        )  # fmt: skip
    return None
