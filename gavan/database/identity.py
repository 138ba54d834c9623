"""Who runs Postgres: the caller, or an unprivileged account when the caller is root.

Stands below the embedded server; Postgres itself refuses to run as root.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from gavan.kit.errors import GavanError

SYSTEM_USER = "gavan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of the operating system; ``groups`` are all its group ids."""

    name: str
    uid: int
    gid: int
    groups: frozenset[int]


def choose_account(project: Path, *, create_user: bool) -> Account:
    """Return who shall run Postgres for the stack in ``project``.

    Not root: the caller. Root: the owner of the project directory, else the system user
    ``gavan``, made here only when ``create_user``. Raises GavanError GV210 when there is none.
    """
    if os.geteuid() != 0:
        return _account(pwd.getpwuid(os.geteuid()))
    owner = project.stat().st_uid
    if owner != 0:
        return _account(pwd.getpwuid(owner))
    found = _lookup(SYSTEM_USER)
    if found is None and create_user:
        found = _create_system_user()
    if found is None:
        raise GavanError(
            "GV210",
            f"Postgres refuses to run as root, and {project} belongs to root",
            details=f"there is no system user '{SYSTEM_USER}' to run it instead",
            hint="gavan up --create-user, or run gavan as the user who owns the project",
        )
    return found


def can_enter(account: Account, path: Path) -> bool:
    """Tell whether ``account`` may walk to the existing directory ``path`` and list it."""
    if account.uid == os.geteuid() and account.uid != 0:
        return os.access(path, os.X_OK)
    resolved = path.resolve()
    return all(_may(account, part, stat.S_IXOTH) for part in (resolved, *resolved.parents))


def demote(account: Account) -> dict[str, object]:
    """Return the subprocess arguments that make a child run as ``account``."""
    if account.uid == os.geteuid():
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def give(account: Account, path: Path) -> None:
    """Hand a file or directory that we have just made to ``account``."""
    if account.uid != os.geteuid():
        os.chown(path, account.uid, account.gid)


def _may(account: Account, path: Path, other_bit: int) -> bool:
    info = path.stat()
    if info.st_uid == account.uid:
        return bool(info.st_mode & (other_bit << 6))
    if info.st_gid in account.groups:
        return bool(info.st_mode & (other_bit << 3))
    return bool(info.st_mode & other_bit)


def _lookup(name: str) -> Account | None:
    try:
        return _account(pwd.getpwnam(name))
    except KeyError:
        return None


def _account(entry: pwd.struct_passwd) -> Account:
    groups = {group.gr_gid for group in grp.getgrall() if entry.pw_name in group.gr_mem}
    return Account(
        name=entry.pw_name,
        uid=entry.pw_uid,
        gid=entry.pw_gid,
        groups=frozenset(groups | {entry.pw_gid}),
    )


def _create_system_user() -> Account:
    command = ["useradd", "--system", "--user-group", "--home-dir", "/var/lib/gavan"]
    command += ["--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        why = done.stderr.strip()
    except FileNotFoundError as error:
        why = str(error)
    found = _lookup(SYSTEM_USER)
    if found is None:
        raise GavanError(
            "GV210",
            f"the system user '{SYSTEM_USER}' could not be created",
            details=why,
            hint=f"create it by hand: {' '.join(command)}",
        )
    return found
