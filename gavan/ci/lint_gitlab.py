"""The lint of a pipeline of GitLab: what its schema cannot say.

Stands beside lint.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gavan.ci.document import Document
from gavan.ci.lint import graph, no_timeout
from gavan.stack.findings import Finding
from gavan.stack.model import KeyPath

_GLOBAL = frozenset({"stages", "workflow", "default", "variables", "include", "image", "services",
                     "before_script", "after_script", "cache", "spec"})  # fmt: skip
_STAGES = (".pre", "build", "test", "deploy", ".post")
"""Those that a file has which names none"""
SCRIPTS = ("before_script", "script", "after_script")


def jobs_of(document: Document) -> dict[str, dict[str, Any]]:
    """Return the jobs by name; hidden ones, that others extend, are none."""
    return {name: job for name, job in document.values.items()
            if name not in _GLOBAL and not str(name).startswith(".")
            and isinstance(job, dict)}  # fmt: skip


def lint(document: Document) -> Iterator[Finding]:
    """Yield the findings of the pipeline; GV561 and GV566."""
    jobs = jobs_of(document)
    stages = [".pre", *(document.values.get("stages") or _STAGES), ".post"]
    yield from graph(document, (), {name: _needs(job) for name, job in jobs.items()})
    for name, job in jobs.items():
        stage = job.get("stage", "test")
        if stage not in stages:
            yield document.finding(
                "GV561", (name, "stage"),
                (f"there is no stage {stage}", "GitLab refuses the whole pipeline",
                 f"there are: {', '.join(stages[1:-1])}"),
            )  # fmt: skip
        default = document.values.get("default")
        limited = {**(default if isinstance(default, dict) else {}), **job}
        if "timeout" not in limited and "trigger" not in job:
            yield no_timeout(document, (name,), "timeout: 20 minutes")


def scripts_of(document: Document) -> Iterator[tuple[KeyPath, str]]:
    """Yield the text that each shell of a job runs: what comes before and the script are one."""
    for name, job in jobs_of(document).items():
        parts = {key: "\n".join(_lines(job.get(key))) for key in SCRIPTS}
        yield (name, "script"), "\n".join([parts["before_script"], parts["script"]])
        yield (name, "after_script"), parts["after_script"]


def _lines(written: object) -> Iterator[str]:
    if isinstance(written, list):
        for one in written:
            yield from _lines(one)
    elif isinstance(written, str):
        yield written


def _needs(job: dict[str, Any]) -> list[str]:
    """Return the jobs of this file that one waits for, but for those that may be missing."""
    listed = [{"job": one} if isinstance(one, str) else one for one in job.get("needs") or ()]
    return [one["job"] for one in listed
            if "job" in one and "pipeline" not in one and "project" not in one
            and not one.get("optional")]  # fmt: skip
