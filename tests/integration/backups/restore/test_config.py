"""The files of a stack come out of a backup as they were, into a folder and nowhere else."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pyrage
import pytest

from gavan.backups.config_back import unpack_config
from gavan.kit.errors import GavanError
from tests.integration.backups.restore.conftest import House


def test_a_sealed_backup_gives_stack_file_migrations_and_secrets_back(
    house: House, tmp_path: Path
) -> None:
    key = pyrage.x25519.Identity.generate()
    (tmp_path / "key").write_text(str(key))
    house.more = f'[backup.encrypt]\nmethod = "age"\nrecipients = ["{key.to_public()}"]\n'
    secret = house.root / ".gavan/secrets/keys.json"
    secret.parent.mkdir(parents=True)
    secret.write_text("{}")
    (house.root / ".env").write_text("TOKEN=hush\n")
    house.backup()
    written = (house.root / "gavan.toml").read_text()
    done = unpack_config(house.wish(identity=tmp_path / "key"), tmp_path / "out")
    assert {".env", ".gavan/secrets/keys.json", "gavan.toml"} <= set(done.files)
    assert (tmp_path / "out/gavan.toml").read_text() == written
    assert (tmp_path / "out/.env").stat().st_mode & 0o777 == 0o600
    with pytest.raises(GavanError) as caught:
        unpack_config(house.wish(identity=tmp_path / "key"), tmp_path / "out")
    assert caught.value.code == "GV447"


@pytest.mark.parametrize("name", ["../escape", "/tmp/escape", "a/../../escape"])
def test_a_path_that_leads_out_is_refused(house: House, tmp_path: Path, name: str) -> None:
    made = house.backup()
    path = house.repository.folder(made.id) / "config.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(GavanError) as caught:
        unpack_config(house.wish(), tmp_path / "out")
    assert caught.value.code == "GV401"
    assert list((tmp_path / "out").iterdir()) == []


def test_a_link_is_refused(house: House, tmp_path: Path) -> None:
    made = house.backup()
    with tarfile.open(house.repository.folder(made.id) / "config.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(GavanError):
        unpack_config(house.wish(), tmp_path / "out")
