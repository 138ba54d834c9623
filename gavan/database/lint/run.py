"""Lint migrations, down files and seeds: `lint_files` is the one door.

Stands on the rules; asks no database. All files of a stack are read for what exists, the asked
ones are judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gavan.database.lint.catalogue import Catalogue, Name
from gavan.database.lint.document import Allow, Document, Fault, read_document
from gavan.database.lint.rule import Hit, Kind, Rule, Step
from gavan.database.lint.rules import BY_CODE, RULES
from gavan.database.migration.files import check_names, is_large
from gavan.database.migration.split import Statement, place
from gavan.stack.findings import Finding, Level, ordered
from gavan.stack.model import Position

_LEVELS = {"warn": Level.WARNING, "error": Level.ERROR}
# Rows of a seed are many and say nothing about structure.
_PLAIN_WORDS = frozenset({"insert", "select", "with", "set", "do", "notify", "call", "comment"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The files of a stack by what they are for; ``ups`` in the order they are applied."""

    ups: Sequence[Path] = ()
    downs: Sequence[Path] = ()
    seeds: Sequence[Path] = ()

    def kinds(self) -> dict[Path, Kind]:
        """Return every file with its kind."""
        return {
            path: kind
            for kind, paths in (
                (Kind.UP, self.ups), (Kind.DOWN, self.downs), (Kind.SEED, self.seeds),
            )
            for path in paths
        }  # fmt: skip

    def without_large(self) -> tuple[Sources, list[Path]]:
        """Return the files that are held in memory, and those that are too large for it."""
        large = [path for path in self.kinds() if is_large(path)]
        small = Sources(
            ups=[path for path in self.ups if path not in large],
            downs=[path for path in self.downs if path not in large],
            seeds=[path for path in self.seeds if path not in large],
        )
        return small, large


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """``levels`` by code (off, warn, error); ``exposed`` are the schemas of the data API.

    ``rows`` are how many rows the tables of a database have, where one is known: then what would
    lock a small table is no finding.
    """

    levels: Mapping[str, str]
    exposed: tuple[str, ...]
    rows: Mapping[Name, int] | None = None


def lint_files(
    sources: Sources, rules: Rules, *, only: Collection[Path] | None = None
) -> tuple[Finding, ...]:
    """Return the findings of ``only`` (default: all) among ``sources``, in order of place.

    Raises UnicodeDecodeError for a file that is not UTF-8.
    """
    kinds = sources.kinds()
    documents = {path: read_document(path, path.read_text("utf-8")) for path in kinds}
    whole = Catalogue()
    for path in sources.ups:
        for _, tree in _trees(documents[path], Kind.UP):
            whole.learn(tree)
    findings: list[Finding] = []
    for path, document in documents.items():
        if only is None or path in only:
            findings += _judge(document, kinds[path], rules, whole)
    findings += _names(sources, only)
    return ordered(findings)


def _names(sources: Sources, only: Collection[Path] | None) -> Iterator[Finding]:
    """Yield what is wrong with the names of the migrations: GV301-GV306."""
    for found in check_names(sorted(sources.ups)):
        if only is None or found.path in only:
            yield Finding(
                code=found.code,
                message=f"{found.path.name} {found.message}",
                position=Position(file=found.path, line=1, column=1),
                why="migrations are found and ordered by their names",
                mend=found.hint,
            )


def _judge(document: Document, kind: Kind, rules: Rules, whole: Catalogue) -> Iterator[Finding]:
    for fault in document.faults:
        level = rules.levels.get(fault.code, "error")
        if level != "off":
            yield _fault(document, fault, _LEVELS[level])
    yield from _bad_allows(document, rules)
    made = Catalogue()
    for statement, tree in _trees(document, kind):
        step = Step(
            document=document, kind=kind, statement=statement, tree=tree, made=made, whole=whole,
            exposed=rules.exposed, rows=rules.rows,
        )  # fmt: skip
        yield from _step(step, rules)
        made.learn(tree)


def _step(step: Step, rules: Rules) -> Iterator[Finding]:
    for rule in RULES:
        level = rules.levels.get(rule.code, "off")
        if level == "off" or rule.check is None:
            continue
        if step.kind not in rule.kinds or step.node not in rule.nodes:
            continue
        for hit in rule.check(step):
            if not _is_allowed(step.document, rule.code, step.statement.first):
                yield _finding(step.document, rule, hit, _LEVELS[level])


def _trees(document: Document, kind: Kind) -> Iterator[tuple[Statement, Any]]:
    """Yield the statements that a rule may speak of, parsed."""
    needs_rows = kind is Kind.SEED or any(
        statement.first_word == "alter" and "add value" in statement.text.lower()
        for statement in document.statements
    )
    for statement in document.statements:
        word = statement.first_word
        if statement.is_comment or (word in _PLAIN_WORDS and not needs_rows):
            continue
        yield statement, statement.tree()


def _is_allowed(document: Document, code: str, offset: int) -> bool:
    return any(
        allow.code == code and allow.reason and allow.start <= offset < allow.end
        for allow in document.allows
    )


def _bad_allows(document: Document, rules: Rules) -> Iterator[Finding]:
    level = rules.levels.get("GV372", "off")
    if level == "off":
        return
    for allow in document.allows:
        problem = _problem(allow)
        if problem:
            hit = Hit(
                offset=allow.offset,
                message=problem,
                mend="-- gavan: allow=GV353(the table has ten rows)",
                length=len("-- gavan:"),
            )
            yield _finding(document, BY_CODE["GV372"], hit, _LEVELS[level])


def _problem(allow: Allow) -> str:
    if allow.code not in BY_CODE:
        return f"{allow.code} is no rule of the lint"
    return "" if allow.reason else f"{allow.code} is allowed without a reason"


def _fault(document: Document, fault: Fault, level: Level) -> Finding:
    rule = BY_CODE.get(fault.code)
    why = rule.why if rule else "the file does not parse: nothing of it would be applied"
    hit = Hit(offset=fault.offset, message=fault.message, mend=fault.mend, length=fault.length)
    shown = Rule(code=fault.code, why=why)
    return _finding(document, shown, hit, level)


def _finding(document: Document, rule: Rule, hit: Hit, level: Level) -> Finding:
    line, column = place(document.text, hit.offset)
    source = document.text.split("\n")[line - 1].rstrip("\r")
    return Finding(
        code=rule.code,
        message=_plain(hit.message, document),
        position=Position(file=document.path, line=line, column=column),
        why=rule.why,
        mend=_plain(hit.mend, document),
        level=level,
        source=source,
        length=min(hit.length, max(len(source) - column + 1, 1)),
    )


def _plain(text: str, document: Document) -> str:
    """Put back the words that the mended copy of the file has others for."""
    for stand_in, word in document.renamed.items():
        text = text.replace(f'"{stand_in}', f'"{word}')
    return text
