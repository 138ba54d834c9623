"""What every flow works with, and what a request says about itself."""

from __future__ import annotations

from dataclasses import dataclass

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.flows.audit import Audit
from gavan.core.auth.flows.letters import Letters
from gavan.core.auth.flows.notices import Notices
from gavan.core.auth.hooks.hooks import Hooks
from gavan.core.auth.model import Client
from gavan.core.auth.passwords import Passwords
from gavan.core.auth.sessions import Sessions
from gavan.core.auth.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The services that the flows share."""

    config: AuthConfig
    store: Store
    passwords: Passwords
    sessions: Sessions
    letters: Letters
    notices: Notices
    hooks: Hooks
    audit: Audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who asks, for whom, and where the answer of a mailed link may lead.

    ``redirect_to`` has passed the allow list already.
    """

    audience: str
    client: Client
    redirect_to: str
