"""Pipelines carried out here: every command for real, in the shell that the provider gives it.

Actions of others are stood in for by what they leave behind: a clone of the repository, the tools
that this machine has, a copy of what was to be kept.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from gavan.ci.actions import CHECKOUT, NODE, PINNED, PYTHON, UPLOAD

TOOLS = Path(sys.executable).parent
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
DEADLINE_S = 400
RUN_ID = "4711"
GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": RUN_ID, "GITHUB_ACTOR": "grace",
          "GITHUB_SERVER_URL": "https://github.com",
          "GITHUB_REPOSITORY": "acme/shop"}  # fmt: skip
GITLAB = {"GITLAB_CI": "true", "CI_PIPELINE_ID": RUN_ID, "CI_COMMIT_BRANCH": "main",
          "GITLAB_USER_LOGIN": "grace",
          "CI_PIPELINE_URL": "https://gitlab.com/acme/shop/-/pipelines/4711"}  # fmt: skip
_DOLLAR = re.compile(r"\$(\w+)")
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A step that ran: its name, how it ended and what it said."""

    name: str
    code: int
    said: str


def run_command(command: str, folder: Path, env: Mapping[str, str]) -> Ran:
    """Run a command in the shell of `shell: bash`."""
    done = subprocess.run([*SHELL, command], cwd=folder, env=dict(env), text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=DEADLINE_S)  # fmt: skip
    return Ran(name=command, code=done.returncode, said=done.stdout)


@dataclass(kw_only=True)
class Machine:
    """A machine of a provider with a repository to fetch. Only what is named here reaches it.

    ``outside`` is the environment that the machine gives to every command. ``changes`` are texts
    that are added to files of the clone. ``after`` is called with the name of each step that ran.
    """

    repository: Path
    home: Path
    outside: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, str] = field(default_factory=dict)
    after: Callable[[str], None] = lambda _name: None

    @property
    def clone(self) -> Path:
        return self.home / "work"

    @property
    def kept(self) -> Path:
        """The folder of uploaded artifacts, each below its name."""
        return self.home / "kept"

    def fetch(self, *, whole: bool) -> None:
        """Clone the repository anew, with its whole history or the last commit."""
        self.home.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.clone, ignore_errors=True)
        depth = [] if whole else ["--depth", "1"]
        words = ["git", "clone", "-q", *depth, f"file://{self.repository}", str(self.clone)]
        subprocess.run(words, check=True)
        for file, text in self.changes.items():
            with (self.clone / file).open("a") as opened:
                opened.write(text)

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return what a command sees, ``given`` being the provider's own."""
        path = os.pathsep.join([str(TOOLS), self.outside.get("PATH", os.environ["PATH"])])
        return {"HOME": str(self.home), "LANG": "C.UTF-8", "CI": "true", **given, **self.outside,
                "PATH": path}  # fmt: skip


@dataclass(kw_only=True)
class Runner(Machine):
    """A runner of GitHub. ``contexts`` are GitHub's: secrets, vars, inputs, github."""

    contexts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def run(self, workflow: Mapping[str, Any], name: str) -> Iterator[Ran]:
        """Yield the steps of a job as they end; after a failure only what must run always."""
        job = workflow["jobs"][name]
        at = workflow["defaults"]["run"]["working-directory"]
        assert workflow["defaults"]["run"]["shell"] == "bash"
        failed = False
        for step in job["steps"]:
            if failed and step.get("if") != "always()":
                continue
            if "uses" in step:
                self._use(step)
                continue
            asked = {**workflow.get("env", {}), **step.get("env", {})}
            env = self.environment(GITHUB)
            env |= {key: self.value(text) for key, text in asked.items()}
            done = run_command(step["run"], self.clone / step.get("working-directory", at), env)
            failed = failed or done.code != 0
            self.after(step["name"])
            yield Ran(name=step["name"], code=done.code, said=done.said)

    def value(self, text: object) -> str:
        """Return a text with its expressions replaced by what they stand for here."""
        return _EXPRESSION.sub(lambda match: self._evaluate(match[1]), str(text))

    def _evaluate(self, expression: str) -> str:
        for operand in expression.split("||"):
            context, _, name = operand.strip().partition(".")
            if found := self.contexts.get(context, {}).get(name, ""):
                return found
        return ""

    def _use(self, step: Mapping[str, Any]) -> None:
        name, _, commit = step["uses"].partition("@")
        assert PINNED[name].commit == commit
        given = step.get("with", {})
        if name == CHECKOUT.name:
            self.fetch(whole=given.get("fetch-depth") == "0")
        elif name == UPLOAD.name:
            shutil.copytree(self.clone / given["path"], self.kept / given["name"],
                            dirs_exist_ok=True)  # fmt: skip
        else:
            assert name in (PYTHON.name, NODE.name)


@dataclass(kw_only=True)
class GitlabRunner(Machine):
    """A runner of GitLab in a container that has the packages which jobs install.

    ``variables`` are those of the project and of who starts the pipeline.
    """

    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, pipeline: Mapping[str, Any], name: str) -> Iterator[Ran]:
        """Yield the two shells of a job: the script after what comes before it, and what cleans."""
        job = pipeline[name]
        own = job.get("variables", {})
        self.fetch(whole=own.get("GIT_DEPTH") == "0")
        env = self.environment(GITLAB) | dict(self.variables)
        env |= {key: _DOLLAR.sub(lambda found: env.get(found[1], ""), text)
                for key, text in own.items()}  # fmt: skip
        done = self._shell(name, [*job.get("before_script", []), *job["script"]], env)
        yield done
        if "after_script" in job:
            yield self._shell(f"after {name}", job["after_script"], env)
        for path in job.get("artifacts", {}).get("paths", []) if done.code == 0 else []:
            shutil.copytree(self.clone / path, self.kept / job["artifacts"]["name"],
                            dirs_exist_ok=True)  # fmt: skip

    def _shell(self, name: str, lines: list[str], env: Mapping[str, str]) -> Ran:
        kept = [line for line in lines if not line.startswith(("apt-get ", "npm install --global"))]
        done = run_command("\n".join(kept), self.clone, env)
        self.after(name)
        return Ran(name=name, code=done.code, said=done.said)


def workflow_of(text: str) -> dict[str, Any]:
    """Return a workflow as a table; `on` is the word, not a truth."""
    found: dict[str, Any] = yaml.load(text, Loader=yaml.BaseLoader)
    return found
