"""Whether a join may be: the checks in the order of the contract, each with its refusal."""

from __future__ import annotations

from dataclasses import dataclass

from gavan.core.realtime.codec import UserBroadcast
from gavan.core.realtime.history import ReplayRefused, read_replay
from gavan.core.realtime.hub import Hub
from gavan.core.realtime.join import JoinWish
from gavan.core.realtime.link import Link
from gavan.core.realtime.policies import Guard, PolicyError
from gavan.core.realtime.rooms import RoomKey
from gavan.core.realtime.tokens import OPAQUE_PREFIX, Access, TokenRefused

CLOSE_REJOIN = 1001


class JoinRefused(Exception):
    """A join that fails; ``str()`` is the reason the client reads."""

    def __init__(self, reason: str, *, close_code: int | None = None) -> None:
        super().__init__(reason)
        self.close_code = close_code


@dataclass(frozen=True, slots=True)
class Admission:
    """The checks of one socket's joins; every one of them raises JoinRefused."""

    hub: Hub
    link: Link

    def check_topic(self, sub_topic: str) -> None:
        """Check what needs neither a token nor the database."""
        if self.hub.stopping or self.link.is_leaving:
            raise JoinRefused("RealtimeRestarting: Realtime is restarting, please standby")
        if not sub_topic:
            raise JoinRefused("TopicNameRequired: You must provide a topic name")
        self.hub.joins.add()
        if self.hub.joins.exceeded:
            raise JoinRefused(
                "ClientJoinRateLimitReached: Too many joins per second", close_code=CLOSE_REJOIN
            )

    def check_token(self, wish: JoinWish) -> Access:
        """Return the access of the token that was sent, else of the socket's key."""
        token = wish.token
        if token is None or token.startswith(OPAQUE_PREFIX):
            token = self.link.key
        try:
            return self.hub.tokens.check(token)
        except TokenRefused as refusal:
            raise JoinRefused(str(refusal)) from refusal

    async def admit(self, key: RoomKey, access: Access, wish: JoinWish) -> Guard:
        """Ask the policies of a private room."""
        if self.hub.limits.is_private_only and not key.private:
            raise JoinRefused("PrivateOnly: This project only allows private channels")
        if wish.replay is not None and not key.private:
            raise _no_replay("Replay is not allowed for public channels")
        guard = Guard(self.hub.policies, key, self.link.headers)
        try:
            if await guard.admit(access, presence=wish.presence_enabled):
                return guard
        except PolicyError as error:
            raise JoinRefused(str(error)) from error
        raise JoinRefused(
            "Unauthorized: You do not have permissions to read from this Channel topic: "
            + key.sub_topic
        )

    async def stored(self, key: RoomKey, wish: JoinWish) -> list[UserBroadcast]:
        """Return the stored messages that the client asks for; none unless it does."""
        if wish.replay is None:
            return []
        try:
            return await self.hub.history.latest(key.sub_topic, read_replay(wish.replay))
        except ReplayRefused as refusal:
            raise _no_replay(str(refusal)) from refusal


def _no_replay(text: str) -> JoinRefused:
    return JoinRefused(f"UnableToReplayMessages: {text}")
