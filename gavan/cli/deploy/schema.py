"""Whether a former release can live with the schema as it is now, and the ways if it cannot.

Stands under `gavan rollback`. Migrations of the phase "expand" take nothing away, the former code
ran beside them already; those of the phase "contract" do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gavan.deploy import runner
from gavan.deploy.onhost import history
from gavan.deploy.ssh import Ssh
from gavan.kit.errors import GavanError


@dataclass(frozen=True, slots=True, kw_only=True)
class WayDown:
    """The way back by down files: to which version, what is lost on it, or why there is none."""

    to: str
    shown: str
    wrong: GavanError | None = None


def taken_away(seen: dict[str, Any], target: dict[str, Any]) -> list[str]:
    """Return the migrations since a release that its code cannot live with, oldest first."""
    found: set[str] = set()
    for line in history.parse(seen["log"].splitlines()):
        found |= set(line.get("contract", []))
        found -= set(line.get("taken_back", []))
    return sorted(found - set(target["contract"]))


def way_down(ssh: Ssh, seen: dict[str, Any], first: str) -> WayDown:
    """Ask the release that serves what taking back everything from ``first`` on would lose."""
    live: str = seen["live"]["release"]
    before = [name for name in seen["plans"][live]["migrations"] if name < first]
    to = before[-1].partition("_")[0] if before else ""
    if not to:
        wrong = GavanError("GV546", f"{first} is the first migration of all", exit_code=5)
        return WayDown(to="", shown="", wrong=wrong)
    said = runner.job(ssh, live, "gavan", "migrate", "plan", "--down-to", to)
    if said.returncode != 0:
        wrong = GavanError("GV546", "the migrations cannot be taken back",
                           details=said.stderr.strip(), exit_code=5)  # fmt: skip
        return WayDown(to=to, shown=said.stderr.strip(), wrong=wrong)
    return WayDown(to=to, shown=said.stdout.strip())


def refused(
    target: dict[str, Any], gone: list[str], way: WayDown, seen: dict[str, Any]
) -> GavanError:
    """Return the error that says why, what each way would cost, and the ways."""
    lines = history.parse(seen["log"].splitlines())
    backups = [line["backup"] for line in lines if set(line.get("contract", [])) & set(gone)]
    kept = next((backup for backup in backups if backup), "none was made")
    details = [f"by down files, all after {way.to or 'nothing'}:", way.shown,
               f"backup before them: {kept}; restored, what was written since is lost"]  # fmt: skip
    return GavanError(
        "GV538", f"the schema has moved past {target['tag']}: {', '.join(gone)}",
        details="\n".join(details),
        hint="gavan rollback --down; or, when the old code can live with them: --past-migrations",
        exit_code=5,
    )  # fmt: skip
