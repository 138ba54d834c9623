"""How a verb is declared: a function of (context, its own flags) that returns a Result.

Stands between click and the verb modules: adds the global flags and the examples to every
command, and hands the function the Context of this run.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any, cast

import click

from gavan.cli.context import Context
from gavan.cli.flags import global_options
from gavan.cli.render import Output, Result
from gavan.cli.suggest import check_known

Function = Callable[..., Result | None]


class _WithGlobals(click.Command):
    """Carries examples and accepts the global flags behind the verb's name."""

    examples: tuple[str, ...] = ()

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        own = super().get_params(ctx)
        taken = {name for param in own for name in (*param.opts, *param.secondary_opts)}
        return [*own, *_without(taken)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # The verb's own flags first; the global ones are in `gavan --help`.
        own = [param.get_help_record(ctx) for param in click.Command.get_params(self, ctx)]
        records = [record for record in own if record is not None]
        if records:
            with formatter.section("Flags"):
                formatter.write_dl(records)
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(formatter, self.examples)
        formatter.write_paragraph()
        formatter.write_text("Global flags (-f, -p, --json, ...): gavan --help")


def _without(taken: set[str]) -> list[click.Parameter]:
    """Return the global options minus the names that the verb uses itself (`logs -f`)."""
    left: list[click.Parameter] = []
    for option in global_options():
        option.opts = [name for name in option.opts if name not in taken]
        if option.opts:
            # The root has read the environment already; once is enough.
            option.envvar = None
            left.append(option)
    return left


class VerbCommand(_WithGlobals):
    """A verb, or the second word of one (`migrate up`)."""


class VerbGroup(_WithGlobals, click.Group):
    """A noun whose verbs follow (`db url`, `db psql`)."""

    def __init__(self, name: str, *, help: str, examples: Sequence[str]) -> None:
        click.Group.__init__(self, name, help=help)
        self.examples = tuple(examples)
        self._later: dict[str, str] = {}

    def later(self, **targets: str) -> None:
        """Add verbs by ``module:object``; each is imported when it is asked for."""
        self._later |= targets

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._later})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = self._later.get(cmd_name)
        if target is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = target.partition(":")
        return cast(click.Command, getattr(importlib.import_module(module), attribute))

    def verb(
        self, name: str, *, examples: Sequence[str], **attributes: Any
    ) -> Callable[[Function], VerbCommand]:
        """Declare a verb of this noun; see ``verb`` for the arguments."""

        def declare(function: Function) -> VerbCommand:
            command = verb(name, examples=examples, **attributes)(function)
            self.add_command(command)
            return command

        return declare

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        check_known(args[0], self.list_commands(ctx), f"gavan {self.name}")
        return super().resolve_command(ctx, args)


def verb(
    name: str, *, examples: Sequence[str], **attributes: Any
) -> Callable[[Function], VerbCommand]:
    """Turn ``function(context, **own_flags) -> Result | None`` into a command.

    Args:
        name: the word on the command line.
        examples: whole command lines shown by --help; at least one.
        attributes: further attributes of click.command, e.g. ``context_settings``.
    """

    def declare(function: Function) -> VerbCommand:
        @functools.wraps(function)
        def run(**own: Any) -> Result:
            click_context = click.get_current_context()
            output: Output = click_context.find_root().obj
            output.flags.verb = click_context.command_path.partition(" ")[2]
            with Context(output) as context:
                return function(context, **own) or Result()

        command = click.command(name, cls=VerbCommand, **attributes)(run)
        command.examples = tuple(examples)
        return command

    return declare


def write_examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    """Write the section that shows the verb in use."""
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
