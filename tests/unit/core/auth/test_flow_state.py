"""PKCE challenges: what is taken, and which verifier fits which challenge (RFC 7636)."""

from __future__ import annotations

import pytest

from gavan.core.auth.errors import AuthError
from gavan.core.auth.flows.flow_state import Challenge, verifier_fits

# The example of RFC 7636, appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize(
    "challenge",
    [
        Challenge(),
        Challenge(value=CHALLENGE, method="s256"),
        Challenge(value=CHALLENGE, method="S256"),
        Challenge(value="a" * 128, method="PLAIN"),
    ],
)
def test_a_whole_pair_and_none_at_all_are_taken(challenge: Challenge) -> None:
    challenge.check()


@pytest.mark.parametrize(
    ("challenge", "text"),
    [
        (Challenge(value=CHALLENGE), "PKCE flow requires code_challenge_method and code_challenge"),
        (Challenge(method="s256"), "PKCE flow requires code_challenge_method and code_challenge"),
        (Challenge(value="a" * 42, method="s256"), "between 43 and 128"),
        (Challenge(value="a" * 129, method="s256"), "between 43 and 128"),
        (Challenge(value="a" * 42 + "+", method="s256"), "can only contain"),
        (Challenge(value="a" * 42 + "é", method="s256"), "can only contain"),
        (Challenge(value=CHALLENGE, method="s512"), "either s256 or plain"),
    ],
)
def test_half_a_pair_and_a_malformed_one_are_refused(challenge: Challenge, text: str) -> None:
    with pytest.raises(AuthError, match=text) as refused:
        challenge.check()
    assert (refused.value.status, refused.value.code) == (400, "validation_failed")


def test_the_verifier_of_the_challenge_fits_and_no_other() -> None:
    assert verifier_fits(CHALLENGE, "s256", VERIFIER)
    assert not verifier_fits(CHALLENGE, "s256", VERIFIER[:-1])
    assert not verifier_fits(CHALLENGE, "s256", CHALLENGE)
    assert not verifier_fits(CHALLENGE, "plain", VERIFIER)
    assert verifier_fits(VERIFIER, "plain", VERIFIER)
    assert not verifier_fits(VERIFIER, "plain", "é" * 43)


def test_only_a_pkce_flow_marks_the_mailed_hash() -> None:
    assert Challenge(value=CHALLENGE, method="s256").prefixed("ab") == "pkce_ab"
    assert Challenge().prefixed("ab") == "ab"
