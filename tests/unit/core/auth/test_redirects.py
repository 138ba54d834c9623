"""The redirect allow list, with the cases of upstream's own suite, and the addresses of answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gavan.core.auth.config.urls import UrlConfig
from gavan.core.auth.errors import AuthError
from gavan.core.auth.flows.redirects import (
    Redirects,
    with_code,
    with_error,
    with_message,
    with_session,
)

SITE = "https://example.com"
GLOBS = (
    "http://localhost:8000/*",
    "http://*.localhost:8000/*",
    "http://*:12345/*",
    "http://**:12345/*",
    "http://*.test.dev:3000",
    "com.example.app://**",
)


def allows(url: str, *, site: str = SITE, globs: tuple[str, ...] = GLOBS) -> bool:
    urls = UrlConfig(site_url=site, external_url=f"{site}/auth/v1", allow_list=globs)
    return Redirects.of(urls).allows(url)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("", False),
        ("http://localhost:8000/path", True),
        ("http://localhost:3000", False),
        ("http://localhost:8000", False),
        ("http://localhost:8000/path/to/page", False),
        ("http://localhost:8000/path?param=1", True),
        ("http://123?.localhost:8000/path", False),
        ("http://123.123.123.123?localhost:8000/path", False),
        ("http://[65e7:9410:d8b6:e227:58cd:e55b:8fc0:206d]?localhost:8000/path", False),
        ("http://65e7:9410:d8b6:e227:58cd:e55b:8fc0:206d?localhost:8000/path", False),
        ("http://127.0.0.1:12345/path", True),
        ("http://[0:0:0:0:0:0:0:1]:12345/path", True),
        ("http://2130706433:12345/path", False),
        ("http://8.8.8.8:12345/path", False),
        ("https://example.com/dashboard", True),
        ("http://example.com/dashboard", False),
        ("https://example.com:8443/dashboard", False),
        ("https://EXAMPLE.com/", True),
        ("http://sub.test.dev:3000", True),
        ("http://test.dev:3000", False),
        ("http://sub.test.dev:3000/x", False),
        ("http://sub.test.dev:3000#x/y", True),
        ("com.example.app://a/b", True),
        ("com_example_app://a/b", False),
        ("http://something#.example.com/abc", False),
        ("https://example.com@evil.example/", False),
        ("https://example.com\\@evil.example/", False),
        ("https://evil.example\\@example.com/", False),
        ("https://evil.example#@example.com/", False),
        ("https://example.com.evil.example/", False),
        ("//example.com/", False),
        ("/relative", False),
        ("javascript:alert(1)", False),
        ("https://exam\tple.com/", False),
        ("https://example.com/\r\nSet-Cookie: a=b", False),
        (" https://example.com/", False),
        ("https://example.com/" + "a" * 5000, False),
        ("http://[::1", False),
    ],
)
def test_only_the_site_and_what_is_listed_is_led_to(url: str, allowed: bool) -> None:
    """Traps 23 and 24."""
    assert allows(url) is allowed


@pytest.mark.parametrize(
    ("site", "url", "allowed"),
    [
        ("http://localhost:3000", "http://localhost:8080/callback", True),
        ("http://127.0.0.1:3000", "http://127.0.0.1:8080/callback", True),
        ("http://localhost:3000", "http://localhost/callback", True),
        ("https://localhost:3000", "http://localhost:8080/callback", False),
        ("https://example.com:9000", "https://example.com:9001/path", False),
        ("https://example.com:9000", "https://example.com:9000/path", True),
    ],
)
def test_a_site_on_this_machine_may_have_any_port(site: str, url: str, allowed: bool) -> None:
    assert allows(url, site=site, globs=()) is allowed


@given(st.text(max_size=80))
def test_without_a_list_nothing_but_the_site_is_led_to(tail: str) -> None:
    url = f"https://evil.example{tail}"
    assert not allows(url, globs=())


def test_a_session_is_added_to_the_fragment_by_name() -> None:
    session = {
        "access_token": "a.b.c",
        "token_type": "bearer",
        "expires_in": 3600,
        "expires_at": 1700000000,
        "refresh_token": "r",
    }
    assert with_session(f"{SITE}/x?y=1", session, "signup") == (
        f"{SITE}/x?y=1#access_token=a.b.c&expires_at=1700000000&expires_in=3600&refresh_token=r"
        "&sb=&token_type=bearer&type=signup"
    )


def test_a_code_and_a_message_keep_the_query_that_was_there() -> None:
    assert with_code(f"{SITE}?a=1&code=old", "new") == f"{SITE}?a=1&code=new"
    assert with_message(f"{SITE}?a=1", "half done", is_pkce=False) == (
        f"{SITE}?a=1#message=half+done&sb="
    )
    assert with_message(SITE, "half done", is_pkce=True) == (
        f"{SITE}?message=half+done#message=half+done&sb="
    )


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "invalid_request"),
        (401, "unauthorized_client"),
        (403, "access_denied"),
        (500, "server_error"),
        (503, "temporarily_unavailable"),
    ],
)
def test_an_error_has_the_word_of_its_status(status: int, word: str) -> None:
    error = AuthError(status, "some_code", "a b&c")
    pairs = f"error={word}&error_code=some_code&error_description=a+b%26c"
    assert with_error(SITE, error, is_pkce=False) == f"{SITE}#{pairs}&sb="
    assert with_error(f"{SITE}/p?q=1", error, is_pkce=True) == (f"{SITE}/p?{pairs}&q=1#{pairs}&sb=")


def test_an_error_of_another_status_has_no_word() -> None:
    error = AuthError(422, "email_exists", "taken")
    assert with_error(SITE, error, is_pkce=False) == (
        f"{SITE}#error_code=email_exists&error_description=taken&sb="
    )


def test_a_name_and_password_lead_to_no_other_host() -> None:
    """A glob for any port of this machine would fit what stands before the @."""
    globs = ("http://localhost:**",)
    assert allows("http://localhost:3000/a@b", globs=globs)
    assert not allows("http://localhost:3000@evil.com/", globs=globs)
