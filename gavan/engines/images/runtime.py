"""The image of gavan itself and, on it, the image of a stack: what `migrate` needs of its files.

Stands above recipe.py. The package is copied as it is installed here, with the versions of its
libraries as they are installed here: what was tested on this machine is what runs elsewhere, and
no package index needs to know gavan.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

import gavan
from gavan.engines.images.dockerfiles import BASES
from gavan.engines.images.recipe import Recipe
from gavan.kit.version import VERSION
from gavan.stack.model import Stack

PACKAGE = Path(gavan.__file__).parent
HOME = "/var/lib/gavan"
STACK_DIR = "/stack"
_DIGEST_LENGTH = 10

RUNTIME = f"""\
ARG PYTHON_IMAGE={BASES["PYTHON_IMAGE"]}
FROM ${{PYTHON_IMAGE}} AS packages
COPY requirements.txt /
RUN --mount=type=cache,target=/root/.cache/pip \\
    python -m venv /opt/gavan && /opt/gavan/bin/pip install --no-compile -r /requirements.txt

FROM ${{PYTHON_IMAGE}}
RUN groupadd --gid 10001 gavan \\
 && useradd --uid 10001 --gid gavan --home-dir {HOME} --create-home gavan \\
 && install -d -o gavan -g gavan -m 0700 {HOME}/data {HOME}/storage {HOME}/backups {HOME}/state
ENV PATH=/opt/gavan/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2
COPY --from=packages /opt/gavan /opt/gavan
COPY package /opt/gavan/package
# By a path file and not by a variable: processes that gavan starts inherit few of those.
RUN cd "$(python -c 'import site; print(site.getsitepackages()[0])')" \\
 && echo /opt/gavan/package >gavan.pth
RUN printf '#!/bin/sh\\nexec python -m gavan "$@"\\n' >/opt/gavan/bin/gavan \\
 && chmod 0755 /opt/gavan/bin/gavan && python -m compileall -q /opt/gavan/package
USER 10001:10001
WORKDIR {HOME}
CMD ["gavan", "version"]
"""

STACK = f"""\
ARG GAVAN_IMAGE
FROM ${{GAVAN_IMAGE}}
COPY --chown=10001:10001 . {STACK_DIR}
WORKDIR {STACK_DIR}
"""


def runtime_recipe(folder: Path, args: Mapping[str, str]) -> Recipe:
    """Lay the package and the list of its libraries out in ``folder``; return the recipe.

    The tag says version and content: an image of that name that is there already is this one.
    """
    package = folder / "package"
    shutil.copytree(PACKAGE, package / "gavan", ignore=shutil.ignore_patterns("__pycache__"))
    info = package / f"gavan-{VERSION}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: gavan\nVersion: {VERSION}\n")
    (folder / "requirements.txt").write_text("".join(f"{pin}\n" for pin in sorted(pins())))
    return Recipe(
        part="gavan",
        repository="gavan",
        context=folder,
        dockerfile=RUNTIME,
        ignore="",
        args=args,
        tag=f"{VERSION}-{_digest(folder, args)}",
    )


def stack_recipe(stack: Stack, folder: Path, gavan_image: str) -> Recipe:
    """Lay out in ``folder`` the files of the stack that its jobs read; return the recipe."""
    # The file names folders, and says GV160 when one is not there; volumes take their owners.
    for home in [
        stack.state_dir / "storage",
        stack.backup.dir,
        *(app.dir for app in stack.apps),
        *(site.dir for site in stack.sites),
    ]:
        if home.is_relative_to(stack.root):
            (folder / home.relative_to(stack.root)).mkdir(parents=True, exist_ok=True)
    for path in _stack_files(stack):
        target = folder / path.relative_to(stack.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return Recipe(
        part="stack",
        repository=f"{stack.name}-stack",
        context=folder,
        dockerfile=STACK,
        ignore="",
        args={"GAVAN_IMAGE": gavan_image},
    )


def _stack_files(stack: Stack) -> Iterator[Path]:
    """Yield the stack file, supabase/config.toml, migrations and seeds: what lies in the root."""
    wanted = [stack.file, stack.root / "supabase" / "config.toml"]
    wanted += sorted(stack.database.migrations.dir.rglob("*.sql"))
    wanted += [*stack.database.seed.files, *stack.database.seed.mock]
    for path in dict.fromkeys(wanted):
        if path.is_file() and path.is_relative_to(stack.root):
            yield path


def pins() -> set[str]:
    """Return ``name==version`` of every library that gavan needs here, with theirs."""
    found: set[str] = set()
    waiting = ["gavan"]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = Requirement(waiting.pop())
        key = (requirement.name.lower(), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            installed = distribution(requirement.name)
        except PackageNotFoundError:
            continue
        if key[0] != "gavan":
            found.add(f"{installed.name}=={installed.version}")
        waiting += _needs(installed.requires or [], requirement.extras)
    return found


def _needs(lines: list[str], extras: set[str]) -> list[str]:
    wanted = []
    for line in lines:
        marker = Requirement(line).marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            wanted.append(line.partition(";")[0])
    return wanted


def _digest(folder: Path, args: Mapping[str, str]) -> str:
    total = hashlib.sha256(f"{RUNTIME}{sorted(args.items())}".encode())
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        total.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()[:_DIGEST_LENGTH]
