"""Write the reference pages that are made from the code; --check says which ones are stale.

python tools/reference.py            write the pages in docs/reference that PAGES names
python tools/reference.py --check    exit 5 when one differs
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from gavan.cli.main import root
from gavan.cli.verb import VerbCommand, VerbGroup
from gavan.database.lint.rules import RULES
from gavan.stack.schema.key import Key, Kind, Section
from gavan.stack.schema.lint import MIGRATIONS_LINT
from gavan.stack.schema.sections import BUILT_IN_PROFILES, SECTIONS

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
EXAMPLES = Path(__file__).parents[1] / "tests" / "unit" / "database" / "lint" / "examples"
_NESTED = (Kind.SECTION, Kind.SECTIONS)
_TYPES = {
    Kind.TEXT: "text", Kind.SLUG: "name", Kind.SECRET: "secret text", Kind.INTEGER: "integer",
    Kind.PORT: "port", Kind.BOOLEAN: "boolean", Kind.CHOICE: "text", Kind.DURATION: "duration",
    Kind.SIZE: "size",
    Kind.CRON: "schedule", Kind.PATH: "directory", Kind.TEXTS: "list of text",
    Kind.SETTINGS: "table", Kind.ENV: "table of variables", Kind.CONDITIONS: "table",
    Kind.SECTION: "table", Kind.SECTIONS: "list of tables", Kind.TABLES: "tables by name",
    Kind.FREE: "table",
}  # fmt: skip

HEAD = """\
# gavan.toml

Made from `gavan/stack/schema/sections.py` by `make docs`. An annotated file with every key is
[gavan.toml](gavan.toml). `gavan check` finds every mistake in one run, `gavan config` prints what
holds, `gavan config --explain NAME` says why.

The file is found by walking up from the working directory to the git root; `-f FILE` names
another. `[stack] name` alone is enough. Unknown keys are errors; tables named `x-...` are yours.

Durations are written `500ms`, `30s`, `5m`, `2h`, `1d`. Relative paths start from the root of the
stack. In text, `${NAME}` is a variable, `${NAME:-text}` has a default, `${NAME:?message}` an error
of its own, `$$` is a dollar sign; `secret://NAME` and `env(NAME)` are a whole value.
`${core.url}`, `${database.url}`, `${apps.<name>.url}`, `${sites.<name>.url}`, `${stack.name}` and
`${profile}` refer to the stack itself. One pass, no nesting, no commands; `sql` of `[cron]` is left
as it is.

Variables come, low to high, from `env` in this file, `.env`, `.env.<profile>`, `.env.local`,
`.env.<profile>.local`, the process environment and `--set NAME=value`. A protected profile reads
`.env.<profile>` alone, and that file must be private (mode 0600).
"""


LINT = """\
# The lint of migrations

Made from the rules in `gavan/database/lint/rules` and their examples by `make docs`.

`gavan migrate lint` reads every migration, down file and seed of the stack, or the files it is
given, and asks no database. Each finding has a place, a reason and the mend. Exit code 5 when one
is an error; warnings alone exit 0.

A table that a file makes itself is nobody else's yet: what would lock it is no finding. What
earlier and later files make counts (row level security, indexes, VALIDATE CONSTRAINT).

Levels are in the stack file: `off`, `warn`, `error`.

```toml
[database.migrations.lint]
GV366 = "off"
GV357 = "error"
```

An exception stands in a comment above the statement or behind it; on the first line of a file it
holds for the whole file. The reason is part of it.

```sql
-- gavan: allow=GV353(the table has ten rows)
create index label_name on public.label (name);
```

`-- gavan: phase=contract` on the first line says that the old release is gone: GV350 is silent
then. `-- gavan: no-transaction` is what CONCURRENTLY needs beside other statements.

