"""A keyring of GnuPG for one test, with keys that exist for minutes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Keyring:
    """A home of GnuPG; ``home`` is short, because its agent listens on a socket there."""

    home: Path

    def gpg(self, *arguments: str, at: str | None = None) -> str:
        faked = ["--faked-system-time", at] if at else []
        done = subprocess.run(
            ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "",
             *faked, *arguments],
            env={**os.environ, "GNUPGHOME": str(self.home), "LC_ALL": "C"},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    def make(self, name: str, *, expire: str = "never", at: str | None = None) -> str:
        """Make a key that signs and encrypts; return its fingerprint."""
        self.gpg("--quick-generate-key", name, "future-default", "default", expire, at=at)
        listed = self.gpg("--with-colons", "--list-keys", f"={name}")
        return str(re.findall(r"^fpr:+([0-9A-F]{40}):", listed, re.M)[0])

    def without_private_keys(self) -> None:
        """Leave the public keys alone, as on a host that must not read its backups."""
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=False)
        shutil.rmtree(self.home / "private-keys-v1.d")


@contextmanager
def keyring() -> Iterator[Keyring]:
    """Make a keyring and end its agent afterwards."""
    home = Path(tempfile.mkdtemp(prefix="gpg", dir="/tmp"))
    home.chmod(0o700)
    try:
        yield Keyring(home)
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)
