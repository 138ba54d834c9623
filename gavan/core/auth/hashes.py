"""Password hashes of every scheme that accounts may be imported with; pure, and slow on purpose.

New passwords are hashed with bcrypt; Argon2 and Firebase's scrypt are only verified, with the
parameters that stand in the hash, within bounds (supabase/auth:internal/crypto/password.go).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from hmac import compare_digest

import bcrypt
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from gavan.core.auth.errors import AuthError, validation_failed
from gavan.core.auth.guard.strength import LONGEST_BYTES

ARGON2_MEMORY_KIB = 1024 * 1024
ARGON2_ROUNDS = 20
ARGON2_THREADS = 16
SCRYPT_MEMORY_BYTES = 1024**3
SCRYPT_THREADS = 16
SCRYPT_KEY_BYTES = 32

_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_ARGON2 = re.compile(
    r"\$(argon2id?)\$v=19\$m=([0-9]{1,10}),t=([0-9]{1,10}),p=([0-9]{1,3})\$([^$]+)\$([^$]+)"
)
_FIREBASE = re.compile(
    r"\$fbscrypt\$v=1,n=([0-9]{1,2}),r=([0-9]{1,3}),p=([0-9]{1,3})"
    r"(?:,ss=([^,$]+))?(?:,sk=([^$]+))?\$([^$]+)\$(.+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Argon2:
    kind: Type
    memory_kib: int
    rounds: int
    threads: int
    salt: bytes
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Firebase:
    n: int
    r: int
    p: int
    salt: bytes
    key: bytes
    raw: bytes


def check_hash(text: str) -> str:
    """Return a hash that can be verified; raise AuthError 400 for any other text."""
    if _BCRYPT.fullmatch(text):
        return text
    try:
        _argon2(text) if text.startswith("$argon2") else _firebase(text)
    except ValueError as error:
        raise _refused(str(error)) from error
    return text


def fits(password: bytes, stored: str) -> bool:
    """Return whether a password is the one a hash was made of; False for an unknown scheme."""
    try:
        if stored.startswith("$argon2"):
            return _fits_argon2(password, _argon2(stored))
        if stored.startswith("$fbscrypt"):
            return _fits_firebase(password, _firebase(stored))
        return _fits_bcrypt(password, stored.encode())
    except ValueError:
        return False


def _fits_bcrypt(password: bytes, stored: bytes) -> bool:
    # What bcrypt would cut off must not be ignored; the time it takes stays the same.
    is_whole = len(password) <= LONGEST_BYTES
    return bcrypt.checkpw(password[:LONGEST_BYTES], stored) and is_whole


def _argon2(text: str) -> _Argon2:
    match = _ARGON2.fullmatch(text)
    if match is None:
        raise ValueError("not a hash of bcrypt, Argon2i, Argon2id (v=19) or Firebase scrypt (v=1)")
    kind, memory, rounds, threads, salt, raw = match.groups()
    parsed = _Argon2(
        kind=Type.ID if kind == "argon2id" else Type.I,
        memory_kib=int(memory),
        rounds=int(rounds),
        threads=int(threads),
        salt=_unpadded(salt),
        raw=_unpadded(raw),
    )
    if not 8 * parsed.threads <= parsed.memory_kib <= ARGON2_MEMORY_KIB:
        raise ValueError("Argon2 memory is out of bounds")
    if not 1 <= parsed.rounds <= ARGON2_ROUNDS or not 1 <= parsed.threads <= ARGON2_THREADS:
        raise ValueError("Argon2 rounds or threads are out of bounds")
    if len(parsed.salt) < 8 or len(parsed.raw) < 4:
        raise ValueError("Argon2 salt or hash is too short")
    return parsed


def _fits_argon2(password: bytes, known: _Argon2) -> bool:
    made = hash_secret_raw(
        password,
        known.salt,
        time_cost=known.rounds,
        memory_cost=known.memory_kib,
        parallelism=known.threads,
        hash_len=len(known.raw),
        type=known.kind,
    )
    return compare_digest(made, known.raw)


def _firebase(text: str) -> _Firebase:
    match = _FIREBASE.fullmatch(text)
    if match is None:
        raise ValueError("not a hash of bcrypt, Argon2i, Argon2id (v=19) or Firebase scrypt (v=1)")
    n, r, p, separator, key, salt, raw = match.groups()
    parsed = _Firebase(
        n=2 ** int(n),
        r=int(r),
        p=int(p),
        salt=_padded(salt) + _padded(separator or ""),
        key=_padded(key or ""),
        raw=_padded(raw),
    )
    if not 1 <= int(n) <= 30 or not parsed.r or not 1 <= parsed.p <= SCRYPT_THREADS:
        raise ValueError("Firebase scrypt parameters are out of bounds")
    if 128 * parsed.r * (parsed.n + parsed.p) > SCRYPT_MEMORY_BYTES:
        raise ValueError("Firebase scrypt needs more than 1 GiB")
    if not parsed.raw or not parsed.key:
        raise ValueError("Firebase scrypt needs a signer key and a hash")
    return parsed


def _fits_firebase(password: bytes, known: _Firebase) -> bool:
    derived = hashlib.scrypt(
        password,
        salt=known.salt,
        n=known.n,
        r=known.r,
        p=known.p,
        maxmem=2 * SCRYPT_MEMORY_BYTES - 1,
        dklen=SCRYPT_KEY_BYTES,
    )
    # Firebase encrypts its signer key with what the password derives, from a counter of zero.
    encryptor = Cipher(AES(derived), CTR(bytes(16))).encryptor()
    made = encryptor.update(known.key) + encryptor.finalize()
    return compare_digest(made, known.raw)


def _unpadded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("salt and hash have to be base64") from error


def _padded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("salt, keys and hash have to be base64") from error


def _refused(reason: str) -> AuthError:
    return validation_failed(f"Invalid password hash: {reason}")
