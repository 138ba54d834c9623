"""Build a site when its files are missing or older than what they are made from.

Runs as a job of the stack: `python -m gavan.engines.embedded.build`, told by one variable. What
the build prints goes to the log of the site, like the output of any unit.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

VARIABLE = "GAVAN_SITE_BUILD"
IGNORED = frozenset(
    {".git", "node_modules", "dist", "build", ".gavan", ".cache", ".vite", "target"}
)
# How each package manager installs exactly what its lock file says.
INSTALLERS = {
    "package-lock.json": "npm ci --no-audit --no-fund",
    "pnpm-lock.yaml": "pnpm install --frozen-lockfile",
    "yarn.lock": "yarn install --frozen-lockfile",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteBuild:
    """``command`` is empty for a site that needs no build; ``prefix`` marks public variables."""

    dir: str
    output: str
    command: str
    prefix: str
    record: str


def encode(build: SiteBuild) -> str:
    return json.dumps(asdict(build))


def sources(folder: Path, output: Path) -> Iterator[Path]:
    """Yield the files that a build may read."""
    for base, folders, files in os.walk(folder):
        here = Path(base)
        folders[:] = [name for name in folders if name not in IGNORED and here / name != output]
        yield from (here / name for name in files)


def fingerprint(folder: Path, output: Path, env: Mapping[str, str], prefix: str) -> str:
    """Return what the result of a build depends on: names, sizes, dates, public variables."""
    digest = hashlib.sha256()
    for path in sorted(sources(folder, output)):
        facts = path.stat()
        digest.update(f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    for name in sorted(env):
        if name.startswith(prefix):
            digest.update(f"{name}={env[name]}\n".encode())
    return digest.hexdigest()


def install_command(folder: Path) -> str | None:
    """Return how to install the packages of a front end, or None when there is nothing to do."""
    if not (folder / "package.json").is_file() or (folder / "node_modules").is_dir():
        return None
    for lock, command in INSTALLERS.items():
        if (folder / lock).is_file():
            return command
    return "npm install --no-audit --no-fund"


def main() -> int:
    """Bring the site up to date; the exit code of the command that failed, else 0."""
    build = SiteBuild(**json.loads(os.environ[VARIABLE]))
    folder = Path(build.dir)
    output = folder / build.output
    record = Path(build.record)
    mark = fingerprint(folder, output, os.environ, build.prefix)
    if _is_built(output) and (not build.command or _read(record) == mark):
        _say(f"{output} is up to date")
        return 0
    if not build.command:
        _say(f"{output} has no files and the site has no build command")
        return 1
    # A build that is stopped half way may leave some files: they are not what the record says.
    record.unlink(missing_ok=True)
    for command in (install_command(folder), build.command):
        if command is None:
            continue
        _say(f"$ {command}")
        code = subprocess.run(["/bin/sh", "-c", command], cwd=folder, check=False).returncode
        if code:
            return code if code > 0 else 128 - code
    if not _is_built(output):
        _say(f"the build made no files in {output}: is [sites] output right?")
        return 1
    # Installing wrote files too: the mark is of what lies there now.
    record.write_text(fingerprint(folder, output, os.environ, build.prefix))
    return 0


def _is_built(output: Path) -> bool:
    return output.is_dir() and any(output.iterdir())


def _read(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
