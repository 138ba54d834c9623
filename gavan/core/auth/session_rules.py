"""Whether a session may go on: its end, its age, its idleness, its lack of a factor; pure.

Stands under the refresh of tokens (supabase/auth:internal/models/sessions.go).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from gavan.core.auth.config.sessions import SessionConfig
from gavan.core.auth.model import Row

EXPIRED = "Session Expired"


def ending(
    session: Row,
    rules: SessionConfig,
    now: datetime,
    *,
    has_factor: bool,
    token_time: datetime | None = None,
) -> str | None:
    """Return why a session has ended, in upstream's words, or None while it may go on.

    Args:
        session: a row of auth.sessions.
        has_factor: whether its user has a verified second factor.
        token_time: when the refresh token at hand was made, for sessions that were never
            refreshed.
    """
    created = session["created_at"]
    if session["not_after"] is not None and now > session["not_after"]:
        return EXPIRED
    if _is_past(created, rules.timebox_s, now):
        return EXPIRED
    if _is_past(last_use(session, token_time), rules.inactivity_s, now):
        return f"{EXPIRED} (Inactivity)"
    lacks_factor = has_factor and (session["aal"] or "aal1") == "aal1"
    if lacks_factor and _is_past(created, rules.low_aal_s, now):
        return f"{EXPIRED} (Low AAL: User Needs MFA Verification)"
    return None


def last_use(session: Row, token_time: datetime | None = None) -> datetime:
    """Return when a session was refreshed last, or begun."""
    created: datetime = session["created_at"]
    if session["refreshed_at"] is not None:
        # The column has no time zone and holds UTC.
        refreshed: datetime = session["refreshed_at"].replace(tzinfo=UTC)
        return refreshed
    return created if token_time is None else max(created, token_time)


def newer_login(
    session: Row,
    others: Iterable[Row],
    rules: SessionConfig,
    now: datetime,
    *,
    has_factor: bool,
    token_time: datetime | None,
) -> bool:
    """Return whether another living session with the same tag was used after this one."""
    used = last_use(session, token_time)
    return any(
        other["id"] != session["id"]
        and _tag(other, rules.tags) == _tag(session, rules.tags)
        and ending(other, rules, now, has_factor=has_factor) is None
        and last_use(other) > used
        for other in others
    )


def _tag(session: Row, tags: tuple[str, ...]) -> str:
    if not tags:
        return ""
    return session["tag"] if session["tag"] in tags else tags[0]


def _is_past(start: datetime, seconds: float | None, now: datetime) -> bool:
    return bool(seconds) and now > start + timedelta(seconds=seconds or 0)
