"""What a token that came back makes true: an address is proved, changed, or somebody is back."""

from __future__ import annotations

from gavan.core.auth.flows import accounts, one_time
from gavan.core.auth.flows.notices import Notice
from gavan.core.auth.flows.passwordless import random_password
from gavan.core.auth.flows.room import Room
from gavan.core.auth.model import Row
from gavan.core.auth.store import Connection


class Effects:
    """One method for every kind of proof; each runs in the transaction that took the token."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def apply(
        self, connection: Connection, user: Row, proof_type: str, token_type: str
    ) -> bool:
        """Make a proof true; return False after the first half of an e-mail change.

        Args:
            user: the locked row.
            proof_type: what /verify was asked for.
            token_type: the token that was taken.
        """
        match proof_type:
            case "sms":
                await self._phone_confirmed(connection, user)
            case "phone_change":
                await self.phone_changed(connection, user)
            case "email_change":
                return await self._email_change(connection, user, token_type)
            case _ if token_type == one_time.CONFIRMATION:
                await self._signed_up(connection, user)
            case _:
                await self._recovered(connection, user)
        return True

    async def _signed_up(self, connection: Connection, user: Row) -> None:
        room = self._room
        if not user["encrypted_password"] and user["invited_at"] is not None:
            # The application asks an invited user for a password of their own.
            password = random_password(room.config.passwords.required_characters, 64)
            hashed = await room.passwords.hash(password)
            await accounts.set_password(connection, user["id"], hashed, keeps_session=None)
        await room.audit.record(connection, "user_signedup", user, {"provider": "email"})
        await accounts.confirm_email(connection, user["id"])
        await accounts.verify_identity_email(connection, user["id"])

    async def _recovered(self, connection: Connection, user: Row) -> None:
        await one_time.recovered(connection, user["id"])
        if user["email_confirmed_at"] is not None:
            await self._room.audit.record(connection, "login", user)
            return
        await self._room.audit.record(connection, "user_signedup", user, {"provider": "email"})
        await accounts.confirm_email(connection, user["id"])

    async def _phone_confirmed(self, connection: Connection, user: Row) -> None:
        await self._room.audit.record(connection, "user_signedup", user, {"provider": "phone"})
        await accounts.confirm_phone(connection, user["id"])
        await accounts.become_permanent(connection, user["id"])

    async def _email_change(self, connection: Connection, user: Row, token_type: str) -> bool:
        mail = self._room.config.mail
        asks_both = mail.double_confirm_changes and not mail.autoconfirm and user["email"]
        if asks_both and user["email_change_confirm_status"] == 0:
            await one_time.first_email_confirmed(
                connection, user["id"], is_current=token_type == one_time.EMAIL_CURRENT
            )
            return False
        await self.email_changed(connection, user)
        return True

    async def email_changed(self, connection: Connection, user: Row) -> None:
        """Let the address in ``email_change`` be the account's."""
        room, user_id, new_email = self._room, user["id"], user["email_change"]
        await room.audit.record(connection, "user_modified", user)
        data = accounts.identity_data(user_id, email=new_email, email_verified=True)
        data.pop("phone_verified")
        await accounts.put_identity(connection, user_id, "email", data)
        await accounts.apply_email_change(connection, user_id)
        if user["email_confirmed_at"] is None:
            await accounts.confirm_email(connection, user_id)
        if user["email"] and user["email"] != new_email:
            await room.notices.send(
                connection,
                Notice(
                    kind="email_changed", user_id=user_id, to=user["email"], old_email=user["email"]
                ),
            )

    async def phone_changed(self, connection: Connection, user: Row) -> None:
        """Let the number in ``phone_change`` be the account's."""
        room, user_id, new_phone = self._room, user["id"], user["phone_change"]
        await room.audit.record(connection, "user_modified", user)
        data = accounts.identity_data(user_id, phone=new_phone, phone_verified=True)
        data.pop("email_verified")
        is_new = await accounts.put_identity(connection, user_id, "phone", data)
        await accounts.apply_phone_change(connection, user_id)
        if user["phone"] and user["phone"] != new_phone:
            await room.notices.send(
                connection,
                Notice(kind="phone_changed", user_id=user_id, old_phone=user["phone"]),
            )
        if is_new:
            await room.notices.send(
                connection, Notice(kind="identity_linked", user_id=user_id, provider="phone")
            )
