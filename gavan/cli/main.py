"""The console script: parse, run one verb, print its result or its failure, return the exit code.

Stands on the roof. Importing it loads click and nothing heavy; a verb's module is imported only
when that verb runs.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import click
from click.shell_completion import CompletionItem

from gavan.cli.flags import first_guess, global_options
from gavan.cli.render import Output, Result
from gavan.cli.suggest import check_known
from gavan.cli.verbs import VERBS
from gavan.kit.errors import GavanError

EXAMPLES = """\
\b
Examples:
  gavan up
  gavan status --json
  gavan -p prod check
"""


class LazyGroup(click.Group):
    """The verbs of the table; loads the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name].target.partition(":")
        return cast(click.Command, getattr(importlib.import_module(module), attribute))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        check_known(args[0], self.list_commands(ctx), "gavan")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, row.help) for name, row in VERBS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        verbs = [
            CompletionItem(name, help=row.help)
            for name, row in VERBS.items()
            if name.startswith(incomplete)
        ]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]


root = LazyGroup(
    "gavan",
    help="One tool and one stack file that run a small team's whole backend.",
    epilog=EXAMPLES,
    params=[*global_options()],
    options_metavar="[flags]",
    subcommand_metavar="verb ...",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool and return its exit code (operations.md 3.3)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        arguments = ["version"]
    output = Output(first_guess(arguments))
    try:
        result = root.main(arguments, prog_name="gavan", standalone_mode=False, obj=output)
        if not isinstance(result, Result):
            return result if isinstance(result, int) else 0
        output.result(result)
    except click.exceptions.NoArgsIsHelpError as help_page:
        output.help(help_page.format_message())
        return 2
    except Exception as error:  # noqa: BLE001 - the edge: whatever it is, the user gets a sentence
        return _failed(output, error)
    except KeyboardInterrupt:
        return _failed(output, click.Abort())
    return result.exit_code


def _failed(output: Output, error: Exception) -> int:
    """Print any failure as the one internal error and return its exit code."""
    match error:
        case BrokenPipeError():
            # The reader has seen enough (`gavan logs | head`); Python must not complain at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        case click.Abort():
            failure = GavanError("GV006", "interrupted", exit_code=130)
        case GavanError():
            failure = error
        case click.ClickException():
            failure = _usage(error)
        case _:
            failure = _unexpected(error, verbose=output.flags.verbose > 0)
    output.error(failure)
    return failure.exit_code


def _usage(error: click.ClickException) -> GavanError:
    """Translate click's refusal of the command line."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else "gavan"
    message = error.format_message().rstrip(".")
    return GavanError("GV001", message, hint=f"{path} --help", exit_code=2)


def _unexpected(error: Exception, *, verbose: bool) -> GavanError:
    """Keep the traceback in a file of the user's and say where; with -v print it too."""
    trace = "".join(traceback.format_exception(error))
    if verbose:
        sys.stderr.write(trace)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    handle, name = tempfile.mkstemp(prefix=f"gavan-{stamp}-", suffix=".log")
    with os.fdopen(handle, "w") as file:
        file.write(trace)
    return GavanError(
        "GV002",
        f"unexpected failure: {type(error).__name__}: {error}",
        details=f"the traceback is in {Path(name)}",
        hint="run it again with -v, and report it with that file",
    )


if __name__ == "__main__":
    sys.exit(main())
