"""A manifest is read as it was written, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gavan.backups import manifest
from gavan.backups.layout import MANIFEST
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from tests.unit.backups import made

KEY = manifest.signing_key(Secret("ours"))
OTHER = manifest.signing_key(Secret("theirs"))


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    manifest.write(made.manifest(), tmp_path, KEY)
    assert manifest.read(tmp_path) == made.manifest()
    assert manifest.check_signature(tmp_path, KEY) is None


def test_a_manifest_is_written_once(tmp_path: Path) -> None:
    manifest.write(made.manifest(), tmp_path, KEY)
    with pytest.raises(FileExistsError):
        manifest.write(made.manifest(), tmp_path, KEY)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("manifest")
    manifest.write(made.manifest(), folder, KEY)
    return (folder / MANIFEST).read_bytes()


@given(data=st.data())
def test_no_flipped_bit_gives_another_manifest(
    data: st.DataObject, written: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    at = data.draw(st.integers(0, len(written) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(written)
    changed[at] ^= 1 << bit
    folder = tmp_path_factory.mktemp("flip")
    (folder / MANIFEST).write_bytes(changed)
    try:
        found = manifest.read(folder)
    except GavanError as error:
        assert error.code == "GV401"
        assert MANIFEST in error.message
    else:
        # White space, or the signature, which is not what the manifest says.
        assert found == made.manifest()


@given(share=st.floats(0, 0.999))
def test_a_cut_manifest_is_none(
    share: float, written: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    (folder / MANIFEST).write_bytes(written[: int(len(written.rstrip()) * share)])
    with pytest.raises(GavanError, match="cut off") as caught:
        manifest.read(folder)
    assert caught.value.code == "GV401"


def test_a_manifest_that_would_fill_the_memory_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest.write(made.manifest(), tmp_path, b"key")
    monkeypatch.setattr(manifest, "MOST_BYTES", (tmp_path / "manifest.json").stat().st_size)
    assert manifest.read(tmp_path).id == made.ID
    monkeypatch.setattr(manifest, "MOST_BYTES", manifest.MOST_BYTES - 1)
    with pytest.raises(GavanError, match="larger than") as caught:
        manifest.read(tmp_path)
    assert caught.value.code == "GV401"


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(GavanError, match=f"{tmp_path}.*missing"):
        manifest.read(tmp_path)


def test_a_newer_form_asks_for_a_newer_gavan(tmp_path: Path) -> None:
    manifest.write(made.manifest(version=2), tmp_path, KEY)
    with pytest.raises(GavanError, match="newer gavan"):
        manifest.read(tmp_path)


def test_the_signature_of_others_is_a_doubt(tmp_path: Path) -> None:
    manifest.write(made.manifest(), tmp_path, OTHER)
    assert "another stack" in (manifest.check_signature(tmp_path, KEY) or "")


def test_a_forged_manifest_is_an_error(tmp_path: Path) -> None:
    manifest.write(made.manifest(rows={}), tmp_path, OTHER)
    path = tmp_path / MANIFEST
    forged = json.loads(path.read_text())
    path.unlink()
    manifest.write(made.manifest(), tmp_path, KEY)
    forged["signature"] = json.loads(path.read_text())["signature"]
    path.write_text(json.dumps(forged))
    assert manifest.read(tmp_path).rows == {}
    with pytest.raises(GavanError) as caught:
        manifest.check_signature(tmp_path, KEY)
    assert caught.value.code == "GV402"
