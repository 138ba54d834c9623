"""Documents of images that were built, one file each. Stands above document.py."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import IO, cast

from gavan.engines.docker import docker, failure, find_docker
from gavan.engines.images.build import Built
from gavan.engines.images.sbom.document import document
from gavan.engines.images.sbom.read import Contents, ordered, read_files, read_lock
from gavan.stack.model import Stack

LOCK = "package-lock.json"


def write_sboms(stack: Stack, built: list[Built], folder: Path) -> list[Path]:
    """Write ``<part>.cdx.json`` for each image into ``folder``, which is made; return the files.

    Raises:
        GavanError: GV500 no docker, GV501 an image cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(stack, one, folder) for one in built]


def _write(stack: Stack, one: Built, folder: Path) -> Path:
    contents = _contents(one.references[0])
    # What a bundle was made of is in no file of the image any more, but in its lock file.
    lock = next((site.dir / LOCK for site in stack.sites if site.name == one.part), None)
    if lock is not None and lock.is_file():
        bundled = read_lock(lock.read_text(encoding="utf-8"))
        contents = replace(contents, packages=ordered((*contents.packages, *bundled)))
    file = folder / f"{one.part}.cdx.json"
    text = json.dumps(document(one.references[0], one.id, contents), indent=1)
    file.write_text(f"{text}\n", encoding="utf-8")
    return file


def _contents(image: str) -> Contents:
    """Read the files of an image; nothing of it is run."""
    container = docker("create", "--pull", "never", image, "nothing").strip()
    try:
        with subprocess.Popen([find_docker(), "export", container], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as export:  # fmt: skip
            files, errors = cast(IO[bytes], export.stdout), cast(IO[bytes], export.stderr)
            found = read_files(files)
            files.read()  # what follows the end of the archive
            said = errors.read()
        if export.returncode != 0:
            raise failure(("export",), said.decode(errors="replace"))
    finally:
        docker("rm", container)
    return found
