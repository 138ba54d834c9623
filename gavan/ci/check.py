"""Everything that is known of the pipelines of a repository without running them.

Stands above lint.py and tools.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gavan.ci import gitlab, lint_gitlab, tools
from gavan.ci.document import Document, read
from gavan.ci.github import FOLDER
from gavan.ci.lint import lint, names_of
from gavan.stack.findings import Finding, ordered
from gavan.stack.model import KeyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """``secrets``, ``variables``: what each workflow reads of them, by its file; ``skipped``: what
    was not asked."""

    files: tuple[str, ...]
    findings: tuple[Finding, ...]
    secrets: Mapping[str, list[str]]
    variables: Mapping[str, list[str]]
    skipped: list[str]


def check(repository: Path) -> Checked:
    """Judge every workflow of GitHub and the pipeline of GitLab, whoever wrote them."""
    found = sorted((repository / FOLDER).glob("*.y*ml"))
    other = repository / gitlab.FILE
    found += [other] if other.is_file() else []
    read_files = [read(file) for file in found]
    findings = [one for one in read_files if isinstance(one, Finding)]
    documents = [one for one in read_files if isinstance(one, Document)]
    ours = [one for one in documents if one.file != other]
    findings += tools.by_schema(ours, tools.GITHUB)
    theirs = [one for one in documents if one.file == other]
    findings += tools.by_schema(theirs, tools.GITLAB)
    for document in ours:
        findings += lint(document)
        findings += tools.by_shellcheck(document, _commands(document))
    for document in theirs:
        findings += lint_gitlab.lint(document)
        findings += tools.by_shellcheck(document, lint_gitlab.scripts_of(document))
    return Checked(
        files=tuple(file.relative_to(repository).as_posix() for file in found),
        findings=ordered(findings),
        secrets=_read_of(ours, "secrets"),
        variables=_read_of(ours, "vars"),
        skipped=tools.missing(),
    )


def _read_of(documents: list[Document], kind: str) -> dict[str, list[str]]:
    return {one.file.name: names for one in documents if (names := names_of(one, kind))}


def _commands(document: Document) -> Iterator[tuple[KeyPath, str]]:
    jobs = document.values.get("jobs")
    for name, job in jobs.items() if isinstance(jobs, dict) else ():
        steps = job.get("steps") if isinstance(job, dict) else None
        for index, step in enumerate(steps or ()):
            if isinstance(step, dict) and isinstance(step.get("run"), str):
                yield ("jobs", name, "steps", index, "run"), step["run"]
