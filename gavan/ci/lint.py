"""The lint of workflows: what the schema cannot say, and what would let strangers in.

Stands above document.py and expressions.py. In files that we did not write, matters of care are
warnings; what cannot run is an error anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gavan.ci.document import Document
from gavan.ci.expressions import found_in, members, mistakes
from gavan.stack.findings import Finding
from gavan.stack.model import KeyPath

_PINNED = re.compile(r"(\./.*|docker://.*@sha256:[0-9a-f]{64}|[\w.-]+/[\w./-]+@[0-9a-f]{40})")
_OWN_TOKEN = "GITHUB_TOKEN"  # noqa: S105 - a name


def lint(document: Document) -> Iterator[Finding]:
    """Yield the findings of one workflow of GitHub; GV561 to GV567."""
    jobs = _table(document.values.get("jobs"))
    yield from _rights(document)
    yield from graph(document, ("jobs",), {name: _needs(job) for name, job in jobs.items()})
    for name, job in jobs.items():
        if isinstance(job, dict):
            yield from _job(document, ("jobs", name), job)
    yield from _expressions(document)


def names_of(document: Document, kind: str) -> list[str]:
    """Return what a workflow reads of `secrets` or `vars`, GITHUB_TOKEN aside."""
    used = {name for _, expression in _each(document)
            for context, name in members(expression) if context == kind}  # fmt: skip
    return sorted(used - {_OWN_TOKEN})


def _rights(document: Document) -> Iterator[Finding]:
    granted = document.values.get("permissions")
    if granted is None or granted == "write-all":
        yield document.finding(
            "GV567", ("permissions",) if granted else (),
            ("the token of the jobs may do too much",
             "without the key permissions it may write wherever the repository lets it",
             "permissions: { contents: read }, and more in the job that needs it"),
            warn=not document.is_ours,
        )  # fmt: skip
    if "pull_request_target" in _triggers(document) and "actions/checkout" in document.text:
        yield document.finding(
            "GV567", ("on",),
            ("pull_request_target fetches files of strangers",
             "they would run with the secrets of the repository", "on: pull_request"),
        )  # fmt: skip
    if "pull_request" in _triggers(document) and (names := names_of(document, "secrets")):
        yield document.finding(
            "GV563", ("on",),
            (f"a pull request reaches secrets: {', '.join(names)}",
             "whoever opens one can change what runs", "a workflow of its own for them"),
            warn=not document.is_ours,
        )  # fmt: skip


def graph(document: Document, at: KeyPath, needs: Mapping[str, list[str]]) -> Iterator[Finding]:
    """Yield GV561 for jobs, at ``at``, that wait for what is not there or for each other."""
    for name, wanted in needs.items():
        for other in wanted:
            if other not in needs:
                yield document.finding(
                    "GV561", (*at, name, "needs"),
                    (f"there is no job {other}", "nothing would start",
                     f"there are: {', '.join(needs)}"),
                )  # fmt: skip
    open_jobs = dict(needs)
    while ready := [name for name, wanted in open_jobs.items() if not set(wanted) & set(open_jobs)]:
        for name in ready:
            del open_jobs[name]
    if open_jobs:
        first = next(iter(open_jobs))
        yield document.finding(
            "GV561", (*at, first, "needs"),
            (f"these jobs wait for each other: {', '.join(open_jobs)}", "nothing would start",
             "break the circle"),
        )  # fmt: skip


def no_timeout(document: Document, path: KeyPath, mend: str) -> Finding:
    """Return GV566 for the job at ``path``."""
    why = "a job that hangs would run, and be paid for, for hours"
    return document.finding("GV566", path, ("no limit of its time", why, mend),
                            warn=not document.is_ours)  # fmt: skip


def _job(document: Document, path: KeyPath, job: Mapping[str, Any]) -> Iterator[Finding]:
    if "timeout-minutes" not in job and "uses" not in job:
        yield no_timeout(document, path, "timeout-minutes: 20")
    yield from _action(document, (*path, "uses"), job.get("uses"))
    for index, step in enumerate(job.get("steps") or ()):
        if isinstance(step, dict):
            at = (*path, "steps", index)
            yield from _action(document, (*at, "uses"), step.get("uses"))
            yield from _run(document, (*at, "run"), step.get("run"))


def _action(document: Document, path: KeyPath, name: object) -> Iterator[Finding]:
    if isinstance(name, str) and not _PINNED.fullmatch(name):
        yield document.finding(
            "GV565", path,
            (f"{name} is not pinned to a commit", "its tag can be moved to other code",
             "name the 40 digits of the commit, and the version behind it as a comment"),
            warn=not document.is_ours,
        )  # fmt: skip


def _run(document: Document, path: KeyPath, text: object) -> Iterator[Finding]:
    for expression in found_in(text) if isinstance(text, str) else ():
        yield document.finding(
            "GV564", path,
            (f"an expression in the text of a command: {expression.strip()}",
             "what it stands for would be run as part of the command",
             "give it to the step as env, and write \"$NAME\""),
            warn=not document.is_ours,
        )  # fmt: skip


def _expressions(document: Document) -> Iterator[Finding]:
    for path, expression in _each(document):
        wrong = [*mistakes(expression), *_unknown(document, path, expression)]
        for told in wrong:
            yield document.finding(
                "GV562", path,
                (f"in the expression {expression.strip()}: {told}",
                 "the workflow would not start, or the value be empty", "see the names above it"),
            )  # fmt: skip


def _unknown(document: Document, path: KeyPath, expression: str) -> Iterator[str]:
    """Yield what an expression reads that this workflow has not."""
    job = _table(_table(document.values.get("jobs")).get(path[1])) if len(path) > 1 else {}
    ids = {step.get("id") for step in job.get("steps") or () if isinstance(step, dict)}
    known: dict[str, set[Any]] = {
        "needs": set(_needs(job)), "inputs": _inputs(document), "steps": ids,
    }  # fmt: skip
    for context, name in members(expression):
        if context in known and name not in known[context]:
            yield f"there is no {context}.{name} here"


def _each(document: Document) -> Iterator[tuple[KeyPath, str]]:
    """Yield every expression and where it stands; `if` is one without its brackets."""
    for path, text in _texts(document.values, ()):
        inside = found_in(text)
        if path[-1] == "if" and not inside:
            inside = [text]
        yield from ((path, expression) for expression in inside)


def _texts(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str) and path:
        yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, (*path, str(name)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))


def _triggers(document: Document) -> list[str]:
    written = document.values.get("on")
    return [written] if isinstance(written, str) else list(written or ())


def _inputs(document: Document) -> set[str]:
    kinds = _table(document.values.get("on")).values()
    return {name for kind in kinds for name in _table(_table(kind).get("inputs"))}


def _needs(job: object) -> list[str]:
    written = _table(job).get("needs") or []
    return [written] if isinstance(written, str) else list(written)


def _table(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}
