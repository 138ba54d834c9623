"""Jobs that the stack file schedules outside of [cron]: backups, and the drill.

Stands beside the cron unit, which runs them with the others. They are verbs of gavan and read the
stack file themselves, so they get the variables that it names; the jobs of the user do not.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Sequence

from gavan.engines.embedded.cronfile import OWN
from gavan.engines.embedded.environment import Surroundings, base_env, job_env
from gavan.stack.model import Cron, Encryption, Overlap, Stack

HOURLY = "17 * * * *"
TIMEOUT_S = 12 * 3600.0
_FOUND_BY = ("GNUPGHOME", "XDG_RUNTIME_DIR", "GAVAN_BACKUP_IDENTITY_FILE")


def own_jobs(stack: Stack, gavan: Sequence[str] = ()) -> tuple[Cron, ...]:
    """Return the jobs; each is made up once when the stack was down.

    ``gavan`` are the words that start the tool where they run; none: this one, on this stack file.
    """
    here = [sys.executable, "-m", "gavan", "-f", str(stack.file), "-p", stack.profile.name, "-q"]
    wanted = (
        ("backup", stack.backup.schedule, "backup run --prune --wait 1h"),
        ("base", _base_schedule(stack), "backup run --kind physical --prune --wait 1h"),
        ("drill", drill_schedule(stack), "backup drill"),
        ("backup-age", _watch_schedule(stack), "backup age"),
    )
    argv = gavan or here
    return tuple(_job(argv, name, when, verb) for name, when, verb in wanted if when is not None)


def _base_schedule(stack: Stack) -> str | None:
    """Return when a base is made; the files of somebody else's server are not ours to copy."""
    return stack.backup.pitr.schedule if stack.database.external_url is None else None


def _watch_schedule(stack: Stack) -> str | None:
    """Return when the age of backups is looked at: only where somebody would hear of it."""
    return HOURLY if stack.notify and stack.backup.schedule is not None else None


def drill_schedule(stack: Stack) -> str | None:
    """Return when the drill is; a host that cannot read its backups has one only if told so."""
    is_clear = stack.backup.encrypt.method is Encryption.NONE
    is_said = ("backup", "drill", "schedule") in stack.positions
    return stack.backup.drill.schedule if is_clear or is_said else None


def _job(argv: Sequence[str], name: str, schedule: str, verb: str) -> Cron:
    return Cron(
        name=f"{OWN}{name}",
        schedule=schedule,
        tz="UTC",
        sql=None,
        command=f"exec {shlex.join(argv)} {verb}",
        http=None,
        timeout_s=TIMEOUT_S,
        overlap=Overlap.SKIP,
        retries=0,
        catch_up=True,
        profiles=(),
    )


def own_environment(around: Surroundings, overrides: Sequence[str]) -> str:
    """Return the environment of these jobs as the text of a variable.

    Of the caller's variables only those that the stack file names: others change from terminal to
    terminal, and the unit would be started anew each time.
    """
    said = around.stack.file.read_text(encoding="utf-8", errors="replace")
    named = set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", said))
    given = {name: value for name, value in os.environ.items() if name in named}
    found = {name: os.environ[name] for name in _FOUND_BY if name in os.environ}
    database = {n: v for n, v in job_env(around).items() if n.startswith("GAVAN_DB_")}
    own = {"GAVAN_SET": "\n".join(overrides)}
    return json.dumps({**base_env(), **given, **found, **database, **own}, sort_keys=True)
