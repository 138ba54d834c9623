"""The login of this machine at a registry: found in docker's file, or asked of its helpers."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from gavan.deploy.login import docker_config

HERE = {"auth": base64.b64encode(b"grace:pass").decode()}
HELPER = """#!/bin/sh
read -r asked
[ "$1 $asked" = "get {key}" ] || {{ echo "credentials not found" >&2; exit 1; }}
echo '{answer}'
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


def _helper(folder: Path, monkeypatch: pytest.MonkeyPatch, key: str, user: str) -> None:
    program = folder / "docker-credential-desk"
    answer = json.dumps({"ServerURL": key, "Username": user, "Secret": "pass"})
    program.write_text(HELPER.format(key=key, answer=answer))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def _lent(registry: str) -> object:
    found = docker_config(registry)
    return json.loads(found.reveal()) if found else None


def test_a_login_is_lent_without_those_at_other_registries(config: Path) -> None:
    config.write_text(json.dumps({"auths": {"ghcr.io": HERE, "other.io": HERE}, "proxies": {}}))
    assert _lent("ghcr.io") == {"auths": {"ghcr.io": HERE}}
    assert _lent("quay.io") is None
    assert "pass" not in repr(docker_config("ghcr.io"))


def test_a_machine_that_never_logged_in_lends_nothing(config: Path) -> None:
    assert _lent("ghcr.io") is None
    config.write_text("{")
    assert _lent("ghcr.io") is None


@pytest.mark.parametrize(
    ("written", "registry", "key"),
    [
        ({"credsStore": "desk"}, "ghcr.io", "ghcr.io"),
        ({"credHelpers": {"ghcr.io": "desk"}}, "ghcr.io", "ghcr.io"),
        ({"credsStore": "desk"}, "docker.io", "https://index.docker.io/v1/"),
    ],
)
def test_a_login_that_a_helper_keeps_is_asked_of_it(
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    written: dict[str, object],
    registry: str,
    key: str,
) -> None:
    config.write_text(json.dumps(written))
    _helper(config.parent, monkeypatch, key, "grace")
    assert _lent(registry) == {"auths": {key: HERE}}
    assert _lent("elsewhere.io") is None


def test_a_token_that_stands_for_a_user_stays_one(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(json.dumps({"credsStore": "desk"}))
    _helper(config.parent, monkeypatch, "ghcr.io", "<token>")
    assert _lent("ghcr.io") == {"auths": {"ghcr.io": {"identitytoken": "pass"}}}


def test_a_helper_that_is_not_installed_keeps_nothing(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(json.dumps({"credsStore": "nowhere"}))
    monkeypatch.setenv("PATH", "/usr/bin")
    assert _lent("ghcr.io") is None
