"""The docker command line, called by argument lists: the one place that starts it.

Stands under the images and the compose engine. Which daemon is meant is docker's own affair:
DOCKER_HOST, DOCKER_CONTEXT and the login of the user apply.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gavan.kit.errors import GavanError

LAST_LINES = 25
Line = Callable[[str], None]


def find_docker() -> str:
    """Return the path of the program; raise GavanError GV500, exit 7, without one."""
    path = shutil.which("docker")
    if path is None:
        raise GavanError(
            "GV500",
            "the docker command is not installed",
            hint="install Docker Engine, or run the stack without it: gavan up -p dev",
            exit_code=7,
        )
    return path


def docker(*words: str, stdin: str | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a short docker command and return what it printed.

    Raises:
        GavanError: GV500 no docker, GV501 it failed; the details are its last lines.
    """
    done = subprocess.run(
        [find_docker(), *words],
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env=dict(env) if env is not None else None,
    )
    if done.returncode != 0:
        raise failure(words, done.stderr or done.stdout)
    return done.stdout


def try_docker(*words: str) -> str | None:
    """As ``docker``, but None when the command fails: for questions with no for an answer."""
    try:
        return docker(*words)
    except GavanError as error:
        if error.code == "GV501":
            return None
        raise


def container_logs(container: str, lines: int) -> str:
    """Return the last lines of a container, of both its streams; empty when it is gone."""
    done = subprocess.run(
        [find_docker(), "logs", "--tail", str(lines), container],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.stdout if done.returncode == 0 else ""


def follow_docker(words: Sequence[str], line: Line, *, cwd: Path | None = None) -> None:
    """Run a long docker command; ``line`` hears what it prints as it comes.

    Raises:
        GavanError: as ``docker``. On an interrupt the command is ended before it goes on.
    """
    last: list[str] = []
    with subprocess.Popen(
        [find_docker(), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd=cwd,
    ) as process:
        try:
            for text in process.stdout or ():
                last = [*last[1 - LAST_LINES :], text.rstrip()]
                line(text.rstrip())
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise failure(words, "\n".join(last))


def failure(words: Sequence[str], output: str) -> GavanError:
    """Return the error of a docker command that failed."""
    lines = [text for text in output.strip().splitlines() if text.strip()][-LAST_LINES:]
    verb = " ".join(word for word in words[:2] if not word.startswith("-"))
    if any("Cannot connect to the Docker daemon" in text for text in lines):
        return GavanError(
            "GV500",
            "the Docker daemon does not answer",
            details="\n".join(lines),
            hint="start it (systemctl start docker), or set DOCKER_HOST",
            exit_code=7,
        )
    return GavanError("GV501", f"docker {verb} failed", details="\n".join(lines) or None)
