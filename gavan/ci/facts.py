"""What a stack has that pipelines can do something with: folders, their languages and scripts.

Stands at the bottom of ci; reads files, changes nothing. Paths are as the runner sees them, from
the root of the repository.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gavan.engines.images.language import LOCKS, MARKS, Language, package_manager
from gavan.stack.example import uses
from gavan.stack.model import App, Ci, Site, Stack
from gavan.stack.source import Source

TAURI = "src-tauri"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A folder with an app or a site; ``at`` from the root of the repository."""

    name: str
    dir: Path
    at: str
    languages: frozenset[Language]
    build: str | None
    output: str = ""
    """Folder of the built site; empty for an app"""

    @cached_property
    def package(self) -> Mapping[str, object]:
        """package.json; empty when there is none or it cannot be read."""
        try:
            found = json.loads((self.dir / "package.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def is_node(self) -> bool:
        return Language.NODE in self.languages

    @property
    def is_python(self) -> bool:
        return Language.PYTHON in self.languages

    @property
    def manager(self) -> str:
        return package_manager(self.dir)

    @property
    def lock(self) -> str | None:
        """The lock file from the root of the repository."""
        name = next((name for name in LOCKS if (self.dir / name).is_file()), None)
        return join(self.at, name) if name else None

    def script(self, *names: str) -> str | None:
        """Return the first of these scripts that package.json has."""
        scripts = self.package.get("scripts")
        return next((name for name in names if isinstance(scripts, dict) and name in scripts), None)

    def depends_on(self, name: str) -> bool:
        """Say whether package.json asks for this package."""
        kinds = (self.package.get(kind) for kind in ("dependencies", "devDependencies"))
        return any(isinstance(kind, dict) and name in kind for kind in kinds)

    @cached_property
    def python_files(self) -> tuple[str, ...]:
        """The files that say which Python packages it needs."""
        names = ("pyproject.toml", "requirements.txt", "requirements-dev.txt")
        return tuple(name for name in names if (self.dir / name).is_file())

    def asks_for(self, tool: str) -> bool:
        """Say whether its Python files speak of this tool."""
        return any(tool in (self.dir / name).read_text(encoding="utf-8")
                   for name in self.python_files)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A stack in its repository."""

    stack: Stack
    source: Source

    @property
    def ci(self) -> Ci:
        return self.stack.ci

    @cached_property
    def repository(self) -> Path:
        """The folder with .git, else that of the stack: runners start there."""
        folder = self.stack.file.parent.resolve()
        above = (folder, *folder.parents)
        return next((one for one in above if (one / ".git").exists()), folder)

    @cached_property
    def at(self) -> str:
        """The folder of the stack file from the root of the repository; empty: the same."""
        return self.place(self.stack.file.parent.resolve())

    def place(self, path: Path) -> str:
        """Return a path from the root of the repository; empty for the root itself."""
        text = path.resolve().relative_to(self.repository).as_posix()
        return "" if text == "." else text

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Apps and sites whose language is known and that are ours, each folder once."""
        written: list[App | Site] = [*self.stack.apps, *self.stack.sites]
        found: dict[Path, Part] = {}
        for one in written:
            if one.dir.is_dir() and one.dir.resolve().is_relative_to(self.repository):
                found.setdefault(one.dir.resolve(), self._part(one))
        return tuple(part for part in found.values() if part.languages)

    def _part(self, one: App | Site) -> Part:
        return Part(
            name=one.name,
            dir=one.dir,
            at=self.place(one.dir),
            languages=frozenset(lang for mark, lang in MARKS.items() if (one.dir / mark).is_file()),
            build=one.build,
            output=one.output if isinstance(one, Site) else "",
        )

    @property
    def node_parts(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.is_node)

    @property
    def python_parts(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.is_python)

    @property
    def tauri_parts(self) -> tuple[Part, ...]:
        return tuple(part for part in self.node_parts if (part.dir / TAURI).is_dir())

    @property
    def builds(self) -> dict[Part, str]:
        """The sites that are built and what their builds are called when they are kept."""
        sites = [part for part in self.node_parts if part.output and part.build]
        alone = len(sites) == 1
        return {part: "web-dist" if alone else f"{part.name}-dist" for part in sites}

    @property
    def has_images(self) -> bool:
        """There is a registry to send them to."""
        return bool(self.stack.deploy.registry)

    @property
    def has_hosts(self) -> bool:
        """There is a server, and a registry between it and the pipeline."""
        return self.has_images and bool(self.stack.deploy.hosts)

    @property
    def is_elsewhere(self) -> bool:
        """The database is one that the stack does not run."""
        return self.stack.database.external_url is not None

    @property
    def has_sql_jobs(self) -> bool:
        return any(cron.sql for cron in self.stack.cron)

    @property
    def has_migrations(self) -> bool:
        folder = self.stack.database.migrations.dir
        return folder.is_dir() and any(folder.glob("*.sql"))

    @property
    def has_compose_file(self) -> bool:
        return (self.stack.root / "deploy" / "compose.stack.yml").is_file()

    def variables(self, *path: str) -> list[str]:
        """Return the variables that this section of the stack file reads, by name."""
        return sorted({name for name, use in uses(self.source) if use[: len(path)] == path})

    def caches(self, *, node: bool) -> list[str]:
        """Return the files whose change makes a cache of packages old."""
        return list(dict.fromkeys(self._caches(node=node)))

    def _caches(self, *, node: bool) -> Iterator[str]:
        for part in self.parts:
            if node and part.lock:
                yield part.lock
            if not node:
                yield from (join(part.at, name) for name in part.python_files)


def join(*names: str) -> str:
    """Return a path of the names that are not empty."""
    return "/".join(name for name in names if name)
