"""`gavan config`: the merged configuration, secrets masked, with the place of every value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from gavan.cli.context import Context
from gavan.cli.render import Result, Style, table
from gavan.cli.verb import verb
from gavan.kit.errors import GavanError
from gavan.kit.secret import MASK, Secret
from gavan.stack.findings import shorten
from gavan.stack.layers import Found, sounds_secret
from gavan.stack.load import Loaded
from gavan.stack.model import KeyPath, Position
from gavan.stack.schema.key import Section
from gavan.stack.schema.sections import (
    APP,
    CORE,
    CRON,
    DATABASE,
    MIGRATIONS,
    PROFILE,
    SEED,
    SITE,
    STACK,
)


@verb(
    "config",
    examples=["gavan config", "gavan config -p prod --json", "gavan config --explain SITE_URL"],
)
@click.option("--explain", metavar="NAME", help="Every layer that sets this variable or key.")
def command(context: Context, explain: str | None) -> Result:
    """Print what the stack file says, defaults and profile included; secrets are masked."""
    loaded = context.loaded
    if explain:
        return _explain(loaded, explain)
    values = dict(_flat(loaded))
    rows = [(".".join(map(str, path)), value) for path, value in values.items()]
    positions = loaded.stack.positions

    def text(style: Style) -> str:
        return table(
            ("key", "value", "from"),
            [
                (name, _spell(value), style.faint(_where(positions.get(path))))
                for path, (name, value) in zip(values, rows, strict=True)
            ],
            style,
        )

    return Result(data=dict(rows), text=text)


def _flat(loaded: Loaded) -> Iterator[tuple[KeyPath, object]]:
    """Yield every key with its value, by the names of the file."""
    parts = loaded.parts
    yield from _section(STACK, ("stack",), parts.stack)
    profile = loaded.stack.profile
    named = {key.name: getattr(profile, key.name, None) for key in PROFILE.keys}
    yield from _section(PROFILE, ("profiles", profile.name), named)
    yield from _section(DATABASE, ("database",), parts.database)
    yield from _section(MIGRATIONS, MIGRATIONS.path, parts.migrations)
    yield from _section(SEED, SEED.path, parts.seed)
    yield from _section(CORE, ("core",), parts.core)
    for section, tables in ((APP, parts.apps), (SITE, parts.sites), (CRON, parts.cron)):
        for name, values in tables.items():
            yield from _section(section, (section.path[0], name), values)


def _section(
    section: Section, path: KeyPath, values: Mapping[str, object]
) -> Iterator[tuple[KeyPath, object]]:
    for key in section.keys:
        yield from _leaves((*path, key.name), values[key.name])


def _leaves(path: KeyPath, value: object) -> Iterator[tuple[KeyPath, object]]:
    """Yield the values of a table inside a table, however deep."""
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _leaves((*path, name), item)
    elif value is not None:
        yield path, _masked(str(path[-1]), value)


def _masked(name: str, value: object) -> object:
    secret = isinstance(value, Secret) or (isinstance(value, str) and sounds_secret(name))
    return MASK if secret else value


def _spell(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list() | tuple():
            return "[" + ", ".join(map(_spell, value)) + "]"
        case Mapping():
            return "{" + ", ".join(f"{k} = {_spell(v)}" for k, v in value.items()) + "}"
        case float():
            return f"{value:g}s"
    return str(value)


def _where(position: Position | None) -> str:
    return f"{shorten(position.file)}:{position.line}" if position else "default"


def _explain(loaded: Loaded, name: str) -> Result:
    """Return the layers of a variable, low to high; the last one wins."""
    found = [*_in_file(loaded, name), *loaded.layers.explain(name)]
    if not found:
        searched = ", ".join(str(shorten(path)) for path in loaded.layers.searched)
        raise GavanError(
            "GV150",
            f"nothing sets {name}",
            details=f"searched: {shorten(loaded.stack.file)}, {searched}, process environment",
            hint=f"set it: echo {name}=... >> .env, or see all keys: gavan config",
            exit_code=2,
        )
    masked = sounds_secret(name.rpartition(".")[2]) or name in _listed_secrets(loaded)
    rows = [
        {
            "layer": one.layer,
            "where": _where(one.position) if one.position else one.layer,
            "value": MASK if masked else one.value,
            "wins": one is found[-1],
        }
        for one in found
    ]

    def text(style: Style) -> str:
        marked = [
            (style.good("*") if row["wins"] else "", row["where"], row["value"]) for row in rows
        ]
        return table(("", "where", "value"), marked, style)

    return Result(data={"name": name, "layers": rows}, text=text)


def _in_file(loaded: Loaded, name: str) -> Iterator[Found]:
    """Yield where the stack file itself sets a variable of an app or site, or a dotted key."""
    positions = loaded.stack.positions
    for path, value in _flat(loaded):
        env = path[0] in ("apps", "sites") and path[2:] == ("env", name)
        if not env and ".".join(map(str, path)) != name:
            continue
        written = loaded.source.table(path[:-1]).get(str(path[-1])) if env else value
        shown = str(written) if env and not isinstance(value, Secret) else _spell(value)
        place = positions.get(path)
        layer = "stack file" if place else "default"
        yield Found(layer=layer, value=shown, position=place)


def _listed_secrets(loaded: Loaded) -> set[str]:
    return {name for app in loaded.stack.apps for name in app.secrets}
