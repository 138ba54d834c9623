"""Put the auth service together: every room with what it needs, and the routes of all of them."""

from __future__ import annotations

from starlette.routing import Route

from gavan.core.auth.admin.audit_log import AuditLog
from gavan.core.auth.admin.invites import Invites
from gavan.core.auth.admin.links import Links
from gavan.core.auth.admin.routes import AdminEdge
from gavan.core.auth.admin.users import AdminUsers
from gavan.core.auth.config.auth import AuthConfig
from gavan.core.auth.door import Door
from gavan.core.auth.flows.audit import Audit
from gavan.core.auth.flows.letters import Letters
from gavan.core.auth.flows.notices import Notices
from gavan.core.auth.flows.one_time import Hasher
from gavan.core.auth.flows.room import Room
from gavan.core.auth.flows.routes import build_flows
from gavan.core.auth.guard.leaks import Leaks
from gavan.core.auth.guard.strength import Strength
from gavan.core.auth.issuing import Issuer
from gavan.core.auth.keys.routes import KeyEdge
from gavan.core.auth.mfa.challenges import Challenges
from gavan.core.auth.mfa.factors import Factors
from gavan.core.auth.mfa.routes import MfaEdge
from gavan.core.auth.oauth.routes import build_oauth
from gavan.core.auth.outlets import Outlets
from gavan.core.auth.passkeys.passkeys import Passkeys
from gavan.core.auth.passkeys.routes import PasskeyEdge
from gavan.core.auth.passwords import Passwords
from gavan.core.auth.routes import Edge
from gavan.core.auth.sessions import Sessions
from gavan.core.auth.store import Store


def furnish(config: AuthConfig, store: Store, outlets: Outlets) -> Room:
    """Return what the flows share; nothing is opened."""
    strength = Strength(config.passwords, Leaks(config.passwords, outlets.outbound))
    audit = Audit(to_postgres=config.security.audits_to_postgres)
    return Room(
        config=config,
        store=store,
        passwords=Passwords(strength),
        sessions=Sessions(config, store, audit, Issuer(config, outlets.hooks)),
        letters=Letters(
            config=config,
            mailer=outlets.mailer,
            texter=outlets.texter,
            hasher=Hasher(config.tokens.pepper.reveal().encode()),
        ),
        notices=Notices(outlets.mailer),
        hooks=outlets.hooks,
        audit=audit,
    )


def routes_of(door: Door, room: Room, outlets: Outlets) -> list[Route]:
    """Return every route of the service, those of disabled features last."""
    admin = AdminEdge(
        door=door,
        users=AdminUsers(room),
        invites=Invites(room),
        links=Links(room),
        audit_log=AuditLog(room.store),
    )
    mfa = MfaEdge(
        factors=Factors(room),
        challenges=Challenges(room, outlets.texter),
        door=door,
    )
    passkeys = PasskeyEdge(
        passkeys=Passkeys(room),
        is_enabled=room.config.mfa.passkeys_enabled,
        door=door,
    )
    oauth = build_oauth(door, room, outlets.registry)
    return [
        *build_flows(door, room, grants={"id_token": oauth.by_id_token}).routes(),
        *oauth.routes(),
        *admin.routes(),
        *mfa.routes(),
        *passkeys.routes(),
        *outlets.routes(),
        *KeyEdge(tokens=room.config.tokens).routes(),
        *Edge(config=room.config, door=door).routes(),
    ]
