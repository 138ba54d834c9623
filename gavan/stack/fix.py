"""Mends of a stack file that are safe to make without asking: misspelt keys.

Stands beside check.py; text in, text out, everything around the key stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gavan.stack.findings import Finding

_BOM = "\ufeff"


def renames(findings: Iterable[Finding], file: Path) -> list[Finding]:
    """Return the findings that a rename in ``file`` mends."""
    return [f for f in findings if f.rename and f.position.file == file]


def rename_keys(text: str, findings: Iterable[Finding]) -> str:
    """Return ``text`` with each misspelt key replaced by the name it was meant to be."""
    mark, text = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    lines = text.split("\n")
    # From the right, so that the columns to the left still hold.
    for finding in sorted(findings, key=lambda f: f.position.column, reverse=True):
        if finding.rename is None:
            continue
        number, start = finding.position.line - 1, finding.position.column - 1
        line = lines[number]
        lines[number] = line[:start] + finding.rename[1] + line[start + finding.length :]
    return mark + "\n".join(lines)
