"""Decisions of the account flows that need no database."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from starlette.datastructures import QueryParams

from gavan.core.auth.admin.paging import is_ascending, page_headers, page_of
from gavan.core.auth.errors import AuthError
from gavan.core.auth.flows import one_time
from gavan.core.auth.flows.accounts import identity_data, linking_domain
from gavan.core.auth.flows.addresses import email_of, phone_of
from gavan.core.auth.flows.audit import LOG_TYPES, admin_actor, entry_of
from gavan.core.auth.flows.passwordless import random_password
from gavan.core.auth.flows.sign_up import SignUp, look_alike
from gavan.core.auth.routes import offers
from gavan.kit.errors import GavanError
from tests.unit.core.auth.test_config import read

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_a_code_has_its_digits_and_may_begin_with_zeros() -> None:
    for digits in (6, 8, 10):
        codes = [one_time.new_code(digits) for _ in range(200)]
        assert all(len(code) == digits and code.isdigit() for code in codes)
        assert len(set(codes)) > 190
    assert any(one_time.new_code(6)[0] == "0" for _ in range(500))


def test_the_hash_of_a_code_is_made_with_its_address_and_a_secret() -> None:
    hasher = one_time.Hasher(b"of this stack")
    made = hasher.hash("a@b.co", "123456")
    plain = hashlib.sha224(b"a@b.co123456").hexdigest()
    assert len(made) == len(plain)
    assert made not in {plain, one_time.Hasher(b"of another").hash("a@b.co", "123456")}
    assert hasher.typed("a@b.co", "123456") == (made, plain, f"pkce_{made}", f"pkce_{plain}")
    assert "stack" not in repr(hasher)


@pytest.mark.parametrize(
    ("age_s", "expired"), [(0, False), (60, False), (60.001, True), (None, True)]
)
def test_a_token_expires_after_its_lifetime(age_s: float | None, expired: bool) -> None:
    sent_at = None if age_s is None else NOW - timedelta(seconds=age_s)
    assert one_time.is_expired(sent_at, 60, NOW) is expired


@pytest.mark.parametrize("text", ["+49 155 500", "49155500", "+49155500"])
def test_a_number_is_stored_one_way(text: str) -> None:
    assert phone_of(text) == "49155500"


@pytest.mark.parametrize("text", ["", "0123", "1", "1" * 17, "49-155", "++49155", "４９１５５"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(AuthError, match=r"Invalid phone number format \(E.164 required\)"):
        phone_of(text)


def test_an_address_is_stored_in_small_letters() -> None:
    assert email_of("Ann.B+c@Example.COM") == "ann.b+c@example.com"
    with pytest.raises(AuthError, match="An email address is required"):
        email_of("")


def test_the_claims_of_an_identity_name_what_is_known() -> None:
    user_id = UUID(int=5)
    assert identity_data(user_id, email="a@b.co") == {
        "sub": str(user_id),
        "email": "a@b.co",
        "email_verified": False,
        "phone_verified": False,
    }
    assert "email" not in identity_data(user_id, phone="49155", phone_verified=True)


def test_an_answer_for_a_taken_address_is_new_in_everything() -> None:
    wanted = SignUp(email="a@b.co", data={"name": "Ann"})
    one, two = (look_alike(wanted, "authenticated", NOW) for _ in range(2))
    assert one["id"] != two["id"]
    assert one | {"id": ""} == two | {"id": ""}
    assert one["confirmation_sent_at"] == one["created_at"] == "2026-01-02T03:04:05.678901Z"


def test_a_password_nobody_knows_has_what_is_required() -> None:
    made = random_password(("ab", "XY", "!?"), 12)
    assert len(made) == 12
    assert set("ab") & set(made)
    assert set("XY") & set(made)
    assert set("!?") & set(made)


def test_identities_of_sso_are_nobody_elses() -> None:
    assert linking_domain("google", {}) == "default"
    assert linking_domain("google", {"google": "staff"}) == "staff"
    assert linking_domain("sso:1", {"sso:1": "default"}) == "sso:1"


def test_an_entry_of_the_audit_log_names_its_actor() -> None:
    user = {
        "id": uuid4(),
        "email": "a@b.co",
        "phone": "49155",
        "is_sso_user": False,
        "raw_user_meta_data": {"full_name": "Ann"},
    }
    assert entry_of("login", user, {"provider": "email"}) == {
        "actor_id": str(user["id"]),
        "actor_via_sso": False,
        "actor_username": "49155",
        "actor_name": "Ann",
        "action": "login",
        "log_type": "account",
        "traits": {"provider": "email"},
    }
    entry = entry_of("user_deleted", admin_actor("service_role"))
    assert (entry["actor_id"], entry["actor_username"]) == (str(UUID(int=0)), "service_role")
    assert set(LOG_TYPES.values()) == {"account", "team", "token", "user", "factor"}


@pytest.mark.parametrize(
    ("query", "total", "link"),
    [
        ("", 0, '</users?page=0>; rel="last"'),
        ("per_page=1", 2, '</users?page=2&per_page=1>; rel="next", '),
        ("per_page=1&page=2", 2, '</users?page=2&per_page=1>; rel="last"'),
        ("page=0&per_page=0", 51, '</users?page=2&per_page=0>; rel="next", '),
    ],
)
def test_the_headers_of_a_page_lead_on(query: str, total: int, link: str) -> None:
    """Traps 9 and 10."""
    params = QueryParams(query)
    headers = page_headers("/users", params, page_of(params), total)
    assert headers["X-Total-Count"] == str(total)
    assert headers["Link"].startswith(link)


@pytest.mark.parametrize(
    "query", ["page=-1", "per_page=x", "page=1.5", "page=²", "page=9999999999"]
)
def test_what_is_no_page_is_refused(query: str) -> None:
    """Trap 8."""
    with pytest.raises(AuthError, match="Bad Pagination Parameters"):
        page_of(QueryParams(query))


def test_the_order_is_by_age() -> None:
    assert [is_ascending(sorts) for sorts in ((), ("created_at",), ("created_at desc",))] == [
        False
    ] * 3
    assert is_ascending(("created_at asc",))


def test_providers_are_offered_when_they_are_on() -> None:
    config = read(
        EXTERNAL_PHONE_ENABLED="true",
        EXTERNAL_GITHUB_ENABLED="true",
        EXTERNAL_GITHUB_CLIENT_ID="x",
        EXTERNAL_GITHUB_SECRET="y",
        EXTERNAL_GOOGLE_CLIENT_ID="x",
    )
    shown = offers(config)["external"]
    assert len(shown) == 26
    assert [name for name, offered in shown.items() if offered] == ["github", "email", "phone"]


def test_a_glob_that_cannot_be_read_is_named() -> None:
    with pytest.raises(GavanError, match="GOTRUE_URI_ALLOW_LIST"):
        read(URI_ALLOW_LIST="https://example.com/**,https://[a")
