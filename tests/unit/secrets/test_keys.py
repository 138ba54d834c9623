"""Keys of a stack: made once, kept private, overridden by variables."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import orjson
import pytest

from gavan.kit.errors import GavanError
from gavan.kit.jwt import Verifier, shared_key
from gavan.kit.secret import Secret
from gavan.secrets.keys import StackKeys, load_or_create_keys
from gavan.stack.load import load_stack
from gavan.stack.model import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return _stack(tmp_path)


def _stack(root: Path, **environ: str) -> Stack:
    (root / "gavan.toml").write_text('[stack]\nname = "keys"\n')
    return load_stack(root / "gavan.toml", environ=environ)


def _file(stack: Stack) -> Path:
    return stack.state_dir / "secrets" / "keys.json"


def test_second_call_returns_the_same_keys(stack: Stack) -> None:
    assert load_or_create_keys(stack) == load_or_create_keys(stack)


def test_file_and_folder_are_for_their_owner_alone(stack: Stack) -> None:
    before = os.umask(0)
    try:
        load_or_create_keys(stack)
    finally:
        os.umask(before)
    assert _file(stack).stat().st_mode & 0o777 == 0o600
    assert _file(stack).parent.stat().st_mode & 0o777 == 0o700


def test_nothing_of_it_prints(stack: Stack) -> None:
    keys = load_or_create_keys(stack)
    text = f"{keys} {keys!r}"
    assert not [
        value for value in orjson.loads(_file(stack).read_bytes()).values() if value in text
    ]


def test_anon_and_service_keys_are_tokens_of_their_role(stack: Stack) -> None:
    keys = load_or_create_keys(stack)
    verifier = Verifier([shared_key(keys.jwt_secret)])
    roles = [verifier.verify(key.reveal()).role for key in (keys.anon_key, keys.service_role_key)]
    assert roles == ["anon", "service_role"]
    assert keys.publishable_key.reveal().startswith("sb_publishable_")
    assert keys.secret_key.reveal().startswith("sb_secret_")


def test_variables_stand_above_what_was_made(stack: Stack) -> None:
    made = load_or_create_keys(stack)
    secret = "a-secret-of-the-team-that-is-long-enough"
    overridden = load_or_create_keys(
        _stack(stack.root, JWT_SECRET=secret, ANON_KEY="mine", POSTGRES_PASSWORD="p@ss:/%")
    )
    assert overridden.jwt_secret.reveal() == secret
    assert overridden.anon_key.reveal() == "mine"
    assert overridden.postgres_password.reveal() == "p@ss:/%"
    assert overridden.admin_password == made.admin_password
    verifier = Verifier([shared_key(Secret(secret))])
    assert verifier.verify(overridden.service_role_key.reveal()).role == "service_role"


def test_missing_values_are_added_and_present_ones_kept(stack: Stack) -> None:
    file = _file(stack)
    file.parent.mkdir(parents=True)
    file.write_bytes(orjson.dumps({"admin_password": "kept"}))
    assert load_or_create_keys(stack).admin_password.reveal() == "kept"
    assert set(orjson.loads(file.read_bytes())) > {"admin_password", "jwt_secret"}


@pytest.mark.parametrize("content", [b"", b'{"jwt_secret": "ab', b"[]", b'{"jwt_secret": 1}'])
def test_damaged_file_is_refused_and_left_alone(stack: Stack, content: bytes) -> None:
    file = _file(stack)
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(GavanError) as failure:
        load_or_create_keys(stack)
    assert failure.value.code == "GV612"
    assert file.read_bytes() == content


def test_failed_write_leaves_nothing_behind(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gavan.secrets.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        load_or_create_keys(stack)
    assert [path.name for path in _file(stack).parent.iterdir()] == [".lock"]


def test_processes_that_ask_at_once_get_the_same(stack: Stack) -> None:
    found: list[StackKeys] = []
    threads = [
        threading.Thread(target=lambda: found.append(load_or_create_keys(stack))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [found[0]] * 8


def test_a_stack_of_before_is_given_keys_for_s3_clients(stack: Stack) -> None:
    former = load_or_create_keys(stack)
    stored = orjson.loads(_file(stack).read_bytes())
    del stored["s3_access_key_id"], stored["s3_secret_access_key"]
    _file(stack).write_bytes(orjson.dumps(stored))
    keys = load_or_create_keys(stack)
    assert keys.secret_key == former.secret_key
    made = (keys.s3_access_key_id, keys.s3_secret_access_key)
    assert [len(key.reveal()) for key in made] == [32, 64]


def test_variables_stand_above_the_keys_for_s3_clients(tmp_path: Path) -> None:
    environ = {"S3_PROTOCOL_ACCESS_KEY_ID": "id", "S3_PROTOCOL_ACCESS_KEY_SECRET": "hush"}
    keys = load_or_create_keys(_stack(tmp_path, **environ))
    assert (keys.s3_access_key_id, keys.s3_secret_access_key) == (Secret("id"), Secret("hush"))
