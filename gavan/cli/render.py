"""The one place that prints: a verb's result on stdout, everything else on stderr.

Stands at the end of every road: verbs return a Result, failures arrive as GavanError, and both
leave here as text, as one JSON object or as the last line of NDJSON (shapes of version 1).
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import click
import orjson

from gavan.cli.flags import Flags
from gavan.cli.progress import LiveSink, NdjsonSink, PlainSink, Progress, QuietSink, Sink
from gavan.kit.errors import GavanError
from gavan.kit.secret import Secret
from gavan.stack.findings import StackErrors, render


class Style:
    """Colours that vanish where nobody can see them."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __call__(self, text: str, fg: str | None = None, *, bold: bool | None = None) -> str:
        return click.style(text, fg=fg, bold=bold) if self.enabled else text

    def good(self, text: str) -> str:
        return self(text, "green")

    def bad(self, text: str) -> str:
        return self(text, "red", bold=True)

    def doubt(self, text: str) -> str:
        return self(text, "yellow")

    def faint(self, text: str) -> str:
        return self(text, "bright_black")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a verb found: ``data`` for machines, ``text`` for people.

    ``text`` may be a function of the Style, so that colours are decided here and not in the verb.
    """

    data: object = None
    text: str | Callable[[Style], str] = ""
    exit_code: int = 0
    warnings: tuple[str, ...] = ()


class Output:
    """The streams of one run of the tool."""

    def __init__(
        self, flags: Flags, *, stdout: TextIO | None = None, stderr: TextIO | None = None
    ) -> None:
        self.flags = flags
        self._stdout = stdout or sys.stdout
        self._stderr = stderr or sys.stderr
        self._started = time.monotonic()
        self._warnings: list[str] = []
        self._progress: Progress | None = None

    @property
    def style(self) -> Style:
        """Colours of stdout."""
        return Style(_shows_color(self.flags, self._stdout))

    @property
    def machine(self) -> bool:
        """True when stdout carries JSON, so that a verb does not write text there."""
        return self.flags.output != "text"

    @property
    def progress(self) -> Progress:
        """The steps of this verb; made once, when the flags are known."""
        if self._progress is None:
            self._progress = Progress(self._sink())
        return self._progress

    def warn(self, text: str) -> None:
        """Tell of something that did not stop the verb; JSON carries it in ``warnings``."""
        self._warnings.append(text)
        style = Style(_shows_color(self.flags, self._stderr))
        self.progress.message(f"{style.doubt('warning')} {text}")

    def line(self, text: str) -> None:
        """Write one line of a stream (log lines); only for verbs that have no single result."""
        print(text, file=self._stdout, flush=True)

    def help(self, text: str) -> None:
        """Print a help page that nobody asked for; it is not a result."""
        print(text, file=self._stderr)

    def result(self, result: Result) -> None:
        """Print the result of a verb."""
        self.progress.finish()
        for warning in result.warnings:
            self.warn(warning)
        if self.machine:
            self._object(ok=result.exit_code == 0, data=result.data, error=None)
            return
        text = result.text(self.style) if callable(result.text) else result.text
        if text:
            print(text.rstrip("\n"), file=self._stdout, flush=True)

    def error(self, error: GavanError) -> None:
        """Print a failure: what and where, why, the next command."""
        data = {"findings": error.findings} if isinstance(error, StackErrors) else None
        if self.machine:
            fields = {
                "code": error.code,
                "message": error.message,
                "where": error.where,
                "why": error.details,
                "mend": error.hint,
                **({"cause": error.cause} if error.cause else {}),
            }
            self._object(ok=False, data=data, error=fields)
            return
        self.progress.finish()
        self.progress.message(self._error_text(error))

    def _error_text(self, error: GavanError) -> str:
        if isinstance(error, StackErrors):
            return render(error.findings)
        style = Style(_shows_color(self.flags, self._stderr))
        where = f"{error.where} " if error.where else ""
        lines = [f"{where}{style.bad('error')} {style(error.code, bold=True)} {error.message}"]
        for label, text in (("why", error.details), ("mend", error.hint)):
            if text:
                lines.append(f"  {style.faint(label + ':')} " + text.replace("\n", "\n    "))
        return "\n".join(lines)

    def _object(self, *, ok: bool, data: object, error: Mapping[str, object] | None) -> None:
        whole = {
            "v": 1,
            "ok": ok,
            "verb": self.flags.verb,
            "data": data,
            "warnings": self._warnings,
            "error": error,
            "took_ms": round((time.monotonic() - self._started) * 1000),
        }
        print(to_json(whole), file=self._stdout, flush=True)

    def _sink(self) -> Sink:
        flags = self.flags
        if flags.quiet:
            return QuietSink(self._stderr)
        if flags.output == "ndjson":
            return NdjsonSink(self._stdout, self._stderr, flags.verb)
        if flags.output == "text" and _is_terminal(self._stderr):
            return LiveSink(self._stderr, color=_shows_color(flags, self._stderr))
        return PlainSink(self._stderr)


def to_json(value: object) -> str:
    """Return JSON of dataclasses, paths and mappings; a Secret comes out masked."""
    options = orjson.OPT_NON_STR_KEYS
    return orjson.dumps(_plain(value), option=options, default=str).decode()


def _plain(value: object) -> object:
    match value:
        case Secret() | Path():
            return str(value)
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.fields(value)
            return {field.name: _plain(getattr(value, field.name)) for field in fields}
    return value


def table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], style: Style | None = None
) -> str:
    """Return aligned columns; cells may carry colours, the width counts what is seen."""
    style = style or Style(enabled=False)
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [
        max(len(click.unstyle(line[column])) for line in [list(headers), *cells])
        for column in range(len(headers))
    ]
    lines = [[style.faint(header) for header in headers], *cells]
    return "\n".join(
        "  ".join(
            cell + " " * (width - len(click.unstyle(cell)))
            for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _shows_color(flags: Flags, stream: TextIO) -> bool:
    if not flags.color or os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or _is_terminal(stream)
