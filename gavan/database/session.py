"""Who acts, with which transaction-local settings, on what statement; and how it can fail.

Stands between the services, which fill these types in, and the pipeline, which sends them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from psycopg.pq import DiagnosticField
from psycopg.pq.abc import PGresult

from gavan.database.identifier import quote_literal
from gavan.kit.errors import GavanError

CONNECTION_FAILURE = "08006"
CONNECTION_REFUSED = "08001"
CONNECTION_DIED = frozenset({CONNECTION_FAILURE, "57P01"})
INVALID_TEXT = "22021"
INVALID_PARAMETER = "22023"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """SQL with ``$1..$n`` and its values in text form; None is NULL. Types are the server's.

    ``then`` runs after it in the same transaction, without another trip.
    """

    text: str
    params: tuple[bytes | None, ...] = ()
    then: Statement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Settings of one transaction; all of them end with it.

    Args:
        role: the role to act as.
        settings: (name, value) pairs, set in this order and before the role is taken, so that
            parameters granted to the login role can be set too.
        isolation: for example ``SERIALIZABLE``; None is the server's default.
        rollback: undo everything, after the deferred constraints were checked.
        before: SQL run as the role, after the settings and before the statement.
    """

    role: str
    settings: tuple[tuple[str, str], ...] = ()
    read_only: bool = False
    isolation: str | None = None
    rollback: bool = False
    before: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A statement that runs before COMMIT, as a role of its own; the settings stay as they are."""

    role: str
    statement: Statement


@dataclass(frozen=True, slots=True)
class Rows:
    """What a statement returned, in text form; ``then`` is what the one that followed it did."""

    values: list[tuple[bytes | None, ...]]
    then: Rows | None = None


class DatabaseError(GavanError):
    """An error of Postgres or of the road to it; ``code`` is the SQLSTATE."""

    def __init__(
        self,
        sqlstate: str,
        message: str,
        *,
        details: str | None = None,
        hint: str | None = None,
        position: int | None = None,
    ) -> None:
        super().__init__(sqlstate, message, details=details, hint=hint)
        self.sqlstate = sqlstate
        self.position = position


class PoolTimeout(GavanError):
    """No connection became free in time."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(
            "GV721",
            "Timed out acquiring connection from connection pool.",
            details=f"none became free within {timeout_s:g} s",
            status=504,
        )


def error_of(result: PGresult) -> DatabaseError:
    """Translate a failed result; the only place that reads libpq's diagnostic fields."""
    position = _field(result, DiagnosticField.STATEMENT_POSITION)
    return DatabaseError(
        _field(result, DiagnosticField.SQLSTATE) or CONNECTION_FAILURE,
        _field(result, DiagnosticField.MESSAGE_PRIMARY) or _plain_message(result),
        details=_field(result, DiagnosticField.MESSAGE_DETAIL),
        hint=_field(result, DiagnosticField.MESSAGE_HINT),
        position=int(position) if position else None,
    )


def connection_lost(reason: str) -> DatabaseError:
    """Return the error of a request whose connection died under it."""
    return DatabaseError(CONNECTION_FAILURE, "the connection to Postgres was lost", details=reason)


def setup_statement(session: Session) -> Statement:
    """Return the statement that applies a session: one row with one small number.

    Raises:
        DatabaseError: 22023 for role ``none``, which would mean the login role itself.
    """
    if session.role.lower() == "none":
        raise DatabaseError(INVALID_PARAMETER, f'role "{session.role}" does not exist')
    names, values = zip(*session.settings, ("role", session.role), strict=True)
    return Statement(
        text=_setup_text(names, session.read_only), params=tuple(map(str.encode, values))
    )


@lru_cache(maxsize=256)
def _setup_text(names: tuple[str, ...], read_only: bool) -> str:
    calls = ["set_config('transaction_read_only', 'on', true)"] if read_only else []
    for number, name in enumerate(names, start=1):
        calls.append(f"set_config({quote_literal(name)}, ${number}, true)")
    # num_nulls evaluates its arguments from left to right and keeps the answer short: without it
    # every header and claim would travel back.
    return f"select num_nulls({', '.join(calls)})"


def _field(result: PGresult, field: DiagnosticField) -> str | None:
    value = result.error_field(field)
    return None if value is None else value.decode(errors="replace")


def _plain_message(result: PGresult) -> str:
    return result.error_message.decode(errors="replace").strip()
