"""Whose account a person at a provider is: one that is known, one to link to, or a new one.

The rule is upstream's (supabase/auth:internal/models/linking.go). An address links only when the
provider says that it is verified, and only within a linking domain: what signs in through SSO is
never mixed with what does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.errors import AuthError
from gavan.core.auth.flows import accounts
from gavan.core.auth.model import Row
from gavan.core.auth.oauth.profile import Email, Profile
from gavan.core.auth.oauth.queries import queries
from gavan.core.auth.store import Connection

NOBODYS = Email("", False, True)


class Link(StrEnum):
    """What is to be done."""

    KNOWN = "known"
    LINK = "link"
    CREATE = "create"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done; ``user`` is locked, None for a new account with the address ``email``."""

    link: Link
    email: Email
    domain: str
    user: Row | None = None


async def decide(
    connection: Connection, config: AuthConfig, profile: Profile, *, provider: str, aud: str
) -> Decision:
    """Return the decision.

    Raises:
        AuthError: 500 when the addresses belong to several accounts of one linking domain.
    """
    domains = config.external.linking_domains
    domain = accounts.linking_domain(provider, domains)
    known = await queries.one(
        connection, "identity_by_subject", subject=profile.subject, provider=provider
    )
    if known is not None:
        user = await accounts.lock(connection, known["user_id"])
        email = Email(user["email"] or "", _vouches(profile, user["email"] or ""), True)
        return Decision(link=Link.KNOWN, email=email, domain=domain, user=user)
    verified = profile.verified(counts_all=config.mail.autoconfirm)
    if not verified:
        return await _unproved(connection, profile, domain, aud, domains)
    owner = await _owner(connection, verified, domain, domains)
    if owner is None:
        return Decision(link=Link.CREATE, email=profile.primary, domain=domain)
    user = await accounts.lock(connection, owner)
    return Decision(link=Link.LINK, email=profile.primary, domain=domain, user=user)


def _vouches(profile: Profile, address: str) -> bool:
    # The account's address may be another one than the provider has seen by now; upstream takes
    # the proof of the one for a proof of the other.
    if not address:
        return profile.primary.is_verified
    return address.lower() in profile.verified(counts_all=False)


async def _unproved(
    connection: Connection, profile: Profile, domain: str, aud: str, domains: Mapping[str, str]
) -> Decision:
    # The provider vouches for no address, so nobody is linked, and one that is taken is dropped.
    email = profile.primary
    if email.address:
        taken = await accounts.lock_by_claim(
            connection, email.address, aud, linking_domains=domains
        )
        if taken is not None:
            email = NOBODYS
    return Decision(link=Link.CREATE, email=email, domain=domain)


async def _owner(
    connection: Connection, verified: Sequence[str], domain: str, domains: Mapping[str, str]
) -> UUID | None:
    similar = await queries.many(connection, "identities_by_addresses", emails=list(verified))
    owners = {
        identity["user_id"]
        for identity in similar
        if accounts.linking_domain(identity["provider"], domains) == domain
    }
    if not owners and domain == accounts.DEFAULT_DOMAIN:
        # Accounts that were inserted by hand have no identity.
        users = await queries.many(connection, "users_by_addresses", emails=list(verified))
        owners = {user["id"] for user in users}
    if len(owners) > 1:
        raise AuthError(
            500,
            "unexpected_failure",
            "Multiple accounts with the same email address in the same linking domain detected: "
            f"{domain}",
        )
    return owners.pop() if owners else None
