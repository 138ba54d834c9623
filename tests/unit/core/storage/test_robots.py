"""Values of X-Robots-Tag: which are taken, and what is said of the others."""

from __future__ import annotations

import pytest

from gavan.core.storage.errors import StorageError
from gavan.core.storage.objects.robots import check_robots


@pytest.mark.parametrize(
    "value",
    [
        "all",
        "noindex, nofollow",
        "noindex,   nofollow,  ",
        "max-snippet: -1",
        "max-snippet:50, max-video-preview: 0",
        "max-image-preview: large",
        "unavailable_after: Wed, 03 Dec 2025 13:09:53 GMT",
        "unavailable_after: Wed, 03 Dec 2025 13:09:53 GMT, noindex",
        "unavailable_after: 2025-12-03",
        "unavailable_after: 2025-12-03T13:09:53Z, otherbot: noindex",
        "unavailable_after: 25-Aug-2026 15:00:00 GMT",
        "unavailable_after: August 25, 2026",
        "googlebot: noindex",
        "googlebot: noindex, otherbot: nofollow, none",
        "googlebot: otherbot: noindex",
    ],
)
def test_rules_that_crawlers_know_are_taken(value: str) -> None:
    check_robots(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "X-Robots-Tag header value must be a non-empty string"),
        ("  ", "X-Robots-Tag header value must be a non-empty string"),
        ("noindex,  , nofollow", "X-Robots-Tag header contains empty rule"),
        ("noindex, invalidrule", 'Invalid X-Robots-Tag rule: "invalidrule"'),
        ("max-snippet: -2", 'X-Robots-Tag "max-snippet" value must be an integer >= -1, got: "-2"'),
        ("max-snippet: 1e3", '"max-snippet" value must be an integer'),
        ("max-video-preview:", 'X-Robots-Tag rule "max-video-preview" requires a value'),
        ("max-image-preview: big", "value must be one of: none, standard, large, got: "),
        ("unavailable_after: soon", 'value must be a valid date, got: "soon"'),
        (f"unavailable_after: 01 Jan {'9' * 22} 00:00:00 GMT", "value must be a valid date, got: "),
        ("unavailable_after:", 'rule "unavailable_after" requires a value'),
        ("googlebot:", 'X-Robots-Tag user agent "googlebot" has no rules specified'),
        ("googlebot: bad", 'Invalid X-Robots-Tag rule: "bad"'),
        ("a:" * 500, "Invalid X-Robots-Tag rule"),
        ("noindex," * 500, "X-Robots-Tag header is too long"),
    ],
)
def test_rules_that_nobody_knows_are_refused_by_name(value: str, message: str) -> None:
    with pytest.raises(StorageError) as caught:
        check_robots(value)
    assert caught.value.message.startswith("Invalid X-Robots-Tag header: ")
    assert message in caught.value.message
    assert (caught.value.status, caught.value.error) == (400, "invalid_x_robots_tag")
