"""Rotation of signing keys: every token stays good until its key had a week to be forgotten."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from gavan.kit.errors import GavanError
from gavan.kit.jwt import TokenError, Verifier
from gavan.kit.keyset import KeySet, make_jwk, read_key_set, shared_set
from gavan.kit.secret import Secret
from gavan.secrets.keys import load_or_create_keys
from gavan.secrets.signing import (
    KEPT_S,
    PUBLISHED_S,
    State,
    list_keys,
    revoke,
    rotate,
    signing_list,
)
from gavan.stack.load import load_stack
from gavan.stack.model import Stack

SECRET = Secret("the-shared-secret-of-this-very-stack")
NOW = 1_800_000_000


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return _stack(tmp_path)


def _stack(root: Path, **environ: str) -> Stack:
    (root / "gavan.toml").write_text('[stack]\nname = "keys"\n')
    return load_stack(root / "gavan.toml", environ=environ)


def _file(stack: Stack) -> Path:
    return stack.state_dir / "secrets" / "signing_keys.json"


def _set(stack: Stack) -> KeySet:
    made = signing_list(stack, SECRET)
    return read_key_set(made, legacy=SECRET) if made else shared_set(SECRET)


def _states(stack: Stack) -> list[State]:
    return [key.state for key in list_keys(stack)]


def test_a_new_stack_signs_with_its_shared_secret(stack: Stack) -> None:
    assert list_keys(stack) == []
    assert load_or_create_keys(stack).signing_keys is None
    assert _set(stack).algorithm == "HS256"


def test_a_key_is_published_before_it_signs_and_kept_after_it_did(stack: Stack) -> None:
    tokens = [_set(stack).sign({"sub": "u"})]
    first = rotate(stack, now=NOW).made
    assert _set(stack).algorithm == "HS256"
    assert [key["kid"] for key in _set(stack).public] == [first]
    assert rotate(stack, now=NOW + PUBLISHED_S - 1).signs == ""
    assert rotate(stack, now=NOW + PUBLISHED_S).signs == first
    tokens.append(_set(stack).sign({"sub": "u"}))
    second = rotate(stack, now=NOW + 2000, algorithm="RS256").made
    assert rotate(stack, now=NOW + 3000).signs == second
    assert _set(stack).algorithm == "RS256"
    tokens.append(_set(stack).sign({"sub": "u"}))
    assert _states(stack) == [State.RETIRED, State.SIGNS]
    verifier = Verifier(_set(stack).verifying)
    assert [verifier.verify(token).sub for token in tokens] == ["u", "u", "u"]
    assert rotate(stack, now=NOW + 3000 + KEPT_S).dropped == (first,)
    with pytest.raises(TokenError):
        Verifier(_set(stack).verifying).verify(tokens[1])


def test_a_retired_key_keeps_no_secret_part(stack: Stack) -> None:
    rotate(stack, now=NOW, at_once=True)
    assert '"d":' in _file(stack).read_text()
    rotate(stack, now=NOW, at_once=True)
    retired, signs = json.loads(_file(stack).read_text())
    assert ("d" in retired, "d" in signs) == (False, True)


def test_the_file_is_for_its_owner_alone(stack: Stack) -> None:
    rotate(stack, now=NOW)
    assert _file(stack).stat().st_mode & 0o777 == 0o600
    assert _file(stack).parent.stat().st_mode & 0o777 == 0o700
    assert '"d"' not in repr(load_or_create_keys(stack))


def test_a_key_that_is_no_longer_secret_can_go_at_once(stack: Stack) -> None:
    lost = rotate(stack, now=NOW, at_once=True).signs
    token = _set(stack).sign({"sub": "u"})
    with pytest.raises(GavanError) as caught:
        revoke(stack, lost)
    assert caught.value.code == "GV614"
    rotate(stack, now=NOW + 1, at_once=True)
    revoke(stack, lost)
    assert _states(stack) == [State.SIGNS]
    with pytest.raises(TokenError):
        Verifier(_set(stack).verifying).verify(token)


def test_revoking_an_unknown_key_says_so(stack: Stack) -> None:
    with pytest.raises(GavanError, match="no key is named nine"):
        revoke(stack, "nine")


def test_rotations_at_the_same_time_make_one_key(stack: Stack) -> None:
    threads = [threading.Thread(target=rotate, args=(stack,), kwargs={"now": NOW}) for _ in "12345"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _states(stack) == [State.WAITS]


def test_a_variable_stands_above_the_file(stack: Stack) -> None:
    rotate(stack, now=NOW)
    own = json.dumps([make_jwk("ES256") | {"key_ops": ["sign", "verify"]}])
    overridden = _stack(stack.root, GOTRUE_JWT_KEYS=own)
    keys = load_or_create_keys(overridden).signing_keys
    assert keys is not None
    assert keys.reveal() == own
    for use in (
        lambda: list_keys(overridden),
        lambda: rotate(overridden, now=NOW),
        lambda: revoke(overridden, "x"),
    ):
        with pytest.raises(GavanError) as caught:
            use()
        assert caught.value.code == "GV613"


@pytest.mark.parametrize(
    "content", ["", "{", "{}", "[1]", '[{"kty": "EC"}]', '[{"kid": "a", "kty": "oct", "k": "AA"}]']
)
def test_a_damaged_file_is_never_written_over(stack: Stack, content: str) -> None:
    rotate(stack, now=NOW)
    _file(stack).write_text(content)
    for use in (
        lambda: rotate(stack, now=NOW),
        lambda: list_keys(stack),
        lambda: load_or_create_keys(stack),
    ):
        with pytest.raises(GavanError) as caught:
            use()
        assert caught.value.code == "GV612"
        assert "signing_keys.json" in caught.value.message
    assert _file(stack).read_text() == content
