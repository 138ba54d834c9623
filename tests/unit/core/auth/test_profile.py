"""What providers say of people, read carefully."""

from __future__ import annotations

import pytest

from gavan.core.auth.errors import AuthError, OAuthError
from gavan.core.auth.oauth.answers import with_refusal, with_tokens
from gavan.core.auth.oauth.profile import (
    Email,
    make_profile,
    standard_claims,
    standard_profile,
)


@pytest.mark.parametrize("value", ["true", 1, "yes", [True], {"a": 1}, None, False])
def test_only_true_itself_verifies_an_address(value: object) -> None:
    claims = standard_claims({"sub": "a", "email": "a@example.com", "email_verified": value})
    assert [email.is_verified for email in standard_profile(claims).emails] == [False]


def test_a_claim_of_the_wrong_type_is_left_out() -> None:
    odd = {"sub": "a", "name": {"x": 1}, "iat": "now", "aud": [1, "b"], "picture": 3, "locale": ""}
    assert standard_claims(odd) == {"sub": "a", "aud": ["b"]}


@pytest.mark.parametrize("subject", [None, "", True, [], {}])
def test_somebody_without_a_subject_is_nobody(subject: object) -> None:
    with pytest.raises(ValueError, match="no subject"):
        standard_profile(standard_claims({"sub": subject, "email": "a@example.com"}))


def test_a_number_may_be_a_subject() -> None:
    assert standard_profile(standard_claims({"sub": 7})).subject == "7"


def test_the_primary_address_counts_and_else_the_last_one_is_shown() -> None:
    first, last = Email("A@x.org", False, False), Email("B@x.org", True, False)
    shown = make_profile({"sub": "a"}, [first, last])
    assert (shown.identity["email"], shown.identity["email_verified"]) == ("b@x.org", True)
    assert shown.primary.address == ""
    chosen = make_profile({"sub": "a"}, [Email("P@x.org", False, True), last])
    assert (chosen.identity["email"], chosen.primary.address) == ("p@x.org", "p@x.org")
    assert chosen.verified(counts_all=False) == ["b@x.org"]
    assert chosen.verified(counts_all=True) == ["p@x.org", "b@x.org"]


def test_words_of_a_provider_cannot_add_to_the_address() -> None:
    """Header and parameter injection by what a provider says went wrong."""
    nasty = OAuthError("a&access_token=x\r\nSet-Cookie: y", "#access_token=z & more é")
    address = with_refusal("https://app.example/in?a=1#old", nasty)
    assert "\r" not in address
    assert "\n" not in address
    assert address.isascii()
    assert address.count("#") == 1
    assert "access_token=" not in address


def test_an_address_of_the_application_keeps_its_query() -> None:
    refused = AuthError(403, "user_banned", "User is banned")
    assert with_refusal("app://in?a=1", refused) == (
        "app://in?a=1&error=access_denied&error_code=user_banned&error_description=User+is+banned"
        "#error=access_denied&error_code=user_banned&error_description=User+is+banned&sb="
    )
    session = {
        "access_token": "a",
        "token_type": "bearer",
        "expires_in": 1,
        "expires_at": 2,
        "refresh_token": "r",
    }
    assert with_tokens("app://in?a=1", session, "p", "").endswith("&sb=&token_type=bearer")


def test_an_address_that_small_letters_make_another_ones_is_refused() -> None:
    kelvin = Email("\N{KELVIN SIGN}ate@example.com", True, True)
    with pytest.raises(ValueError, match="small letters"):
        make_profile({"sub": "a"}, [kelvin])
    jo = make_profile(
        {"sub": "a"}, [Email("J\N{LATIN SMALL LETTER O WITH DIAERESIS}@x.de", True, True)]
    )
    assert jo.primary.address.startswith("j")