A file that does not parse is GV311, psql commands are GV307, names of files GV301-GV306: as
`gavan migrate up` would say it. What hides in a DO block or in dynamic SQL is not seen.
"""


def lint() -> str:
    """Return the page about the rules of the lint."""
    parts = [LINT]
    for rule in RULES:
        key = MIGRATIONS_LINT.by_name[rule.code]
        kinds = " and ".join(sorted(f"{kind} files" for kind in rule.kinds))
        bad, good = ((EXAMPLES / rule.code / f"{name}.sql").read_text() for name in ("bad", "good"))
        parts.append(
            f"## {rule.code}\n\n{key.meaning} Default: `{key.default}`. In {kinds}.\n\n"
            f"Why: {rule.why}.\n\nFound at `<-`:\n\n```sql\n{bad}```\n\nNot found:\n\n"
            f"```sql\n{good}```\n"
        )
    return "\n".join(parts)


def page() -> str:
    """Return the page about the stack file."""
    parts = [HEAD]
    for section in SECTIONS:
        parts.append(_section(section, f"[{section.title}]"))
        if section.path == ("profiles", "*"):
            parts.append(_built_in())
        parts += _nested(section)
    return "\n".join(parts)


def _nested(section: Section) -> Iterator[str]:
    for key in section.keys:
        if key.section is None or key.name == "route":
            continue
        inner = key.section
        # A section of a fixed path has a heading of its own, a list of tables its place.
        is_list = key.kind is Kind.SECTIONS or "*" in section.path
        yield _section(inner, f"[{section.title}] {key.name}" if is_list else f"[{inner.title}]")
        yield from _nested(inner)


def _section(section: Section, title: str) -> str:
    rows = [
        f"| `{key.name}` | {_TYPES[key.kind]} | {_default(key)} | {_meaning(key)} |"
        for key in section.keys
    ]
    head = ["| key | type | default | meaning |", "|---|---|---|---|"]
    return "\n".join([f"## {title}", "", section.meaning, "", *head, *rows, ""])


def _default(key: Key) -> str:
    if key.required:
        return "required"
    return f"`{_toml(key.default)}`" if key.default not in (None, "") else ""


def _meaning(key: Key) -> str:
    choices = f" One of: {', '.join(f'`{choice}`' for choice in key.choices)}."
    return key.meaning.replace("|", "\\|") + (choices if key.choices else "")


def _built_in() -> str:
    lines = ["Built-in profiles, before the file speaks:", "", "| profile | sets |", "|---|---|"]
    for name, values in BUILT_IN_PROFILES.items():
        sets = ", ".join(f"`{key} = {_toml(value)}`" for key, value in values.items())
        lines.append(f"| `{name}` | {sets} |")
    return "\n".join([*lines, ""])


def example() -> str:
    """Return a stack file that names every key, each with its meaning."""
    lines = [
        "# Every key of gavan.toml with its default or an example. Made by `make docs`.",
        "# Nothing here is needed but [stack] name; what excludes the rest is a comment.",
    ]
    for section in SECTIONS:
        lines += _tables(section, [section.example if p == "*" else p for p in section.path])
    return "\n".join(lines) + "\n"


def _tables(section: Section, path: list[str]) -> Iterator[str]:
    """Yield the table of a section, and the tables inside it that have a fixed path."""
    yield from ("", f"# {section.meaning}", f"[{'.'.join(path)}]")
    alternative = False
    inner: list[tuple[Section, list[str]]] = []
    for key in section.keys:
        if key.section is not None and section.path[0] in ("core", "database", "backup"):
            by_name = key.choices[0] if key.choices else key.section.example
            name = [by_name] if key.kind is Kind.TABLES else []
            inner.append((key.section, [*path, key.name, *name]))
            continue
        # external_url would replace the database, and an entry of cron does one thing.
        off = key.name == "external_url" or (
            section.path[0] == "cron" and alternative and key.name in ("command", "http")
        )
        alternative = alternative or key.name == "sql"
        yield from (f"# {key.meaning}", f"{'# ' if off else ''}{key.name} = {_example(key)}")
    for nested, there in inner:
        yield from _tables(nested, there)


def _example(key: Key) -> str:
    if key.kind in _NESTED and key.section is not None and key.name != "route":
        inner = ", ".join(
            f"{item.name} = {_example(item)}"
            for item in key.section.keys
            if item.name not in ("tcp", "exec")
        )
        return f"[{{ {inner} }}]" if key.kind is Kind.SECTIONS else f"{{ {inner} }}"
    return key.example or _toml(key.default if key.default is not None else "")


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{value}"'
        case tuple() | list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case dict():
            inner = ", ".join(f"{name} = {_toml(item)}" for name, item in value.items())
            return "{ " + inner + " }" if inner else "{}"
    return str(value)


def commands() -> str:
    """Return the page about the verbs."""
    lines = ["# Commands", "", "Made from the verbs themselves by `make docs`.", ""]
    lines += ["## Global flags", "", "Before or after the verb; each is also `GAVAN_<FLAG>`.", ""]
    lines += [*_flags(root), ""]
    for path, command in _verbs(root, "gavan"):
        lines += [f"## {path}", "", " ".join((command.help or "").split()), ""]
        arguments = click.Command.get_params(command, click.Context(command))
        if any(isinstance(parameter, click.Option) for parameter in arguments):
            lines += [*_flags(command), ""]
        lines += ["```sh", *command.examples, "```", ""]
    return "\n".join(lines)


def _flags(command: click.Command) -> Iterator[str]:
    context = click.Context(command)
    yield "| flag | meaning |"
    yield "|---|---|"
    for parameter in click.Command.get_params(command, context):
        record = parameter.get_help_record(context)
        if record and "--help" not in record[0]:
            yield f"| `{record[0].replace('|', '/')}` | {record[1]} |"


def _verbs(group: click.Group, path: str) -> Iterator[tuple[str, VerbCommand | VerbGroup]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, VerbCommand | VerbGroup):
            yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _verbs(command, f"{path} {name}")


PAGES = {"gavan-toml.md": page, "gavan.toml": example, "commands.md": commands, "lint.md": lint}


def stale() -> list[str]:
    """Return the pages that differ from what the code says."""
    return [
        name
        for name, make in PAGES.items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text() != make()
    ]


def main(argv: list[str]) -> int:
    if argv == ["--check"]:
        old = stale()
        if old:
            print(f"stale: {', '.join(old)}; run: make docs", file=sys.stderr)
        return 5 if old else 0
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
