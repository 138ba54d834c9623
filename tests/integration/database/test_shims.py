"""The shim extensions against published test vectors and against Python's own libraries."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Iterator
from typing import Any

import bcrypt
import psycopg
import pytest

from tests.conftest import Database


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as connection:
        yield connection


def one(connection: psycopg.Connection[Any], sql: str, *values: Any) -> Any:
    row = connection.execute(sql.encode(), values).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("name", ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 127, 128, 200])
def test_digest_and_hmac_agree_with_python(
    connection: psycopg.Connection[Any], name: str, size: int
) -> None:
    data = bytes((index * 7) % 256 for index in range(size))
    key = bytes(range(200))[: size + 3]
    assert one(connection, "select digest(%s::bytea, %s)", data, name) == (
        hashlib.new(name, data).digest()
    )
    assert one(connection, "select hmac(%s::bytea, %s::bytea, %s)", data, key, name) == (
        hmac.digest(key, data, name)
    )


def test_text_is_hashed_as_utf8(connection: psycopg.Connection[Any]) -> None:
    assert one(connection, "select digest('привет', 'sha1')") == (
        hashlib.sha1("привет".encode()).digest()
    )


# OpenBSD and crypt_blowfish: password, salt, whole hash.
VECTORS = [
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
    ("U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
    ("", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"),
]


@pytest.mark.parametrize(("password", "expected"), VECTORS)
def test_bcrypt_gives_the_published_hashes(
    connection: psycopg.Connection[Any], password: str, expected: str
) -> None:
    assert one(connection, "select crypt(%s, %s)", password, expected) == expected


def test_python_accepts_hashes_of_gen_salt(connection: psycopg.Connection[Any]) -> None:
    hashed = one(connection, "select crypt('пароль', gen_salt('bf'))")
    assert hashed.startswith("$2a$06$")
    assert bcrypt.checkpw("пароль".encode(), hashed.encode())


def test_postgres_accepts_hashes_of_python(connection: psycopg.Connection[Any]) -> None:
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert one(connection, "select crypt(%s, %s)", "x" * 100, hashed) == hashed
    assert one(connection, "select crypt(%s, %s)", "y" * 100, hashed) != hashed


@pytest.mark.parametrize(
    "sql",
    [
        "select gen_salt('md5')",
        "select crypt('a', '$1$abcdefgh')",
        "select pgp_sym_encrypt('a', 'b')",
        "select encrypt('a'::bytea, 'b'::bytea, 'aes')",
    ],
)
def test_what_is_missing_says_so(connection: psycopg.Connection[Any], sql: str) -> None:
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="not available"):
        connection.execute(sql.encode())


def test_random_bytes_differ_and_keep_their_length(connection: psycopg.Connection[Any]) -> None:
    first = one(connection, "select gen_random_bytes(40)")
    assert len(first) == 40
    assert first != one(connection, "select gen_random_bytes(40)")
    with pytest.raises(psycopg.Error, match="Length not in range"):
        connection.execute("select gen_random_bytes(1025)")


def test_armor_comes_back(connection: psycopg.Connection[Any]) -> None:
    assert one(connection, "select armor('test'::bytea)") == (
        "-----BEGIN PGP MESSAGE-----\n\ndGVzdA==\n=+G7Q\n-----END PGP MESSAGE-----\n"
    )
    data = bytes(range(256))
    assert one(connection, "select dearmor(armor(%s, '{Comment}', '{x}'))", data) == data
    assert connection.execute(
        "select * from pgp_armor_headers(armor('a'::bytea, '{Comment}', '{some: x}'))"
    ).fetchall() == [("Comment", "some: x")]


def test_named_uuids_agree_with_python(connection: psycopg.Connection[Any]) -> None:
    assert one(connection, "select uuid_generate_v5(uuid_ns_url(), 'http://example.com')") == (
        uuid.uuid5(uuid.NAMESPACE_URL, "http://example.com")
    )
    assert one(connection, "select uuid_generate_v3(uuid_ns_dns(), 'example.com')") == (
        uuid.uuid3(uuid.NAMESPACE_DNS, "example.com")
    )


def test_time_uuids_carry_the_time(connection: psycopg.Connection[Any]) -> None:
    made, now = connection.execute(
        "select uuid_generate_v1(), extract(epoch from clock_timestamp())"
    ).fetchone()  # type: ignore[misc]
    assert made.version == 1
    assert abs((made.time - 0x01B21DD213814000) / 1e7 - float(now)) < 60
    assert one(connection, "select uuid_generate_v4()").version == 4


def test_postgres_may_create_the_shims_itself(connection: psycopg.Connection[Any]) -> None:
    connection.execute("create extension if not exists pgcrypto")
    connection.execute("create schema tokens")
    connection.execute("create extension pgjwt with schema tokens")
    token = one(connection, "select tokens.sign('{\"sub\": \"1\"}', 'secret')")
    row = connection.execute("select * from tokens.verify(%s, 'secret')", (token,)).fetchone()
    assert row == ({"alg": "HS256", "typ": "JWT"}, {"sub": "1"}, True)
