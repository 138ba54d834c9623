"""Global flags: accepted before and after every verb, by flag or by GAVAN_<FLAG>.

Stands between click and the verbs: parsing fills one Flags object, which main.py made, so that
an error raised half way through parsing is already printed in the form that was asked for.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import click
from click.core import ParameterSource

OUTPUTS = ("text", "json", "ndjson")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(slots=True)
class Flags:
    """What the user asked of every verb; filled while click parses, read afterwards."""

    file: Path | None = None
    profile: str | None = None
    output: str = "text"
    quiet: bool = False
    verbose: int = 0
    color: bool = True
    yes: bool = False
    confirm: str = ""
    timeout_s: float | None = None
    set: tuple[str, ...] = ()
    verb: str = ""
    fixed: dict[str, ParameterSource] = field(default_factory=dict)
    """Which fields were given, and how: a flag anywhere beats the environment."""


class HasFlags(Protocol):
    """The object that click hands down: render.Output."""

    @property
    def flags(self) -> Flags: ...


class Duration(click.ParamType[float]):
    """`90`, `90s`, `1.5m`, `500ms`, `2h` -> seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float | int):
            return float(value)
        text = str(value).strip()
        for unit in ("ms", "s", "m", "h"):
            number = text.removesuffix(unit)
            if number != text:
                break
        else:
            number, unit = text, "s"
        try:
            seconds = float(number) * _UNITS[unit]
        except ValueError:
            self.fail(f"{text!r} is not a duration; write 90, 90s, 1.5m or 2h", param, ctx)
        if not 0 <= seconds < float("inf"):
            self.fail(f"{text!r} is not a duration of zero or more", param, ctx)
        return seconds


class Assignment(click.ParamType[str]):
    """`key=value`, several of them one per line in the environment."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not text.partition("=")[1] or not text.partition("=")[0].strip():
            self.fail(f"{text!r} is not of the form key=value", param, ctx)
        return text

    def split_envvar_value(self, rv: str) -> Sequence[str]:
        return [line for line in rv.splitlines() if line.strip()]


def _into(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """Return a callback that stores an explicitly given value in the Flags of this call."""

    def store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        holder: HasFlags | None = ctx.find_root().obj
        source = ctx.get_parameter_source(param.name or "")
        if holder is None or source not in (
            ParameterSource.COMMANDLINE,
            ParameterSource.ENVIRONMENT,
        ):
            return
        flags = holder.flags
        by_flag = flags.fixed.get(name) is ParameterSource.COMMANDLINE
        if by_flag and source is ParameterSource.ENVIRONMENT:
            return
        if name == "set" and by_flag:
            value = (*flags.set, *value)
        flags.fixed[name] = source
        _assign(flags, name, value)

    return store


def _assign(flags: Flags, name: str, value: Any) -> None:
    if name == "json":
        flags.output = "json"
    elif name == "timeout":
        flags.timeout_s = value
    elif name == "no_color":
        flags.color = False
    else:
        setattr(flags, name, value)


def _option(name: str, *declarations: str, **attributes: Any) -> click.Option:
    return click.Option(
        [f"global_{name}", *declarations],
        expose_value=False,
        is_eager=True,
        callback=_into(name),
        **attributes,
    )


def global_options() -> list[click.Option]:
    """Return fresh options; every verb carries them, so they may stand on either side of it."""
    return [
        _option("file", "-f", "--file", envvar="GAVAN_FILE", metavar="FILE",
                type=click.Path(path_type=Path),
                help="Stack file; default: gavan.toml here or above."),
        _option("profile", "-p", "--profile", envvar="GAVAN_PROFILE", metavar="NAME",
                help="Profile; default: [stack] default_profile, else dev."),
        _option("output", "--output", envvar="GAVAN_OUTPUT", type=click.Choice(OUTPUTS),
                help="Form of the result on stdout."),
        _option("json", "--json", is_flag=True, help="Same as --output json."),
        _option("quiet", "-q", "--quiet", envvar="GAVAN_QUIET", is_flag=True,
                help="No progress on stderr."),
        _option("verbose", "-v", "--verbose", envvar="GAVAN_VERBOSE", count=True,
                help="More detail; tracebacks of unexpected failures."),
        _option("no_color", "--no-color", envvar="GAVAN_NO_COLOR", is_flag=True,
                help="No colours (also: NO_COLOR)."),
        _option("yes", "--yes", "-y", envvar="GAVAN_YES", is_flag=True,
                help="Answer yes to every question."),
        _option("confirm", "--confirm", envvar="GAVAN_CONFIRM", metavar="STACK",
                help="With --yes: the name of the stack, where a protected one would lose data."),
        _option("timeout", "--timeout", envvar="GAVAN_TIMEOUT", type=Duration(),
                help="Give up after this long (90s, 5m): exit 124."),
        _option("set", "--set", envvar="GAVAN_SET", multiple=True, type=Assignment(),
                help="Variable (NAME=v) or stack file value (database.port=5433); repeatable."),
    ]  # fmt: skip


def first_guess(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> Flags:
    """Return flags good enough to print an error that happens before parsing has ended."""
    flags = Flags(color=not environ.get("NO_COLOR"))
    pairs = set(itertools.pairwise(argv))
    asked = "json" if "--json" in argv else environ.get("GAVAN_OUTPUT", "text")
    for form in OUTPUTS:
        if f"--output={form}" in argv or ("--output", form) in pairs:
            asked = form
    flags.output = asked if asked in OUTPUTS else "text"
    flags.verbose = 1 if {"-v", "--verbose"} & set(argv) else 0
    return flags
