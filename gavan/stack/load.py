"""gavan.toml, its .env layers and the flags to one frozen Stack: the start of every verb.

Stands on the first floor; the road is find -> toml -> source -> read -> build -> check.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gavan.kit.errors import GavanError
from gavan.kit.nearest import nearest
from gavan.stack import toml
from gavan.stack.build import Parts, build, build_profile, root_of
from gavan.stack.check import check
from gavan.stack.findings import Finding, Level, StackErrors, ordered
from gavan.stack.layers import Layers, read_layers
from gavan.stack.model import KeyPath, Profile, Stack
from gavan.stack.read import Reader, Values
from gavan.stack.schema.backup import BACKUP
from gavan.stack.schema.ci import CI
from gavan.stack.schema.deploy import DEPLOY
from gavan.stack.schema.key import Section
from gavan.stack.schema.notify import NOTIFY
from gavan.stack.schema.proxy import PROXY
from gavan.stack.schema.queue import QUEUE
from gavan.stack.schema.s3 import STORAGE
from gavan.stack.schema.sections import (
    APP,
    BUILT_IN_PROFILES,
    CORE,
    CRON,
    DATABASE,
    MIGRATIONS,
    PROFILE,
    SEED,
    SITE,
    STACK,
    TOP,
)
from gavan.stack.scope import StackScope
from gavan.stack.source import Report, Source
from gavan.stack.supabase_config import lay_under
from gavan.stack.values import SLUG, SLUG_MEND

FILE_NAME = "gavan.toml"
WITHOUT = "GAVAN_WITHOUT"
"""Variable that names tables which are not read: those whose variables are not known there"""
_SLOTS = ("blue", "green")
"""What the containers of one unit are called by besides its name"""
_RESERVED = ("core", "cron", "database", "migrate", "postgres", "proxy", "queue", "rabbitmq",
             "recover", "s3", "s3-init", "wal")  # fmt: skip
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A stack with everything that was seen on the way."""

    stack: Stack
    parts: Parts
    source: Source
    layers: Layers
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.level is Level.ERROR)


def load_stack(
    file: Path | None,
    *,
    profile: str | None = None,
    environ: Mapping[str, str] = os.environ,
    overrides: Sequence[str] = (),
) -> Stack:
    """Return the stack of ``file``, or of the stack file found from here upwards.

    Args:
        file: the stack file; None looks for gavan.toml.
        profile: None takes the file's default_profile, else dev.
        environ: the process environment, the layer above the .env files.
        overrides: `NAME=v` sets a variable, `database.port=5433` a value of the file.

    Raises:
        StackErrors: every error of one pass; exit code 2.
        GavanError: GV003, there is no stack file.
    """
    loaded = load(file, profile=profile, environ=environ, overrides=overrides)
    if loaded.errors:
        raise StackErrors(loaded.findings)
    return loaded.stack


def load(
    file: Path | None,
    *,
    profile: str | None = None,
    environ: Mapping[str, str] = os.environ,
    overrides: Sequence[str] = (),
) -> Loaded:
    """Return the stack and its findings, errors included; see ``load_stack``.

    Raises:
        StackErrors: only when the file cannot be read as TOML at all.
    """
    file = _existing(file) if file else find_stack_file(Path.cwd())
    source = Source(toml.read(file))
    for table in environ.get(WITHOUT, "").split():
        source.values.pop(table, None)
    return _Loader(source, profile).load(file, environ, overrides)


def find_stack_file(start: Path) -> Path:
    """Return the gavan.toml of this directory or of the nearest one above, up to the git root.

    Raises:
        GavanError: GV003 with the directories that were searched.
    """
    searched: list[Path] = []
    for directory in (start, *start.parents):
        searched.append(directory)
        if (directory / FILE_NAME).is_file():
            return directory / FILE_NAME
        if (directory / ".git").exists():
            break
    raise GavanError(
        "GV003",
        f"there is no {FILE_NAME} here",
        details="searched: " + ", ".join(map(str, searched)),
        hint="begin one with: gavan init, or name one with: gavan -f FILE",
        exit_code=2,
    )


def _existing(file: Path) -> Path:
    path = file / FILE_NAME if file.is_dir() else file
    if not path.is_file():
        raise GavanError(
            "GV003",
            f"there is no stack file {path}",
            hint="look at the path given with -f or GAVAN_FILE",
            exit_code=2,
        )
    return path.resolve()


