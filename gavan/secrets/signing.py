"""Signing keys of one stack and their rotation, kept in ``.gavan/secrets/signing_keys.json``.

Stands beside ``keys.py``. A stack begins without any: the shared secret signs. A key is published
before it signs and kept after it did, so that no token in use is ever refused. The file is the
list of JWKs that ``supabase gen signing-key`` writes too; ``iat`` says when a key was made,
``exp`` when a retired one is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from gavan.kit.errors import GavanError
from gavan.kit.jwt import MIN_SECRET_BYTES
from gavan.kit.keyset import make_jwk, public_jwk, read_key_set, shared_jwk
from gavan.kit.secret import Secret
from gavan.secrets.files import damaged, locked, write_private
from gavan.stack.model import EnvValue, Stack

FILE_NAME = "signing_keys.json"
VARIABLE = "GOTRUE_JWT_KEYS"
DEFAULT_ALGORITHM = "ES256"
PUBLISHED_S = 600
"""How long clients and proxies may go without seeing a new key: the answer's max-age."""
KEPT_S = 7 * 24 * 3600
"""How long a retired key still verifies: longer than any access token lives."""

Jwk = dict[str, Any]


class State(StrEnum):
    """Where a key stands in its life."""

    WAITS = "waits"
    SIGNS = "signs"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One key without its secret part; ``turns_at`` is when its next state may begin."""

    kid: str
    algorithm: str
    state: State
    turns_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What one call of ``rotate`` did: names of keys, empty when there is none."""

    made: str = ""
    signs: str = ""
    dropped: tuple[str, ...] = ()


def signing_list(stack: Stack, secret: Secret) -> Secret | None:
    """Return the list for the core, None while the shared ``secret`` signs alone.

    Raises:
        GavanError: GV612, the file is damaged.
    """
    given = _given(stack)
    if given:
        return given if isinstance(given, Secret) else Secret(given)
    items = _read(_file(stack))
    if not items:
        return None
    if not any(_state(item) is State.SIGNS for item in items):
        items = [shared_jwk(secret), *items]
    return Secret(json.dumps(items))


def list_keys(stack: Stack) -> list[SigningKey]:
    """Return the stored keys, the newest last.

    Raises:
        GavanError: GV612, the file is damaged; GV613, the stack names its keys itself.
    """
    _check_ours(stack)
    return [_described(item) for item in _read(_file(stack))]


def rotate(
    stack: Stack, *, now: int, algorithm: str = DEFAULT_ALGORITHM, at_once: bool = False
) -> Rotation:
    """Take every step whose time has come: drop, let the waiting key sign, make a waiting one.

    Args:
        stack: whose keys.
        now: seconds since the epoch.
        algorithm: of a key that is made now; one of ``gavan.kit.keyset.MADE``.
        at_once: the new key signs without having waited, for a key that is no longer secret.

    Raises:
        GavanError: GV612, the file is damaged; GV613, the variable sets the keys.
    """
    _check_ours(stack)
    file = _file(stack)
    with locked(file.parent):
        items = _read(file)
        kept = [item for item in items if item.get("exp", now + 1) > now]
        dropped = tuple(item["kid"] for item in items if item not in kept)
        waiting = next((item for item in kept if _state(item) is State.WAITS), None)
        made = ""
        if waiting is None:
            waiting = make_jwk(algorithm) | {"iat": now}
            made = waiting["kid"]
            kept.append(waiting)
        signs = ""
        if at_once or now >= waiting.get("iat", 0) + PUBLISHED_S:
            kept = [_promoted(item, waiting, now) for item in kept]
            signs = waiting["kid"]
        _write(file, kept)
    return Rotation(made=made, signs=signs, dropped=dropped)


def revoke(stack: Stack, kid: str) -> None:
    """Drop a key that waits or is retired: tokens of it are refused from the next start on.

    Raises:
        GavanError: GV613, the variable sets the keys; GV614, no such key, or it signs.
    """
    _check_ours(stack)
    file = _file(stack)
    with locked(file.parent):
        items = _read(file)
        left = [item for item in items if item["kid"] != kid]
        if len(left) == len(items):
            raise GavanError("GV614", f"no key is named {kid}", hint="gavan keys list", exit_code=2)
        if any(_state(item) is State.SIGNS for item in items if item["kid"] == kid):
            raise GavanError(
                "GV614",
                f"{kid} signs the tokens of this stack",
                hint="let another key sign first: gavan keys rotate --now",
                exit_code=2,
            )
        _write(file, left)


def _promoted(item: Jwk, waiting: Jwk, now: int) -> Jwk:
    if item is waiting:
        return item | {"key_ops": ["sign", "verify"]}
    if _state(item) is State.SIGNS:
        # It never signs again, so its secret part goes now.
        return public_jwk(item) | {"exp": now + KEPT_S}
    return item


def _described(item: Jwk) -> SigningKey:
    state = _state(item)
    turns_at = {State.WAITS: item.get("iat", 0) + PUBLISHED_S, State.RETIRED: item.get("exp")}
    return SigningKey(
        kid=item["kid"], algorithm=item["alg"], state=state, turns_at=turns_at.get(state)
    )


def _state(item: Mapping[str, Any]) -> State:
    if "exp" in item:
        return State.RETIRED
    return State.SIGNS if "sign" in item["key_ops"] else State.WAITS


def _given(stack: Stack) -> EnvValue | None:
    """Return the keys that the stack names itself: by the variable, else by signing_keys_path."""
    return stack.env.get(VARIABLE) or stack.core.auth.get("JWT_KEYS")


def _check_ours(stack: Stack) -> None:
    if _given(stack):
        raise GavanError(
            "GV613",
            f"the signing keys of this stack are set by {VARIABLE} or signing_keys_path",
            hint="rotate them where they are kept",
            exit_code=2,
        )


def _file(stack: Stack) -> Path:
    return stack.state_dir / "secrets" / FILE_NAME


def _read(file: Path) -> list[Jwk]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    try:
        return _parsed(text)
    except (ValueError, KeyError, TypeError, AttributeError):
        harm = "without it, tokens of its keys would be refused"
        raise damaged(file, "it is no list of signing keys", harm) from None


def _parsed(text: str) -> list[Jwk]:
    items = json.loads(text)
    if not isinstance(items, list):
        raise TypeError
    # Every key has to be usable, with another one that signs.
    probe = Secret("x" * MIN_SECRET_BYTES)
    quiet = [item | {"key_ops": ["verify"]} for item in items]
    read_key_set(Secret(json.dumps([shared_jwk(probe), *quiet])), legacy=probe)
    for item in items:
        _described(item)
    return items


def _write(file: Path, items: list[Jwk]) -> None:
    write_private(file, orjson.dumps(items, option=orjson.OPT_INDENT_2) + b"\n")
