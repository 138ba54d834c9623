"""What is sealed opens with the right key alone; the errors of streams are not lost."""

from __future__ import annotations

import io
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from gavan.backups import gpg
from gavan.backups.model import Sealed
from gavan.backups.sealing import IDENTITY_VARIABLE, Sealer, opener_for, sealer_for
from gavan.kit.errors import GavanError
from gavan.stack.model import Encrypt, Encryption
from tests.integration.backups.keyring import Keyring, keyring

DATA = secrets.token_bytes(3_000_001)
LONG_AGO = "20200101T000000"


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyring]:
    with keyring() as made:
        monkeypatch.setenv("GNUPGHOME", str(made.home))
        yield made


def sealer(method: Encryption, *recipients: str) -> Sealer:
    return sealer_for(Encrypt(method=method, recipients=recipients))


def sealed(by: Sealer, data: bytes = DATA) -> bytes:
    out = io.BytesIO()
    by.seal(io.BytesIO(data), out)
    return out.getvalue()


def opened(by: Sealer, data: bytes, identity: Path | None = None) -> bytes:
    out = io.BytesIO()
    facts = Sealed(method=by.method, recipients=by.fingerprints)
    opener_for(facts, identity).open(io.BytesIO(data), out)
    return out.getvalue()


def age_key(path: Path) -> str:
    identity = pyrage.x25519.Identity.generate()
    path.write_text(f"# created for a test\n{identity}\n")
    return str(identity.to_public())


def test_without_a_method_bytes_stay_as_they_are() -> None:
    clear = sealer(Encryption.NONE)
    assert sealed(clear) == DATA == opened(clear, DATA)


def test_age_opens_with_each_of_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = age_key(tmp_path / "one"), age_key(tmp_path / "two")
    by = sealer(Encryption.AGE, one, two)
    stored = sealed(by)
    assert by.fingerprints == (one, two)
    assert DATA[:100] not in stored
    assert opened(by, stored, tmp_path / "one") == DATA
    monkeypatch.setenv(IDENTITY_VARIABLE, str(tmp_path / "two"))
    assert opened(by, stored) == DATA


def test_age_opens_with_an_ssh_key(tmp_path: Path) -> None:
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    by = sealer(Encryption.AGE, path.with_suffix(".pub").read_text().strip())
    listed = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(path)], check=True, capture_output=True, text=True
    )
    assert by.fingerprints == (f"ssh-ed25519 {listed.stdout.split()[1]}",)
    assert opened(by, sealed(by), path) == DATA


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    by = sealer(Encryption.AGE, age_key(tmp_path / "ours"))
    age_key(tmp_path / "theirs")
    with pytest.raises(GavanError) as caught:
        opened(by, sealed(by, b"x"), tmp_path / "theirs")
    assert caught.value.code == "GV412"


@pytest.mark.parametrize("content", [None, "", "# nothing\n", "AGE-SECRET-KEY-1HUSH\n"])
def test_a_file_without_a_key_is_named_and_not_shown(content: str | None, tmp_path: Path) -> None:
    by = sealer(Encryption.AGE, age_key(tmp_path / "ours"))
    path = tmp_path / "keys"
    if content is not None:
        path.write_text(content)
    with pytest.raises(GavanError) as caught:
        opened(by, b"", path)
    assert caught.value.code == "GV412"
    assert str(path) in caught.value.message
    assert "HUSH" not in f"{caught.value.message}{caught.value.details}"


def test_no_key_at_all_says_whose_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(IDENTITY_VARIABLE, raising=False)
    public = age_key(tmp_path / "ours")
    by = sealer(Encryption.AGE, public)
    with pytest.raises(GavanError, match="no private key") as caught:
        opened(by, b"")
    assert public in (caught.value.details or "")


def test_a_recipient_that_is_none_is_refused() -> None:
    with pytest.raises(GavanError) as caught:
        sealer(Encryption.AGE, "age1" + "q" * 58)
    assert caught.value.code == "GV408"


class _Broken(io.RawIOBase):
    """A disk that is full after some blocks, or a source that breaks off."""

    def __init__(self, after: int) -> None:
        self.left = after

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(28, "No space left on device")

    def write(self, block: object) -> int:
        self._step()
        return len(bytes(block))  # type: ignore[call-overload]  # any buffer

    def read(self, size: int = -1) -> bytes:
        self._step()
        return secrets.token_bytes(max(size, 1))


def _age(tmp_path: Path, _ring: Keyring) -> Sealer:
    return sealer(Encryption.AGE, age_key(tmp_path / "key"))


def _gpg(_path: Path, ring: Keyring) -> Sealer:
    return sealer(Encryption.GPG, ring.make("ops"))


@pytest.mark.parametrize("make", [_age, _gpg])
@pytest.mark.parametrize("after", [0, 2])
def test_an_error_of_a_stream_is_not_lost(
    make: type, after: int, tmp_path: Path, ring: Keyring
) -> None:
    by: Sealer = make(tmp_path, ring)
    with pytest.raises(OSError, match="No space left"):
        by.seal(io.BytesIO(DATA), _Broken(after))
    with pytest.raises(OSError, match="No space left"):
        by.seal(_Broken(after), io.BytesIO())


def test_gpg_seals_by_fingerprint_and_by_file(ring: Keyring, tmp_path: Path) -> None:
    mine, yours = ring.make("mine"), ring.make("yours")
    file = tmp_path / "yours.asc"
    file.write_text(ring.gpg("--armor", "--export", yours))
    by = sealer(Encryption.GPG, mine, str(file))
    assert by.fingerprints == (mine, yours)
    assert opened(by, sealed(by)) == DATA
    assert gpg.private_keys(by.fingerprints) == [mine, yours]


def test_a_host_without_the_private_key_seals_and_cannot_open(ring: Keyring) -> None:
    by = sealer(Encryption.GPG, ring.make("ops"))
    ring.without_private_keys()
    stored = sealed(by, b"secret")
    assert gpg.private_keys(by.fingerprints) == []
    with pytest.raises(GavanError) as caught:
        opened(by, stored)
    assert caught.value.code == "GV412"


def test_an_expired_gpg_key_is_refused(ring: Keyring, tmp_path: Path) -> None:
    old = ring.make("old", expire="1d", at=LONG_AGO)
    file = tmp_path / "old.asc"
    file.write_text(ring.gpg("--armor", "--export", old))
    for recipient in (old, str(file)):
        with pytest.raises(GavanError, match=r"expired on 2020-01-02") as caught:
            sealer(Encryption.GPG, recipient)
        assert caught.value.code == "GV409"


def test_a_gpg_key_that_nobody_has_is_refused(ring: Keyring) -> None:
    with pytest.raises(GavanError) as caught:
        sealer(Encryption.GPG, "0" * 40)
    assert caught.value.code == "GV408"


def test_without_gpg_its_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(GavanError, match="not installed") as caught:
        sealer(Encryption.GPG, "0" * 40)
    assert (caught.value.code, caught.value.exit_code) == ("GV410", 7)