class _Loader:
    """One pass over one file; every step notes what is wrong and goes on."""

    def __init__(self, source: Source, profile: str | None) -> None:
        self._source = source
        self._report = Report()
        self._profile = profile

    def load(self, file: Path, environ: Mapping[str, str], overrides: Sequence[str]) -> Loaded:
        variables = [text for text in overrides if _VARIABLE.fullmatch(text.partition("=")[0])]
        name = self._profile_name()
        self._lay_over(name, [text for text in overrides if text not in variables])
        root = root_of(file, self._source.table(("stack",)).get("root"))
        lay_under(self._source, root)
        layers = read_layers(root, self._early_profile(name), environ, variables)
        scope = StackScope(self._source, layers, name)
        searched = ", ".join(str(path) for path in layers.searched)
        reader = Reader(self._source, scope, self._report, f"{searched}, the process environment")
        parts = self._parts(reader, name)
        stack = replace(build(file, parts, layers), positions=self._source.positions())
        check(stack, self._source, parts, self._report)
        findings = ordered([*self._report.findings, *layers.findings])
        return Loaded(
            stack=stack, parts=parts, source=self._source, layers=layers, findings=findings
        )

    def _profile_name(self) -> str:
        written = self._source.table(("stack",)).get("default_profile")
        name = self._profile or (written if isinstance(written, str) else "dev")
        known = [*BUILT_IN_PROFILES, *self._source.table(("profiles",))]
        if name in known:
            return name
        near = nearest(name, known)
        self._report.add(
            self._source.value(("stack", "default_profile")),
            "GV111",
            f'there is no profile "{name}"',
            why="it is neither built in nor in this file",
            mend=f'did you mean "{near}"?' if near else f"known: {', '.join(known)}",
        )
        return "dev"

    def _lay_over(self, profile: str, assignments: Sequence[str]) -> None:
        """Put the profile's `set`, then --set, over the file; a `set` may not name new things."""
        table = self._source.table(("profiles", profile, "set"))
        for kind in ("apps", "sites", "cron"):
            named = table.get(kind)
            for name in (
                [n for n in named if n not in self._source.table((kind,))]
                if isinstance(named, dict)
                else []
            ):
                self._report.add(
                    self._source.key(("profiles", profile, "set", kind, name)),
                    "GV113",
                    f"[{kind}.{name}] is set by the profile but is not in the file",
                    why="a profile changes what is there; it adds and renames nothing",
                    mend=f"write [{kind}.{name}], or correct the name",
                )
        self._source.lay_over(table, self._source.document, ("profiles", profile, "set"))
        for assignment in assignments:
            self._source.lay_over_assignment(assignment)

    def _early_profile(self, name: str) -> Profile:
        """Return what the .env layers need of the profile before variables can be looked up."""
        table = self._source.table(("profiles", name))
        defaults: Values = {key.name: key.default for key in PROFILE.keys}
        values = defaults | BUILT_IN_PROFILES.get(name, {})
        files = table.get("env_files")
        if isinstance(files, list) and all(isinstance(file, str) for file in files):
            values["env_files"] = tuple(files)
        values["protected"] = bool(table.get("protected", values["protected"]))
        return build_profile(name, values)

    def _parts(self, reader: Reader, profile: str) -> Parts:
        for key, value in self._source.values.items():
            if key not in TOP and not key.startswith("x-"):
                reader.unknown(key, list(TOP), ())
            elif key in TOP and not isinstance(value, dict):
                self._not_a_table((key,))
        profiles = self._profiles(reader, profile)
        names: set[str] = set(_RESERVED)
        return Parts(
            stack=self._section(reader, STACK),
            profile=build_profile(profile, profiles),
            database=self._section(reader, DATABASE),
            migrations=self._section(reader, MIGRATIONS),
            seed=self._section(reader, SEED),
            core=self._section(reader, CORE),
            storage=self._section(reader, STORAGE),
            queue=self._section(reader, QUEUE),
            proxy=self._section(reader, PROXY),
            apps=self._named(reader, APP, names),
            sites=self._named(reader, SITE, names),
            cron=self._named(reader, CRON, set()),
            backup=self._section(reader, BACKUP),
            has_backup="backup" in self._source.values,
            deploy=self._section(reader, DEPLOY),
            notify=self._named(reader, NOTIFY, set()),
            ci=self._section(reader, CI),
        )

    def _section(self, reader: Reader, section: Section) -> Values:
        table: object = self._source.table(section.path[:-1]).get(section.path[-1], {})
        if section.path[:-1] == ():
            table = self._source.values.get(section.path[0], {})
        if not isinstance(table, dict):
            if len(section.path) > 1:
                self._not_a_table(section.path)
            table = {}
        return reader.section(section, table, section.path)

    def _profiles(self, reader: Reader, active: str) -> Values:
        """Read every written profile, so that one pass finds all; return the active one."""
        tables = self._source.table(("profiles",))
        values: Values = {}
        for name in dict.fromkeys((*tables, active)):
            written = tables.get(name, {})
            self._name_of(("profiles", name), name)
            if not isinstance(written, dict):
                self._not_a_table(("profiles", name))
                written = {}
            base = BUILT_IN_PROFILES.get(name, {})
            read = reader.section(PROFILE, {**base, **written}, ("profiles", name))
            values = read if name == active else values
        return values

    def _named(self, reader: Reader, section: Section, taken: set[str]) -> dict[str, Values]:
        """Read every table of a kind; names are units' names, so each may stand once."""
        kind = section.path[0]
        values: dict[str, Values] = {}
        for name, table in self._source.table((kind,)).items():
            path: KeyPath = (kind, name)
            if not isinstance(table, dict):
                self._not_a_table(path)
                continue
            self._name_of(path, name)
            stem, _, slot = name.rpartition("-")
            others = {
                name,
                *(f"{name}-{one}" for one in _SLOTS),
                *({stem} if slot in _SLOTS else ()),
            }
            if others & taken:
                self._report.add(
                    self._source.key(path),
                    "GV104",
                    f'"{name}" is the name of something else in this stack',
                    why="logs, status and needs call every unit by its name alone",
                    mend="choose another name",
                )
            taken.add(name)
            values[name] = reader.section(section, table, path)
        return values

    def _name_of(self, path: KeyPath, name: str) -> None:
        if not SLUG.fullmatch(name):
            self._report.add(
                self._source.key(path),
                "GV104",
                f'"{name}" cannot be a name',
                why="it becomes part of file names, hosts and socket paths",
                mend=SLUG_MEND,
            )

    def _not_a_table(self, path: KeyPath) -> None:
        title = ".".join(map(str, path))
        self._report.add(
            self._source.value(path),
            "GV102",
            f'"{title}" is a value, expected a table',
            why="its keys stand in a table of their own",
            mend=f"write [{title}] on a line of its own",
        )
