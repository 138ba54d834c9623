"""Buckets, addresses and password rules: who counts as whom, and what is too much or too weak."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from starlette.datastructures import Headers

from gavan.core.auth.config.passwords import PasswordConfig
from gavan.core.auth.config.rates import Rate, RateConfig
from gavan.core.auth.errors import AuthError
from gavan.core.auth.guard import buckets as buckets_module
from gavan.core.auth.guard.address import bucket_key, client_address, external_host
from gavan.core.auth.guard.buckets import Buckets
from gavan.core.auth.guard.frequency import check_frequency
from gavan.core.auth.guard.leaks import Leaks
from gavan.core.auth.guard.limits import Limits
from gavan.core.auth.guard.strength import Strength
from gavan.kit.outbound import Outbound

HEADER = "X-Forwarded-For"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    clock = Clock()
    buckets = Buckets(Rate(events=30, per_s=300, burst=3), clock)
    assert [buckets.take("a") for _ in range(4)] == [None, None, None, 10]
    assert buckets.take("b") is None
    clock.now += 9
    assert buckets.take("a") == 1
    clock.now += 1
    assert buckets.take("a") is None


def test_a_long_rest_does_not_save_up_more_than_a_burst() -> None:
    clock = Clock()
    buckets = Buckets(Rate(events=30, per_s=300, burst=2), clock)
    clock.now += 1_000_000
    assert [buckets.take() is None for _ in range(3)] == [True, True, False]


def test_a_rate_of_zero_lets_nobody_through() -> None:
    assert Buckets(Rate(events=0, per_s=3600)).take() is not None


def test_strangers_without_number_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets_module, "MOST_KEYS", 10)
    buckets = Buckets(Rate(events=1, per_s=3600, burst=1))
    assert buckets.take("known") is None
    for number in range(9):
        buckets.take(str(number))
        assert buckets.take("known") is not None, "one who keeps asking is not forgotten"
    for number in range(100):
        buckets.take(f"later {number}")
    assert buckets.take("0") is None


def limits(**changes: object) -> Limits:
    small = Rate(events=1, per_s=300, burst=1)
    return Limits(RateConfig(header=HEADER, otp=small, verify=small, mfa=small, **changes))  # type: ignore[arg-type]


def take(guard: Limits, method: str, path: str, ip: str = "203.0.113.7") -> None:
    guard.take(guard.bucket_of(method, path), Headers({HEADER: ip}))


@pytest.mark.parametrize(
    "path", ["/otp", "/magiclink", "/recover", "/resend", "/signup", "/verify"]
)
def test_each_path_has_its_bucket_and_says_when_to_come_again(path: str) -> None:
    guard = limits()
    take(guard, "POST", path)
    with pytest.raises(AuthError) as caught:
        take(guard, "POST", path)
    assert (caught.value.status, caught.value.code) == (429, "over_request_rate_limit")
    assert caught.value.message == "Request rate limit reached"
    assert caught.value.retry_after_s == 300
    take(guard, "POST", path, "203.0.113.8")
    take(guard, "PUT", "/user")


def test_a_code_guessed_by_get_and_post_is_guessed_in_one_bucket() -> None:
    """OTP brute force: both doors of /verify count together."""
    guard = limits()
    take(guard, "GET", "/verify")
    with pytest.raises(AuthError):
        take(guard, "POST", "/verify")


def test_every_factor_of_an_address_is_guessed_in_one_bucket() -> None:
    guard = limits()
    take(guard, "POST", "/factors/1/verify")
    take(guard, "POST", "/factors/1/challenge")
    with pytest.raises(AuthError):
        take(guard, "POST", "/factors/2/verify")


def test_another_address_of_the_same_household_is_no_other_client() -> None:
    guard = limits()
    take(guard, "POST", "/otp", "2001:db8::1")
    with pytest.raises(AuthError):
        take(guard, "POST", "/otp", "2001:db8::2")
    take(guard, "POST", "/otp", "2001:db8:0:1::1")


def test_one_address_is_one_client_however_it_is_written() -> None:
    assert bucket_key(Headers({HEADER: "::ffff:203.0.113.7"}), HEADER) == "203.0.113.7"
    assert bucket_key(Headers({HEADER: " 203.0.113.7 , 10.0.0.1"}), HEADER) == "203.0.113.7"


def test_without_a_header_named_nothing_is_counted_and_none_is_believed() -> None:
    guard = Limits(RateConfig(otp=Rate(events=1, per_s=300, burst=1)))
    for _ in range(5):
        take(guard, "POST", "/otp")
    headers = Headers({"X-Forwarded-For": "198.51.100.1", "Sb-Forwarded-For": "198.51.100.2"})
    assert client_address(headers, "", "127.0.0.1") == "127.0.0.1"
    assert client_address(headers, HEADER, "127.0.0.1") == "198.51.100.1"


def test_an_address_that_is_none_is_not_remembered() -> None:
    headers = Headers({HEADER: "'; drop table auth.sessions"})
    assert client_address(headers, HEADER, "127.0.0.1") == "127.0.0.1"
    assert client_address(headers, HEADER, "testclient") == ""


def test_links_carry_a_listed_host_and_never_one_that_was_only_claimed() -> None:
    """Host header poisoning of mail links."""
    hosts = ("auth.example.com", "localhost")
    assert external_host(Headers({"X-Forwarded-Host": "evil.example"}), hosts) == ""
    assert external_host(Headers({"Host": "evil.example"}), hosts) == ""
    assert external_host(Headers({"X-Forwarded-Host": "auth.example.com"}), ()) == ""
    both = Headers({"X-Forwarded-Host": "evil.example", "Host": "auth.example.com"})
    assert external_host(both, hosts) == ""
    told = Headers({"X-Forwarded-Host": "auth.example.com", "X-Forwarded-Proto": "http"})
    assert external_host(told, hosts) == "https://auth.example.com/auth/v1"
    assert external_host(Headers({"Host": "localhost:54321"}), hosts) == "http://localhost/auth/v1"


def strength(**changes: object) -> Strength:
    config = PasswordConfig(**changes)  # type: ignore[arg-type]
    return Strength(config, Leaks(config, Outbound()))


async def test_a_password_is_told_everything_it_lacks_at_once() -> None:
    rules = strength(minimum_length=8, required_characters=("abc", "0123456789"))
    weakness = await rules.weakness("xyz")
    assert weakness is not None
    assert weakness.reasons == ("length", "characters")
    assert weakness.message == (
        "Password should be at least 8 characters. "
        "Password should contain at least one character of each: abc, 0123456789."
    )
    assert await rules.weakness("xxxxxxa1") is None


async def test_a_short_password_is_refused_as_upstream_does() -> None:
    """Trap 5."""
    with pytest.raises(AuthError) as caught:
        await strength().check("123")
    assert (caught.value.status, caught.value.code) == (422, "weak_password")
    assert "Password should be at least 6 characters" in caught.value.message
    assert caught.value.extra == {"weak_password": {"reasons": ["length"]}}


async def test_a_password_that_would_be_cut_is_refused() -> None:
    with pytest.raises(AuthError) as caught:
        await strength().check("é" * 37)
    assert caught.value.code == "validation_failed"


def test_the_next_mail_waits_for_its_time() -> None:
    now = datetime.now(UTC)
    check_frequency(None, 60, now=now)
    check_frequency(now - timedelta(seconds=61), 60, now=now)
    with pytest.raises(AuthError) as caught:
        check_frequency(now - timedelta(seconds=15), 60, now=now)
    assert caught.value.message == (
        "For security purposes, you can only request this after 45 seconds."
    )
    assert (caught.value.code, caught.value.retry_after_s) == ("over_email_send_rate_limit", 45)
