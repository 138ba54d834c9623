"""How the backups stand, in the words of `gavan status`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gavan.backups.standing import Standing, Verdict
from gavan.cli.backup.age import age
from gavan.cli.render import Style


def backup_lines(found: Standing | None, style: Style) -> Iterator[str]:
    """Yield one line, and what went wrong below it; none for a stack without backups."""
    if found is None:
        return
    word = found.verdict.value
    coloured = style.good(word) if found.verdict is Verdict.OK else style.bad(word)
    newest = "no good one yet"
    if found.age_s is not None:
        newest = f"newest good one {age(timedelta(seconds=found.age_s))} old, {found.newest}"
    yield f"backup: {coloured}, {newest}"
    if found.message:
        yield f"  {found.message}"
    if found.drill is not None:
        ago = age(timedelta(seconds=found.drill.age_s))
        word = style.good("ok") if found.drill.ok else style.bad("FAILED")
        yield f"drill: {word}, {ago} ago, {found.drill.backup}"
