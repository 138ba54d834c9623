"""Check, hash and verify passwords; hashing runs in two threads so that requests go on."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import bcrypt

from gavan.core.auth import hashes
from gavan.core.auth.config.passwords import BCRYPT_COST
from gavan.core.auth.errors import AuthError
from gavan.core.auth.guard.strength import Strength, Weakness

THREADS = 2


class Passwords:
    """The password rules of one stack and the threads that hash."""

    def __init__(self, strength: Strength) -> None:
        self._strength = strength
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="bcrypt")
        # Compared with when there is no user: an unknown address takes as long as a known one.
        self._dummy = bcrypt.hashpw(b"nobody", bcrypt.gensalt(BCRYPT_COST)).decode()

    async def weakness(self, password: str) -> Weakness | None:
        """Return what a right password lacks, to be told at sign-in; it never stops one."""
        try:
            return await self._strength.weakness(password)
        except AuthError:
            return None

    async def check(self, password: str) -> None:
        """Raise AuthError for a password that may not be set."""
        await self._strength.check(password)

    async def hash(self, password: str) -> str:
        """Return the bcrypt hash of a password that passed ``check``."""
        loop = asyncio.get_running_loop()
        made = await loop.run_in_executor(
            self._threads, bcrypt.hashpw, password.encode(), bcrypt.gensalt(BCRYPT_COST)
        )
        return made.decode()

    async def verify(self, password: str, stored: str | None) -> bool:
        """Return whether the password fits; as slow when there is nothing to compare with."""
        loop = asyncio.get_running_loop()
        is_right = await loop.run_in_executor(
            self._threads, hashes.fits, password.encode(), stored or self._dummy
        )
        return is_right and bool(stored)

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False)
