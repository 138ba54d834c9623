"""What a flow wants mailed, before any template was looked at."""

from __future__ import annotations

from dataclasses import dataclass

from gavan.core.auth.model import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail to one address.

    Args:
        kind: confirmation, invite, magic_link, recovery, email_change, reauthentication, or one of
            the notices of gavan.core.auth.config.mail.
        to: the address it goes to.
        user: the row of the user it is about, as it is after the change.
        link_type: what the link asks /verify for: signup, invite, magiclink, recovery,
            email_change; empty for mails without a link.
        token: the code in clear.
        token_hash: the hash as it is stored, its ``pkce_`` included.
        redirect_to: an address that was allowed already.
    """

    kind: str
    to: str
    user: Row
    link_type: str = ""
    token: str = ""
    token_hash: str = ""
    redirect_to: str = ""
    new_email: str = ""
    old_email: str = ""
    phone: str = ""
    old_phone: str = ""
    provider: str = ""
    factor_type: str = ""
