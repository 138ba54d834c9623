"""What is measured: the core, Caddy for a download, ``rclone serve s3``, and the disk itself."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from bench.machine import running
from bench.rest.servers import SYSTEM_PATH, gavan_environ
from gavan.database.embedded import Server
from tests.ports import free_port
from tests.servers import wait_until

START_S = 60
BUCKET = "bench"
GAVAN, CADDY, RCLONE = "gavan", "caddy", "rclone serve s3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A running server: ``{name}`` in its addresses is an object. No ``put``: it only gives."""

    name: str
    process: psutil.Process
    get: str
    put: tuple[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(self, name: str, source: Path) -> None:
        """Store a file once, streamed; raise httpx.HTTPError when it is refused."""
        if self.put is None:
            raise ValueError(f"{self.name} takes nothing")
        method, url = self.put
        with source.open("rb") as stream:
            length = {"content-length": str(source.stat().st_size)}
            answer = httpx.request(
                method,
                url.format(name=name),
                content=stream,
                headers={**self.headers, **length},
                timeout=600,
            )
        answer.raise_for_status()


@contextmanager
def serving(server: Server, folder: Path, files: Sequence[Path]) -> Iterator[list[Target]]:
    """Run all servers, each with every file in it under its own name."""
    with ExitStack() as stack:
        targets = [
            stack.enter_context(_gavan(server, folder)),
            stack.enter_context(_caddy(folder, files)),
            stack.enter_context(_rclone(folder)),
        ]
        for target in targets:
            if target.put is not None:
                for file in files:
                    target.send(file.name, file)
        yield targets


@contextmanager
def _gavan(server: Server, folder: Path) -> Iterator[Target]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environ = gavan_environ(server, port)
    key = environ["SERVICE_ROLE_KEY"]
    told = {
        **environ,
        "PATH": SYSTEM_PATH,
        "GAVAN_CORE_SERVICES": "storage",
        "FILE_STORAGE_BACKEND_PATH": str(folder / "blobs"),
        "UPLOAD_FILE_SIZE_LIMIT": str(8 * 1024**3),
    }
    argv = [sys.executable, "-m", "gavan.core"]
    with running(argv, told, folder / "gavan.log") as process:
        _await(f"{url}/health/ready", process, folder / "gavan.log")
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/octet-stream"}
        made = httpx.post(
            f"{url}/storage/v1/bucket",
            json={"name": BUCKET, "public": True},
            headers={"Authorization": f"Bearer {key}"},
        )
        made.raise_for_status()
        yield Target(
            name=GAVAN,
            process=process,
            get=f"{url}/storage/v1/object/public/{BUCKET}/{{name}}",
            put=("POST", f"{url}/storage/v1/object/{BUCKET}/{{name}}"),
            headers=headers,
        )


@contextmanager
def _caddy(folder: Path, files: Sequence[Path]) -> Iterator[Target]:
    port = free_port()
    program = _program("caddy")
    served = str(files[0].parent)
    argv = [program, "file-server", "--root", served, "--listen", f"127.0.0.1:{port}"]
    environ = {"PATH": SYSTEM_PATH, "HOME": str(folder)}
    with running(argv, environ, folder / "caddy.log") as process:
        url = f"http://127.0.0.1:{port}"
        _await(f"{url}/{files[0].name}", process, folder / "caddy.log")
        yield Target(name=CADDY, process=process, get=f"{url}/{{name}}")


@contextmanager
def _rclone(folder: Path) -> Iterator[Target]:
    port = free_port()
    served = folder / "s3"
    (served / BUCKET).mkdir(parents=True)
    argv = [_program("rclone"), "serve", "s3", str(served), "--addr", f"127.0.0.1:{port}"]
    environ = {"PATH": SYSTEM_PATH, "HOME": str(folder)}
    with running(argv, environ, folder / "rclone.log") as process:
        url = f"http://127.0.0.1:{port}/{BUCKET}"
        _await(url, process, folder / "rclone.log")
        yield Target(
            name=RCLONE, process=process, get=f"{url}/{{name}}", put=("PUT", f"{url}/{{name}}")
        )


def _program(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        raise FileNotFoundError(f"{name} is missing: make setup")
    return found


def _await(url: str, process: psutil.Process, log: Path) -> None:
    def answers() -> bool:
        try:
            return httpx.get(url, timeout=2).status_code < 500
        except httpx.HTTPError:
            return process.status() == psutil.STATUS_ZOMBIE

    try:
        wait_until(answers, START_S)
    except AssertionError:
        sys.stderr.write(log.read_text(errors="replace")[-1500:])
        raise
