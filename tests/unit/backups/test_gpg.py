"""What `gpg --with-colons` says of a key; the listings are pasted from GnuPG 2.2."""

from __future__ import annotations

import pytest

from gavan.backups.gpg import read_listing

PRINT = "0F5D2B6E3A77C6D4C37B5C0B2D7E2A9C11223344"


def listing(validity: str, expires: str, abilities: str) -> str:
    return (
        "tru::1:1700000000:0:3:1:5\n"
        f"pub:{validity}:255:22:2D7E2A9C11223344:1700000000:{expires}::u:::{abilities}::::::23::0:\n"
        f"fpr:::::::::{PRINT}:\n"
        "uid:u::::1700000000::ABCD::Ops <ops@example.com>::::::::::0:\n"
        "sub:u:255:18:AAAABBBBCCCCDDDD:1700000000::::::e::::::23:\n"
        "fpr:::::::::9999999999999999999999999999999999999999:\n"
    )


@pytest.mark.parametrize(
    ("validity", "expires", "abilities", "trouble"),
    [
        ("u", "", "scESC", None),
        ("e", "1700086400", "sc", "has expired on 2023-11-15"),
        ("r", "", "sc", "was revoked"),
        ("u", "", "scESCD", "is disabled"),
        ("-", "", "scSC", "has no part that encrypts, or that part has expired"),
    ],
)
def test_a_key_is_usable_or_says_why_not(
    validity: str, expires: str, abilities: str, trouble: str | None
) -> None:
    [key] = read_listing(listing(validity, expires, abilities))
    assert (key.fingerprint, key.name, key.trouble) == (PRINT, "Ops <ops@example.com>", trouble)


def test_no_key_is_listed_where_there_is_none() -> None:
    assert read_listing("tru::1:1700000000:0:3:1:5\n") == []
