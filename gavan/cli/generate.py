"""`gavan generate`: write the files that other tools read, or say that they are stale."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from gavan.cli.context import Context
from gavan.cli.render import Result
from gavan.cli.verb import verb
from gavan.engines.compose.project import Project
from gavan.engines.compose.services import Plan
from gavan.engines.generated import File, State, write
from gavan.engines.images.dockerfiles import IGNORED
from gavan.engines.images.plan import OWN, dockerfile_of
from gavan.kit.errors import GavanError
from gavan.stack.findings import Level, StackErrors, apart_from_values
from gavan.stack.load import Loaded, load
from gavan.stack.model import App, EngineName, Site, Stack
from gavan.stack.schema.sections import BUILT_IN_PROFILES

KINDS = ("compose", "caddy", "env", "dockerfile")


@verb(
    "generate",
    examples=["gavan generate", "gavan generate --check", "gavan generate caddy --stdout",
              "gavan generate dockerfile"],
)  # fmt: skip
@click.argument("kinds", nargs=-1, type=click.Choice(KINDS))
@click.option("--check", is_flag=True, help="Write nothing; exit 5 when a file is not current.")
@click.option("--stdout", is_flag=True, help="Print the files instead of writing them.")
@click.option("--force", is_flag=True, help="Overwrite files that were changed by hand.")
def command(
    context: Context, kinds: tuple[str, ...], check: bool, stdout: bool, force: bool
) -> Result:
    """Write compose file, Caddyfile and examples of env files; Dockerfiles only when asked."""
    wanted = kinds or KINDS[:3]
    found = [file for kind in wanted for file in _files(context, kind)]
    files = list({file.path: file for file in found}.values())
    root = _loaded(context, context.flags.profile).stack.root
    if stdout:
        return Result(data={str(f.path.relative_to(root)): f.text for f in files},
                      text="\n".join(file.text for file in files))  # fmt: skip
    states = {str(file.path.relative_to(root)): file.state for file in files}
    if check:
        return stale_result(states)
    written = [str(file.path.relative_to(root)) for file in write(files, force=force)]
    text = "\n".join(f"wrote {path}" for path in written) or "every file is current"
    return Result(data={"written": written}, text=text)


def stale_result(states: Mapping[str, State]) -> Result:
    """Return what --check answers: exit 5 when a file, named by its path, is not current."""
    stale = {path: state for path, state in states.items() if state is not State.CURRENT}
    text = "\n".join(f"{path} is {state}" for path, state in stale.items())
    return Result(data={"files": states}, text=text or "every file is current",
                  exit_code=5 if stale else 0)  # fmt: skip


def _files(context: Context, kind: str) -> list[File]:
    if kind == "dockerfile":
        return _dockerfiles(_loaded(context, context.flags.profile).stack)
    endings = {"compose": (".yml",), "caddy": ("Caddyfile", ".pem"), "env": (".example",)}
    found: dict[Path, File] = {}
    for project in _projects(context):
        for file in project.files():
            if found.setdefault(file.path, file).body != file.body:
                raise _differ(file, found[file.path])
    return [file for path, file in found.items() if path.name.endswith(endings[kind])]


def _projects(context: Context) -> Iterator[Project]:
    """Yield the stack under every profile that runs on containers, the one of -p or all of them.

    Raises:
        GavanError: GV112 when there is none; StackErrors as for any verb.
    """
    flags = context.flags
    names = (flags.profile,) if flags.profile else BUILT_IN_PROFILES
    loads = [_loaded(context, name) for name in names]
    wanted = [one for one in loads if one.stack.profile.engine is EngineName.COMPOSE]
    if not wanted:
        raise GavanError("GV112", f"the profile {flags.profile} does not run on containers",
                         hint="gavan generate -p prod-sim", exit_code=2)  # fmt: skip
    for loaded in wanted:
        yield Project(plan=Plan(stack=loaded.stack, source=loaded.source))


def _loaded(context: Context, profile: str | None) -> Loaded:
    """Return the stack under a profile. A generated file has no value of a variable, so none needs
    to be known here."""
    loaded = load(context.flags.file, profile=profile, overrides=context.flags.set)
    findings = apart_from_values(loaded.findings)
    if any(one.level is Level.ERROR for one in findings):
        raise StackErrors(findings)
    return loaded


def _differ(one: File, other: File) -> GavanError:
    lines = difflib.unified_diff(other.body.splitlines(), one.body.splitlines(), lineterm="")
    return GavanError(
        "GV513",
        f"{one.path.name} would differ between the profiles that run on containers",
        details="\n".join(lines),
        hint="what differs between places belongs in variables: ${NAME} in the stack file, and its "
        "value in the env file of the place",
        exit_code=2,
    )


def _dockerfiles(stack: Stack) -> list[File]:
    """Return the Dockerfiles of parts that have none; one that a person wrote is left alone."""
    files: list[File] = []
    parts: list[App | Site] = [*stack.apps, *stack.sites]
    for part in parts:
        path = part.dir / (part.container.dockerfile or OWN)
        ours = File(path=path, body=dockerfile_of(part)) if part.container.image is None else None
        if ours is None or ours.state is State.FOREIGN:
            continue
        files.append(ours)
        ignore = File(path=path.with_name(f"{path.name}.dockerignore"), body=IGNORED)
        files += [] if (part.dir / ".dockerignore").is_file() else [ignore]
    return files
