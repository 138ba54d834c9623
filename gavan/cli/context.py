"""What a verb needs of the outside: flags, output, a question to the user, the stack.

Stands between the verbs and the lower floors; made for one run of one verb.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from types import FrameType, TracebackType
from typing import Self

import click

from gavan.cli.flags import Flags
from gavan.cli.progress import Progress
from gavan.cli.render import Output
from gavan.kit.errors import GavanError
from gavan.stack.findings import Finding, StackErrors
from gavan.stack.load import Loaded, load
from gavan.stack.model import Stack


class Context:
    """One run of one verb; as a context manager it keeps the deadline of ``--timeout``."""

    def __init__(self, output: Output) -> None:
        self.flags: Flags = output.flags
        self.output = output
        self.began = time.monotonic()
        self.elsewhere = ""
        """The host of a database that is not on this machine: its data count as real."""
        self._before: tuple[signal._HANDLER, tuple[float, float]] | None = None

    @property
    def progress(self) -> Progress:
        """Steps shown on stderr."""
        return self.output.progress

    @cached_property
    def loaded(self) -> Loaded:
        """The stack with its findings; warnings are told once.

        Raises:
            StackErrors: the file has errors; exit code 2.
        """
        return self.load_but(lambda _finding: False)

    def load_but(self, is_expected: Callable[[Finding], bool]) -> Loaded:
        """Return the stack; a finding that is expected here does not stop it.

        What images are made of needs no secret, and those of a server are on the server.
        """
        loaded = load(self.flags.file, profile=self.flags.profile, overrides=self.flags.set)
        if any(not is_expected(finding) for finding in loaded.errors):
            raise StackErrors(loaded.findings)
        loaded = replace(loaded, findings=tuple(f for f in loaded.findings if not is_expected(f)))
        for finding in loaded.findings:
            self.output.warn(f"{finding.where} {finding.code} {finding.message}")
        return loaded

    @property
    def stack(self) -> Stack:
        """The stack that -f, -p and --set name; see ``loaded``."""
        return self.loaded.stack

    def confirm(self, question: str) -> None:
        """Ask before something that cannot be undone.

        Raises:
            GavanError: GV004, exit 6, when the answer is no or nobody is there to answer.
        """
        if self.flags.yes:
            return
        if not sys.stdin.isatty():
            raise _refused("nobody is at the terminal to answer", "say yes beforehand: --yes")
        try:
            agreed = click.confirm(question, default=False, err=True)
        except click.Abort as abort:
            raise KeyboardInterrupt from abort
        if not agreed:
            raise _refused("the answer was no", "run it again and answer y, or give --yes")

    def confirm_loss(self, question: str) -> None:
        """Ask before data are lost; where they are real, for the name of the stack.

        Raises:
            GavanError: GV004, exit 6, as ``confirm``.
        """
        stack, flags = self.stack, self.flags
        if not (stack.profile.protected or self.elsewhere):
            self.confirm(question)
            return
        why = (
            f"the profile {stack.profile.name} is protected"
            if stack.profile.protected
            else f"the database is at {self.elsewhere}, and so counts as protected"
        )
        if flags.yes and flags.confirm == stack.name:
            return
        mend = f"run it again with --yes --confirm {stack.name}"
        if flags.yes or not sys.stdin.isatty():
            raise _refused(why, mend)
        try:
            typed = click.prompt(f"{question} Type the name of the stack", default="", err=True,
                                 show_default=False)  # fmt: skip
        except click.Abort as abort:
            raise KeyboardInterrupt from abort
        if typed != stack.name:
            raise _refused("what was typed is not the name of the stack", mend)

    def __enter__(self) -> Self:
        if self.flags.timeout_s and threading.current_thread() is threading.main_thread():
            handler = signal.signal(signal.SIGALRM, self._late)
            timer = signal.setitimer(signal.ITIMER_REAL, self.flags.timeout_s)
            self._before = (handler, timer)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            handler, timer = self._before
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler)
            signal.setitimer(signal.ITIMER_REAL, *timer)

    def _late(self, _signal: int, _frame: FrameType | None) -> None:
        raise GavanError(
            "GV005",
            f"gavan {self.flags.verb} took longer than {self.flags.timeout_s:g} s",
            hint="give it longer with --timeout, or look: gavan status",
            exit_code=124,
        )


def _refused(why: str, mend: str) -> GavanError:
    return GavanError("GV004", "not confirmed, nothing was changed", details=why, hint=mend,
                      exit_code=6)  # fmt: skip
