"""Encrypt streams for the recipients of [backup.encrypt], and open them again.

Stands between what is read and what is written: with a method, nothing is on the disk in clear.
Sealing needs public keys alone; opening is for restore and drill, with a key from elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pyrage

from gavan.backups import gpg
from gavan.backups.blocks import BLOCK_BYTES, blocks
from gavan.backups.model import Sealed
from gavan.kit.errors import GavanError
from gavan.stack.model import Encrypt, Encryption

IDENTITY_VARIABLE = "GAVAN_BACKUP_IDENTITY_FILE"


class Reader(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class Writer(Protocol):
    def write(self, block: bytes | memoryview, /) -> object: ...


class Sealer(Protocol):
    """``suffix`` of the names of sealed files; ``fingerprints`` of those who can open them."""

    @property
    def method(self) -> str: ...
    @property
    def suffix(self) -> str: ...
    @property
    def fingerprints(self) -> tuple[str, ...]: ...

    def seal(self, reader: Reader, writer: Writer) -> None:
        """Write what is read, sealed; errors of both sides come out as they are."""


class Opener(Protocol):
    def open(self, reader: Reader, writer: Writer) -> None:
        """Write what was sealed; raise GavanError GV412 when the key is missing or another."""


class Clear:
    """No encryption."""

    method = "none"
    suffix = ""
    fingerprints: tuple[str, ...] = ()

    def seal(self, reader: Reader, writer: Writer) -> None:
        if isinstance(reader, io.RawIOBase):
            for piece in blocks(reader):
                writer.write(piece)
            return
        while block := reader.read(BLOCK_BYTES):
            writer.write(block)

    open = seal


class Age:
    """age (age-encryption.org/v1) by its Rust library: X25519 and SSH keys."""

    method = "age"
    suffix = ".age"

    def __init__(self, recipients: tuple[str, ...]) -> None:
        self._recipients = [_age_recipient(text) for text in recipients]
        self.fingerprints = tuple(_age_fingerprint(text) for text in recipients)

    def seal(self, reader: Reader, writer: Writer) -> None:
        _stream(pyrage.encrypt_io, reader, writer, self._recipients)


class AgeOpener:
    """Opens what Age sealed, with the private keys of a file."""

    def __init__(self, identity: Path) -> None:
        self._file = identity
        self._identities = _age_identities(identity)

    def open(self, reader: Reader, writer: Writer) -> None:
        try:
            _stream(pyrage.decrypt_io, reader, writer, self._identities)
        except pyrage.DecryptError as error:
            raise GavanError(
                "GV412",
                f"no key of {self._file} opens this backup",
                details=str(error),
                hint="give the file of one of the recipients: gavan backup show ID names them",
            ) from error


def sealer_for(encrypt: Encrypt) -> Sealer:
    """Return the sealer of the settings.

    Raises GavanError: GV408 for a recipient that is none, GV409 for an expired or revoked GPG key,
    GV410 without gpg.
    """
    match encrypt.method:
        case Encryption.NONE:
            return Clear()
        case Encryption.AGE:
            return Age(encrypt.recipients)
        case Encryption.GPG:
            return gpg.Gpg(encrypt.recipients)


def opener_for(sealed: Sealed, identity: Path | None) -> Opener:
    """Return what opens the files of a backup.

    Args:
        sealed: as the manifest says.
        identity: file of private age keys; None: the one that GAVAN_BACKUP_IDENTITY_FILE names.
            GPG asks the user's own keyring.

    Raises GavanError GV412 when there is no key file, or no key in it.
    """
    if sealed.method == Clear.method:
        return Clear()
    if sealed.method == gpg.Gpg.method:
        return gpg.GpgOpener()
    given = identity or os.environ.get(IDENTITY_VARIABLE)
    if not given:
        raise GavanError(
            "GV412",
            "the backup is encrypted, and no private key was given",
            details=f"it opens for: {', '.join(sealed.recipients)}",
            hint=f"--identity FILE, or {IDENTITY_VARIABLE}",
            exit_code=3,
        )
    return AgeOpener(Path(given))


class _Guarded:
    """Remembers an error of a stream that the library behind it would swallow."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        return bytes(self._kept(self._stream.read, size))

    def write(self, block: bytes) -> int:
        self._kept(self._stream.write, bytes(block))
        return len(block)

    def flush(self) -> None:
        """What is below is flushed by who opened it."""

    def _kept(self, call: Callable[[Any], Any], argument: object) -> Any:
        try:
            return call(argument)
        except BaseException as error:
            self.error = self.error or error
            raise


def _stream(call: Callable[..., None], reader: Reader, writer: Writer, keys: object) -> None:
    source, target = _Guarded(reader), _Guarded(writer)
    try:
        call(source, target, keys)
    finally:
        told = source.error or target.error
        if told is not None:
            raise told


def _age_recipient(text: str) -> object:
    kind = pyrage.ssh.Recipient if text.startswith("ssh-") else pyrage.x25519.Recipient
    try:
        return kind.from_str(text)
    except pyrage.RecipientError as error:
        raise GavanError(
            "GV408",
            f"{text[:24]}... is no public key of age",
            details=str(error),
            hint="age-keygen -y KEYFILE prints it; write it into [backup.encrypt] recipients",
            exit_code=2,
        ) from error


def _age_fingerprint(text: str) -> str:
    """Return a public key of age as it is; of SSH's, what ssh-keygen -l prints."""
    if not text.startswith("ssh-"):
        return text
    kind, blob = text.split()[:2]
    digest = hashlib.sha256(base64.b64decode(blob)).digest()
    return f"{kind} SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _age_identities(path: Path) -> list[object]:
    try:
        text = path.read_text(encoding="utf-8")
        if "PRIVATE KEY-----" in text:
            return [pyrage.ssh.Identity.from_buffer(text.encode())]
        lines = [line.strip() for line in text.splitlines()]
        keys = [
            pyrage.x25519.Identity.from_str(line) for line in lines if line[:1] not in ("", "#")
        ]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError) as error:
        # The error of the library may hold the line, and the line the key.
        why = error.strerror if isinstance(error, OSError) else "it is not a file of age keys"
        raise _no_key(path, str(why)) from None
    if not keys:
        raise _no_key(path, "it holds no key")
    return keys


def _no_key(path: Path, why: str) -> GavanError:
    return GavanError(
        "GV412",
        f"{path} has no private key to open a backup with: {why}",
        hint="a file that age-keygen wrote, or an SSH private key without a passphrase",
        exit_code=3,
    )
