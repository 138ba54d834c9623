"""How long sessions live and how many a user may have."""

from __future__ import annotations

from dataclasses import dataclass

from gavan.core.auth.config.environ import Environ


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """Durations in seconds, None for no limit."""

    timebox_s: float | None = None
    inactivity_s: float | None = None
    low_aal_s: float | None = None
    """How long a user with a second factor may go on without having used it."""
    single_per_user: bool = False
    tags: tuple[str, ...] = ()


def read_sessions(environ: Environ) -> SessionConfig:
    """Return the section; a local Supabase stack writes 0s for no limit."""
    return SessionConfig(
        timebox_s=environ.optional_duration_s("SESSIONS_TIMEBOX") or None,
        inactivity_s=environ.optional_duration_s("SESSIONS_INACTIVITY_TIMEOUT") or None,
        low_aal_s=environ.optional_duration_s("SESSIONS_ALLOW_LOW_AAL") or None,
        single_per_user=environ.flag("SESSIONS_SINGLE_PER_USER", False),
        tags=environ.names("SESSIONS_TAGS"),
    )
