"""What somebody writes who may write to the folder of backups, or to the second place."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from gavan.backups import manifest
from gavan.backups.known import Known
from gavan.backups.layout import Repository
from gavan.backups.model import StoredFile
from gavan.backups.prune import _sweep
from gavan.backups.wal_archive import WalArchive
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests.unit.backups import made

KEY = manifest.signing_key(Secret("a stranger's"))
NAME = "000000010000000000000007"


@pytest.mark.parametrize(
    "path", ["/etc/cron.d/x", "../../.ssh/authorized_keys", "db/../../x", "", ".", "a\0b"]
)
def test_a_manifest_that_names_a_file_outside_its_folder_is_none(path: str, tmp_path: Path) -> None:
    forged = made.manifest(files=(StoredFile(path=path, bytes=3, sha256="a" * 64),))
    manifest.write(forged, tmp_path, KEY)
    with pytest.raises(GavanError) as caught:
        manifest.read(tmp_path)
    assert caught.value.code == "GV401"


def line(**changes: object) -> bytes:
    said = {"name": NAME, "file": f"{NAME}.gz", "bytes": 1, "sha256": "", "clear": "",
            "ended": "2026-11-21T12:00:00+00:00"}  # fmt: skip
    return orjson.dumps(said | changes, option=orjson.OPT_APPEND_NEWLINE)


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "../../../precious"},
        {"file": "/etc/passwd"},
        {"file": "000000010000000000000009.gz"},
        {"name": "../../x", "file": f"{NAME}.gz"},
        {"ended": 5},
        {"more": "than a line has"},
    ],
)
def test_a_forged_line_of_the_log_names_no_file_and_prune_removes_none(
    changes: dict[str, object], tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("ours")
    archive = WalArchive(Repository(tmp_path / "backups"))
    archive.index.parent.mkdir(parents=True)
    archive.index.write_bytes(line() + line(**{"name": NAME[:-1] + "8", **changes}))
    assert [one.file for one in archive.segments()] == [f"{NAME}.gz"]
    archive.remove_before(1000)
    assert precious.read_text() == "ours"


def test_a_link_among_the_objects_is_not_followed_when_they_are_swept(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("ours")
    repository = Repository(tmp_path / "backups")
    repository.objects.mkdir(parents=True)
    (repository.objects / "ab").symlink_to(elsewhere)
    stale = repository.objects / "cd" / ("cd" * 32)
    stale.parent.mkdir()
    stale.write_text("nobody names it")
    known = Known(repository.root)
    try:
        freed = _sweep(repository, known)
    finally:
        known.close()
    assert freed == len("nobody names it")
    assert not stale.exists()
    assert (elsewhere / "precious").read_text() == "ours"
