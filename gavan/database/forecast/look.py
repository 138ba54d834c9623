"""What a plan would do to a database: locks with the sizes of their tables, findings of the lint.

Stands on the lint and the sizes, above the plans of migrations; changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gavan.database.forecast.locks import Taken, locks
from gavan.database.forecast.sizes import Size, read_sizes
from gavan.database.lint.catalogue import Catalogue, Name
from gavan.database.lint.run import Rules, Sources, lint_files
from gavan.database.migration.files import is_large
from gavan.database.migration.history import Connection
from gavan.database.migration.parsed import Parsed
from gavan.database.migration.split import Statement
from gavan.stack.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A lock on a table that is there already, and how large that is."""

    taken: Taken
    size: Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """``held`` is per file and statement of the plan, empty for a large file."""

    held: Sequence[Sequence[Sequence[Held]]]
    findings: Sequence[Finding]


def look(
    connection: Connection, plan: Sequence[Parsed], sources: Sources, rules: Rules
) -> Forecast:
    """Return what ``plan`` would hold and what the lint has to say of its files.

    ``sources`` are all files of the stack, of which ``plan`` is a part.
    """
    sizes = read_sizes(connection)
    made = Catalogue()
    held = [
        [] if parsed.large else [_held(one, made, sizes) for one in parsed.statements]
        for parsed in plan
    ]
    return Forecast(held=held, findings=judge(sizes, plan, sources, rules))


def judge(
    sizes: Mapping[Name, Size], plan: Sequence[Parsed], sources: Sources, rules: Rules
) -> Sequence[Finding]:
    """Return the findings of the lint about the files of ``plan``, for tables of these sizes."""
    rows = {name: size.rows for name, size in sizes.items()}
    only = {parsed.file.path for parsed in plan if parsed.large is None}
    small = Sources(
        ups=[path for path in sources.ups if not is_large(path)],
        downs=[path for path in sources.downs if path in only],
    )
    return lint_files(small, replace(rules, rows=rows), only=only) if only else ()


def _held(statement: Statement, made: Catalogue, sizes: Mapping[Name, Size]) -> Sequence[Held]:
    """Return the locks of one statement on tables that the plan did not make itself."""
    found = [
        Held(taken=taken, size=sizes[taken.table])
        for taken in locks(statement)
        if taken.table in sizes and taken.table not in made.relations
    ]
    if not statement.is_comment:
        made.learn(statement.tree())
    return found
