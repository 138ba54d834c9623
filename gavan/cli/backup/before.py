"""A verified backup before what may lose data, where data are real.

Stands between the verbs that change a database and the backups; on other profiles it does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import click
import psycopg

from gavan.cli.context import Context
from gavan.cli.database import reporter
from gavan.database.migration import history
from gavan.database.migration.history import Connection
from gavan.database.migration.lock import connect
from gavan.database.migration.parsed import Parsed
from gavan.database.migration.run import Options
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.stack.model import Stack

SKIP = click.option(
    "--skip-backup",
    "skip_backup",
    metavar="REASON",
    help="On a protected profile: no backup before it, and why.",
)
WAIT_S = 600.0


class BackupBefore:
    """The backup of one verb, where one is needed."""

    def __init__(self, context: Context, stack: Stack, skip: str | None) -> None:
        self._context = context
        self._stack = stack
        self._skip = skip
        self._made: tuple[str, datetime] | None = None
        """Its id, and when it was begun."""

    def take(self) -> None:
        """Make a backup and read it again, where the profile is protected.

        Raises GavanError GV416 when there is none in the end; nothing was changed then.
        """
        if not self._stack.profile.protected:
            return
        if self._skip is not None:
            self._context.output.warn(f"no backup before it: {self._skip}")
            return
        # Every start of a stack comes by here: only one that needs a backup loads what makes it.
        from gavan.backups.run import repository_of, run_backup  # noqa: PLC0415 - as said
        from gavan.backups.verify import verify  # noqa: PLC0415 - as said
        from gavan.secrets.keys import load_or_create_keys  # noqa: PLC0415 - as said

        report = reporter(self._context)
        try:
            made = run_backup(
                self._stack, load_or_create_keys(self._stack), report, wait_s=WAIT_S
            ).manifest
        except GavanError as error:
            raise _none(error.message, error.exit_code) from error
        problems = verify(repository_of(self._stack), made.id, report)
        if problems:
            raise _none(f"{problems[0].file}: {problems[0].what}", 1)
        self._made = made.id, made.started

    def in_front_of(self, how: Options) -> Options:
        """Return the options of a runner that makes the backup once it knows what is to do."""
        former = how.gate

        def gate(connection: Connection, plan: Sequence[Parsed]) -> None:
            former(connection, plan)
            # A database that nothing was applied to has nothing to lose yet.
            if history.read_applied(connection):
                self.take()

        return replace(how, gate=gate)

    def said(self) -> dict[str, str]:
        """Return what a result says of the backup."""
        return {"backup": self._made[0]} if self._made is not None else {}

    @contextmanager
    def noted(self, url: Secret) -> Iterator[None]:
        """Write into the log of the migrations which backup was made before them."""
        try:
            yield
        finally:
            if self._made is not None:
                self._note(url, *self._made)

    def _note(self, url: Secret, made: str, since: datetime) -> None:
        try:
            with connect(url, "backup-note") as connection:
                history.note_backup(connection, made, since)
        except (GavanError, psycopg.Error) as error:
            self._context.output.warn(f"the log does not say that {made} was before: {error}")


def _none(why: str, exit_code: int) -> GavanError:
    return GavanError(
        "GV416",
        "there is no backup to go back to, so nothing was changed",
        details=why,
        hint="gavan backup run tells more; or go without: --skip-backup REASON",
        exit_code=exit_code,
    )
