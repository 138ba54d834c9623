"""When a session ends, decided from its row alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gavan.core.auth.config.sessions import SessionConfig
from gavan.core.auth.session_rules import ending, newer_login

BEGUN = datetime(2026, 1, 2, 12, tzinfo=UTC)


def session(**more: Any) -> dict[str, Any]:
    row = {"id": 1, "created_at": BEGUN, "not_after": None, "refreshed_at": None}
    return {**row, "aal": "aal1", "tag": None, **more}


def at(seconds: float) -> datetime:
    return BEGUN + timedelta(seconds=seconds)


def naive(seconds: float) -> datetime:
    return at(seconds).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("row", "rules", "expected"),
    [
        (session(), SessionConfig(), None),
        (session(not_after=at(50)), SessionConfig(), "Session Expired"),
        (session(not_after=at(150)), SessionConfig(), None),
        (session(), SessionConfig(timebox_s=99), "Session Expired"),
        (session(refreshed_at=naive(99)), SessionConfig(timebox_s=99), "Session Expired"),
        (session(), SessionConfig(inactivity_s=99), "Session Expired (Inactivity)"),
        (session(refreshed_at=naive(50)), SessionConfig(inactivity_s=99), None),
        (
            session(),
            SessionConfig(low_aal_s=99),
            "Session Expired (Low AAL: User Needs MFA Verification)",
        ),
        (session(aal="aal2"), SessionConfig(low_aal_s=99), None),
    ],
)
def test_a_session_ends_by_the_rule_it_breaks(
    row: dict[str, Any], rules: SessionConfig, expected: str | None
) -> None:
    assert ending(row, rules, at(100), has_factor=True) == expected


def test_without_a_factor_no_session_lacks_one() -> None:
    assert ending(session(), SessionConfig(low_aal_s=1), at(100), has_factor=False) is None


def test_a_fresh_token_counts_as_use_of_a_session_never_refreshed() -> None:
    rules = SessionConfig(inactivity_s=99)
    assert ending(session(), rules, at(100), has_factor=False, token_time=at(50)) is None


@pytest.mark.parametrize(
    ("other", "tags", "expected"),
    [
        (session(id=2, refreshed_at=naive(60)), (), True),
        (session(id=2, refreshed_at=naive(40)), (), False),
        (session(id=1, refreshed_at=naive(60)), (), False),
        (session(id=2, refreshed_at=naive(60), not_after=at(70)), (), False),
        (session(id=2, refreshed_at=naive(60), tag="phone"), ("web", "phone"), False),
        (session(id=2, refreshed_at=naive(60), tag="other"), ("web", "phone"), True),
    ],
)
def test_a_newer_living_login_of_the_same_tag_wins(
    other: dict[str, Any], tags: tuple[str, ...], expected: bool
) -> None:
    rules = SessionConfig(single_per_user=True, tags=tags)
    mine = session(refreshed_at=naive(50))
    assert (
        newer_login(mine, [mine, other], rules, at(100), has_factor=False, token_time=None)
        is expected
    )
