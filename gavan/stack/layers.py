"""Where variables come from: the .env files of a profile, the process, --set; low to high.

Stands between dotenv.py and interpolate.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gavan.kit.secret import Secret
from gavan.stack import dotenv
from gavan.stack.findings import Finding
from gavan.stack.model import EnvValue, Position, Profile

_SECRET_NAME = re.compile(
    r"(SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|PRIVATE_KEY|API_KEY|SECRET_KEY|SERVICE_KEY"
    r"|SERVICE_ROLE_KEY|ENCRYPTION_KEY|ACCESS_KEY|CREDENTIALS|DSN|DATABASE_URL|DB_URL)(_FILE)?$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One value of a variable in one layer."""

    layer: str
    value: str
    position: Position | None
    """None for the process environment and --set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """All layers, the highest last; ``searched`` names the files that could have had a value."""

    layers: tuple[tuple[str, Mapping[str, Found]], ...]
    searched: tuple[Path, ...]
    findings: tuple[Finding, ...]

    def explain(self, name: str) -> list[Found]:
        """Return every layer that sets the variable; the last one wins."""
        return [values[name] for _, values in self.layers if name in values]

    def get(self, name: str) -> str | None:
        """Return the winning value."""
        found = self.explain(name)
        return found[-1].value if found else None

    def names(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for _, values in self.layers for name in values))

    def merged(self) -> dict[str, EnvValue]:
        """Return the winners by name; a name that sounds secret has a value that does not print."""
        winners = {name: value for name in self.names() if (value := self.get(name)) is not None}
        return {name: typed(name, value) for name, value in winners.items()}


def sounds_secret(name: str) -> bool:
    """Say whether a variable of this name must not be shown; public keys may be."""
    upper = name.upper()
    return bool(_SECRET_NAME.search(upper)) and not upper.endswith(("_PUBLIC_KEY", "ANON_KEY"))


def may_be_public(name: str) -> bool:
    """Say whether a site may carry the variable; maps and the like have API keys for browsers."""
    return not sounds_secret(name) or name.upper().endswith("_API_KEY")


def typed(name: str, value: str) -> EnvValue:
    return Secret(value) if sounds_secret(name) else value


def read_layers(
    root: Path, profile: Profile, environ: Mapping[str, str], variables: Sequence[str] = ()
) -> Layers:
    """Read the .env files under ``root`` and stack them below the process and ``--set``."""
    files = [root / name for name in env_files(profile)]
    layers: list[tuple[str, Mapping[str, Found]]] = []
    findings: list[Finding] = []
    for file in files:
        if not file.is_file():
            continue
        parsed = dotenv.read(file)
        findings += parsed.findings
        if profile.protected:
            findings += _readable_by_others(file)
        layers.append((file.name, {name: _found(file, e) for name, e in parsed.entries.items()}))
    layers.append(("process environment", _flat("process environment", environ)))
    given = dict(assignment.split("=", 1) for assignment in variables)
    layers.append(("--set", _flat("--set", given)))
    return Layers(layers=tuple(layers), searched=tuple(files), findings=tuple(findings))


def env_files(profile: Profile) -> tuple[str, ...]:
    """Return the .env files of a profile, low to high; a protected one has only its own."""
    if profile.env_files:
        return profile.env_files
    if profile.protected:
        return (f".env.{profile.name}",)
    return (".env", f".env.{profile.name}", ".env.local", f".env.{profile.name}.local")


def _flat(layer: str, values: Mapping[str, str]) -> dict[str, Found]:
    return {name: Found(layer=layer, value=value, position=None) for name, value in values.items()}


def _found(file: Path, entry: dotenv.Entry) -> Found:
    position = Position(file=file, line=entry.line, column=entry.column)
    return Found(layer=file.name, value=entry.value, position=position)


def _readable_by_others(file: Path) -> list[Finding]:
    mode = file.stat().st_mode & 0o777
    if not mode & 0o077:
        return []
    return [
        Finding(
            code="GV611",
            message=f"{file.name} has mode {mode:04o}",
            position=Position(file=file, line=1, column=1),
            why="everyone on this machine can read the secrets of a protected profile",
            mend=f"chmod 600 {file}",
        )
    ]
