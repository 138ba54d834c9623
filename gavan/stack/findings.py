"""What is wrong with a stack file: codes, places, reasons and mends, printed in one form.

Stands under load and check; the command line prints it and JSON carries the same fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gavan.kit.errors import GavanError
from gavan.stack.model import Position


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One mistake; ``source`` is the line of the file, ``length`` what the caret underlines.

    ``rename`` is (old key, new key) when `gavan check --fix` can mend it. ``is_unset``: only the
    value of a variable is missing, which another machine may have.
    """

    code: str
    message: str
    position: Position
    why: str
    mend: str
    level: Level = Level.ERROR
    source: str = ""
    length: int = 1
    rename: tuple[str, str] | None = None
    is_unset: bool = False

    @property
    def where(self) -> str:
        """``file:line:column``, the file as short as it can be said from here."""
        place = self.position
        return f"{shorten(place.file)}:{place.line}:{place.column}"


def apart_from_values(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return what is wrong wherever the stack runs: not what comes of a variable that is not set.

    A text with such a variable in it is read as it is written, and whatever is wrong with that
    lies on the same line.
    """
    unset = {(one.position.file, one.position.line) for one in findings if one.is_unset}
    return tuple(one for one in findings
                 if (one.position.file, one.position.line) not in unset)  # fmt: skip


class StackErrors(GavanError):
    """All findings of one pass over the stack file and its .env layers."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = ordered(findings)
        first = next((f for f in self.findings if f.level is Level.ERROR), None)
        super().__init__(
            first.code if first else "GV100",
            first.message if first else "no finding",
            details=first.why if first else None,
            hint=first.mend if first else None,
            exit_code=2,
        )
        self.where = first.where if first else None

    def __str__(self) -> str:
        return render(self.findings)


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings by place, each once."""
    unique = dict.fromkeys(findings)
    return tuple(
        sorted(unique, key=lambda f: (str(f.position.file), f.position.line, f.position.column))
    )


def render(findings: Sequence[Finding]) -> str:
    """Return every finding as text and the count in the last line."""
    errors = sum(finding.level is Level.ERROR for finding in findings)
    count = ", ".join((_count(errors, "error"), _count(len(findings) - errors, "warning")))
    return "\n\n".join([*map(render_one, findings), count])


def render_one(finding: Finding) -> str:
    """Return place, code and message; the line with a caret under the fault; why; mend."""
    mark = "" if finding.level is Level.ERROR else "warning: "
    lines = [f"{finding.where} {finding.code} {mark}{finding.message}"]
    if finding.source.strip():
        number = str(finding.position.line)
        before = finding.source[: finding.position.column - 1]
        # Tabs stay tabs under the line, so that the caret meets its character.
        pad = "".join("\t" if character == "\t" else " " for character in before)
        lines.append(f"  {number} | {finding.source}")
        lines.append(f"  {' ' * len(number)} | {pad}{'^' * max(finding.length, 1)}")
    return "\n".join([*lines, f"  why: {finding.why}", f"  mend: {finding.mend}"])


def shorten(file: Path) -> Path:
    """Return the file relative to the working directory when it lies inside."""
    try:
        return file.relative_to(Path.cwd())
    except ValueError:
        return file


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
