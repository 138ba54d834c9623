"""Encrypt with the system's GnuPG: public keys from the user's keyring, or from files.

Stands under sealing.py. Never sees a private key: gpg asks its own keyring when a backup is opened.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import IO, Any

from gavan.kit.errors import GavanError

BLOCK_BYTES = 256 * 1024
_FINGERPRINT = re.compile(r"[0-9A-F]{40}")
_QUIET = ("--batch", "--no-tty", "--quiet")
_UNUSABLE = {"e": "has expired", "r": "was revoked", "d": "is disabled", "i": "is invalid"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key as ``gpg --with-colons`` lists it; ``trouble`` says why nothing can be encrypted."""

    fingerprint: str
    name: str
    trouble: str | None


def read_listing(text: str) -> list[PublicKey]:
    """Return the keys of a listing; see doc/DETAILS of GnuPG for its fields."""
    keys: list[PublicKey] = []
    for line in text.splitlines():
        fields = line.split(":")
        if fields[0] in ("pub", "sec"):
            keys.append(PublicKey(fingerprint="", name="", trouble=_trouble(fields)))
        elif fields[0] == "fpr" and keys and not keys[-1].fingerprint:
            keys[-1] = replace(keys[-1], fingerprint=fields[9])
        elif fields[0] == "uid" and keys and not keys[-1].name:
            keys[-1] = replace(keys[-1], name=fields[9])
    return keys


def _trouble(fields: Sequence[str]) -> str | None:
    validity, expires, abilities = fields[1], fields[6], fields[11]
    if validity in _UNUSABLE:
        since = ""
        if validity == "e" and expires.isdigit():
            since = f" on {datetime.fromtimestamp(int(expires), UTC):%Y-%m-%d}"
        return _UNUSABLE[validity] + since
    if "D" in abilities:
        return _UNUSABLE["d"]
    # A capital is what the key as a whole can do now, its subkeys included.
    return None if "E" in abilities else "has no part that encrypts, or that part has expired"


class Gpg:
    """Seals for fingerprints and files of public keys."""

    method = "gpg"
    suffix = ".gpg"

    def __init__(self, recipients: tuple[str, ...]) -> None:
        self._program = program()
        self._arguments: list[str] = []
        prints: list[str] = []
        for recipient in recipients:
            key = self._key(recipient)
            if key.trouble:
                raise GavanError(
                    "GV409",
                    f"the GPG key {key.fingerprint} ({key.name}) {key.trouble}",
                    details="a backup that nobody can open is none; nothing was written",
                    hint="renew it (gpg --quick-set-expire), or name another in [backup.encrypt]",
                )
            is_file = not _is_fingerprint(recipient)
            self._arguments += ["--recipient-file" if is_file else "--recipient",
                                recipient if is_file else key.fingerprint]  # fmt: skip
            prints.append(key.fingerprint)
        self.fingerprints = tuple(prints)

    def seal(self, reader: Any, writer: Any) -> None:
        """Write what is read, encrypted; raise GavanError GV411 when gpg fails."""
        argv = [self._program, *_QUIET, "--yes", "--trust-model", "always", "--compress-algo",
                "none", "--cipher-algo", "AES256", *self._arguments, "--encrypt"]  # fmt: skip
        _filter(argv, reader, writer, "GV411", "gpg could not encrypt")

    def _key(self, recipient: str) -> PublicKey:
        by_print = _is_fingerprint(recipient)
        asked = ["--list-keys", _digits(recipient)] if by_print else ["--show-keys", recipient]
        done = _ask(self._program, *asked)
        keys = read_listing(done.stdout) if done.returncode == 0 else []
        if not keys:
            raise GavanError(
                "GV408",
                f"gpg knows no public key {recipient}",
                details=done.stderr.strip() or None,
                hint="gpg --import FILE, as the user who makes the backups" if by_print
                else "gpg --armor --export FINGERPRINT > FILE",
                exit_code=2,
            )  # fmt: skip
        return keys[0]


class GpgOpener:
    """Opens what Gpg sealed, with the keyring of the user."""

    def open(self, reader: Any, writer: Any) -> None:
        """Write what was sealed; raise GavanError GV412."""
        argv = [program(), *_QUIET, "--decrypt"]
        _filter(argv, reader, writer, "GV412", "gpg could not open the backup")


def private_keys(fingerprints: Sequence[str]) -> list[str]:
    """Return those whose private key is in the keyring of this user."""
    gpg = program()
    return [one for one in fingerprints if _ask(gpg, "--list-secret-keys", one).returncode == 0]


def program() -> str:
    """Return the path of gpg; raise GavanError GV410, exit code 7."""
    found = shutil.which("gpg")
    if found is None:
        raise GavanError(
            "GV410",
            "gpg is not installed, so nothing can be encrypted with it",
            hint='apt-get install gnupg, or [backup.encrypt] method = "age", which needs nothing',
            exit_code=7,
        )
    return found


def _is_fingerprint(recipient: str) -> bool:
    return _FINGERPRINT.fullmatch(_digits(recipient)) is not None


def _digits(recipient: str) -> str:
    return recipient.replace(" ", "").upper()


def _ask(gpg: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [gpg, *_QUIET, "--with-colons", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}


def _filter(argv: Sequence[str], reader: Any, writer: Any, code: str, message: str) -> None:
    """Run a program between two streams; errors of the streams come out as they are."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=_environment()
        )
        feeder = _Feeder(reader, process.stdin)
        try:
            feeder.start()
            while process.stdout and (block := process.stdout.read(BLOCK_BYTES)):
                writer.write(block)
            status = process.wait()
        finally:
            process.kill()
            process.wait()
            for stream in filter(None, (process.stdout,)):
                stream.close()
        feeder.join()
        if feeder.error is not None:
            raise feeder.error
        if status != 0:
            said.seek(0)
            raise GavanError(code, message, details=said.read().decode(errors="replace").strip())


class _Feeder(threading.Thread):
    """Pours a stream into a program; a program that has ended wants no more."""

    def __init__(self, reader: Any, target: IO[bytes] | None) -> None:
        super().__init__(name="gpg-feeder", daemon=True)
        self._reader = reader
        self._target = target
        self.error: BaseException | None = None

    def run(self) -> None:
        if self._target is None:
            return
        try:
            with self._target as target:
                while block := self._reader.read(BLOCK_BYTES):
                    target.write(block)
        except BrokenPipeError:
            return
        except BaseException as error:  # noqa: BLE001 - carried to the thread that waits
            self.error = error
