"""`gavan migrate verify`: the proof of the migrations, and how it is shown."""

from __future__ import annotations

from typing import Any

from gavan.cli.context import Context
from gavan.cli.database import reach, reporter
from gavan.cli.migrate.flags import FINDINGS_EXIT
from gavan.cli.migrate.shadow import shadow_of
from gavan.cli.render import Result, Style
from gavan.cli.verb import verb
from gavan.database.migration.parsed import Direction
from gavan.database.migration.verify import Finding, Verified, verify

_CODES = {Direction.DOWN: "GV330", Direction.UP: "GV331"}
_WHY = {
    Direction.DOWN: "does not lead back: the schema is not what it was before the migration",
    Direction.UP: "applied, taken back and applied again it makes another schema",
}
_MENDS = {
    Direction.DOWN: "undo that in the down file, or write on the migration's first line:"
    ' -- gavan: irreversible="why"',
    Direction.UP: "let the down file undo all that the migration makes",
}


@verb("verify", examples=["gavan migrate verify", "gavan migrate verify --json"])
def prove(context: Context) -> Result:
    """Replay all migrations on a shadow database, each with a down file there and back.

    Exit 5 when one does not lead back to the same schema. The database of the stack is not touched.
    """
    stack, access = reach(context)
    report = reporter(context)
    with shadow_of(access, report) as shadow:
        verified = verify(shadow, stack.database.migrations.dir, report)
    warnings = [f"{where} changes more than its database: left out" for where in verified.left_out]
    return Result(
        data=_data(verified),
        text=lambda style: _text(verified, style),
        exit_code=FINDINGS_EXIT if verified.findings else 0,
        warnings=tuple(warnings),
    )


def _data(verified: Verified) -> dict[str, Any]:
    """Return the proof for machines."""
    one_way = [one for one in verified.replayed if one not in verified.there_and_back]
    return {
        "replayed": verified.replayed,
        "there_and_back": verified.there_and_back,
        "one_way": one_way,
        "left_out": verified.left_out,
        "findings": [
            {
                "code": _CODES[finding.direction],
                "version": finding.version,
                "where": f"{finding.path}:1:1",
                "message": _WHY[finding.direction],
                "mend": _MENDS[finding.direction],
                "differences": finding.differences,
            }
            for finding in verified.findings
        ],
    }


def _text(verified: Verified, style: Style) -> str:
    """Return the proof for people."""
    count, both = len(verified.replayed), len(verified.there_and_back)
    summary = f"{count} replayed, {both} of them taken back and applied again"
    if not verified.findings:
        same = "; the schema is the same each time" if both else ""
        return style.good(f"verified: {summary}{same}")
    parts = [_finding(finding, style) for finding in verified.findings]
    return "\n\n".join([*parts, f"{summary}; {len(parts)} do not lead to the same schema"])


def _finding(finding: Finding, style: Style) -> str:
    head = f"{finding.path}:1:1 {style.bad(_CODES[finding.direction])} {_WHY[finding.direction]}"
    lines = [f"  {difference}" for difference in finding.differences]
    return "\n".join([head, *lines, f"  mend: {_MENDS[finding.direction]}"])
