"""Stage 5: one statement in one transaction, as somebody. Sees no query string and no plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import orjson

from gavan.core.rest.config import RestConfig
from gavan.core.rest.database_errors import database_error
from gavan.core.rest.errors import RestError
from gavan.database.identifier import quote_identifier
from gavan.database.pool import Pool
from gavan.database.session import (
    DatabaseError,
    PoolTimeout,
    Rows,
    Session,
    Statement,
)
from gavan.kit.jwt import Claims

ISOLATION = "default_transaction_isolation"


@dataclass(slots=True, kw_only=True)
class Caller:
    """Who asks, and what the database may read about the request."""

    role: str
    claims: Claims | None
    schema: str
    method: str
    path: str
    headers_json: str
    cookies_json: str
    timezone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """How the transaction runs; ``settings`` are the called function's own."""

    read_only: bool
    isolation: str | None = None
    rollback: bool = False
    settings: tuple[tuple[str, str], ...] = ()


def build_session(caller: Caller, transaction: Transaction, config: RestConfig) -> Session:
    """Return role and settings in the order of the contract (section 4)."""
    role = caller.role
    settings = [
        ("search_path", _search_path(caller.schema, config.extra_search_path)),
        *config.role_settings.get(role, ()),
        ("request.jwt.claims", _claims_json(caller)),
        ("request.method", caller.method),
        ("request.path", caller.path),
        ("request.headers", caller.headers_json),
        ("request.cookies", caller.cookies_json),
    ]
    if caller.timezone is not None:
        settings.append(("timezone", caller.timezone))
    settings += (*transaction.settings, *config.app_settings)
    isolation = transaction.isolation
    named = dict(settings).get(ISOLATION)
    if named is not None:
        # It is too late for the default once the transaction runs: BEGIN takes the level.
        isolation = isolation or named
        settings = [item for item in settings if item[0] != ISOLATION]
    return Session(
        role=role,
        settings=tuple(settings),
        read_only=transaction.read_only,
        isolation=isolation.upper() if isolation else None,
        rollback=transaction.rollback,
        before=config.pre_request,
    )


@lru_cache(maxsize=64)
def _search_path(schema: str, extra: tuple[str, ...]) -> str:
    return ", ".join(map(quote_identifier, (schema, *extra)))


def _claims_json(caller: Caller) -> str:
    claims = caller.claims
    if claims is None:
        return orjson.dumps({"role": caller.role}).decode()
    if claims.role == caller.role:
        return claims.json
    return orjson.dumps({**claims.raw, "role": caller.role}).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """``check`` sees the rows before COMMIT and may refuse them."""

    anon_role: str | None
    check: Callable[[Rows], None] | None = None


async def execute(pool: Pool, session: Session, statement: Statement, run: Run) -> Rows:
    """Run the statement.

    Raises:
        RestError: every failure of the database, with its status and headers.
    """
    try:
        return await pool.run(session, statement, check=run.check)
    except PoolTimeout as error:
        raise RestError("PGRST003", error.message, status=504) from error
    except DatabaseError as error:
        is_anonymous = session.role == run.anon_role
        raise database_error(error, pool.retry_after_s, is_anonymous=is_anonymous) from error
