"""Restart units when the files they are made from change: the hot reload of `gavan dev`.

Stands in the verb's process beside the log follower; the supervisor knows nothing of files.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gavan.stack.model import Stack

DEBOUNCE_MS = 200
IGNORED = frozenset({".git", ".gavan", ".venv", "__pycache__", "node_modules", "dist", "build"})
CORE_PARTS = ("core", "database", "kit")

Restart = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Files below ``folder`` that match one of ``patterns`` restart ``unit``."""

    unit: str
    folder: Path
    patterns: tuple[re.Pattern[str], ...]

    def matches(self, path: Path) -> bool:
        if not path.is_relative_to(self.folder):
            return False
        relative = path.relative_to(self.folder)
        if IGNORED & set(relative.parts):
            return False
        return any(pattern.fullmatch(relative.as_posix()) for pattern in self.patterns)


def translate(glob: str) -> re.Pattern[str]:
    """Return a glob as a regular expression; `**` crosses folders, `*` does not."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(known.get(part, re.escape(part)) for part in parts))


def rules_for(stack: Stack, stack_unit: str) -> tuple[Rule, ...]:
    """Return the rules of a stack; ``stack_unit`` is restarted for by the stack file itself."""
    rules = [
        Rule(unit=app.name, folder=app.dir, patterns=tuple(map(translate, app.watch)))
        for app in stack.apps
        if app.watch
    ]
    rules += [
        Rule(unit="core", folder=folder, patterns=(translate("**/*.py"), translate("**/*.sql")))
        for folder in core_sources()
    ]
    name = re.compile(re.escape(stack.file.name))
    rules.append(Rule(unit=stack_unit, folder=stack.file.parent, patterns=(name,)))
    return tuple(rules)


def core_sources() -> Sequence[Path]:
    """Return the folders of our own code when it runs from a checkout, else nothing."""
    package = Path(__file__).parents[2]
    if not (package.parent / ".git").exists():
        return ()
    return tuple(package / part for part in CORE_PARTS)


def touched(rules: Iterable[Rule], paths: Iterable[Path]) -> tuple[str, ...]:
    """Return the units to restart for these changes, each once."""
    changed = list(paths)
    hit = (rule.unit for rule in rules if any(rule.matches(path) for path in changed))
    return tuple(dict.fromkeys(hit))


def watch(rules: Sequence[Rule], restart: Restart, stop: threading.Event) -> None:
    """Call ``restart`` for one unit after the other as files change, until ``stop``."""
    import watchfiles  # noqa: PLC0415 - only `gavan dev` pays for it

    folders = {rule.folder for rule in rules if rule.folder.is_dir()}
    changes = watchfiles.watch(
        *folders,
        watch_filter=lambda _, path: any(rule.matches(Path(path)) for rule in rules),
        debounce=DEBOUNCE_MS,
        stop_event=stop,
        raise_interrupt=False,
        ignore_permission_denied=True,
    )
    for batch in changes:
        for unit in touched(rules, (Path(path) for _, path in batch)):
            restart(unit)
