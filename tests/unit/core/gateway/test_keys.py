"""API keys and bearers: which token a request acts with."""

from __future__ import annotations

import pytest

from gavan.core.gateway.keys import ApiKeys, request_token, socket_token
from gavan.kit.secret import Secret

KEYS = ApiKeys(
    publishable=Secret("sb_publishable_p"),
    secret=Secret("sb_secret_s"),
    anon_token=Secret("anon.j.w"),
    service_token=Secret("service.j.w"),
)


@pytest.mark.parametrize(
    ("authorization", "apikey", "token"),
    [
        ("", "", None),
        ("", "sb_publishable_p", "anon.j.w"),
        ("", "sb_secret_s", "service.j.w"),
        ("Bearer sb_publishable_p", "sb_publishable_p", "anon.j.w"),
        ("Bearer sb_secret_s", "sb_secret_s", "service.j.w"),
        ("Bearer sb_secret_s", "", None),
        ("Bearer user.j.w", "sb_secret_s", "user.j.w"),
        ("bearer user.j.w", "sb_publishable_p", "user.j.w"),
        ("BEARER  user.j.w ", "", "user.j.w"),
        ("Bearer", "sb_secret_s", ""),
        ("Bearer ", "", ""),
        ("Basic dXNlcjpw", "sb_secret_s", None),
        ("user.j.w", "", None),
        ("", "anon.j.w", None),
        ("", "sb_secret_unknown", None),
        ("", "sb_secret_sx", None),
        ("Bearer sb_secret_unknown", "sb_publishable_p", "anon.j.w"),
    ],
)
def test_a_request_acts_with(authorization: str, apikey: str, token: str | None) -> None:
    assert request_token(authorization, apikey, KEYS) == token


@pytest.mark.parametrize(
    ("header", "query", "token"),
    [
        ("", b"apikey=sb_publishable_p&vsn=1.0.0", "anon.j.w"),
        ("", b"vsn=1.0.0&apikey=user.j.w", "user.j.w"),
        ("sb_secret_s", b"apikey=user.j.w", "service.j.w"),
        ("", b"apikey=sb_secret_unknown", None),
        ("", b"vsn=2.0.0", None),
        ("", b"apikey=", None),
    ],
)
def test_a_socket_acts_with(header: str, query: bytes, token: str | None) -> None:
    assert socket_token(header, query, KEYS) == token
