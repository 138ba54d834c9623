"""A core whose auth service is told what a test needs, with an inbox of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_asyncio

from gavan.core.auth import app, sessions
from tests.conftest import Database
from tests.integration.core.auth.accounts import CONFIRMING, Accounts, AccountsFactory, inbox_of
from tests.integration.core.conftest import CoreFactory
from tests.servers import DEADLINE_S


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no request given up because the machine does much else."""
    monkeypatch.setattr(app, "REQUEST_DEADLINE_S", DEADLINE_S)
    monkeypatch.setattr(sessions, "REFRESH_DEADLINE_S", DEADLINE_S)


@pytest.fixture
def accounts_factory(
    core_factory: CoreFactory,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AccountsFactory:
    """Return a function that starts a core with GoTrue's variables."""

    async def make(**environment: str) -> Accounts:
        for name, value in ({"GAVAN_INBOX_DIR": str(tmp_path)} | environment).items():
            monkeypatch.setenv(name, value)
        return Accounts(await core_factory("auth"), inbox_of(tmp_path), database)

    return make


@pytest_asyncio.fixture
async def confirming(accounts_factory: AccountsFactory) -> Accounts:
    """Return a service where addresses have to be proved."""
    return await accounts_factory(**CONFIRMING)


@pytest_asyncio.fixture
async def easy(accounts_factory: AccountsFactory) -> Accounts:
    """Return a service as a local stack has it: addresses are taken at once, also no address."""
    return await accounts_factory(
        GOTRUE_EXTERNAL_PHONE_ENABLED="true",
        GOTRUE_EXTERNAL_ANONYMOUS_USERS_ENABLED="true",
        GOTRUE_SMTP_MAX_FREQUENCY="0s",
    )
