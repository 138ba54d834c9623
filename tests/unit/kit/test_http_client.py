"""Whose certificates calls to the outside trust."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest

from gavan.kit.http_client import trust


def test_certificates_are_read_once_for_each_place_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = trust()
    assert trust() is system
    other = tmp_path / "roots.pem"
    other.write_bytes(Path(certifi.where()).read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    assert trust() is not system
    monkeypatch.undo()
    assert trust() is system
