"""Passwords of the roles that log in to the database of one stack.

Stands on what is stored, beneath the keys: who only works on the database loads nothing that signs.
"""

from __future__ import annotations

from dataclasses import dataclass

from gavan.kit.secret import Secret
from gavan.secrets.stored import PASSWORDS, load_or_make, variable
from gavan.stack.model import Stack
from gavan.stack.scope import DEFAULT_PASSWORD


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabasePasswords:
    """One of every role that logs in."""

    postgres_password: Secret
    authenticator_password: Secret
    auth_admin_password: Secret
    admin_password: Secret
    storage_admin_password: Secret
    realtime_admin_password: Secret


def load_passwords(stack: Stack) -> DatabasePasswords:
    """Return the passwords of the stack; what is missing is made, as ``load_or_make`` does."""
    return DatabasePasswords(**passwords_of(stack, load_or_make(stack)))


def passwords_of(stack: Stack, stored: dict[str, str]) -> dict[str, Secret]:
    """Return every password by its name; what the variables set stands above what is stored."""
    found = {name: variable(stack, name.upper()) or Secret(stored[name]) for name in PASSWORDS}
    owner = variable(stack, "POSTGRES_PASSWORD") or Secret(DEFAULT_PASSWORD)
    return {"postgres_password": owner, **found}
