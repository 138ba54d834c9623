"""Everything that is known of the pipelines of a repository without running them.

Stands above lint.py and tools.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gavan.ci import gitlab, tools
from gavan.ci.document import Document, read
from gavan.ci.github import FOLDER
from gavan.ci.lint import lint, secrets_of
from gavan.stack.findings import Finding, ordered
from gavan.stack.model import KeyPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """``secrets``: those that each workflow uses, by its file; ``skipped``: what was not asked."""

    files: tuple[str, ...]
    findings: tuple[Finding, ...]
    secrets: Mapping[str, list[str]]
    skipped: list[str]


def check(repository: Path) -> Checked:
    """Judge every workflow of GitHub and the pipeline of GitLab, whoever wrote them."""
    found = sorted((repository / FOLDER).glob("*.y*ml"))
    other = repository / gitlab.FILE
    read_files = [read(file) for file in [*found, *([other] if other.is_file() else [])]]
    findings = [one for one in read_files if isinstance(one, Finding)]
    documents = [one for one in read_files if isinstance(one, Document)]
    ours = [one for one in documents if one.file != other]
    findings += tools.by_schema(ours, tools.GITHUB)
    findings += tools.by_schema([one for one in documents if one.file == other], tools.GITLAB)
    for document in ours:
        findings += lint(document)
        findings += tools.by_shellcheck(document, _commands(document))
    return Checked(
        files=tuple(file.relative_to(repository).as_posix() for file in found),
        findings=ordered(findings),
        secrets={one.file.name: secrets_of(one) for one in ours if secrets_of(one)},
        skipped=tools.missing(),
    )


def _commands(document: Document) -> Iterator[tuple[KeyPath, str]]:
    jobs = document.values.get("jobs")
    for name, job in jobs.items() if isinstance(jobs, dict) else ():
        steps = job.get("steps") if isinstance(job, dict) else None
        for index, step in enumerate(steps or ()):
            if isinstance(step, dict) and isinstance(step.get("run"), str):
                yield ("jobs", name, "steps", index, "run"), step["run"]
