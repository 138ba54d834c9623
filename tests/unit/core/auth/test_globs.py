"""Globs of the redirect allow list, with the separators ``.`` and ``/``."""

from __future__ import annotations

import pytest

from gavan.core.auth.flows.globs import compile_glob


@pytest.mark.parametrize(
    ("glob", "text", "fits"),
    [
        ("http://localhost:8000/*", "http://localhost:8000/path", True),
        ("http://localhost:8000/*", "http://localhost:8000/path?a=1", True),
        ("http://localhost:8000/*", "http://localhost:8000", False),
        ("http://localhost:8000/*", "http://localhost:8000/path/to", False),
        ("http://localhost:8000/*", "http://localhost:8000/a.html", False),
        ("http://*.dev:3000", "http://foo.dev:3000", True),
        ("http://*.dev:3000", "http://foo.bar.dev:3000", False),
        ("http://**.dev:3000", "http://foo.bar.dev:3000", True),
        ("com.example.app://**", "com.example.app://a/b.c?d#e", True),
        ("com.example.app://**", "com_example_app://a", False),
        ("https://a?.io", "https://ab.io", True),
        ("https://a?.io", "https://a/.io", False),
        ("https://a?.io", "https://a.io", False),
        ("https://{www,app}.example.com/**", "https://app.example.com/x/y", True),
        ("https://{www,app}.example.com/**", "https://api.example.com/x", False),
        ("https://{a*,b{1,2}}.io", "https://b2.io", True),
        ("https://{a*,b{1,2}}.io", "https://b.io", False),
        ("https://p[0-9].io", "https://p7.io", True),
        ("https://p[!0-9].io", "https://p7.io", False),
        ("https://p[ab^].io", "https://p^.io", True),
        ("https://p[ab^].io", "https://pc.io", False),
        (r"https://p\*.io", "https://p*.io", True),
        (r"https://p\*.io", "https://px.io", False),
        ("https://example.com", "https://example.com.evil.io", False),
        ("https://example.com", "https://example.com\n", False),
        ("https://e.com/**", "https://e.com/a\nb", True),
    ],
)
def test_a_glob_takes_what_it_says_and_no_more(glob: str, text: str, fits: bool) -> None:
    assert bool(compile_glob(glob).fullmatch(text)) is fits


@pytest.mark.parametrize("glob", ["https://[ab", "https://{a,b", "https://a\\", "a[z-a]"])
def test_a_glob_that_does_not_end_well_is_refused(glob: str) -> None:
    with pytest.raises(ValueError, match=r"ends inside|upwards"):
        compile_glob(glob)
